"""The one rule that compares failures with what is tolerated."""

from __future__ import annotations

import pytest

from airflow_provider_sfdm.core.tolerance import FailureTolerance


@pytest.mark.parametrize(
    ("count", "percentage", "unsuccessful", "total", "exceeded"),
    [
        # Neither is given: the first failure is one too many.
        (0, 0, 0, 4, False),
        (0, 0, 1, 4, True),
        (0, 0, 1, 1_000_000, True),
        # Recorded on AWS: count 1, no percentage, 1 of 4 failed: SUCCEEDED.
        (1, 0, 1, 4, False),
        (1, 0, 2, 4, True),
        # A percentage alone: the count, 0, is not judged.
        (0, 25, 1, 4, False),
        (0, 24.9, 1, 4, True),
        (0, 50, 3, 4, True),
        (0, 100, 4, 4, False),
        # Fractions of a percent are taken: 0.5 % of 200 is one item.
        (0, 0.5, 1, 200, False),
        (0, 0.5, 2, 200, True),
        (0, 1.1, 1, 100, False),
        (0, 1.1, 2, 100, True),
        # Both: either breach fails.
        (1, 50, 1, 4, False),
        (1, 50, 2, 4, True),
        (3, 25, 2, 4, True),
        (3, 100, 4, 4, True),
        (2, 50, 2, 4, False),
        # Nothing at all.
        (0, 0, 0, 0, False),
    ],
)
def test_threshold(count: int, percentage: float, unsuccessful: int, total: int, exceeded: bool) -> None:
    assert FailureTolerance(count, percentage).exceeded(unsuccessful, total) is exceeded


def test_the_default_tolerates_nothing() -> None:
    assert FailureTolerance().exceeded(1, 100)
    assert not FailureTolerance().exceeded(0, 100)


def test_large_numbers_are_compared_exactly() -> None:
    tolerance = FailureTolerance(percentage=10)
    assert not tolerance.exceeded(10_000_000, 100_000_000)
    assert tolerance.exceeded(10_000_001, 100_000_000)
