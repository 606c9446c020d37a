from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.retry import JitterStrategy, Retrier, as_retriers


@pytest.mark.parametrize(
    ("names", "error", "matches"),
    [
        (("ValueError",), "ValueError", True),
        (("ValueError",), "KeyError", False),
        (("States.ALL",), "ValueError", True),
        (("States.ALL",), "States.Timeout", True),
        (("States.ALL",), "States.DataLimitExceeded", False),
        (("States.ALL",), "States.Runtime", False),
        (("States.TaskFailed",), "ValueError", True),
        (("States.TaskFailed",), "States.Timeout", False),
        (("States.TaskFailed",), "States.DataLimitExceeded", False),
        (("States.TaskFailed", "States.Timeout"), "States.Timeout", True),
        (("States.Timeout",), "States.HeartbeatTimeout", True),
        (("States.DataLimitExceeded",), "States.DataLimitExceeded", True),
        (("States.Runtime",), "States.Runtime", False),
    ],
)
def test_matches(names: tuple[str, ...], error: str, matches: bool) -> None:
    assert Retrier(error_equals=names).matches(error) is matches


def test_delay_doubles_and_is_capped() -> None:
    retrier = Retrier(error_equals=("E",), interval_seconds=3, max_delay_seconds=10)
    assert [retrier.delay(attempt, 0.5) for attempt in (1, 2, 3, 4)] == [3, 6, 10, 10]


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1, 1e308), st.integers(1, 10**6))
def test_full_jitter_is_a_part_of_the_delay(attempt: int, random: float, rate: float, interval: int) -> None:
    plain = Retrier(error_equals=("E",), interval_seconds=interval, backoff_rate=rate)
    jitter = Retrier(
        error_equals=("E",), interval_seconds=interval, backoff_rate=rate, jitter_strategy=JitterStrategy.FULL
    )
    assert interval <= plain.delay(attempt, random) <= 31_622_400
    assert jitter.delay(attempt, random) == plain.delay(attempt, random) * random


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"error_equals": ()}, "Retry.ErrorEquals"),
        ({"error_equals": "States.ALL"}, "Retry.ErrorEquals"),
        ({"error_equals": ("",)}, "Retry.ErrorEquals"),
        ({"error_equals": ("States.ALL", "E")}, "Retry.ErrorEquals"),
        ({"interval_seconds": 0}, "Retry.IntervalSeconds"),
        ({"interval_seconds": 1.5}, "Retry.IntervalSeconds"),
        ({"interval_seconds": "{{ 1 }}"}, "Retry.IntervalSeconds"),
        ({"max_attempts": -1}, "Retry.MaxAttempts"),
        ({"max_attempts": 100_000_000}, "Retry.MaxAttempts"),
        ({"max_attempts": None}, "Retry.MaxAttempts"),
        ({"backoff_rate": 0.9}, "Retry.BackoffRate"),
        ({"backoff_rate": float("nan")}, "Retry.BackoffRate"),
        ({"backoff_rate": 10**400, "max_attempts": True}, "Retry.MaxAttempts"),
        ({"max_delay_seconds": 31_622_401}, "Retry.MaxDelaySeconds"),
        ({"interval_seconds": 5, "max_delay_seconds": 5}, "Retry.MaxDelaySeconds"),
        ({"jitter_strategy": "SOME"}, "Retry.JitterStrategy"),
    ],
)
def test_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        Retrier(**{"error_equals": ("E",), **arguments})
    assert caught.value.field == field


def test_the_retrier_for_all_errors_is_last() -> None:
    every, some = Retrier(error_equals=("States.ALL",)), Retrier(error_equals=("E",))
    assert as_retriers([some, every]) == (some, every)
    assert as_retriers(every) == (every,)
    with pytest.raises(InvalidDefinition, match="last"):
        as_retriers([every, some])
    with pytest.raises(InvalidDefinition, match="Retrier values"):
        as_retriers(["E"])
    with pytest.raises(InvalidDefinition, match="Retrier values"):
        as_retriers(3)
