"""Maps on Step Functions in a real Airflow: each case once in a task that waits, once in the triggerer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag

from airflow_provider_sfdm import AslProcessor, DistributedMap, MapRunSensor, StepFunctionsDistributedMapOperator

CHILD = AslProcessor(
    start_at="Take time",
    states={
        "Take time": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Is it bad"},
        "Is it bad": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "Bad"}],
            "Default": "Good",
        },
        "Good": {"Type": "Succeed"},
        "Bad": {"Type": "Fail", "Error": "BadItem", "Cause": "the item is bad"},
    },
)
MAP = DistributedMap(
    item_processor=CHILD,
    items_path="$.items",
    input={"items": "{{ params['items'] }}"},
    tolerated_failure_count=1,
    max_concurrency=4,
)


def _add(dag_id: str, **options: Any) -> None:
    @dag(
        dag_id=dag_id,
        schedule=None,
        params={"items": Param([], type="array")},
        render_template_as_native_obj=True,
        default_args={"retry_delay": timedelta(seconds=1)},
    )
    def one_map() -> None:
        StepFunctionsDistributedMapOperator(
            task_id="map",
            definition=MAP,
            role_arn="arn:aws:iam::123456789012:role/maps",
            poll_interval=0.5,
            **options,
        )

    one_map()


for mode, deferrable in (("waits", False), ("deferred", True)):
    # Against an emulator that runs the states.
    _add(f"plain_{mode}", deferrable=deferrable, aws_conn_id="emulator")
    _add(f"enough_{mode}", deferrable=deferrable, aws_conn_id="emulator", succeed_when="succeeded >= 2")
    # Against a server that follows a script, for what no emulator does.
    scripted: dict[str, Any] = {"deferrable": deferrable, "aws_conn_id": "scripted"}
    _add(f"redriven_{mode}", **scripted, retries=1)
    _add(f"bad_data_{mode}", **scripted, fail_when="failed > 10% after 4", retries=2)
    _add(f"late_{mode}", **scripted, timeout=3)
    _add(f"short_attempt_{mode}", **scripted, execution_timeout=timedelta(seconds=8))
    _add(f"killed_{mode}", **scripted, retries=1)
    _add(f"left_alone_{mode}", **scripted, stop_on_kill=False)
_add("died", aws_conn_id="scripted", retries=1)


@dag(dag_id="sensors", schedule=None, params={"execution": Param("", type="string")})
def sensors() -> None:
    watched: dict[str, Any] = {"execution_arn": "{{ params.execution }}", "aws_conn_id": "emulator"}
    MapRunSensor(task_id="pokes", poke_interval=1, timeout=120, **watched)
    # Airflow sometimes takes a task that rescheduled itself just now for one that was killed (apache/airflow#71172).
    MapRunSensor(task_id="rescheduled", mode="reschedule", poke_interval=15, timeout=120, retries=3, **watched)
    MapRunSensor(task_id="deferred", deferrable=True, timeout=120, poll_interval=1, **watched)
    MapRunSensor(task_id="enough", succeed_when="succeeded >= 1", poke_interval=1, timeout=120, **watched)
    MapRunSensor(task_id="out_of_time", poke_interval=1, timeout=2, **watched)
    MapRunSensor(task_id="out_of_time_deferred", deferrable=True, timeout=2, poll_interval=1, **watched)
    MapRunSensor(task_id="skipped", poke_interval=1, timeout=2, soft_fail=True, **watched)


sensors()
