"""Children that are states: in a redrive STANDARD ones go on at the state that failed, EXPRESS ones begin anew."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    ExecutionType,
    MapRunResults,
    QueryLanguage,
    ResultWriter,
    WriterConfig,
    redrive_map,
)
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.redrive import plan_redrive
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage import open_folder
from tests.runtime.attempts import CONNECTIONS
from tests.runtime.helpers import run
from tests.runtime.test_cleared import Tasks, records


class Service:
    """Two functions that states call, of which the second fails for some."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.calls: list[tuple[str, Any]] = []

    def first(self, data: Any) -> Any:
        self.calls.append(("first", data))
        return {"n": data, "seen": "first"}

    def second(self, data: Any) -> Any:
        self.calls.append(("second", data["n"]))
        if data["n"] in self.bad:
            raise ValueError(data["n"])
        return data

    def processor(self, **more: Any) -> AslProcessor:
        one = {"Type": "Task", "Resource": "local:first", "Assign": {"kept.$": "$.seen"}, "Next": "Two"}
        two = {"Type": "Task", "Resource": "local:second", "Next": "End", **more}
        end = {"Type": "Pass", "Parameters": {"n.$": "$.n", "kept.$": "$kept"}, "End": True}
        functions = {"local:first": self.first, "local:second": self.second}
        return AslProcessor(start_at="One", states={"One": one, "Two": two, "End": end}, functions=functions)

    def called(self) -> list[tuple[str, Any]]:
        calls, self.calls = sorted(self.calls, key=str), []
        return calls


def outputs(summary: Any) -> list[Any]:
    return sorted((child.output for child in MapRunResults.from_summary(summary).succeeded()), key=str)


@pytest.mark.parametrize("partitions", [1, 3])
def test_standard_children_go_on_at_the_state_that_failed(tmp_path: Path, partitions: int) -> None:
    service = Service(1, 3)
    summary = run(tmp_path, service.processor(), given=[0, 1, 2, 3], tolerated_failure_count=1, partitions=partitions)
    assert (summary.status, summary.execution_counts.failed) == ("FAILED", 2)
    before = service.called()
    service.bad = {3}
    definition = DistributedMap(item_processor=service.processor())
    second = redrive_map(definition, summary, (tmp_path / "runs").as_uri(), partitions=partitions)
    assert second.status == "SUCCEEDED", "one is tolerated"
    never = [n for n in range(4) if ("first", n) not in before]
    assert service.called() == [*(("first", n) for n in never), *(("second", n) for n in sorted({1, 3, *never}))]
    assert outputs(second) == [{"kept": "first", "n": n} for n in (0, 1, 2)], "variables are those from before"


def test_of_a_redrive_of_a_redrive(tmp_path: Path) -> None:
    service = Service(0, 1)
    summary = run(tmp_path, service.processor(), given=[0, 1], tolerated_failure_count=0, max_concurrency=1)
    definition = DistributedMap(item_processor=service.processor())
    storage = (tmp_path / "runs").as_uri()
    for bad in ({0, 1}, {1}, set[int]()):
        service.bad = bad
        summary = redrive_map(definition, summary, storage)
    assert summary.status == "SUCCEEDED"
    assert [call for call in service.called() if call[0] == "first"] == [("first", 0), ("first", 1)]
    assert outputs(summary) == [{"kept": "first", "n": 0}, {"kept": "first", "n": 1}]


def test_express_children_begin_anew(tmp_path: Path) -> None:
    service = Service(1)
    summary = run(tmp_path, service.processor(), given=[0, 1], execution_type=ExecutionType.EXPRESS)
    service.called()
    service.bad = set()
    redriven = redrive_map(DistributedMap(item_processor=service.processor()), summary, (tmp_path / "runs").as_uri())
    assert redriven.status == "SUCCEEDED"
    assert service.called() == [("first", 1), ("second", 1)]


