"""A map whose children fail as long as a file is there: for whoever clears it after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_sfdm import ResultWriter, WriterConfig, distributed_map


@dag(schedule=None, params={"folder": ""})
def redriven_map() -> None:
    @distributed_map(
        items=list(range(400)),
        item_selector={"number.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
        input={"folder": "{{ params.folder }}"},
        partitions=4,
        tolerated_failure_percentage=1,
        result_writer=ResultWriter(url="file://{{ params.folder }}/results", writer_config=WriterConfig()),
    )
    def effect(item: Any) -> Any:
        folder = Path(item["folder"])
        if item["number"] % 50 == 7 and (folder / "broken").exists():
            raise ValueError(item["number"])
        with (folder / "effects").open("a") as log:
            log.write(f"{item['number']}\n")
        return item["number"]

    effect()


redriven_map()
