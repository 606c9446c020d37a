"""The DAGs that benchmarks/dag.py runs."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_sfdm import (
    ItemBatcher,
    ResultWriter,
    S3CsvItemReader,
    Transformation,
    WriterConfig,
    distributed_map,
)


def parse(row: dict[str, str]) -> dict[str, Any]:
    """The work, the same as in benchmarks/runtime.py."""
    return {"id": int(row["id"]), "city": row["city"], "amount": float(row["amount"])}


@dag(dag_id="bench_empty", schedule=None)
def bench_empty() -> None:
    """Three tasks that do nothing: what Airflow itself takes for three hops."""

    @task
    def nothing() -> None: ...

    first, second, third = (nothing.override(task_id=name)() for name in ("first", "second", "third"))
    first >> second >> third


@dag(dag_id="bench_map", schedule=None, params={name: Param(type="string") for name in ("source", "results")})
def bench_map() -> None:
    """A Distributed Map over a CSV file."""

    @distributed_map(
        item_reader=S3CsvItemReader(url="{{ params.source }}"),
        item_batcher=ItemBatcher(max_items_per_batch=500),
        result_writer=ResultWriter(
            url="{{ params.results }}", writer_config=WriterConfig(transformation=Transformation.COMPACT)
        ),
        partitions=2,
    )
    def rows(batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [parse(row) for row in batch["Items"]]

    rows()


@dag(dag_id="bench_naive", schedule=None, params={"items": Param(100, type="integer")})
def bench_naive() -> None:
    """The same work by dynamic task mapping alone: a task instance an item."""

    @task
    def items() -> list[dict[str, str]]:
        number = get_current_context()["params"]["items"]
        return [{"id": str(n), "city": "Dublin", "amount": "1.50"} for n in range(number)]

    @task
    def one(item: dict[str, str]) -> dict[str, Any]:
        return parse(item)

    @task
    def gather(results: Any) -> int:
        return len(results)

    gather(one.expand(item=items()))


bench_empty()
bench_map()
bench_naive()
