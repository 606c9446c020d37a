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
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    Context,
    MappedOperator,
    ObjectStoragePath,
    TaskGroup,
    TriggerRule,
    XComArg,
    XComNotFound,
    conf,
    task_group,
)
from airflow.sdk.definitions.decorators.task_group import _TaskGroupFactory
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.sdk.io.fs import has_fs as has_filesystem

__all__ = [
    "AIRFLOW_HOME",
    "XCOM_RETURN_KEY",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSkipException",
    "BaseOperator",
    "Context",
    "MappedOperator",
    "ObjectStoragePath",
    "PlainXComArg",
    "TaskGroup",
    "TriggerRule",
    "XComArg",
    "XComNotFound",
    "conf",
    "has_filesystem",
    "is_dag_test",
    "task_group",
    "task_group_function",
]


def task_group_function(value: object) -> Callable[..., Any] | None:
    """The function below the decorator ``@task_group``, or None where there is no such decorator."""
    return value.function if isinstance(value, _TaskGroupFactory) else None


def is_dag_test(context: Context) -> bool:
    """Whether this is a run of dag.test(): one task after the other in this process."""
    return getattr(context["dag_run"], "triggering_user_name", None) == "dag_test"
