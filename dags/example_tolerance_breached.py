"""A map run that fails: more items fail than are tolerated, the rest never starts, and a task reports it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_sfdm import MapRunResults, MapRunSummary, distributed_map

TOLERATED = 5


@dag(dag_id="tolerance_breached", schedule=None, tags=["distributed map"])
def tolerance_breached() -> None:
    @distributed_map(items=list(range(1000)), tolerated_failure_count=TOLERATED, partitions=2)
    def check(item: int) -> int:
        """Every tenth item is bad."""
        if item % 10 == 9:
            raise ValueError(f"{item} is bad")
        return item

    # The verdict is FAILED, so the last task of the map fails; this one runs when all is done, however it ended.
    @task(trigger_rule="all_done")
    def report(summary: dict[str, Any]) -> None:
        """Print the verdict, what failed, and how much never started."""
        results = MapRunResults.from_summary(summary)
        items = summary["itemCounts"]
        print(f"map run {summary['status']}: {summary['error']}: {summary['cause']}")
        print(f"{items['succeeded']:,} succeeded, {items['failed']:,} failed, {items['pending']:,} never started")
        for child in results.failed():
            print(f"  item {child.input}: {child.error}")
        # Airflow takes the state of a run from its last tasks: without this line the run would be a success.
        MapRunSummary.from_dict(summary).raise_for_status()

    report(check())


tolerance_breached()
