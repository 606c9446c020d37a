"""What a Python function may do, and what becomes of it: sync in a loop, in threads, async, and item by item."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    JitterStrategy,
    MapRunSummary,
    PythonFunction,
    Retrier,
    StatesRuntime,
)
from tests.runtime.helpers import counters, inputs, records, results, run

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# A timeout or a concurrency moves a sync function into threads.
DRIVERS: dict[str, dict[str, Any]] = {"loop": {}, "threads": {"max_concurrency": 3}, "async": {"max_concurrency": 3}}
TOLERANT: dict[str, Any] = {"tolerated_failure_percentage": 100}


def driven(driver: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if driver != "async":
        return function

    async def call(value: Any) -> Any:
        await asyncio.sleep(0)
        return function(value)

    return call


def _raise(value: Any) -> Any:
    raise KeyError(f"no {value}")


def _exit(value: Any) -> Any:
    sys.exit(3)


def _recurse(value: Any) -> Any:
    return _recurse(value)


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("broken")


def _unshowable(value: Any) -> Any:
    raise Unshowable


def _surrogate(value: Any) -> Any:
    raise ValueError("\ud800")


def _surrogate_state(value: Any) -> Any:
    raise StatesRuntime("\ud800")


def _stop_iteration(value: Any) -> Any:
    raise StopIteration("x")


def _circular(value: Any) -> Any:
    circle: list[Any] = []
    circle.append(circle)
    return circle


BAD: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "raises": (_raise, "KeyError", "no 1"),
    "nan": (lambda _: {"x": [float("nan")]}, "Runtime.MarshalError", "nan"),
    "infinity": (lambda _: float("-inf"), "Runtime.MarshalError", "inf"),
    "set": (lambda _: {1, 2}, "Runtime.MarshalError", "set"),
    "object": (lambda _: object(), "Runtime.MarshalError", "object"),
    "bytes": (lambda _: b"x", "Runtime.MarshalError", "bytes"),
    "circular": (_circular, "Runtime.MarshalError", "Unable to marshal response"),
    "lone-surrogate": (lambda _: "\ud800", "Runtime.MarshalError", "Unable to marshal response"),
    "exits": (_exit, "Runtime.ExitError", "sys.exit(3)"),
    "recursion": (_recurse, "RecursionError", "recursion"),
    "unshowable": (_unshowable, "Unshowable", "RuntimeError"),
    "surrogate-message": (_surrogate, "ValueError", "ud800"),
    "surrogate-cause": (_surrogate_state, "States.Runtime", "ud800"),
    "too-large": (lambda _: "x" * 262_143, "States.DataLimitExceeded", "262,145 bytes"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", BAD)
def test_a_function_that_fails_fails_its_item_only(name: str, driver: str, tmp_path: Path) -> None:
    bad, error, part = BAD[name]
    function = driven(driver, lambda value: bad(value) if value == 1 else value)
    summary = run(tmp_path, function, given=[0, 1, 2], **DRIVERS[driver], **TOLERANT)
    assert summary.status == "SUCCEEDED"
    assert inputs(summary) == [0, 2]
    assert summary.errors == {error: 1}
    (failed,) = records(summary, "FAILED")
    assert (failed["Error"], failed["Input"], failed["Status"]) == (error, "1", "FAILED")
    assert part in failed["Cause"]
    if error != "States.DataLimitExceeded" and error != "States.Runtime":
        cause = json.loads(failed["Cause"])
        assert cause["errorType"] == error


def test_stop_iteration_in_a_function(tmp_path: Path) -> None:
    for driver, name in (("loop", "StopIteration"), ("threads", "RuntimeError")):
        summary = run(tmp_path, _stop_iteration, given=[1], **DRIVERS[driver], **TOLERANT)
        assert summary.errors == {name: 1}


async def _raise_later(value: Any) -> Any:
    return _raise(value)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_cause_is_that_of_a_lambda_function(driver: str, tmp_path: Path) -> None:
    function = _raise_later if driver == "async" else _raise
    (failed,) = records(run(tmp_path, function, given=["x"], **DRIVERS[driver], **TOLERANT), "FAILED")
    cause = json.loads(failed["Cause"])
    assert cause.keys() == {"errorMessage", "errorType", "stackTrace"}
    assert (cause["errorMessage"], cause["errorType"]) == ("'no x'", "KeyError")
    # Nothing of what led to the call of the function.
    assert len(cause["stackTrace"]) == (2 if driver == "async" else 1)
    assert "in _raise" in cause["stackTrace"][0]
    assert 'raise KeyError(f"no {value}")' in cause["stackTrace"][-1]


def test_an_output_of_exactly_256_kib_is_fine(tmp_path: Path) -> None:
    summary = run(tmp_path, lambda _: "x" * 262_142, given=[1])
    assert summary.item_counts.succeeded == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_function_that_returns_nothing_returns_null(driver: str, tmp_path: Path) -> None:
    summary = run(tmp_path, driven(driver, lambda _: None), given=[1], **DRIVERS[driver])
    assert [child.output for child in results(summary).succeeded()] == [None]
    assert records(summary, "SUCCEEDED")[0]["Output"] == "null"


# -- retry


class Flaky:
    """Fails the first ``failures`` calls of every value, and spoils what it is given."""

    def __init__(self, failures: int, error: type[Exception] = ValueError) -> None:
        self.failures = failures
        self.error = error
        self.calls: Counter[str] = Counter()
        self.times: list[float] = []

    def __call__(self, value: dict[str, Any]) -> str:
        name: str = value.pop("name")
        self.times.append(time.monotonic())
        self.calls[name] += 1
        if self.calls[name] <= self.failures:
            raise self.error(name)
        return name


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_retry_gets_the_same_input(driver: str, tmp_path: Path) -> None:
    flaky = Flaky(1)
    retry = (Retrier(error_equals=("ValueError",), interval_seconds=1),)
    summary = run(tmp_path, driven(driver, flaky), given=[{"name": "a"}], retry=retry, **DRIVERS[driver])
    assert inputs(summary) == [{"name": "a"}]
    assert flaky.calls == {"a": 2}
    assert 0.9 < flaky.times[1] - flaky.times[0] < 5


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("retry", "calls"),
    [
        ((), 1),
        ((Retrier(error_equals=("OSError",)),), 1),
        ((Retrier(error_equals=("States.ALL",), max_attempts=0),), 1),
        ((Retrier(error_equals=("States.ALL",), max_attempts=2),), 3),
        ((Retrier(error_equals=("ValueError",), max_attempts=1), Retrier(error_equals=("States.ALL",))), 2),
        ((Retrier(error_equals=("OSError",)), Retrier(error_equals=("States.TaskFailed",), max_attempts=3)), 4),
    ],
)
def test_attempts_run_out(
    retry: tuple[Retrier, ...], calls: int, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.0)  # how long is tested where it is decided
    flaky = Flaky(99)
    summary = run(tmp_path, driven(driver, flaky), given=[{"name": "a"}], retry=retry, **DRIVERS[driver])
    assert flaky.calls == {"a": calls}
    (failed,) = records(summary, "FAILED")
    assert (failed["Error"], failed["Input"]) == ("ValueError", '{"name":"a"}')
    assert summary.errors == {"ValueError": 1}


def test_each_attempt_asks_for_a_longer_delay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    real = Retrier.delay

    def noted(self: Retrier, attempt: int, random: float) -> float:
        asked.append(real(self, attempt, random))
        return 0.0

    monkeypatch.setattr(Retrier, "delay", noted)
    retry = (Retrier(error_equals=("States.ALL",), max_attempts=4, backoff_rate=3, max_delay_seconds=10),)
    run(tmp_path, Flaky(99), given=[{"name": "a"}], retry=retry)
    assert asked == [1, 3, 9, 10]
    asked.clear()
    jittery = Retrier(error_equals=("States.ALL",), max_attempts=50, jitter_strategy=JitterStrategy.FULL)
    run(tmp_path, Flaky(99), given=[{"name": "a"}], retry=(jittery,))
    assert len(set(asked)) == 50
    assert all(0 <= delay <= 2**number for number, delay in enumerate(asked))


def test_other_children_run_while_one_waits_for_its_retry(tmp_path: Path) -> None:
    flaky = Flaky(1)
    seen: list[str] = []

    def function(value: dict[str, Any]) -> Any:
        name = value["name"]
        result = flaky(value) if name == "a" else name
        seen.append(name)
        return result

    retry = (Retrier(error_equals=("States.ALL",)),)
    names = ["a", "b", "c", "d"]
    summary = run(tmp_path, function, given=[{"name": name} for name in names], retry=retry, max_concurrency=2)
    assert seen[-1] == "a"
    # And its record is where its item is.
    assert [value["name"] for value in inputs(summary)] == names


# -- timeout


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_function_that_hangs_is_timed_out(kind: str, tmp_path: Path) -> None:
    release = threading.Event()

    def hang(value: int) -> int:
        if value == 1:
            release.wait(30)
        return value

    async def hang_async(value: int) -> int:
        if value == 1:
            await asyncio.sleep(30)
        return value

    began = time.monotonic()
    function = hang if kind == "sync" else hang_async
    summary = run(tmp_path, function, given=[0, 1, 2], timeout=0.3, **TOLERANT)
    release.set()
    assert time.monotonic() - began < 10
    assert counters(summary) == {"succeeded": 2, "timedOut": 1, "total": 3, "resultsWritten": 3}
    (record,) = records(summary, "FAILED")
    assert (record["Status"], record["Error"], record["Input"]) == ("TIMED_OUT", "States.Timeout", "1")
    assert "0.3 seconds" in record["Cause"]
    assert [child.status for child in results(summary).failed()] == ["TIMED_OUT"]


def test_a_timeout_counts_for_the_tolerance(tmp_path: Path) -> None:
    async def hang(value: int) -> None:
        await asyncio.sleep(30)

    summary = run(tmp_path, hang, given=[1], timeout=0.1)
    assert summary.error == "States.ExceedToleratedFailureThreshold"


def test_a_function_of_its_own_timeout_error_has_not_timed_out(tmp_path: Path) -> None:
    async def function(value: int) -> None:
        raise TimeoutError("mine")

    summary = run(tmp_path, function, given=[1], timeout=5, **TOLERANT)
    assert counters(summary) == {"failed": 1, "total": 1, "resultsWritten": 1}
    assert summary.errors == {"TimeoutError": 1}


def test_a_timeout_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.0)
    calls: list[int] = []

    async def hang_once(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            await asyncio.sleep(30)
        return value

    retry = (Retrier(error_equals=("States.Timeout",)),)
    assert inputs(run(tmp_path, hang_once, given=[7], timeout=0.2, retry=retry)) == [7]
    assert calls == [7, 7]


def test_a_hanging_function_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from airflow_provider_sfdm import DistributedMap, run_map
        hang = DistributedMap(item_processor=lambda item: time.sleep(600), items=[1, 2], timeout=0.2,
                              tolerated_failure_percentage=100)
        summary = run_map(hang, storage=sys.argv[1])
        print(summary.item_counts.timed_out)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path.as_uri()],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "2\n"


# -- item by item


def _per_item(kind: str, function: Callable[..., Any]) -> PythonFunction:
    if kind == "sync":
        return PythonFunction(function, per_item=True)

    async def call(item: Any) -> Any:
        await asyncio.sleep(0)
        return function(item)

    return PythonFunction(call, per_item=True)


def _odd_fails(item: dict[str, int]) -> int:
    number = item.pop("n")
    if number % 2:
        raise ValueError(number)
    return number * 10


def _numbered(count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(count)]


def _run_per_item(folder: Path, kind: str, **fields: Any) -> MapRunSummary:
    fields = {"given": _numbered(6), "item_batcher": ItemBatcher(max_items_per_batch=4), **TOLERANT, **fields}
    return run(folder, _per_item(kind, _odd_fails), **fields)


@pytest.mark.parametrize("driver", ["loop", "threads", "async"])
def test_only_the_items_that_fail_fail(driver: str, tmp_path: Path) -> None:
    summary = _run_per_item(tmp_path, "async" if driver == "async" else "sync", **DRIVERS[driver])
    assert counters(summary) == {"succeeded": 3, "failed": 3, "total": 6, "resultsWritten": 6}
    assert counters(summary, "executionCounts") == {"failed": 2, "total": 2, "resultsWritten": 2}
    good, bad = records(summary, "SUCCEEDED"), records(summary, "FAILED")
    assert [json.loads(record["Input"]) for record in good] == [{"Items": [{"n": 0}, {"n": 2}]}, {"Items": [{"n": 4}]}]
    assert [json.loads(record["Output"]) for record in good] == [[0, 20], [40]]
    assert {record["Status"] for record in good} == {"SUCCEEDED"}
    assert [json.loads(record["Input"]) for record in bad] == [{"Items": [{"n": 1}, {"n": 3}]}, {"Items": [{"n": 5}]}]
    assert {record["Error"] for record in bad} == {"ValueError"}
    causes = json.loads(bad[0]["Cause"])
    assert [(cause["Index"], cause["Error"]) for cause in causes] == [(1, "ValueError"), (3, "ValueError")]
    assert [record["Name"] for record in good] == [record["Name"] for record in bad]


def test_a_batch_whose_items_all_succeed_is_a_success(tmp_path: Path) -> None:
    summary = _run_per_item(tmp_path, "sync", given=[{"n": 0}, {"n": 2}])
    assert counters(summary, "executionCounts") == {"succeeded": 1, "total": 1, "resultsWritten": 1}
    assert records(summary, "FAILED") == []


def test_a_function_of_items_can_take_the_batch_input(tmp_path: Path) -> None:
    seen: list[Any] = []

    def function(item: int, batch_input: Any) -> int:
        seen.append((item, batch_input))
        return item

    batcher = ItemBatcher(max_items_per_batch=2, batch_input={"day.$": "$.day"})
    run(tmp_path, PythonFunction(function, per_item=True), given={"day": 1, "i": [5, 6]}, items_path="$.i",
        item_batcher=batcher)  # fmt: skip
    assert seen == [(5, {"day": 1}), (6, {"day": 1})]


@pytest.mark.parametrize("driver", ["loop", "threads", "async"])
def test_a_retry_runs_only_the_items_that_failed(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.0)
    flaky = Flaky(1)

    def function(item: dict[str, Any]) -> str:
        return flaky(item) if item["name"] == "b" else str(item.pop("name"))

    processor = _per_item("async" if driver == "async" else "sync", function)
    summary = run(
        tmp_path, processor, given=[{"name": name} for name in "abc"], retry=(Retrier(error_equals=("ValueError",)),),
        item_batcher=ItemBatcher(max_items_per_batch=3), **DRIVERS[driver],
    )  # fmt: skip
    assert flaky.calls == {"b": 2}
    assert [child.output for child in results(summary).succeeded()] == [["a", "b", "c"]]
    assert inputs(summary) == [{"Items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}]
    assert counters(summary) == {"succeeded": 3, "total": 3, "resultsWritten": 3}


@pytest.mark.parametrize("driver", ["loop", "threads", "async"])
def test_each_item_has_its_own_retries(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.0)
    calls: Counter[int] = Counter()

    def function(item: int) -> int:
        calls[item] += 1
        if item in (1, 2, 3):
            raise ValueError("for good")
        if item == 4 or (item == 5 and calls[5] == 1):
            raise ConnectionError("again")
        if item == 6:
            raise (ConnectionError if calls[6] == 1 else OSError)("both")
        return item

    retry = (
        Retrier(error_equals=("ConnectionError",), max_attempts=2),
        Retrier(error_equals=("OSError",), max_attempts=1),
    )
    summary = run(
        tmp_path, _per_item("async" if driver == "async" else "sync", function), given=list(range(7)), retry=retry,
        item_batcher=ItemBatcher(max_items_per_batch=7), **DRIVERS[driver], **TOLERANT,
    )  # fmt: skip
    assert calls == {0: 1, 1: 1, 2: 1, 3: 1, 4: 3, 5: 2, 6: 3}
    assert counters(summary) == {"succeeded": 2, "failed": 5, "total": 7, "resultsWritten": 7}
    (failed,) = records(summary, "FAILED")
    assert json.loads(failed["Input"]) == {"Items": [1, 2, 3, 4, 6]}
    assert [(cause["Index"], cause["Error"]) for cause in json.loads(failed["Cause"])] == [
        (1, "ValueError"), (2, "ValueError"), (3, "ValueError"), (4, "ConnectionError"), (6, "OSError")
    ]  # fmt: skip


def test_a_pass_over_the_items_waits_for_the_longest_delay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda retrier, *_: retrier.interval_seconds / 10)
    times: list[float] = []

    def function(item: int) -> None:
        times.append(time.monotonic())
        raise (ValueError, OSError)[item]

    retry = (
        Retrier(error_equals=("ValueError",), interval_seconds=5, max_attempts=1),
        Retrier(error_equals=("OSError",), interval_seconds=1, max_attempts=1),
    )
    batcher = ItemBatcher(max_items_per_batch=2)
    run(tmp_path, PythonFunction(function, per_item=True), given=[0, 1], retry=retry, item_batcher=batcher, **TOLERANT)
    assert len(times) == 4
    assert 0.4 < times[2] - times[1] < 5


class PanicException(BaseException):
    """What a library in Rust raises when it panics."""


@pytest.mark.parametrize("driver", ["loop", "threads", "async"])
@pytest.mark.parametrize("error", [PanicException, asyncio.CancelledError])
def test_an_exception_of_any_kind_fails_its_item_only(error: type[BaseException], driver: str, tmp_path: Path) -> None:
    def function(item: int) -> int:
        if item == 1:
            raise error
        return item

    summary = run(
        tmp_path, _per_item("async" if driver == "async" else "sync", function), given=[0, 1, 2],
        item_batcher=ItemBatcher(max_items_per_batch=3), **DRIVERS[driver], **TOLERANT,
    )  # fmt: skip
    assert inputs(summary) == [{"Items": [0, 2]}]
    assert summary.errors == {error.__name__: 1}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_interrupts_the_task_is_no_items_failure(kind: str, tmp_path: Path) -> None:
    def function(item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path, _per_item(kind, function), given=[0, 1, 2], item_batcher=ItemBatcher(max_items_per_batch=3),
            **TOLERANT,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_batch_that_hangs_keeps_the_items_before(kind: str, tmp_path: Path) -> None:
    release = threading.Event()

    def hang(item: int) -> int:
        if item == 2:
            release.wait(30)
        return item

    async def hang_async(item: int) -> int:
        if item == 2:
            await asyncio.sleep(30)
        return item

    processor = PythonFunction(hang if kind == "sync" else hang_async, per_item=True)
    summary = run(
        tmp_path, processor, given=[0, 1, 2, 3], timeout=0.4, item_batcher=ItemBatcher(max_items_per_batch=4),
        **TOLERANT,
    )  # fmt: skip
    release.set()
    assert counters(summary) == {"succeeded": 2, "timedOut": 2, "total": 4, "resultsWritten": 4}
    assert inputs(summary) == [{"Items": [0, 1]}]
    assert [(child.input, child.status) for child in results(summary).failed()] == [({"Items": [2, 3]}, "TIMED_OUT")]


def test_outputs_too_large_together_fail_the_batch(tmp_path: Path) -> None:
    processor = PythonFunction(lambda item: "x" * 100_000, per_item=True)
    summary = run(tmp_path, processor, given=[1, 2, 3], item_batcher=ItemBatcher(max_items_per_batch=3), **TOLERANT)
    assert counters(summary) == {"failed": 3, "total": 3, "resultsWritten": 3}
    assert summary.errors == {"States.DataLimitExceeded": 1}
    assert [child.input for child in results(summary).failed()] == [{"Items": [1, 2, 3]}]


def test_per_item_needs_batches() -> None:
    with pytest.raises(ValueError, match="per_item is for batches"):
        DistributedMap(item_processor=PythonFunction(len, per_item=True))
