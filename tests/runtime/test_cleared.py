"""Partitions that are cleared by themselves, after the map run has ended: a redrive of these alone."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import (
    DistributedMap,
    MapRunResults,
    MapRunSummary,
    OutputType,
    ResultWriter,
    WriterConfig,
    describe_map_run,
)
from airflow_provider_sfdm.core.map_run_updates import MapRunLimits
from airflow_provider_sfdm.runtime.aborting import write_aborted
from airflow_provider_sfdm.runtime.children_file import write_children
from airflow_provider_sfdm.runtime.ends import latest, root_of
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import PLAN
from airflow_provider_sfdm.runtime.limits import change_limits
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.redrive import NotRedrivable, plan_redrive, redrive_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.runtime.stop import StopReason
from airflow_provider_sfdm.storage.local import LocalStore
from tests.runtime.attempts import CONNECTIONS
from tests.runtime.helpers import path_of, put


class Tasks:
    """The tasks of a map of ``items``: what Airflow runs, and runs again where something is cleared."""

    def __init__(self, folder: Path, items: int, partitions: int, **fields: Any) -> None:
        self.bad: set[int] = set()
        self.calls: list[int] = []
        writer = ResultWriter(url=(folder / "results").as_uri(), writer_config=WriterConfig())
        fields = {"tolerated_failure_percentage": 100, "result_writer": writer, **fields}
        self.definition = DistributedMap(item_processor=self._call, **fields)
        self.map_run, plan = plan_map_run(
            self.definition,
            name="map",
            storage=(folder / "runs").as_uri(),
            connections=CONNECTIONS,
            run_input=list(range(items)),
            partitions=partitions,
        )
        self.partitions = len(plan.partitions)

    def _call(self, item: int) -> Any:
        self.calls.append(item)
        if item in self.bad:
            raise ValueError(item)
        return {"done": item}

    def run(self, *indexes: int) -> None:
        """The tasks run_partition of some partitions."""
        self.calls.clear()
        for index in indexes:
            folder = redrive_partition(self.map_run, index, CONNECTIONS, time.time())
            ready = invocation_factory(self.definition, CONNECTIONS)
            run_partition(self.definition, folder, index, ready, CONNECTIONS, checkpoint_seconds=60)

    def end(self) -> MapRunSummary:
        """The task write_results."""
        return write_results(latest(root_of(self.map_run, CONNECTIONS), CONNECTIONS), CONNECTIONS)

    def redrive(self) -> None:
        """The task read_items, when the whole group was cleared; the others follow."""
        root = root_of(self.map_run, CONNECTIONS)
        self.map_run, plan = plan_redrive(root, CONNECTIONS, partitions=self.partitions, now=time.time())
        self.partitions = len(plan.partitions)


def records(summary: MapRunSummary) -> dict[str, list[int]]:
    """The inputs of all records that the manifest lists, by status; none is there twice."""
    results = MapRunResults.from_summary(summary)
    found = {
        "SUCCEEDED": sorted(child.input for child in results.succeeded()),
        "FAILED": sorted(child.input for child in results.failed()),
        "PENDING": sorted(child.input for child in results.pending()),
    }
    every = Counter(number for numbers in found.values() for number in numbers)
    assert set(every.values()) <= {1}
    return found


def test_only_the_cleared_partition_runs_again(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 9, 3, tolerated_failure_percentage=10)
    tasks.bad = {1, 4, 7}
    tasks.run(2)
    tasks.run(0, 1)
    first = tasks.end()
    assert (first.status, first.execution_counts.failed > 0) == ("FAILED", True)
    before = records(first)
    tasks.bad = {7}
    tasks.run(1)
    second = tasks.end()
    assert sorted(tasks.calls) == [number for number in (3, 4, 5) if number not in before["SUCCEEDED"]]
    after = records(second)
    assert set(after["SUCCEEDED"]) == {*before["SUCCEEDED"], 3, 4, 5}
    assert second.map_run_arn == first.map_run_arn
    assert (second.redrive_count, second.start_date) == (1, first.start_date)
    assert second.redrive_date is not None
    assert (second.manifest or "").endswith("/Redrive-1/manifest.json")
    assert second.execution_counts.total == second.execution_counts.results_written == 9
    assert path_of(first.manifest or "").exists(), "earlier files stay"
    tasks.bad = set()
    tasks.run(0, 2)
    third = tasks.end()
    assert (third.status, third.redrive_count) == ("SUCCEEDED", 2)
    assert records(third) == {"SUCCEEDED": list(range(9)), "FAILED": [], "PENDING": []}


def test_a_partition_whose_task_had_died_for_good(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 9, 3)
    tasks.run(0, 2)
    summary = tasks.end()
    assert (summary.status, summary.error) == ("FAILED", "States.TaskFailed")
    assert summary.cause is not None and summary.cause.startswith("partition 1 of 3 was not run to its end")
    assert records(summary)["PENDING"] == [3, 4, 5]
    tasks.run(1)
    assert tasks.calls == [3, 4, 5]
    summary = tasks.end()
    assert (summary.status, summary.redrive_count) == ("SUCCEEDED", 1)
    assert records(summary)["SUCCEEDED"] == list(range(9))


def test_after_a_success_nothing_runs_again(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 4, 2)
    tasks.run(0, 1)
    first = tasks.end()
    tasks.run(0)
    assert tasks.calls == []
    assert tasks.end() == first


def test_while_the_map_run_goes_on_nothing_runs_again(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 4, 2)
    tasks.bad = {0}
    tasks.run(0)
    tasks.run(0)
    assert tasks.calls == []
    tasks.run(1)
    assert tasks.end().redrive_count == 0


def test_a_task_that_dies_while_it_clears_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Tasks(tmp_path, 6, 2, tolerated_failure_count=1)
    tasks.bad = {0, 3, 4}
    tasks.run(0, 1)
    tasks.end()
    whole = type(tasks.map_run).write_cleared

    def dies(*arguments: Any) -> bool:
        raise KeyboardInterrupt

    tasks.bad = set()
    monkeypatch.setattr(type(tasks.map_run), "write_cleared", dies)
    with pytest.raises(KeyboardInterrupt):
        tasks.run(1)
    monkeypatch.setattr(type(tasks.map_run), "write_cleared", whole)
    tasks.run(1)
    summary = tasks.end()
    assert summary.redrive_count == 1
    assert set(records(summary)["SUCCEEDED"]) >= {3, 4, 5}


def test_a_source_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    from airflow_provider_sfdm import S3JsonLItemReader

    url = put(tmp_path / "data.jsonl", "0\n1\n2\n3\n")
    tasks = Tasks(tmp_path, 0, 2, item_reader=S3JsonLItemReader(url=url))
    tasks.run(0)
    (tmp_path / "data.jsonl").unlink()
    summary = tasks.end()
    counts = summary.execution_counts
    assert (summary.error, counts.succeeded, counts.pending, counts.results_written) == ("States.TaskFailed", 2, 2, 2)
    tasks.run(1)
    assert tasks.calls == []
    assert tasks.end().redrive_count == 0
    with pytest.raises(NotRedrivable, match="could not read 2 items"):
        tasks.redrive()


def test_outputs_that_are_returned(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 4, 2, result_writer=None, tolerated_failure_percentage=30)
    tasks.bad = {1, 2}
    tasks.run(0, 1)
    assert tasks.end().status == "FAILED"
    tasks.bad = set()
    tasks.run(0)
    tasks.run(1)
    summary = tasks.end()
    assert summary.status == "SUCCEEDED"
    assert sorted(output["done"] for output in summary.output) == [0, 1, 2, 3]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_sequence_of_clears(data: st.DataObject) -> None:
    """Whole or in part, with other children that fail each time: every child has one record, and is who it was."""
    items, partitions = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    kind = data.draw(st.sampled_from(list(OutputType)))
    percentage = data.draw(st.sampled_from([0, 20, 100]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = WriterConfig(output_type=kind)
        writer = ResultWriter(url=(folder / "results").as_uri(), writer_config=config)
        tasks = Tasks(folder, items, partitions, tolerated_failure_percentage=percentage, result_writer=writer)
        names: dict[int, str] = {}
        done: set[int] = set()
        which = st.sets(st.integers(0, items - 1), max_size=items)
        begun = set(range(tasks.partitions))
        for _ in range(data.draw(st.integers(1, 5))):
            tasks.bad = data.draw(which)
            # Tasks of some die for good.
            running = {index for index in begun if data.draw(st.integers(0, 9))}
            tasks.run(*sorted(running))
            assert not done & set(tasks.calls), "what has succeeded never runs again"
            summary = tasks.end()
            found = records(summary)
            assert sorted(number for numbers in found.values() for number in numbers) == list(range(items))
            counts = summary.execution_counts
            assert counts.total == counts.results_written == items
            assert counts.succeeded == len(found["SUCCEEDED"])
            assert counts.failed + counts.aborted == len(found["FAILED"])
            assert counts.pending == len(found["PENDING"])
            assert set(found["SUCCEEDED"]) >= done
            done = set(found["SUCCEEDED"])
            exceeded = counts.failed > 0 if not percentage else 100 * counts.failed > percentage * items
            if exceeded:
                assert summary.status == "FAILED"
            if summary.status == "SUCCEEDED":
                assert not found["PENDING"]
                break
            results = MapRunResults.from_summary(summary)
            for child in (*results.succeeded(), *results.failed()):
                assert names.setdefault(child.input, child.name or "") == child.name
            assert len(set(names.values())) == len(names)
            if data.draw(st.booleans()):
                tasks.redrive()
                begun = set(range(tasks.partitions))
            else:
                begun = data.draw(st.sets(st.integers(0, tasks.partitions - 1), min_size=1))
        manifest = json.loads(path_of(summary.manifest or "").read_bytes())
        for files in manifest["ResultFiles"].values():
            assert all((folder / "results" / file["Key"]).stat().st_size == file["Size"] for file in files)


# -- what meets


def test_all_that_was_left_has_succeeded(tmp_path: Path) -> None:
    """A partition that the stop of an earlier redrive has reached with nothing left to do does not fail a later one."""
    tasks = Tasks(tmp_path, 8, 2, tolerated_failure_percentage=0)
    tasks.bad = {0}
    tasks.run(1)
    tasks.run(0)
    assert tasks.end().status == "FAILED"
    tasks.run(0, 1)
    assert tasks.end().status == "FAILED"
    tasks.bad = set()
    tasks.run(0)
    summary = tasks.end()
    assert (summary.status, summary.redrive_count, summary.execution_counts.succeeded) == ("SUCCEEDED", 2, 8)


def test_after_a_partial_redrive_has_succeeded_nothing_runs(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 8, 2, tolerated_failure_percentage=0)
    tasks.bad = {1}
    tasks.run(1)
    tasks.run(0)
    tasks.end()
    tasks.bad = set()
    tasks.run(0)
    summary = tasks.end()
    assert summary.status == "SUCCEEDED"
    tasks.run(1)  # it is not among those of the redrive
    assert tasks.calls == []
    assert tasks.end() == summary


@pytest.mark.parametrize("first", ["the group", "a partition"])
def test_the_group_and_a_partition_are_cleared_at_once(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both plan the same redrive: one plan is stored, and no record of either is lost."""
    tasks = Tasks(tmp_path, 12, 3, tolerated_failure_percentage=0)
    tasks.bad = {1, 7}
    tasks.run(0, 1, 2)
    before = records(tasks.end())
    tasks.bad = set()
    whole = write_children
    met: list[BaseException | None] = []

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        layout = whole(*arguments, **options)
        if not met:
            met.append(None)
            try:
                tasks.run(0) if first == "the group" else tasks.redrive()
            except NotRedrivable as reason:
                met[0] = reason
        return layout

    monkeypatch.setattr("airflow_provider_sfdm.runtime.redrive.write_children", meanwhile)
    if first == "the group":
        tasks.redrive()
    else:
        tasks.run(0)
    assert met == [None]
    tasks.run(*range(tasks.partitions))
    summary = tasks.end()
    assert records(summary) == {"SUCCEEDED": list(range(12)), "FAILED": [], "PENDING": []}
    assert summary.execution_counts.succeeded == summary.execution_counts.total == 12
    assert set(before["SUCCEEDED"]) < set(range(12))


