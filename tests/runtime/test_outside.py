"""Children that run outside this process, and an attempt that is stopped for itself alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ItemBatcher
from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.runtime.children import Outcome
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.outside import child_to_start, record_child
from airflow_provider_sfdm.runtime.partition import PartitionStopped, run_partition
from airflow_provider_sfdm.runtime.redrive import plan_redrive
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from tests.runtime.helpers import counters, echo, inputs, records, results
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
