"""The DAGs that benchmarks/load.py runs."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag

from airflow_provider_sfdm import (
    ItemBatcher,
    ResultWriter,
    S3CsvItemReader,
    Transformation,
    WriterConfig,
    distributed_map,
)

PARAMS = {name: Param(type="string") for name in ("source", "results")}


def parse(row: dict[str, str]) -> dict[str, Any]:
    """The work, the same as in benchmarks/runtime.py."""
    return {"id": int(row["id"]), "city": row["city"], "amount": float(row["amount"])}


@dag(dag_id="load_batched", schedule=None, max_active_runs=20, params=PARAMS)
def load_batched() -> None:
    """A child execution for 500 items."""

    @distributed_map(
        item_reader=S3CsvItemReader(url="{{ params.source }}"),
        item_batcher=ItemBatcher(max_items_per_batch=500),
        result_writer=ResultWriter(
            url="{{ params.results }}", writer_config=WriterConfig(transformation=Transformation.FLATTEN)
        ),
    )
    def rows(batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [parse(row) for row in batch["Items"]]

    rows()


@dag(dag_id="load_single", schedule=None, params=PARAMS)
def load_single() -> None:
    """A child execution, and a record, for each item."""

    @distributed_map(
        item_reader=S3CsvItemReader(url="{{ params.source }}"), result_writer=ResultWriter(url="{{ params.results }}")
    )
    def rows(row: dict[str, str]) -> dict[str, Any]:
        return parse(row)

    rows()


load_batched()
load_single()