def test_a_partition_of_what_was_redriven_as_a_whole_since(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 12, 3, tolerated_failure_percentage=0)
    tasks.bad = {1}
    tasks.run(0, 1, 2)
    tasks.end()
    old = tasks.map_run
    tasks.redrive()
    with pytest.raises(NotRedrivable, match="was redriven as a whole"):
        redrive_partition(old, 0, CONNECTIONS, time.time())


def test_limits_that_were_changed_hold_in_it(tmp_path: Path) -> None:
    """The shares are divided anew: those of the beginning are of another MaxConcurrency."""
    import asyncio

    in_flight = [0, 0]

    async def function(item: int) -> int:
        in_flight[0] += 1
        in_flight[1] = max(in_flight)
        await asyncio.sleep(0.05)
        in_flight[0] -= 1
        if tasks.bad:
            raise ValueError
        return item

    tasks = Tasks(tmp_path, 24, 2, tolerated_failure_percentage=90, max_concurrency=20)
    tasks.definition = DistributedMap(
        item_processor=function, result_writer=tasks.definition.result_writer, max_concurrency=20
    )
    tasks.bad = {1}
    change_limits(tasks.map_run, Plan.from_dict(tasks.map_run.read(PLAN)), MapRunLimits(max_concurrency=2))
    tasks.run(0, 1)
    assert (tasks.end().status, in_flight[1]) == ("FAILED", 2)
    tasks.bad, in_flight[1] = set(), 0
    tasks.run(0)
    assert tasks.end().max_concurrency == 2
    assert in_flight[1] == 2


