"""The verdict: what a breach of the tolerance stops, what is exported, how a map run ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    ExceedToleratedFailureThreshold,
    ExecutionType,
    ItemBatcher,
    MapRunSummary,
    ResultWriter,
    ResultWriterFailed,
)
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.core.summary import MapRunFailed
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from tests.runtime.helpers import counters, echo, inputs, records, result_files, results, run
from tests.runtime.parallel import PlannedMap, run_in_processes

BREACHED = (
    "FAILED",
    "States.ExceedToleratedFailureThreshold",
    "The specified tolerated failure threshold was exceeded",
)


def fails_at(*bad: int) -> Any:
    def function(value: Any) -> Any:
        if value in bad:
            raise ValueError(value)
        return value

    return function


def verdict(summary: MapRunSummary) -> tuple[str, str | None, str | None]:
    return summary.status, summary.error, summary.cause


def test_the_first_failure_stops_a_map_that_tolerates_none(tmp_path: Path) -> None:
    # Recorded: five items, one fails: one pending, three succeeded, one failed.
    summary = run(tmp_path, fails_at(3), given=[0, 1, 2, 3, 4])
    assert verdict(summary) == BREACHED
    assert counters(summary) == {"pending": 1, "succeeded": 3, "failed": 1, "total": 5, "resultsWritten": 5}
    assert counters(summary, "executionCounts") == counters(summary)
    assert inputs(summary) == [0, 1, 2]
    assert [child.input for child in results(summary).failed()] == [3]
    assert [child.input for child in results(summary).pending()] == [4]
    assert records(summary, "PENDING") == [{"Input": "4", "InputDetails": {"Included": True}, "Status": "PENDING"}]
    # No output, never the child's own error; the files are written all the same.
    assert summary.output is None
    with pytest.raises(ExceedToleratedFailureThreshold):
        summary.raise_for_status()


def test_a_failure_that_is_tolerated(tmp_path: Path) -> None:
    # Recorded: count 1, no percentage, 1 of 4 fails: SUCCEEDED, shown as 0.0 and 1.
    summary = run(tmp_path, fails_at(1), given=[0, 1, 2, 3], tolerated_failure_count=1)
    assert summary.status == "SUCCEEDED"
    assert counters(summary) == {"succeeded": 3, "failed": 1, "total": 4, "resultsWritten": 4}
    shown = summary.to_dict()
    assert (shown["toleratedFailurePercentage"], shown["toleratedFailureCount"]) == (0.0, 1)
    assert summary.raise_for_status() is summary


@pytest.mark.parametrize(
    ("fields", "bad", "total", "failed"),
    [
        ({"tolerated_failure_count": 1}, (0, 1), 4, True),
        ({"tolerated_failure_count": 2}, (0, 1), 4, False),
        ({"tolerated_failure_percentage": 50}, (0, 1), 4, False),
        ({"tolerated_failure_percentage": 49.9}, (0, 1), 4, True),
        ({"tolerated_failure_percentage": 100}, (0, 1, 2, 3), 4, False),
        ({"tolerated_failure_percentage": 0.5}, (0,), 200, False),
        ({"tolerated_failure_percentage": 0.4}, (0,), 200, True),
        ({"tolerated_failure_count": 1, "tolerated_failure_percentage": 90}, (0, 1), 4, True),
        ({"tolerated_failure_count": 3, "tolerated_failure_percentage": 25}, (0, 1), 4, True),
        ({"tolerated_failure_count": 3, "tolerated_failure_percentage": 50}, (0, 1), 4, False),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
def test_the_tolerance(
    fields: dict[str, Any], bad: tuple[int, ...], total: int, failed: bool, partitions: int, tmp_path: Path
) -> None:
    summary = run(tmp_path, fails_at(*bad), given=list(range(total)), partitions=partitions, **fields)
    assert (verdict(summary) == BREACHED) is failed
    assert (summary.status == "SUCCEEDED") is not failed
    done = len(inputs(summary)) + len(records(summary, "FAILED")) + len(records(summary, "PENDING"))
    assert done == total


def test_a_batch_that_fails_fails_all_its_items(tmp_path: Path) -> None:
    def function(batch: dict[str, Any]) -> None:
        if 5 in batch["Items"]:
            raise ValueError

    fields: dict[str, Any] = {"given": list(range(12)), "item_batcher": ItemBatcher(max_items_per_batch=4)}
    tolerant = run(tmp_path, function, tolerated_failure_count=4, **fields)
    assert tolerant.status == "SUCCEEDED"
    assert counters(tolerant) == {"succeeded": 8, "failed": 4, "total": 12, "resultsWritten": 12}
    assert counters(tolerant, "executionCounts") == {"succeeded": 2, "failed": 1, "total": 3, "resultsWritten": 3}
    strict = run(tmp_path, function, tolerated_failure_count=3, **fields)
    assert verdict(strict) == BREACHED
    assert counters(strict) == {"pending": 4, "succeeded": 4, "failed": 4, "total": 12, "resultsWritten": 12}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # Both recorded: six items, two at a time; the running STANDARD child is aborted, the EXPRESS one runs out.
        (ExecutionType.STANDARD, {"pending": 2, "succeeded": 2, "failed": 1, "aborted": 1}),
        (ExecutionType.EXPRESS, {"pending": 2, "succeeded": 3, "failed": 1}),
    ],
)
def test_children_that_run_when_the_tolerance_is_breached(
    kind: ExecutionType, expected: dict[str, int], tmp_path: Path
) -> None:
    async def function(item: int) -> int:
        if item == 2:
            await asyncio.sleep(0.2)
            raise ValueError
        await asyncio.sleep(1.0 if item == 3 else 0.01)
        return item

    summary = run(tmp_path, function, given=list(range(6)), max_concurrency=2, execution_type=kind)
    assert verdict(summary) == BREACHED
    assert counters(summary) == {**expected, "total": 6, "resultsWritten": 6}
    aborted = [record for record in records(summary, "FAILED") if record["Status"] == "ABORTED"]
    assert [record["Input"] for record in aborted] == ["3"] * expected.get("aborted", 0)
    for record in aborted:
        cause = f"The map run execution [{summary.map_run_arn}] which was managing this resource was aborted"
        assert record["Cause"] == cause
        assert "Error" not in record
    if kind is ExecutionType.EXPRESS:
        for record in records(summary, "SUCCEEDED") + records(summary, "FAILED"):
            assert "RedriveStatus" not in record
            assert ":express:" in record["ExecutionArn"]


def test_a_child_that_waits_for_its_retry_is_aborted(tmp_path: Path) -> None:
    from airflow_provider_sfdm import Retrier

    async def function(item: int) -> None:
        if item == 1:
            await asyncio.sleep(0.2)
            raise KeyError
        raise ValueError

    began = time.monotonic()
    retry = (Retrier(error_equals=("ValueError",), interval_seconds=600),)
    summary = run(tmp_path, function, given=[0, 1], max_concurrency=2, retry=retry)
    assert time.monotonic() - began < 10
    assert counters(summary) == {"failed": 1, "aborted": 1, "total": 2, "resultsWritten": 2}


# -- a breach in one partition is a breach in all


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_breach_stops_the_other_partitions(kind: str, tmp_path: Path) -> None:
    failed_at: list[float] = []
    started: list[float] = []

    def before(item: int) -> None:
        if item == 999:
            failed_at.append(time.monotonic())
            raise ValueError
        started.append(time.monotonic())

    def function(item: int) -> int:
        time.sleep(0.3 if item == 999 else 0.02)
        before(item)
        return item

    async def function_async(item: int) -> int:
        await asyncio.sleep(0.3 if item == 999 else 0.02)
        before(item)
        return item

    processor = function if kind == "sync" else function_async
    items = [*range(500), 999, *range(501, 1000)]  # it is the first of the second partition
    planned = PlannedMap(tmp_path, processor, items, 2, max_concurrency=2)
    ends = planned.run_in_threads()
    assert max(started) - failed_at[0] < 2.0
    assert all(end.stopped == StopReason(BREACHED[1], BREACHED[2]) for end in ends)
    assert all(end.error is None for end in ends)
    summary = planned.finish()
    assert verdict(summary) == BREACHED
    counts = summary.item_counts
    assert counts.failed == 1 and counts.pending > 300
    assert counts.succeeded + counts.pending + counts.failed + counts.aborted == 1000
    # All of it is exported: each item is in exactly one file.
    everything = [child.input for child in results(summary).succeeded()]
    everything += [child.input for child in results(summary).failed()]
    everything += [child.input for child in results(summary).pending()]
    assert sorted(everything) == sorted(items)


SLOW = """
import time
from airflow_provider_sfdm import DistributedMap

