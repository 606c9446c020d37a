"""The map that is disturbed: batches of numbers, of which some fail, and a log outside of Airflow of what ran."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, get_current_context

from airflow_provider_sfdm import ItemBatcher, ResultWriter, S3JsonLItemReader, WriterConfig, distributed_map


def note(run_id: str, *words: object) -> None:
    """Append one line in one write, which is there whatever becomes of this process."""
    line = " ".join(map(str, (*words, os.getpid()))) + "\n"
    file = os.open(Path(os.environ["CHAOS_EFFECTS"], run_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@dag(
    schedule=None,
    max_active_runs=100,
    params={
        "source": Param(type="string"),
        "results": Param(type="string"),
        "batch": Param(type="integer"),
        "milliseconds": Param(type="integer"),
    },
)
def chaos() -> None:
    @distributed_map(
        item_reader=S3JsonLItemReader(url="{{ params.source }}"),
        item_batcher=ItemBatcher(
            max_items_per_batch="{{ params.batch }}", batch_input={"milliseconds": "{{ params.milliseconds }}"}
        ),
        tolerated_failure_percentage=5,
        result_writer=ResultWriter(url="{{ params.results }}", writer_config=WriterConfig()),
        partitions=4,
        retries=20,
        retry_delay=timedelta(seconds=1),
    )
    def effect(batch: dict[str, Any]) -> dict[str, int]:
        run_id = get_current_context()["run_id"]
        first = batch["Items"][0]["number"]
        child = first // len(batch["Items"])
        began = time.time()
        note(run_id, "began", child, began)
        time.sleep(int(batch["BatchInput"]["milliseconds"]) / 1000)
        note(run_id, "ended", child, time.time())
        if child % 50 == 7:
            raise ValueError(f"the batch that begins with {first}")
        return {"first": first, "sum": sum(item["value"] for item in batch["Items"])}

    effect()


chaos()
