"""Distributed Maps that AWS Step Functions runs, and Airflow starts, watches, and stops with the task.

``prices`` maps a Lambda function over the rows of a CSV file in S3. Its definition runs on Airflow's own workers, too:
without ``engine=`` here, ``[sfdm] engine`` (AIRFLOW__SFDM__ENGINE) says which.

``checks`` is a child workflow in the Amazon States Language. The task goes on as soon as 80 % of the items are through;
``all_checks`` waits for the rest.

The connection ``aws_default`` says which account and Region, or which local server (``endpoint_url``); the role is that
of the state machines: what it must be allowed to do, ``DistributedMap.policy_statements()`` says.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    DistributedMapTaskGroup,
    JsonPath,
    LambdaFunction,
    MapRunSensor,
    MapRunSummary,
    S3CsvItemReader,
    StepFunctionsDistributedMapOperator,
)

CHECK = AslProcessor(
    start_at="Settle",
    states={
        "Settle": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Is it paid"},
        "Is it paid": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.paid", "BooleanEquals": True, "Next": "Paid"}],
            "Default": "Unpaid",
        },
        "Paid": {"Type": "Succeed"},
        "Unpaid": {"Type": "Fail", "Error": "Unpaid", "Cause": "the order has not been paid"},
    },
)


@dag(
    dag_id="step_functions",
    schedule=None,
    params={
        "bucket": Param("my-bucket", type="string", description="where the CSV file is"),
        "key": Param("orders.csv", type="string", description="the CSV file, with a column price"),
        "function": Param("price", type="string", description="a Lambda function of a row"),
        "role_arn": Param("arn:aws:iam::123456789012:role/maps", type="string", description="of the state machines"),
    },
    tags=["distributed map"],
)
def step_functions() -> None:
    prices = DistributedMapTaskGroup(
        "prices",
        item_processor=LambdaFunction("{{ params.function }}"),
        item_reader=S3CsvItemReader(bucket=JsonPath("$.bucket"), key=JsonPath("$.key")),
        # What changes from run to run is in the input: the definition stays, and with it the state machine.
        input={"bucket": "{{ params.bucket }}", "key": "{{ params.key }}"},
        max_concurrency=10,
        tolerated_failure_percentage=20,
        retries=1,
        engine="stepfunctions",
        step_functions={
            "role_arn": "{{ params.role_arn }}",
            "fail_when": "failed > 10% after 100",
            "deferrable": True,
        },
    )

    @task
    def orders() -> list[dict[str, Any]]:
        """What a previous step found: the last order takes longer."""
        return [{"id": number, "paid": number != 3, "seconds": 8 if number == 10 else 1} for number in range(1, 11)]

    checks = StepFunctionsDistributedMapOperator(
        task_id="checks",
        definition=DistributedMap(item_processor=CHECK, tolerated_failure_count=1, max_concurrency=10),
        items=orders(),
        role_arn="{{ params.role_arn }}",
        succeed_when="succeeded >= 80%",
    )
    all_checks = MapRunSensor(
        task_id="all_checks",
        execution_arn=checks.output,
        deferrable=True,
        timeout=600,
    )

    @task(trigger_rule="all_done")
    def report(summary: Any, checked: Any) -> None:
        """Print how both ended, and fail if one of them did."""
        for one in (summary, checked):
            print(MapRunSummary.from_dict(one).raise_for_status().describe())
            print(f"  errors of child executions: {one['errors']}")

    report(prices.output, all_checks.output)


step_functions()