def test_a_hundred_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end is found without walking back through all of them."""
    tasks = Tasks(tmp_path, 4, 2, tolerated_failure_percentage=0)
    tasks.bad = {0}
    tasks.run(1)
    for _ in range(100):
        tasks.run(0)
        summary = tasks.end()
    assert (summary.status, summary.redrive_count) == ("FAILED", 99)
    reads: list[str] = []
    whole = LocalStore.read

    def counted(self: LocalStore, key: str) -> bytes:
        reads.append(key)
        return whole(self, key)

    monkeypatch.setattr(LocalStore, "read", counted)
    assert tasks.end() == summary
    assert len(reads) < 20
    tasks.bad = set()
    tasks.run(0)
    assert records(tasks.end())["SUCCEEDED"] == [0, 1, 2, 3]


def test_it_is_described_while_it_runs(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 8, 2, tolerated_failure_percentage=0)
    tasks.bad = {1}
    tasks.run(1)
    tasks.run(0)
    tasks.end()
    told: list[MapRunSummary] = []

    def look(item: int) -> int:
        if not told:
            time.sleep(0.8)  # until progress has been told
            told.append(describe_map_run(tasks.map_run.url))
        return item

    tasks.definition = DistributedMap(item_processor=look, result_writer=tasks.definition.result_writer)
    tasks.run(0)
    counts = told[0].execution_counts
    assert (told[0].status, counts.total, counts.succeeded) == ("RUNNING", 8, 5)


def test_its_dag_run_ends_before_it(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path, 8, 2, tolerated_failure_percentage=0)
    tasks.bad = {1}
    tasks.run(1)
    tasks.run(0)
    tasks.end()
    tasks.bad = set()
    folder = redrive_partition(tasks.map_run, 0, CONNECTIONS, time.time())
    folder.stop(StopReason("", "the DAG run has ended", aborted=True, dag_run_ended=True))
    summary = write_aborted(folder, CONNECTIONS, 0.5)
    assert (summary.status, summary.redrive_count) == ("ABORTED", 1)
    assert records(summary) == {"SUCCEEDED": [0, 4, 5, 6, 7], "FAILED": [], "PENDING": [1, 2, 3]}
    tasks.run(0)
    assert tasks.end().status == "SUCCEEDED"


def test_what_was_left_without_a_summary(tmp_path: Path) -> None:
    """All processes were gone before one could write it. Cleared, the DAG run goes on; else nothing does."""
    tasks = Tasks(tmp_path, 8, 2)
    tasks.map_run.stop(StopReason("", "the DAG run has ended", aborted=True, dag_run_ended=True))
    for goes_on in (False, True):
        folder = redrive_partition(tasks.map_run, 0, CONNECTIONS, time.time(), [goes_on].pop)
        assert (folder.url == tasks.map_run.url) is not goes_on
    tasks.run(0, 1)
    summary = tasks.end()
    assert (summary.status, summary.redrive_count, summary.execution_counts.succeeded) == ("SUCCEEDED", 1, 8)


def test_why_it_is_still_no_success(tmp_path: Path) -> None:
    """What was repaired is not named as the reason: it is the partition that was not cleared."""
    tasks = Tasks(tmp_path, 9, 3, tolerated_failure_percentage=0)
    tasks.bad = {0}
    tasks.run(0)
    tasks.run(1, 2)
    assert tasks.end().error == "States.ExceedToleratedFailureThreshold"
    tasks.bad = set()
    tasks.run(0, 1)
    summary = tasks.end()
    assert (summary.status, summary.execution_counts.failed, summary.execution_counts.pending) == ("FAILED", 0, 3)
    assert summary.cause == (
        "The specified tolerated failure threshold was exceeded before, "
        "and partition 2, of which 3 child executions did not run, was not cleared"
    )
    tasks.run(2)
    assert tasks.end().status == "SUCCEEDED"
