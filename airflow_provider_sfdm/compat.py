"""The only module that knows Airflow versions: everything the glue takes from Airflow is imported here.

The floor is Airflow 3.3, the version the lock file names and the tests run on. Names go through the compatibility
provider, Apache's own answer to names that move; the few it does not have stand below with their place in 3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import (
    XCOM_RETURN_KEY,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseOperator,
    Context,
    MappedOperator,
    ObjectStoragePath,
    PokeReturnValue,
    TaskGroup,
    TriggerRule,
    XCom,
    XComArg,
    XComNotFound,
    conf,
    task_group,
)
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.decorators.task_group import _TaskGroupFactory
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.sdk.io.fs import has_fs as has_filesystem
from airflow.triggers.base import BaseTrigger, TriggerEvent

__all__ = [
    "AIRFLOW_HOME",
    "XCOM_RETURN_KEY",
    "AirflowException",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseOperator",
    "BaseTrigger",
    "Context",
    "MappedOperator",
    "ObjectStoragePath",
    "PlainXComArg",
    "PokeReturnValue",
    "ResolveMixin",
    "TaskGroup",
    "TriggerEvent",
    "TriggerRule",
    "XCom",
    "XComArg",
    "XComNotFound",
    "conf",
    "dag_run_state",
    "has_filesystem",
    "is_dag_test",
    "task_group",
    "task_group_function",
    "task_state",
]


def task_group_function(value: object) -> Callable[..., Any] | None:
    """The function below the decorator ``@task_group``, or None where there is no such decorator."""
    return value.function if isinstance(value, _TaskGroupFactory) else None


def is_dag_test(context: Context) -> bool:
    """Whether this is a run of dag.test(): one task after the other in this process."""
    return getattr(context["dag_run"], "triggering_user_name", None) == "dag_test"


def dag_run_state(dag_id: str, run_id: str) -> str:
    """The state of a DAG run, asked from within a task."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    # Annotated as a str, and a member of an enumeration.
    state: Any = RuntimeTaskInstance.get_dagrun_state(dag_id, run_id)
    return str(getattr(state, "value", state))


def task_state(dag_id: str, run_id: str, task_id: str, map_index: int) -> str | None:
    """The state of a task instance, asked from within another process than the scheduler's, a triggerer's say."""
    # Only where a task or a trigger runs: it is the code that runs them.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=dag_id, task_ids=[task_id], run_ids=[run_id], map_index=map_index if map_index >= 0 else None
    )
    state: str | None = states.get(run_id, {}).get(task_id if map_index < 0 else f"{task_id}_{map_index}")
    return state