def test_a_retry_begins_to_count_anew(tmp_path: Path) -> None:
    """AWS: the retry counters of the state are reset."""
    retry = {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 1.0}]}
    service = Service(0)
    summary = run(tmp_path, service.processor(**retry), given=[0])
    assert service.called() == [("first", 0), *[("second", 0)] * 3]
    definition = DistributedMap(item_processor=service.processor(**retry))
    assert redrive_map(definition, summary, (tmp_path / "runs").as_uri()).status == "FAILED"
    assert service.called() == [("second", 0)] * 3


def test_where_the_state_is_gone_it_begins_anew(tmp_path: Path) -> None:
    service = Service(0)
    summary = run(tmp_path, service.processor(), given=[0])
    other = AslProcessor(start_at="Other", states={"Other": {"Type": "Pass", "End": True}})
    redriven = redrive_map(DistributedMap(item_processor=other), summary, (tmp_path / "runs").as_uri())
    assert outputs(redriven) == [0]


def test_an_aborted_child_goes_on_where_it_was(tmp_path: Path) -> None:
    """Recorded: an aborted Wait waits its whole time once more."""
    stop = StopSignal()
    calls: list[int] = []

    def first(data: int) -> int:
        calls.append(data)
        if len(calls) == 2:
            stop.set(StopReason("", "by hand", aborted=True))
        return data

    def processor(seconds: int) -> AslProcessor:
        states = {
            "One": {"Type": "Task", "Resource": "local:first", "Next": "Wait"},
            "Wait": {"Type": "Wait", "Seconds": seconds, "End": True},
        }
        return AslProcessor(start_at="One", states=states, functions={"local:first": first})

    summary = run(tmp_path, processor(60), given=[0, 1], stop=stop, max_concurrency=2)
    assert (summary.status, summary.execution_counts.aborted) == ("ABORTED", 2)
    redriven = redrive_map(DistributedMap(item_processor=processor(0)), summary, (tmp_path / "runs").as_uri())
    assert (redriven.status, sorted(calls)) == ("SUCCEEDED", [0, 1])
    assert outputs(redriven) == [0, 1]


def test_jsonata_variables(tmp_path: Path) -> None:
    fails = {"Type": "Fail", "Error": "{% $kept.error %}"}
    keeps = {"Type": "Pass", "Assign": {"kept": {"error": "{% 'E' & $string($states.input) %}"}}, "Next": "F"}
    processor = AslProcessor(start_at="K", states={"K": keeps, "F": fails}, query_language=QueryLanguage.JSONATA)
    summary = run(tmp_path, processor, given=[7])
    ends = {"Type": "Succeed", "Output": "{% $kept %}"}
    other = AslProcessor(start_at="K", states={"K": keeps, "F": ends}, query_language=QueryLanguage.JSONATA)
    redriven = redrive_map(DistributedMap(item_processor=other), summary, (tmp_path / "runs").as_uri())
    assert outputs(redriven) == [{"error": "E7"}]


def test_what_was_recorded_before_its_task_died(tmp_path: Path) -> None:
    """The end of its partition is put together from the journal, where it failed included."""
    service = Service(0)
    tasks = Tasks(tmp_path, 3, 1)
    dies = [True]

    def first(data: Any) -> Any:
        if data == 2 and dies and dies.pop():
            time.sleep(0.5)
            raise KeyboardInterrupt
        return service.first(data)

    processor = service.processor()
    processor = AslProcessor(
        start_at="One", states=processor.states, functions={"local:first": first, "local:second": service.second}
    )
    definition = DistributedMap(
        item_processor=processor,
        tolerated_failure_percentage=100,
        max_concurrency=1,
        result_writer=ResultWriter(url=(tmp_path / "results").as_uri(), writer_config=WriterConfig()),
    )
    ready = invocation_factory(definition, CONNECTIONS)
    with pytest.raises(KeyboardInterrupt):
        run_partition(definition, tasks.map_run, 0, ready, CONNECTIONS, checkpoint_seconds=0.05)
    assert records_of(tasks) == {"SUCCEEDED": [1], "FAILED": [0], "PENDING": [2]}
    service.called()
    service.bad = set()
    tasks.redrive()
    run_partition(definition, tasks.map_run, 0, ready, CONNECTIONS, checkpoint_seconds=60)
    assert tasks.end().status == "SUCCEEDED"
    assert service.called() == [("first", 2), ("second", 0), ("second", 2)]


