"""Operators and sensors of Step Functions that Airflow maps, in both modes; what upstream gives is data."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task, task_group

from airflow_provider_sfdm import (
    DistributedMap,
    DistributedMapTaskGroup,
    LambdaFunction,
    MapRunSensor,
    StepFunctionsDistributedMapOperator,
)

MAP = DistributedMap(item_processor=LambdaFunction("work"), items_path="$.items")
OPTIONS: dict[str, Any] = {"role_arn": "arn:aws:iam::123456789012:role/maps", "poll_interval": 0.2}
CONNECTION = "scripted"


@dag(dag_id="mapped_step_functions", schedule=None)
def mapped_step_functions() -> None:
    @task
    def inputs() -> list[dict[str, Any]]:
        return [{"items": [number], "word": "{{ 6 * 7 }}"} for number in range(2)]

    given: Any = inputs()
    for name, deferrable in (("waits", False), ("deferred", True)):
        ran = StepFunctionsDistributedMapOperator.partial(
            task_id=f"map_{name}", definition=MAP, aws_conn_id=CONNECTION, deferrable=deferrable, **OPTIONS
        ).expand(input=given)
        MapRunSensor.partial(
            task_id=f"sense_{name}", aws_conn_id=CONNECTION, deferrable=deferrable, poke_interval=0.2, timeout=60
        ).expand(execution_arn=ran.output)

    @task_group
    def each(given: Any) -> None:
        StepFunctionsDistributedMapOperator(
            task_id="by_input", definition=MAP, input=given, aws_conn_id=CONNECTION, **OPTIONS
        )
        DistributedMapTaskGroup(
            "by_group",
            item_processor=LambdaFunction("work"),
            items_path="$.items",
            input=given,
            aws_conn_id=CONNECTION,
            engine="stepfunctions",
            step_functions=OPTIONS,
        )

    each.expand(given=given)

    @task
    def lists() -> list[list[str]]:
        return [["{{ 1 + 1 }}"], ["b"]]

    @task_group
    def by_items(items: Any) -> None:
        StepFunctionsDistributedMapOperator(
            task_id="map",
            definition=DistributedMap(item_processor=LambdaFunction("work")),
            items=items,
            aws_conn_id=CONNECTION,
            **OPTIONS,
        )

    by_items.expand(items=lists())


mapped_step_functions()
