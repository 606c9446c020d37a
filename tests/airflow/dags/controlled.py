"""A map that runs for long enough for somebody to change its limits, to stop it and to redrive it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_sfdm import ResultWriter, WriterConfig, distributed_map


@dag(schedule=None, params={"folder": ""})
def controlled() -> None:
    @distributed_map(
        items=list(range(2000)),
        item_selector={"number.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
        input={"folder": "{{ params.folder }}"},
        partitions=2,
        max_concurrency=2,
        result_writer=ResultWriter(url="file://{{ params.folder }}/results", writer_config=WriterConfig()),
    )
    async def effect(item: Any) -> Any:
        with Path(item["folder"], "effects").open("a") as log:
            log.write(f"{item['number']}\n")
        await asyncio.sleep(0.5)
        return item["number"]

    effect()


controlled()