def records_of(tasks: Tasks) -> dict[str, list[int]]:
    summary = tasks.end()
    listed = json.loads(Path(str(summary.manifest).removeprefix("file://")).read_bytes())["ResultFiles"]
    assert set(listed) == {"SUCCEEDED", "FAILED", "PENDING"}, "nothing but results is listed"
    return records(summary)


def test_one_that_is_stopped_before_it_began_again(tmp_path: Path) -> None:
    service = Service(*range(40))
    fields: dict[str, Any] = {"tolerated_failure_count": 39, "max_concurrency": 40}
    summary = run(tmp_path, service.processor(), given=list(range(40)), **fields)
    assert summary.execution_counts.failed == 40
    folder = MapRunFolder(open_folder((tmp_path / "runs" / str(summary.map_run_arn).rpartition(":")[2]).as_uri()))
    following, _ = plan_redrive(folder, CONNECTIONS, partitions=1, now=time.time())
    service.called()
    stop = StopSignal()

    def second_stops(data: Any) -> Any:
        stop.set(StopReason("", "by hand", aborted=True))
        raise ValueError(data)

    processor = service.processor()
    functions = {"local:first": service.first, "local:second": second_stops}
    stopping = AslProcessor(start_at="One", states=processor.states, functions=functions)
    definition = DistributedMap(item_processor=stopping, **fields)
    run_partition(definition, following, 0, invocation_factory(definition, CONNECTIONS), CONNECTIONS, stop=stop)
    aborted = write_results(following, CONNECTIONS)
    assert (aborted.status, aborted.execution_counts.aborted > 0) == ("ABORTED", True)
    service.bad = set()
    again = redrive_map(DistributedMap(item_processor=service.processor()), aborted, (tmp_path / "runs").as_uri())
    assert again.status == "SUCCEEDED"
    assert {name for name, _ in service.called()} == {"second"}


@pytest.mark.parametrize("language", list(QueryLanguage))
def test_variables_are_those_that_its_state_was_entered_with(language: QueryLanguage, tmp_path: Path) -> None:
    """A state that has set some, and fails after that, sets them once."""
    jsonata = language is QueryLanguage.JSONATA
    large = "x" * 300_000
    if jsonata:
        zero: dict[str, Any] = {"Type": "Pass", "Assign": {"count": 0}, "Next": "Two"}
        two = {"Type": "Pass", "Assign": {"count": "{% $count + 1 %}"}, "Output": large, "End": True}
        repaired: dict[str, Any] = {**two, "Output": "{% $count %}"}
    else:
        zero = {"Type": "Pass", "Assign": {"count": 0}, "Next": "Two"}
        two = {"Type": "Pass", "Assign": {"count.$": "States.MathAdd($count, 1)"}, "Result": large, "End": True}
        repaired = {key: value for key, value in two.items() if key != "Result"}
        repaired |= {"Parameters": {"count.$": "$count"}, "OutputPath": "$.count"}
    failing = AslProcessor(start_at="Zero", states={"Zero": zero, "Two": two}, query_language=language)
    summary = run(tmp_path, failing, given=[1])
    assert summary.errors == {"States.DataLimitExceeded": 1}
    good = AslProcessor(start_at="Zero", states={"Zero": zero, "Two": repaired}, query_language=language)
    redriven = redrive_map(DistributedMap(item_processor=good), summary, (tmp_path / "runs").as_uri())
    assert outputs(redriven) == [0]
