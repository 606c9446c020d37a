"""Children that are task groups: two operators for each order, for at most two orders at a time.

Every child execution is a mapped instance of the group, with a log, retries and an operator of its own for each step.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task, task_group

from airflow_provider_sfdm import MapRunResults, distributed_map

ORDERS = [{"id": number, "pieces": number % 4} for number in range(6)]


@dag(dag_id="task_group", schedule=None, tags=["distributed map"])
def task_group_dag() -> None:
    @distributed_map(items=ORDERS, max_concurrency=2, tolerated_failure_count=2)
    @task_group
    def order(item: Any) -> Any:
        """Pack one order, then send it."""

        @task
        def pack(item: dict[str, Any]) -> dict[str, Any]:
            if item["id"] == 3:
                raise ValueError(f"order {item['id']} does not fit into a parcel")
            return {"order": item["id"], "grams": 100 + 250 * item["pieces"]}

        @task
        def send(parcel: dict[str, Any]) -> str:
            return f"order {parcel['order']}: {parcel['grams']} g"

        packed: Any = pack(item)
        return send(packed)

    @task
    def report(summary: dict[str, Any]) -> None:
        results = MapRunResults.from_summary(summary)
        for child in results.succeeded():
            print(f"sent {child.output}")
        for child in results.failed():
            print(f"failed: order {child.input['id']}: {child.cause}")

    report(order())


task_group_dag()
