"""Maps whose DAG run ends before them: marked by somebody, or timed out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_sfdm import ResultWriter, WriterConfig, distributed_map


@distributed_map(
    items=list(range(400)),
    item_selector={"number.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
    input={"folder": "{{ params.folder }}"},
    partitions=4,
    max_active_tis_per_dagrun=2,
    max_concurrency=4,
    result_writer=ResultWriter(url="file://{{ params.folder }}/results", writer_config=WriterConfig()),
    storage="file://{{ params.folder }}/runs",
    retries=2,
)
async def effect(item: Any) -> Any:
    folder = Path(item["folder"])
    slow = (folder / "slow").exists()
    if slow:
        await asyncio.sleep(0.25 if item["number"] != 20 else 60)
    with (folder / "effects").open("a") as log:
        log.write(f"{item['number']}\n")
    return item["number"]


@dag(schedule=None, params={"folder": ""})
def marked() -> None:
    effect()


@dag(schedule=None, params={"folder": ""}, dagrun_timeout=timedelta(seconds=15))
def timed_out() -> None:
    effect()


marked()
timed_out()


@dag(schedule=None, params={"folder": ""})
def short_attempts() -> None:
    """Each attempt has time for a part of the children."""
    effect.override(partitions=1, execution_timeout=timedelta(seconds=5), retries=1, retry_delay=timedelta(seconds=1))()


short_attempts()
