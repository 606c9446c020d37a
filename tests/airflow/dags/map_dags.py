"""DAGs of the tests: each shows one rule of the glue. They stand in a file, as dag.test() runs nothing else."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task, task_group

from airflow_provider_sfdm import (
    DistributedMapTaskGroup,
    ItemBatcher,
    S3CsvItemReader,
    S3JsonLItemReader,
    distributed_map,
)

HOME = Path(os.environ["AIRFLOW_HOME"])
LATE_FILE = HOME / "late.jsonl"


@task
def numbers(count: int = 10) -> list[int]:
    return list(range(count))


@dag(schedule=None, params={"word": "rendered"})
def templates() -> None:
    """Author's strings are rendered, data is not: not from an upstream task, not a literal, not inside the input."""

    @task
    def hostile() -> list[str]:
        return ["{{ 1 + 1 }}", "{% raw %}"]

    @distributed_map(
        item_batcher=ItemBatcher(max_items_per_batch="{{ params.size }}", batch_input={"word": "{{ params.word }}"}),
        item_selector={"item.$": "$$.Map.Item.Value", "input.$": "$.found", "day.$": "$.day"},
        max_concurrency="{{ 2 }}",
    )
    def from_task(batch: dict[str, Any]) -> dict[str, Any]:
        return batch

    @distributed_map(items=["{{ 1 + 1 }}"])
    def literal(item: str) -> str:
        return item

    found = hostile()
    from_task(items=found, input={"found": found, "day": "{{ params.word }}"})
    literal()


templates_dag = templates()
templates_dag.params["size"] = 2


@dag(schedule=None)
def sources() -> None:
    """Items from a mapped task, from the run's input, from nothing."""

    @task
    def square(number: int) -> int:
        return number**2

    def same(item: Any) -> Any:
        return item

    squares = square.expand(number=numbers())
    mapped = DistributedMapTaskGroup("mapped", item_processor=same, items=squares, partitions=3)
    DistributedMapTaskGroup("input", item_processor=same, items_path="$.rows", input={"rows": numbers()})
    DistributedMapTaskGroup("nothing", item_processor=same, items=[])

    @task
    def after(output: dict[str, Any]) -> int:
        return sum(output["output"])

    mapped >> after(mapped.output)


sources()


@dag(schedule=None)
def twice() -> None:
    """One function, two maps."""

    @distributed_map
    def plus_one(item: int) -> int:
        return item + 1

    plus_one(items=[1])
    plus_one.override(group_id="other", partitions=1)(items=[2])
    plus_one(items=[3])


twice()


def write_late_file(context: Any) -> None:
    """Let the file be there for the second attempt."""
    LATE_FILE.write_text('{"n": 1}\n{"n": 2}\n')


@dag(schedule=None)
def retried() -> None:
    """A source that is not there yet: a fault of storage, which Airflow's retries are for."""

    @distributed_map(
        item_reader=S3JsonLItemReader(url=LATE_FILE.as_uri()),
        retries=1,
        retry_delay=timedelta(0),
        on_retry_callback=write_late_file,
    )
    def late(item: dict[str, int]) -> int:
        return item["n"]

    late()


retried()


@dag(schedule=None, params={"url": "file:///nowhere.csv"})
def bad_source() -> None:
    """A source that cannot be read: no retry helps, nothing is mapped, and no verdict is given."""

    @distributed_map(item_reader=S3CsvItemReader(url="{{ params.url }}"), retries=3, retry_delay=timedelta(0))
    def rows(item: dict[str, str]) -> dict[str, str]:
        return item

    rows()


bad_source()


@dag(schedule=None)
def many_batches() -> None:
    """More batches, and more partitions wished for, than Airflow maps a task over."""

    @distributed_map(items=list(range(50)), item_batcher=ItemBatcher(max_items_per_batch=2), partitions=20)
    def pairs(batch: dict[str, Any]) -> int:
        return sum(batch["Items"])

    pairs()


many_batches()


@dag(schedule=None)
def in_a_group() -> None:
    """A map in a task group that is not mapped."""

    @task_group
    def outer() -> None:
        @distributed_map(items=[1, 2, 3], label="inner")
        def inner(item: int) -> int:
            return item

        inner()

    outer()


in_a_group()


@dag(schedule=None, params={"tolerated": 0, "at_once": 0})
def task_groups() -> None:
    """Children that are task groups: their outputs, their failures, what is not started after a breach."""

    @distributed_map(
        item_selector={"number.$": "$$.Map.Item.Value", "text": "{% raw %}{{ kept }}{% endraw %}"},
        tolerated_failure_count="{{ params.tolerated }}",
        max_concurrency="{{ params.at_once }}",
    )
    @task_group
    def orders(item: Any) -> Any:
        """Two tasks in a row."""

        @task
        def check(item: dict[str, Any]) -> int:
            if item["number"] == 3:
                raise ValueError("three")
            return int(item["number"])

        @task
        def double(number: int) -> int:
            return number * 2

        number: Any = check(item)
        return double(number)

    orders(items=numbers(5))


task_groups()


def lose_the_first_end(context: Any) -> None:
    """Let the end of child 0 fail before it has done anything."""
    ti = context["ti"]
    if ti.task_id.endswith(".end") and ti.map_index == 0:
        raise RuntimeError("the worker died")


@dag(schedule=None)
def lost_end() -> None:
    """A child whose end is not recorded, while others wait for its place."""

    @distributed_map(items=[0, 1, 2], max_concurrency=1, pre_execute=lose_the_first_end)
    @task_group
    def child(item: Any) -> Any:
        @task
        def work(item: int) -> int:
            return item

        number: Any = work(item)
        return number

    child()


lost_end()


def die_after_the_first_end(context: Any, result: Any) -> None:
    """Let the first try of the end of child 0 die when it has recorded it."""
    ti = context["ti"]
    if ti.task_id.endswith(".end") and ti.map_index == 0 and ti.try_number == 1:
        raise RuntimeError("the worker died")


@dag(schedule=None)
def end_tried_again() -> None:
    """A child whose end was recorded by a try that failed after that."""

    @distributed_map(items=[0, 1], retries=1, retry_delay=0.1, post_execute=die_after_the_first_end)
    @task_group
    def child(item: Any) -> Any:
        @task
        def work(item: int) -> int:
            return item

        number: Any = work(item)
        return number

    child()


end_tried_again()


@dag(schedule=None)
def new_over_failures() -> None:
    """A new map over what another did not do: by its summary, and by the URL of its manifest."""

    @distributed_map(items=list(range(6)), partitions=2)
    def first(item: int) -> int:
        if item % 2:
            raise ValueError(item)
        return item

    @distributed_map(items=["never read"], trigger_rule="all_done")
    def second(item: int) -> int:
        return item * 10

    failed = first()
    second(from_results=failed)
    url = "{{ ti.xcom_pull('first.write_results')['manifest'] }}"
    failed >> second.override(group_id="third")(from_results=url)


new_over_failures()
