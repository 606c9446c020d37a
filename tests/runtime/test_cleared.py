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

from airflow_provider_sfdm import DistributedMap, MapRunResults, MapRunSummary, OutputType, ResultWriter, WriterConfig
from airflow_provider_sfdm.runtime.ends import latest, root_of
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.redrive import NotRedrivable, plan_redrive, redrive_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
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
    assert summary.cause is not None and summary.cause.startswith("partition 1 of 3 ended without results")
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
