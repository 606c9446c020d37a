"""A map over task groups that write down when each of them runs: in a folder, for whoever measures it."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task, task_group

from airflow_provider_sfdm import distributed_map


def note(item: dict[str, Any], what: str) -> None:
    """Write the time into a file of its own."""
    (Path(item["folder"]) / f"{what}-{item['number']}").write_text(repr(time.time()))


@dag(schedule=None, params={"folder": ""})
def timed_groups() -> None:
    @distributed_map(
        items=list(range(8)),
        input={"folder": "{{ params.folder }}", "at_once": 3},
        item_selector={"number.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
        max_concurrency_path="$.at_once",
        tolerated_failure_count=1,
        retry_delay=timedelta(seconds=5),
    )
    @task_group
    def timed(item: Any) -> None:
        """Two tasks in a row; in one of the children the first one fails."""

        @task
        def first(item: dict[str, Any]) -> dict[str, Any]:
            note(item, "begin")
            time.sleep(1)
            if item["number"] == 2:
                note(item, "end")
                raise ValueError("two")
            return item

        @task
        def second(item: dict[str, Any]) -> None:
            time.sleep(1)
            note(item, "end")

        done: Any = first(item)
        second(done)

    timed()


timed_groups()
