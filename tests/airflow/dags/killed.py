"""A map whose children write down that they ran, and in which process: for whoever kills one."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_sfdm import ResultWriter, WriterConfig, distributed_map


@dag(schedule=None, params={"folder": ""})
def killed() -> None:
    @distributed_map(
        items=list(range(1200)),
        item_selector={"number.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
        input={"folder": "{{ params.folder }}"},
        partitions=2,
        tolerated_failure_percentage=100,
        result_writer=ResultWriter(url="file://{{ params.folder }}/results", writer_config=WriterConfig()),
        retries=5,
        retry_delay=timedelta(seconds=1),
    )
    def effect(item: Any) -> Any:
        with Path(item["folder"], "effects").open("a") as log:
            log.write(f"{item['number']} {os.getpid()}\n")
        time.sleep(0.01)
        if item["number"] % 100 == 0:
            raise ValueError(item["number"])
        return item["number"]

    effect()


killed()
