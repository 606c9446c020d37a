"""Which map run a task goes on with when it runs once more."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, ItemBatcher, ResultWriter
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.remembered import LastMapRun, data_of, fingerprint
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import path_of

CONNECTIONS = Connections()


class Task:
    """Plans as read_items does, and runs what is planned."""

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()

    def plan(self, items: list[Any], partitions: int = 2) -> tuple[MapRunFolder, Plan]:
        last = LastMapRun(self.url, CONNECTIONS)
        found = last.go_on(fingerprint(items), partitions=partitions, at_once=None, one_child_each=False)
        if found is None:
            found = plan_map_run(
                DistributedMap(item_processor=str),
                name="map",
                storage=self.url,
                connections=CONNECTIONS,
                run_input=items,
                partitions=partitions,
            )
            last.remember(found[1].map_run, fingerprint(items))
        return found

    def run(self, planned: tuple[MapRunFolder, Plan], function: Any) -> str:
        folder, plan = planned
        definition = DistributedMap(item_processor=function)
        ready = invocation_factory(definition, CONNECTIONS)
        for partition in plan.partitions:
            run_partition(definition, folder, partition.index, ready, CONNECTIONS, checkpoint_seconds=30)
        return str(write_results(folder, CONNECTIONS).status)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def fail(item: Any) -> Any:
    raise ValueError(item)


def test_a_plan_of_which_nothing_has_begun_is_taken(task: Task) -> None:
    """The task was killed after it had stored it."""
    first, again = task.plan([1, 2]), task.plan([1, 2])
    assert again[0].url == first[0].url
    assert again[1] == first[1]


def test_what_failed_is_redriven_until_it_succeeds(task: Task) -> None:
    first = task.plan([1, 2, 3])
    assert task.run(first, fail) == "FAILED"
    second = task.plan([1, 2, 3])
    assert (second[1].map_run, second[1].redrive_count) == (first[1].map_run, 1)
    # killed after it had stored that plan
    assert task.plan([1, 2, 3])[1] == second[1]
    assert task.run(second, fail) == "FAILED"
    third = task.plan([1, 2, 3])
    assert third[1].redrive_count == 2
    assert task.run(third, str) == "SUCCEEDED"
    assert task.plan([1, 2, 3])[1].map_run != first[1].map_run


def test_other_items_are_another_map_run(task: Task) -> None:
    first = task.plan([1, 2])
    task.run(first, fail)
    other = task.plan([1, 2, 3])
    assert other[1].map_run != first[1].map_run
    assert (other[1].redrive_count, other[1].items) == (0, 3)


def test_a_folder_that_is_gone(task: Task) -> None:
    first = task.plan([1, 2])
    task.run(first, fail)
    shutil.rmtree(path_of(first[0].url))
    assert task.plan([1, 2])[1].map_run != first[1].map_run


def test_partitions_that_never_ended(task: Task) -> None:
    """One has begun and was lost, the other has not begun: all of their children run in the redrive."""
    first = task.plan([1, 2, 3, 4])
    first[0].begin_attempt(0)
    second = task.plan([1, 2, 3, 4])
    assert (second[1].redrive_count, second[1].children) == (1, 4)
    assert task.run(second, str) == "SUCCEEDED"


def test_fingerprints() -> None:
    assert fingerprint([1, 2], {"a": 1}) == fingerprint([1, 2], {"a": 1})
    assert fingerprint([1, 2]) != fingerprint([1, 3])
    assert fingerprint([1], [2]) != fingerprint([1, 2])
    assert fingerprint(iter([1, 2])) == fingerprint(iter([1, 2])) != fingerprint(iter([1]))
    assert fingerprint([datetime(2026, 1, 1)]) is None, "no JSON"


def test_what_of_a_definition_decides() -> None:
    def data(**fields: Any) -> list[str]:
        return data_of(DistributedMap(item_processor=str, items=[1], **fields))

    def one(value: Any) -> Any:
        return {"a": value in {"x", "y"}, "b": [each for each in value]}

    def other(value: Any) -> Any:
        return {"a": value in {"x", "z"}, "b": [each for each in value]}

    other.__qualname__ = one.__qualname__
    assert data() == data(tolerated_failure_count=3, max_concurrency=4, result_writer=ResultWriter(bucket="b"))
    assert data(item_selector=one) == data(item_selector=one) != data(item_selector=other)
    assert data(item_selector={"a.$": "$.b"}) != data(item_selector={"a.$": "$.c"})
    jsonata = [
        data(query_language="JSONata", item_selector={"a": f"{{% {{{{'n': {number}}}.n}} %}}"}) for number in (1, 2)
    ]
    assert jsonata[0] != jsonata[1]
    assert data(item_batcher=ItemBatcher(max_items_per_batch=2)) != data(
        item_batcher=ItemBatcher(max_items_per_batch=3)
    )


def test_what_cannot_be_redriven_does_not_stay_so_for_ever(task: Task, tmp_path: Path) -> None:
    """Its result files are gone, say: each clear would fail."""
    first = task.plan([1, 2])
    task.run(first, fail)
    for path in path_of(first[0].url).rglob("FAILED_*"):
        path.unlink()
    second = task.plan([1, 2])
    assert (second[1].redrive_count, second[1].children) == (0, 2)
    assert second[1].map_run != first[1].map_run
