"""Children that run outside this process, and an attempt that is stopped for itself alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ItemBatcher, MapRunSummary
from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.runtime.children import Child, Outcome
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.outside import child_to_start, record_child
from airflow_provider_sfdm.runtime.partition import PartitionEnd, PartitionStopped, run_partition
from airflow_provider_sfdm.runtime.redrive import plan_redrive, redrive_partition
from airflow_provider_sfdm.runtime.result_files import ResultFiles
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.runtime.slots import MustWait, Slots
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage.base import StorageError
from tests.runtime.helpers import counters, echo, inputs, path_of, records, results
from tests.runtime.parallel import CONNECTIONS, PlannedMap

NOW = time.time()


def _succeeded(value: Any) -> Outcome:
    return Outcome(ChildStatus.SUCCEEDED, NOW, NOW + 1, value, json.dumps(value).encode())


def test_a_child_is_taken_out_and_its_outcome_brought_back(tmp_path: Path) -> None:
    batcher = ItemBatcher(max_items_per_batch=2, batch_input={"day": 1})
    planned = PlannedMap(tmp_path, echo, list(range(6)), 3, item_batcher=batcher, tolerated_failure_count=2)
    taken = [child_to_start(planned.folder, index, CONNECTIONS) for index in range(3)]
    assert [child.input for child in taken if child] == [
        {"BatchInput": {"day": 1}, "Items": [number, number + 1]} for number in (0, 2, 4)
    ]
    record_child(planned.folder, 0, _succeeded("fine"), CONNECTIONS)
    failed = Outcome(ChildStatus.FAILED, NOW, NOW, error="E", cause="C")
    end = record_child(planned.folder, 1, failed, CONNECTIONS)
    assert (end.items.failed, end.executions.failed, end.stopped) == (2, 1, None)
    record_child(planned.folder, 2, None, CONNECTIONS)
    summary = planned.finish()
    assert summary.status == "SUCCEEDED"
    assert counters(summary) == {"succeeded": 2, "failed": 2, "pending": 2, "total": 6, "resultsWritten": 6}
    assert [child.output for child in results(summary).succeeded()] == ["fine"]
    assert records(summary, "FAILED")[0]["Error"] == "E"
    assert [child.input["Items"] for child in results(summary).pending()] == [[4, 5]]


def test_an_outcome_that_breaches_the_tolerance_stops_the_rest(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [0, 1, 2], 3)
    end = record_child(planned.folder, 1, Outcome(ChildStatus.TIMED_OUT, NOW, NOW, error="E", cause="C"), CONNECTIONS)
    assert end.stopped is not None and end.stopped.error == "States.ExceedToleratedFailureThreshold"
    assert child_to_start(planned.folder, 2, CONNECTIONS) is None
    for index in (0, 2):
        record_child(planned.folder, index, None, CONNECTIONS)
    summary = planned.finish()
    assert (summary.status, summary.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert counters(summary) == {"timedOut": 1, "pending": 2, "total": 3, "resultsWritten": 3}


FAILED = Outcome(ChildStatus.FAILED, NOW, NOW, error="E", cause="C")


def _is_as_listed(summary: MapRunSummary) -> None:
    """Every file that the manifest lists is there, in its size, and no other is."""
    manifest = path_of(summary.manifest or "")
    files = [file for files in json.loads(manifest.read_bytes())["ResultFiles"].values() for file in files]
    listed = {Path(file["Key"]).name: file["Size"] for file in files}
    assert {path.name: path.stat().st_size for path in manifest.parent.iterdir() if path != manifest} == listed


def test_an_end_that_is_recorded_stays(tmp_path: Path) -> None:
    """The end task is tried again, or the child's tasks were cleared and told something else."""
    planned = PlannedMap(tmp_path, echo, [0, 1], 2, tolerated_failure_count=1)
    first = record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    stored = planned.folder.read_partition(0)
    for outcome in (_succeeded("second, longer"), FAILED, None):
        assert child_to_start(planned.folder, 0, CONNECTIONS) is None
        end = record_child(planned.folder, 0, outcome, CONNECTIONS)
        assert (end.items, end.executions) == (first.items, first.executions)
    assert planned.folder.read_partition(0) == stored
    record_child(planned.folder, 1, FAILED, CONNECTIONS)
    assert record_child(planned.folder, 1, _succeeded("late"), CONNECTIONS).executions.failed == 1
    summary = planned.finish()
    assert counters(summary) == {"succeeded": 1, "failed": 1, "total": 2, "resultsWritten": 2}
    assert [child.output for child in results(summary).succeeded()] == ["first"]
    _is_as_listed(summary)


