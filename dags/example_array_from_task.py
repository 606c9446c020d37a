"""An array from an upstream task: the items are whatever that task returned, and failures are an outcome per item."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_sfdm import ItemBatcher, distributed_map


@dag(dag_id="array_from_task", schedule=None, params={"currency": "EUR"}, tags=["distributed map"])
def array_from_task() -> None:
    @task
    def orders() -> list[dict[str, Any]]:
        """What a previous step found: 1,000 orders, some without a price."""
        return [{"id": number, "price": None if number % 100 == 0 else number / 4} for number in range(1000)]

    @distributed_map(
        item_batcher=ItemBatcher(max_items_per_batch=50, batch_input={"currency": "{{ params.currency }}"}),
        item_selector={"order.$": "$$.Map.Item.Value", "position.$": "$$.Map.Item.Index"},
        # One order that fails leaves the other 49 of its batch alone.
        per_item=True,
        tolerated_failure_percentage=2,
        max_concurrency=4,
    )
    def invoices(item: dict[str, Any]) -> dict[str, Any]:
        """The invoice of one order."""
        order = item["order"]
        if order["price"] is None:
            raise ValueError(f"order {order['id']} has no price")
        return {"order": order["id"], "total": round(order["price"] * 1.19, 2)}

    @task
    def report(summary: dict[str, Any]) -> None:
        items = summary["itemCounts"]
        print(f"{items['succeeded']:,} invoices, {items['failed']:,} orders failed: {summary['errors']}")

    report(invoices(items=orders()))


array_from_task()
