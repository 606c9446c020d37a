"""Redrives: only what did not succeed runs again, as the same children of the same map run."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    ExecutionType,
    ItemBatcher,
    MapRunResults,
    MapRunSummary,
    OutputType,
    PythonFunction,
    ResultWriter,
    S3CsvItemReader,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.core.manifest import Manifest
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.redrive import NotRedrivable, plan_redrive
from airflow_provider_sfdm.runtime.result_files import ResultFiles
from airflow_provider_sfdm.runtime.run import invocation_factory, redrive_map
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage import open_folder
from tests.runtime.attempts import CONNECTIONS, ITEMS, Interrupted, Planned, breaking
from tests.runtime.helpers import path_of, put, run

COMPACT = Transformation.COMPACT


def again(folder: Path, summary: MapRunSummary, function: Any, partitions: int = 1, **fields: Any) -> MapRunSummary:
    definition = DistributedMap(item_processor=function, **fields)
    return redrive_map(definition, summary, (folder / "runs").as_uri(), partitions=partitions)


class Orders:
    """A function that fails for some of its items, and remembers what it was called with."""

    def __init__(self, *bad: Any) -> None:
        self.bad = set(bad)
        self.calls: list[Any] = []

    def __call__(self, item: Any) -> Any:
        self.calls.append(item)
        if item in self.bad:
            raise ValueError(f"no {item}")
        return {"done": item}


def names(summary: MapRunSummary, status: str) -> dict[str, dict[str, Any]]:
    """The records of all files that the manifest lists, by their input."""
    results = MapRunResults.from_summary(summary)
    children = results.succeeded() if status == "SUCCEEDED" else results.failed()
    return {child.record["Input"]: dict(child.record) for child in children if child.record is not None}


@pytest.mark.parametrize("partitions", [1, 3])
def test_what_failed_runs_again(tmp_path: Path, partitions: int) -> None:
    first = Orders(2, 5, 7)
    summary = run(tmp_path, first, given=list(range(10)), tolerated_failure_count=2, partitions=partitions)
    counts = summary.execution_counts
    assert (summary.status, counts.failed) == ("FAILED", 3)
    second = Orders(7)
    redriven = again(tmp_path, summary, second, partitions=partitions)
    # the seventh again, of those that failed or never began
    assert sorted(second.calls) == sorted(set(range(10)) - {i for i in first.calls if i not in first.bad})
    assert redriven.map_run_arn == summary.map_run_arn
    assert redriven.start_date == summary.start_date
    assert (redriven.redrive_count, summary.redrive_count) == (1, 0)
    assert redriven.redrive_date is not None
    counts = redriven.execution_counts
    assert redriven.status == "SUCCEEDED", "one of them is tolerated"
    assert (counts.succeeded, counts.failed, counts.pending, counts.total, counts.results_written) == (9, 1, 0, 10, 10)
    assert redriven.item_counts == redriven.execution_counts
    assert redriven.errors == {"ValueError": 1}


def test_files_and_manifest(tmp_path: Path) -> None:
    """Recorded: SUCCEEDED lists earlier files as well, FAILED and PENDING those of this redrive only."""
    summary = run(tmp_path, Orders(1, 2), given=[0, 1, 2, 3])
    before = path_of(summary.manifest or "").read_bytes()
    redriven = again(tmp_path, summary, Orders(2))
    assert redriven.manifest is not None and summary.manifest is not None
    assert redriven.manifest == summary.manifest.replace("manifest.json", "Redrive-1/manifest.json")
    assert path_of(summary.manifest).read_bytes() == before
    manifest = Manifest.from_json(path_of(redriven.manifest).read_bytes(), "it")
    uuid = (summary.map_run_arn or "").rpartition(":")[2]
    keys = {status: [file.key for file in files] for status, files in manifest.files.items()}
    assert keys == {
        "SUCCEEDED": [f"{uuid}/SUCCEEDED_0.json", f"{uuid}/Redrive-1/SUCCEEDED_0.json"],
        "FAILED": [f"{uuid}/Redrive-1/FAILED_0.json"],
        "PENDING": [f"{uuid}/Redrive-1/PENDING_0.json"],
    }
    assert sorted(child.input for child in MapRunResults.from_summary(redriven).succeeded()) == [0, 1]


def test_records(tmp_path: Path) -> None:
    """Children go on being who they were; those that had never started begin."""
    summary = run(tmp_path, Orders(1), given=[0, 1, 2])
    failed = names(summary, "FAILED")["1"]
    redriven = again(tmp_path, summary, Orders(2), tolerated_failure_count=1)
    done = names(redriven, "SUCCEEDED")
    assert done["1"]["Name"] == failed["Name"]
    assert done["1"]["ExecutionArn"] == failed["ExecutionArn"]
    assert done["1"]["StartDate"] == failed["StartDate"]
    assert done["1"]["RedriveCount"] == 1
    assert done["1"]["RedriveDate"] == redriven.redrive_date
    assert list(done["1"]) == sorted(done["1"]), "alphabetical"
    assert done["0"]["RedriveCount"] == 0 and "RedriveDate" not in done["0"]
    started = names(redriven, "FAILED")["2"]
    assert started["RedriveCount"] == 0 and "RedriveDate" not in started
    assert started["RedriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
    everyone = [record["Name"] for record in (*done.values(), started)]
    assert len(set(everyone)) == 3


def test_express_children_start_anew(tmp_path: Path) -> None:
    """Recorded: under the same name, with a new start date and no RedriveDate."""
    summary = run(tmp_path, Orders(1), given=[0, 1], execution_type=ExecutionType.EXPRESS)
    failed = names(summary, "FAILED")["1"]
    done = names(again(tmp_path, summary, Orders()), "SUCCEEDED")["1"]
    assert (done["Name"], done["ExecutionArn"]) == (failed["Name"], failed["ExecutionArn"])
    assert done["StartDate"] >= failed["StopDate"]
    assert done["RedriveCount"] == 1
    assert "RedriveDate" not in done


def test_a_redrive_of_a_redrive(tmp_path: Path) -> None:
    summary = run(tmp_path, Orders(1, 2, 3), given=[0, 1, 2, 3, 4, 5], tolerated_failure_percentage=30)
    for number, bad in enumerate([(1, 2), (2,), ()], 1):
        function = Orders(*bad)
        before, summary = summary, again(tmp_path, summary, function)
        assert summary.redrive_count == number
        unsuccessful = before.execution_counts.total - before.execution_counts.succeeded
        assert len(function.calls) <= unsuccessful
        if summary.status == "SUCCEEDED":
            break
    assert summary.status == "SUCCEEDED"
    counts = summary.execution_counts
    assert counts.succeeded + counts.failed == counts.total == counts.results_written == 6


def test_three_in_a_row(tmp_path: Path) -> None:
    summary = run(tmp_path, Orders(3), given=[0, 1, 2, 3])
    for number in (1, 2, 3):
        function = Orders(3)
        summary = again(tmp_path, summary, function)
        assert (summary.status, summary.redrive_count, function.calls) == ("FAILED", number, [3])
        assert names(summary, "FAILED")["3"]["RedriveCount"] == number
    summary = again(tmp_path, summary, Orders())
    assert (summary.status, summary.execution_counts.succeeded) == ("SUCCEEDED", 4)
    assert sorted(names(summary, "SUCCEEDED")) == ["0", "1", "2", "3"]


def test_batches(tmp_path: Path) -> None:
    class Batches(Orders):
        def __call__(self, batch: Any) -> Any:
            self.calls.append(batch["Items"])
            if batch["BatchInput"] != {"a": 1} or self.bad & set(batch["Items"]):
                raise ValueError("no")
            return batch["Items"]

    batcher = ItemBatcher(max_items_per_batch=3, batch_input={"a": 1})
    summary = run(tmp_path, Batches(4), given=list(range(8)), item_batcher=batcher)
    assert summary.item_counts.failed == 3
    function = Batches()
    redriven = again(tmp_path, summary, function, item_batcher=batcher)
    assert function.calls == [[3, 4, 5], [6, 7]]
    assert (redriven.item_counts.succeeded, redriven.execution_counts.succeeded) == (8, 3)


def test_an_outcome_for_each_item(tmp_path: Path) -> None:
    """Only the items of a batch that failed run again."""
    batcher = ItemBatcher(max_items_per_batch=4)
    first, second = Orders(1, 2), Orders()
    summary = run(tmp_path, PythonFunction(first, per_item=True), given=list(range(8)), item_batcher=batcher)
    done = summary.item_counts.succeeded
    redriven = again(tmp_path, summary, PythonFunction(second, per_item=True), item_batcher=batcher)
    assert 1 in second.calls and 2 in second.calls and 0 not in second.calls
    assert len(second.calls) == 8 - done
    assert (redriven.item_counts.succeeded, redriven.execution_counts.succeeded) == (8, 2)
    assert redriven.execution_counts.total == 2


def test_inputs_are_those_that_were_read(tmp_path: Path) -> None:
    """Whatever has become of the file."""
    url = put(tmp_path / "in.csv", "id\n1\n2\n3\n")
    reader = S3CsvItemReader(url=url)
    summary = run(tmp_path, Orders(), item_reader=reader, item_selector={"n.$": "$$.Map.Item.Value.id"})
    assert summary.status == "FAILED", "a dict is not hashable"
    (tmp_path / "in.csv").unlink()
    seen: list[Any] = []
    redriven = again(tmp_path, summary, seen.append)
    assert redriven.status == "SUCCEEDED"
    assert [item["n"] for item in seen] == ["1", "2", "3"]


def test_inputs_are_the_same_to_the_last_digit(tmp_path: Path) -> None:
    summary = run(tmp_path, Orders(), given=[{"a": 10**25, "b": "é"}])
    (before,) = names(summary, "FAILED")
    (after,) = names(again(tmp_path, summary, str), "SUCCEEDED")
    assert before == after == '{"a":10000000000000000000000000,"b":"é"}'


@pytest.mark.parametrize(
    ("writer", "expected"),
    [
        (None, [{"done": 0}, {"done": 1}, {"done": 2}]),
        (
            ResultWriter(writer_config=WriterConfig(transformation=COMPACT, output_type=OutputType.JSONL)),
            [{"done": 0}, {"done": 1}, {"done": 2}],
        ),
        (ResultWriter(writer_config=WriterConfig(transformation=Transformation.NONE)), ["0", "1", "2"]),
    ],
)
def test_outputs_that_are_returned(tmp_path: Path, writer: ResultWriter | None, expected: Any) -> None:
    summary = run(tmp_path, Orders(1), given=[0, 1, 2], result_writer=writer)
    assert summary.output is None
    redriven = again(tmp_path, summary, Orders())
    output = redriven.output
    if output and "Input" in output[0]:
        output = [record["Input"] for record in output]
    assert output == expected


def test_states_see_that_they_are_redriven(tmp_path: Path) -> None:
    context = {
        "Count.$": "$$.Execution.RedriveCount",
        "Start.$": "$$.Execution.StartTime",
        "Id.$": "$$.Execution.Id",
        "Execution.$": "$$.Execution",
    }
    fail = {"Type": "Fail", "Error": "Wrong"}
    choice = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "F"}], "Default": "P"}
    passing = {"Type": "Pass", "Parameters": context, "End": True}
    summary = run(tmp_path, AslProcessor(start_at="C", states={"C": choice, "P": passing, "F": fail}), given=[0, 1, 2])
    redriven = again(tmp_path, summary, AslProcessor(start_at="P", states={"P": passing}))
    done = {key: json.loads(record["Output"]) for key, record in names(redriven, "SUCCEEDED").items()}
    failed = names(summary, "FAILED")["1"]
    assert done["1"]["Count"] == 1
    assert done["1"]["Id"] == failed["ExecutionArn"]
    assert done["1"]["Start"] == failed["StartDate"]
    assert done["1"]["Execution"]["RedriveTime"] == redriven.redrive_date
    assert done["0"]["Count"] == 0 and "RedriveTime" not in done["0"]["Execution"]


class TestWhatCannotBeRedriven:
    def test_what_has_succeeded(self, tmp_path: Path) -> None:
        summary = run(tmp_path, Orders(1), given=[0, 1], tolerated_failure_count=1)
        with pytest.raises(NotRedrivable, match="has succeeded"):
            again(tmp_path, summary, Orders())

    def test_what_was_redriven_a_thousand_times(self, tmp_path: Path) -> None:
        summary = run(tmp_path, Orders(1), given=[0, 1])
        plan = tmp_path / "runs" / _uuid(summary) / "plan.json"
        plan.write_text(json.dumps(json.loads(plan.read_text()) | {"redrive_count": 1000}))
        with pytest.raises(NotRedrivable, match="1,000 times, the most that AWS allows"):
            again(tmp_path, summary, Orders())

    def test_items_that_could_not_be_read(self, tmp_path: Path) -> None:
        lines = [json.dumps({"id": number}) for number in range(50)]
        url = put(tmp_path / "in.csv", "\n".join(["id", *map(str, range(50))]))
        reader = S3CsvItemReader(url=url)

        def changes(item: Any) -> Any:
            (tmp_path / "in.csv").write_text("\n".join(lines))
            return item

        summary = run(tmp_path, changes, item_reader=reader, partitions=5)
        assert summary.error == "States.ItemReaderFailed"
        with pytest.raises(NotRedrivable, match="could not read"):
            again(tmp_path, summary, Orders())


class TestPartitionsWithoutAnEnd:
    def test_what_they_had_recorded_counts(self, tmp_path: Path) -> None:
        """The task died for good: its retries are used up."""
        seen: list[Any] = []

        def function(item: Any) -> Any:
            time.sleep(0.001)
            return breaking(200, seen)(item)

        planned = Planned(tmp_path, function)
        with pytest.raises(Interrupted):
            planned.attempt(function)
        summary = planned.end()
        assert summary.error == "States.TaskFailed"
        done = [item for item in seen if item % 10]
        calls: list[Any] = []
        redriven = again(tmp_path, summary, calls.append)
        assert redriven.status == "SUCCEEDED"
        assert redriven.execution_counts.succeeded == ITEMS
        repeated = set(calls) & set(done)
        assert repeated <= set(done[-60:]), "what it had not recorded yet"
        inputs = [child.input for child in MapRunResults.from_summary(redriven).succeeded()]
        assert sorted(inputs) == list(range(ITEMS))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_item_is_in_one_place(data: st.DataObject) -> None:
    """Whatever fails, is tolerated, is batched or divided: what has succeeded once is never run again."""
    items = data.draw(st.integers(1, 25))
    size = data.draw(st.sampled_from([None, 1, 3, 7]))
    batcher = None if size is None else ItemBatcher(max_items_per_batch=size)
    per_item = batcher is not None and data.draw(st.booleans())
    tolerated = data.draw(st.integers(0, items))
    failing = [data.draw(st.sets(st.integers(0, items - 1))) for _ in range(4)]
    ran: list[int] = []

    def processor(bad: set[int]) -> Any:
        def function(value: Any) -> Any:
            members = value["Items"] if batcher is not None and not per_item else [value]
            if bad & set(members):
                raise ValueError
            ran.extend(members)
            return value

        return PythonFunction(function, per_item=True) if per_item else function

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        summary = run(
            folder,
            processor(failing[0]),
            given=list(range(items)),
            partitions=data.draw(st.integers(1, 4)),
            item_batcher=batcher,
            tolerated_failure_count=tolerated,
        )
        for bad in failing[1:]:
            check(summary, items)
            if summary.status == "SUCCEEDED":
                break
            partitions = data.draw(st.integers(1, 4))
            summary = again(folder, summary, processor(bad), partitions, item_batcher=batcher)
        check(summary, items)
    assert len(ran) == len(set(ran)) == summary.item_counts.succeeded


def check(summary: MapRunSummary, items: int) -> None:
    counts, executions = summary.item_counts, summary.execution_counts
    assert counts.total == counts.results_written == items
    assert executions.total == executions.results_written
    for each in (counts, executions):
        assert each.succeeded + each.failed + each.aborted + each.pending == each.total
    results = MapRunResults.from_summary(summary)
    found = [*results.succeeded(), *results.failed(), *results.pending()]
    members = [
        item for child in found for item in (child.input["Items"] if isinstance(child.input, dict) else [child.input])
    ]
    assert sorted(members) == list(range(items))
    started = [child.name for child in found if child.name is not None and child.status != "SUCCEEDED"]
    assert len(set(started)) == len(started) == executions.failed


def test_children_that_a_redrive_does_not_come_to_are_who_they_were(tmp_path: Path) -> None:
    """One that failed, and whose redrive was stopped before it, keeps name, start date and number of redrives."""
    summary = run(tmp_path, Orders(0, 1, 2, 3), given=[0, 1, 2, 3, 4], tolerated_failure_percentage=79)
    first = names(summary, "FAILED")
    assert set(first) == {"0", "1", "2", "3"}
    summary = again(tmp_path, summary, Orders(0, 1, 2, 3))
    assert set(names(summary, "FAILED")) == set(first), "80 % of them are as many as are not tolerated"
    # Of another one only the first runs: it is stopped after that.
    folder = MapRunFolder(open_folder((tmp_path / "runs" / _uuid(summary)).as_uri(), CONNECTIONS))
    following, _ = plan_redrive(folder, CONNECTIONS, partitions=1, now=time.time())
    stop = StopSignal()

    def once(item: Any) -> Any:
        stop.set(StopReason("States.ExceedToleratedFailureThreshold", "no more"))
        return item

    definition = DistributedMap(item_processor=once)
    run_partition(definition, following, 0, invocation_factory(definition, CONNECTIONS), CONNECTIONS, stop=stop)
    stopped = write_results(following, CONNECTIONS)
    assert (stopped.execution_counts.pending, stopped.redrive_count) == (4, 2)
    ended = again(tmp_path, stopped, Orders())
    done = names(ended, "SUCCEEDED")
    assert ended.status == "SUCCEEDED"
    for key, record in first.items():
        assert (done[key]["Name"], done[key]["StartDate"]) == (record["Name"], record["StartDate"])
        assert done[key]["RedriveCount"] == 2, "twice, whichever of them it was"


def _uuid(summary: MapRunSummary) -> str:
    return (summary.map_run_arn or "").rpartition(":")[2]


def test_outputs_that_are_too_large(tmp_path: Path) -> None:
    """They would be again; AWS makes a new map run as well."""
    large = run(tmp_path, lambda item: "x" * 200_000, given=[1, 2], result_writer=None)
    assert large.error == "States.DataLimitExceeded"
    with pytest.raises(NotRedrivable, match="too large"):
        again(tmp_path, large, Orders())


def test_partitions_are_a_number_from_1(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whole number from 1"):
        again(tmp_path, run(tmp_path, Orders(1), given=[1]), Orders(), partitions=0)


def test_all_had_succeeded_when_the_last_task_died(tmp_path: Path) -> None:
    """All was recorded, and the partition left no end: the redrive runs nothing, and the map run has succeeded."""
    planned, calls = Planned(tmp_path, str), list[Any]()

    def function(item: Any) -> Any:
        if len(calls) == ITEMS:
            raise Interrupted
        calls.append(item)
        return item

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(ResultFiles, "close", lambda self: function(None))
        planned.attempt(function)
    # Nor was there a write_results: the DAG run was marked failed, and is cleared.
    planned.folder, planned.plan = plan_redrive(planned.folder, CONNECTIONS, partitions=1, now=time.time())
    planned.attempt(function)
    summary = planned.end()
    assert (summary.status, summary.redrive_count) == ("SUCCEEDED", 1)
    counts = summary.execution_counts
    assert (counts.succeeded, counts.total, counts.results_written) == (ITEMS, ITEMS, ITEMS)
    assert sorted(child.input for child in MapRunResults.from_summary(summary).succeeded()) == list(range(ITEMS))
    assert len(calls) == ITEMS


def test_the_date_of_one_that_is_still_pending(tmp_path: Path) -> None:
    """It had failed; two redrives are stopped before it, the third runs it: its date is that of the third."""
    summary = run(tmp_path, Orders(0, 1), given=[0, 1], tolerated_failure_count=1)
    assert summary.execution_counts.failed == 2
    folder = MapRunFolder(open_folder((tmp_path / "runs" / _uuid(summary)).as_uri(), CONNECTIONS))
    definition = DistributedMap(item_processor=Orders(0))
    for _ in range(2):
        following, _plan = plan_redrive(folder, CONNECTIONS, partitions=1, now=time.time())
        following.stop(StopReason("", "by hand", aborted=True))
        run_partition(definition, following, 0, invocation_factory(definition, CONNECTIONS), CONNECTIONS)
        stopped = write_results(following, CONNECTIONS)
        assert (stopped.status, stopped.execution_counts.pending) == ("ABORTED", 2)
        time.sleep(0.002)
    redriven = again(tmp_path, stopped, Orders())
    done = names(redriven, "SUCCEEDED")
    assert {record["RedriveDate"] for record in done.values()} == {redriven.redrive_date}
    assert {record["StartDate"] for record in done.values()} == {
        record["StartDate"] for record in names(summary, "FAILED").values()
    }
