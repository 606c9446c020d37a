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
ROLE = "arn:aws:iam::000000000000:role/maps"


def _map(tolerated: int) -> DistributedMap:
    return DistributedMap(
        item_processor=CHILD,
        items_path="$.items",
        input={"items": "{{ params['items'] }}"},
        tolerated_failure_count=tolerated,
        max_concurrency=4,
    )


def _add(dag_id: str, *, tolerated: int = 0, **options: Any) -> None:
    @dag(
        dag_id=dag_id,
        schedule=None,
        params={"items": Param([], type="array")},
        render_template_as_native_obj=True,
        default_args={"retry_delay": timedelta(seconds=1)},
    )
    def one_map() -> None:
        StepFunctionsDistributedMapOperator(
            task_id="map", definition=_map(tolerated), role_arn=ROLE, poll_interval=0.5, **options
        )

    one_map()


for mode, deferrable in (("waits", False), ("deferred", True)):
    _add(f"plain_{mode}", tolerated=1, deferrable=deferrable)
    _add(f"retried_{mode}", deferrable=deferrable, retries=1)
    _add(f"bad_data_{mode}", tolerated=90, deferrable=deferrable, fail_when="failed > 10% after 4", retries=2)
    _add(f"enough_{mode}", tolerated=90, deferrable=deferrable, succeed_when="succeeded >= 2")
    _add(f"late_{mode}", deferrable=deferrable, timeout=3)
    _add(f"short_attempt_{mode}", deferrable=deferrable, execution_timeout=timedelta(seconds=4))
    _add(f"left_alone_{mode}", deferrable=deferrable, stop_on_kill=False)


@dag(dag_id="sensors", schedule=None, params={"execution": Param("", type="string")})
def sensors() -> None:
    arn = "{{ params.execution }}"
    MapRunSensor(task_id="pokes", execution_arn=arn, poke_interval=1, timeout=120)
    # Airflow sometimes takes a task that rescheduled itself just now for one that was killed (apache/airflow#71172).
    MapRunSensor(task_id="rescheduled", execution_arn=arn, mode="reschedule", poke_interval=15, timeout=120, retries=3)
    MapRunSensor(task_id="deferred", execution_arn=arn, deferrable=True, timeout=120, poll_interval=1)
    MapRunSensor(task_id="enough", execution_arn=arn, succeed_when="succeeded >= 1", poke_interval=1, timeout=120)
    MapRunSensor(task_id="out_of_time", execution_arn=arn, poke_interval=1, timeout=2)
    MapRunSensor(task_id="out_of_time_deferred", execution_arn=arn, deferrable=True, timeout=2, poll_interval=1)
    MapRunSensor(task_id="skipped", execution_arn=arn, poke_interval=1, timeout=2, soft_fail=True)


sensors()