def slow(item):
    time.sleep(0.05)
    if item % 100 == 5:
        raise ValueError(time.monotonic())
    return time.monotonic()

definition = DistributedMap(item_processor=slow, max_concurrency=2, tolerated_failure_count=1)
"""


def test_failures_of_all_partitions_count_together_over_processes(tmp_path: Path) -> None:
    # Each of the two partitions alone has no more failures than are tolerated.
    planned = PlannedMap(
        tmp_path, echo, list(range(200)), 2, max_concurrency=2, tolerated_failure_count=1
    )  # fmt: skip
    run_in_processes(planned, SLOW)
    summary = planned.finish()
    assert verdict(summary) == BREACHED
    assert summary.item_counts.failed == 2
    assert summary.item_counts.pending > 20
    failed = [float(json.loads(child.cause or "")["errorMessage"]) for child in results(summary).failed()]
    succeeded = [child.output for child in results(summary).succeeded()]
    assert max(succeeded) - max(failed) < 2.0


def test_a_partition_that_starts_after_the_breach_starts_nothing(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, fails_at(0), [0, 1, 2, 3], 2)
    planned.run(0)
    end = planned.run(1)
    assert (end.items.pending, end.items.finished) == (2, 0)
    assert [child.input for child in results(planned.finish()).pending()] == [1, 2, 3]


# -- stopped by hand


def test_a_stop_by_hand_aborts_the_map_run(tmp_path: Path) -> None:
    # Recorded: aborted 1, pending 2.
    stop = StopSignal()

    async def function(item: int) -> None:
        stop.set(StopReason("States.Aborted", "somebody stopped it", aborted=True))
        await asyncio.sleep(30)

    summary = run(tmp_path, function, given=[0, 1, 2], max_concurrency=1, stop=stop, partitions=1)
    assert verdict(summary) == ("ABORTED", "States.Aborted", "somebody stopped it")
    assert counters(summary) == {"pending": 2, "aborted": 1, "total": 3, "resultsWritten": 3}
    with pytest.raises(MapRunFailed, match="somebody stopped it"):
        summary.raise_for_status()


def test_a_stop_in_the_map_runs_folder_reaches_a_partition(tmp_path: Path) -> None:
    started: list[int] = []

    async def function(item: int) -> None:
        started.append(item)
        await asyncio.sleep(0.01)

    planned = PlannedMap(tmp_path, function, list(range(3000)), 1, max_concurrency=1)
    reason = StopReason("States.Aborted", "stopped from outside", aborted=True)
    timer = threading.Timer(0.3, planned.folder.stop, [reason])
    timer.start()
    end = planned.run(0)
    timer.join()
    assert end.stopped == reason
    assert end.seconds < 5
    assert end.items.pending == 3000 - len(started) > 1000
    assert planned.finish().status == "ABORTED"


def test_a_stop_before_anything_starts(tmp_path: Path) -> None:
    stop = StopSignal()
    assert stop.set(StopReason("E", "first", aborted=True))
    assert not stop.set(StopReason("E", "second"))
    summary = run(tmp_path, given=[0, 1, 2], stop=stop, partitions=2)
    assert verdict(summary) == ("ABORTED", "E", "first")
    assert counters(summary) == {"pending": 3, "total": 3, "resultsWritten": 3}


def test_a_stop_from_another_thread_loses_no_child(tmp_path: Path) -> None:
    for attempt in range(5):
        stop = StopSignal()
        timer = threading.Timer(0.05, stop.set, [StopReason("E", "c", aborted=True)])

        async def function(item: int) -> None:
            await asyncio.sleep(0.001)

        timer.start()
        summary = run(tmp_path / str(attempt), function, given=list(range(3000)), max_concurrency=50, stop=stop)
        timer.join()
        counts = summary.item_counts
        assert counts.running == 0
        found = [len(list(part())) for part in (results(summary).succeeded, results(summary).failed)]
        assert found == [counts.succeeded, counts.aborted]
        assert len(list(results(summary).pending())) == counts.pending == 3000 - sum(found)


# -- the end


def test_write_results_twice_gives_the_same_answer(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, fails_at(2), [0, 1, 2, 3], 2)
    for index in range(2):
        planned.run(index)
    first = planned.finish()
    files = result_files(first)
    time.sleep(0.01)
    assert planned.finish() == first
    assert result_files(first) == files
    assert MapRunSummary.from_dict(planned.folder.read("summary.json")) == first


def test_a_partition_that_never_ended_is_a_failure(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [0, 1, 2, 3], 2)
    planned.run(0)
    summary = planned.finish()
    assert (summary.status, summary.error) == ("FAILED", "States.TaskFailed")
    assert summary.cause is not None and "partition 1 of 2" in summary.cause
    assert counters(summary) == {"succeeded": 2, "pending": 2, "total": 4, "resultsWritten": 4}
    assert [child.input for child in results(summary).pending()] == [2, 3]
    assert inputs(summary) == [0, 1]


def test_a_partition_that_is_run_again_starts_over(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [0, 1, 2, 3], 2)
    for index in (0, 1, 0):
        planned.run(index)
    summary = planned.finish()
    assert inputs(summary) == [0, 1, 2, 3]
    assert summary.item_counts.succeeded == 4


def test_failures_of_an_attempt_that_broke_off_do_not_count(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, fails_at(2), [0, 1, 2, 3], 2, tolerated_failure_count=1)
    # The first attempt of partition 0 had seen two failures when it was killed.
    planned.folder.publish(0, (Counts(pending=0, failed=2, total=2), Counts(failed=2, total=2)), None)
    planned.run(0)
    planned.run(1)
    assert planned.folder.progress()[0][0].unsuccessful == 0
    assert planned.finish().status == "SUCCEEDED"


def test_results_that_can_no_longer_be_written(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [0, 1, 2, 3], 2)
    planned.run(0)
    # The folder of the results turns into a file.
    uuid = planned.plan.map_run.uuid
    folder = tmp_path / "results" / uuid
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(ResultWriterFailed, match=uuid):
        planned.run(1)
    assert planned.folder.read_partition(1) is None
    with pytest.raises(ResultWriterFailed, match=uuid):
        planned.finish()


def test_progress_is_told_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_sfdm.runtime import watch
    from airflow_provider_sfdm.runtime.partition import run_partition
    from airflow_provider_sfdm.runtime.run import invocation_factory
    from tests.runtime.parallel import CONNECTIONS

    monkeypatch.setattr(watch, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "LOG_SECONDS", 0.1)

    def slow(item: int) -> None:
        time.sleep(0.05)

    planned = PlannedMap(tmp_path, slow, list(range(10)), 1)
    told: list[int] = []
    seen: list[dict[int, Any]] = []

    def on_progress(items: Any, executions: Any) -> None:
        told.append(items.succeeded)
        seen.append(MapRunFolder(planned.folder.store).progress())
        if len(told) == 1:
            raise RuntimeError("a reporter that breaks must not blind the watch")

    ready = invocation_factory(planned.definition, CONNECTIONS)
    run_partition(planned.definition, planned.folder, 0, ready, CONNECTIONS, on_progress=on_progress)
    assert len(told) >= 2
    assert told == sorted(told)
    items, executions = seen[-1][0]
    assert items.total == executions.total == 10
    items, _ = planned.folder.progress()[0]
    assert (items.succeeded, items.running, items.pending) == (10, 0, 0)
    assert len(list((tmp_path / "runs").glob("*/progress/*/*"))) == 1


def test_the_summary_survives_json(tmp_path: Path) -> None:
    for bad in ((), (1,)):
        summary = run(tmp_path, fails_at(*bad), given=[1, 2], result_writer=ResultWriter(url=tmp_path.as_uri()))
        assert MapRunSummary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary
        assert ("output" in summary.to_dict()) is (not bad)
    assert summary.describe() == f"map run FAILED: 2 items (1 failed, 1 pending); {BREACHED[1]}: {BREACHED[2]}"
