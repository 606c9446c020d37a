"""Which tasks ``airflow sfdm redrive`` clears. The command itself: tests/airflow/test_redrive_command.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_sfdm import DistributedMapTaskGroup, TaskGroupProcessor
from airflow_provider_sfdm.cli.clearing import tasks_to_clear
from airflow_provider_sfdm.runtime.catalog import Owner
from airflow_provider_sfdm.runtime.redrive import NotRedrivable

THREE = ("read_items", "run_partition", "write_results")


def make(group_id: str = "m", **arguments: Any) -> DistributedMapTaskGroup:
    return DistributedMapTaskGroup(group_id, **{"item_processor": abs, "items": [1, 2], **arguments})


@task
def before() -> None: ...


@task
def after() -> None: ...


@task
def other() -> None: ...


@task_group
def tasks_of_a_child(value: Any) -> Any:
    @task
    def first(value: Any) -> Any:
        return value

    @task
    def second(value: Any) -> Any:
        return value

    return second(first(value))


def _without_prefix() -> None:
    before() >> make(prefix_group_id=False) >> after()
    other()


def _without_prefix_in_a_group() -> None:
    with TaskGroup("outer"):
        before() >> make(prefix_group_id=False) >> after()
        other()


def _one_name_begins_as_the_other() -> None:
    before() >> make("a") >> after()
    other.override(task_id="a.other")()
    make("ab")
    with TaskGroup("other"):
        make("a")


def _nested() -> None:
    with TaskGroup("a"):
        before() >> make("a") >> after()
        make("b")
        other()
    make("b")


def _children_that_are_groups() -> None:
    before() >> make(item_processor=TaskGroupProcessor(tasks_of_a_child)) >> after()
    other()


CHILD = "m.child_execution"
CASES: list[tuple[Callable[[], None], str, set[str]]] = [
    (_without_prefix, "read_items", {*THREE, "after"}),
    (_without_prefix_in_a_group, "read_items", {*THREE, "outer.after"}),
    (_one_name_begins_as_the_other, "a.read_items", {*(f"a.{name}" for name in THREE), "after"}),
    (_one_name_begins_as_the_other, "ab.read_items", {f"ab.{name}" for name in THREE}),
    (_one_name_begins_as_the_other, "other.a.read_items", {f"other.a.{name}" for name in THREE}),
    (_nested, "a.a.read_items", {*(f"a.a.{name}" for name in THREE), "a.after"}),
    (_nested, "a.b.read_items", {f"a.b.{name}" for name in THREE}),
    (_nested, "b.read_items", {f"b.{name}" for name in THREE}),
    (
        _children_that_are_groups,
        "m.read_items",
        {
            "m.read_items",
            *(f"{CHILD}.{name}" for name in ("start", "first", "second", "end")),
            "m.write_results",
            "after",
        },
    ),
]


def serialized(build: Callable[[], None]) -> Any:
    with DAG("maps", schedule=None) as dag:
        build()
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


@pytest.mark.parametrize(("build", "task_id", "cleared"), CASES)
def test_what_is_cleared(build: Callable[[], None], task_id: str, cleared: set[str]) -> None:
    assert sorted(tasks_to_clear(serialized(build), Owner("maps", "r", task_id))) == sorted(cleared)


@pytest.mark.parametrize("task_id", ["", "m", "m.read_items", "before", "write_results"])
def test_a_map_that_is_not_there_any_more(task_id: str) -> None:
    """It was renamed, say; something else may have its name."""
    with pytest.raises(NotRedrivable, match=f"the DAG maps has no map with a task {task_id} any more"):
        tasks_to_clear(serialized(_without_prefix), Owner("maps", "r", task_id))