def test_a_retry_of_an_end_whose_slot_was_not_freed_frees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = PlannedMap(tmp_path, echo, [0, 1], 2, max_concurrency=1, one_child_each=True)
    child_to_start(planned.folder, 0, CONNECTIONS)

    def down(self: Slots, child: int) -> None:
        raise StorageError("slots", "down")

    with monkeypatch.context() as broken:
        broken.setattr(Slots, "free", down)
        with pytest.raises(StorageError):
            record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    with pytest.raises(MustWait):
        child_to_start(planned.folder, 1, CONNECTIONS)

    def close(self: ResultFiles) -> None:
        raise AssertionError("what is recorded is not written again")

    with monkeypatch.context() as broken:
        broken.setattr(ResultFiles, "close", close)
        record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    assert child_to_start(planned.folder, 1, CONNECTIONS) is not None
    record_child(planned.folder, 1, _succeeded("other"), CONNECTIONS)
    summary = planned.finish()
    assert [child.output for child in results(summary).succeeded()] == ["first", "other"]
    _is_as_listed(summary)


@pytest.mark.parametrize("stored", [True, False])
def test_an_end_whose_storing_had_no_answer(stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = PlannedMap(tmp_path, echo, [0], 1)
    write = MapRunFolder.write_partition

    def no_answer(self: MapRunFolder, partition: int, content: Any) -> bool:
        if stored:
            write(self, partition, content)
        raise StorageError("partitions", "no answer")

    with monkeypatch.context() as broken:
        broken.setattr(MapRunFolder, "write_partition", no_answer)
        with pytest.raises(StorageError):
            record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    record_child(planned.folder, 0, _succeeded("again"), CONNECTIONS)
    summary = planned.finish()
    (child,) = results(summary).succeeded()
    assert child.output == ("first" if stored else "again")
    (file,) = json.loads(path_of(summary.manifest or "").read_bytes())["ResultFiles"]["SUCCEEDED"]
    assert Path(file["Key"]).name == ("SUCCEEDED_0.json" if stored else "SUCCEEDED_1000.json")


def test_of_two_ends_at_once_one_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = PlannedMap(tmp_path, echo, [0], 1)
    close = ResultFiles.close

    def another_comes(self: ResultFiles) -> None:
        close(self)
        with monkeypatch.context() as other:
            other.setattr(ResultFiles, "close", close)
            record_child(planned.folder, 0, FAILED, CONNECTIONS)

    monkeypatch.setattr(ResultFiles, "close", another_comes)
    end = record_child(planned.folder, 0, _succeeded("late"), CONNECTIONS)
    assert (end.executions.succeeded, end.executions.failed) == (0, 1)
    assert planned.folder.begun() == set()
    summary = planned.finish()
    assert counters(summary) == {"failed": 1, "total": 1, "resultsWritten": 1}
    _is_as_listed(summary)


def test_an_end_that_could_not_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = PlannedMap(tmp_path, echo, [0], 1)
    close = ResultFiles.close

    def breaks(self: ResultFiles) -> None:
        close(self)
        raise StorageError("results", "down")

    with monkeypatch.context() as broken:
        broken.setattr(ResultFiles, "close", breaks)
        with pytest.raises(StorageError):
            record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    assert not list(tmp_path.rglob("SUCCEEDED_*"))
    record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
    _is_as_listed(planned.finish())


def test_an_end_between_the_two_looks_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = PlannedMap(tmp_path, echo, [0], 1)
    begin = MapRunFolder.begin_attempt

    def late(self: MapRunFolder, partition: int) -> int:
        with monkeypatch.context() as other:
            other.setattr(MapRunFolder, "begin_attempt", begin)
            record_child(planned.folder, 0, _succeeded("first"), CONNECTIONS)
        return begin(self, partition)

    monkeypatch.setattr(MapRunFolder, "begin_attempt", late)
    assert record_child(planned.folder, 0, FAILED, CONNECTIONS).executions.succeeded == 1
    assert planned.folder.begun() == set()
    _is_as_listed(planned.finish())


def test_children_that_are_cleared_by_themselves(tmp_path: Path) -> None:
    """After the map run has ended: a redrive of these alone, in which the others stay how they ended."""
    planned = PlannedMap(tmp_path, echo, [0, 1, 2, 3], 4, max_concurrency=1, one_child_each=True)
    child_to_start(planned.folder, 0, CONNECTIONS)
    record_child(planned.folder, 0, _succeeded("fine"), CONNECTIONS)
    child_to_start(planned.folder, 1, CONNECTIONS)
    record_child(planned.folder, 1, FAILED, CONNECTIONS)
    for index in (2, 3):
        record_child(planned.folder, index, None, CONNECTIONS)
    assert planned.finish().status == "FAILED"

    def start(index: int) -> Child | None:
        return child_to_start(redrive_partition(planned.folder, index, CONNECTIONS, NOW + 9), index, CONNECTIONS)

    def end(index: int, outcome: Outcome | None) -> PartitionEnd:
        folder = redrive_partition(planned.folder, index, CONNECTIONS, NOW + 10)
        return record_child(folder, index, outcome, CONNECTIONS)

    child = start(1)
    assert child is not None and child.input == 1
    assert start(0) is None, "it had succeeded: nothing of it runs again, and it takes no slot"
    assert end(0, None).executions.succeeded == 1
    with pytest.raises(MustWait):
        start(3)
    assert end(1, _succeeded("now")).executions.succeeded == 1
    assert start(1) is None
    assert end(1, FAILED).executions.succeeded == 1
    child = start(3)
    assert child is not None and child.input == 3
    end(3, _succeeded("at last"))
    summary = write_results(redrive_partition(planned.folder, 1, CONNECTIONS, NOW + 11), CONNECTIONS)
    assert summary.redrive_count == 1
    assert counters(summary) == {"succeeded": 3, "pending": 1, "total": 4, "resultsWritten": 4}
    assert [child.output for child in results(summary).succeeded()] == ["fine", "now", "at last"]


def test_a_redrive(tmp_path: Path) -> None:
    """Children that the tasks of a group run: each its own partition, of which there are fewer now."""
    batcher = ItemBatcher(max_items_per_batch=2)
    planned = PlannedMap(tmp_path, echo, list(range(6)), 3, item_batcher=batcher)
    record_child(planned.folder, 0, _succeeded("fine"), CONNECTIONS)
    record_child(planned.folder, 1, Outcome(ChildStatus.FAILED, NOW, NOW, error="E", cause="C"), CONNECTIONS)
    record_child(planned.folder, 2, None, CONNECTIONS)
    assert planned.finish().status == "FAILED"
    folder, plan = plan_redrive(planned.folder, CONNECTIONS, partitions=1024, one_child_each=True, now=NOW + 9)
    assert len(plan.partitions) == plan.children == 2
    taken = [child_to_start(folder, index, CONNECTIONS) for index in range(2)]
    assert [child.input["Items"] for child in taken if child] == [[2, 3], [4, 5]]
    for index in range(2):
        record_child(folder, index, _succeeded("now"), CONNECTIONS)
    summary = write_results(folder, CONNECTIONS)
    assert (summary.status, summary.redrive_count) == ("SUCCEEDED", 1)
    assert counters(summary) == {"succeeded": 6, "total": 6, "resultsWritten": 6}


def test_without_items_there_is_no_child(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [], 3)
    assert child_to_start(planned.folder, 0, CONNECTIONS) is None
    record_child(planned.folder, 0, None, CONNECTIONS)
    assert planned.finish().status == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_attempt_that_is_stopped_for_itself_leaves_nothing(kind: str, tmp_path: Path) -> None:
    stop = StopSignal()
    calls: list[int] = []

    def function(item: int) -> int:
        calls.append(item)
        if len(calls) == 2:
            stop.set(StopReason("", "the task was killed", local=True))
        return item

    async def function_async(item: int) -> int:
        return function(item)

    planned = PlannedMap(tmp_path, function if kind == "sync" else function_async, [0, 1, 2, 3], 2, max_concurrency=2)
    ready = invocation_factory(planned.definition, CONNECTIONS)
    with pytest.raises(PartitionStopped, match="the task was killed"):
        run_partition(planned.definition, planned.folder, 0, ready, CONNECTIONS, stop=stop)
    assert planned.folder.stop_reason() is None
    assert planned.folder.read_partition(0) is None
    assert not list((tmp_path / "results").rglob("*_0.json"))
    # The others go on, and another attempt does it all.
    planned.run(1)
    planned.run(0)
    assert inputs(planned.finish()) == [0, 1, 2, 3]
