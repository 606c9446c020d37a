"""Clears the tasks of a map run in this Airflow: what a person does in the UI."""

from __future__ import annotations

from typing import Any

from ..runtime.catalog import Owner
from ..runtime.redrive import NotRedrivable

_PLANS = "ReadItemsOperator"
"""The class of the task that plans a map run; the stored DAG has its name only."""


def clear_tasks(owner: Owner) -> int:
    """Clear the tasks of the map run, and all that follow them in its DAG run; returns how many task instances.

    :raises NotRedrivable: this Airflow does not have them, or their DAG run is running.
    """
    # As `airflow tasks clear` does it, which can name a range of dates, but no DAG run.
    from airflow.models.dagrun import DagRun
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.state import State

    dag: Any = SerializedDagModel.get_dag(owner.dag_id)
    if dag is None:
        raise NotRedrivable(f"this Airflow has no DAG {owner.dag_id}")
    runs = DagRun.find(dag_id=owner.dag_id, run_id=owner.run_id)
    if not runs:
        raise NotRedrivable(f"this Airflow has no run {owner.run_id} of {owner.dag_id}")
    if runs[0].state in State.unfinished_dr_states:
        raise NotRedrivable(f"its DAG run, {owner.run_id} of {owner.dag_id}, is {runs[0].state}")
    number: int = dag.clear(task_ids=tasks_to_clear(dag, owner), run_id=owner.run_id)
    if not number:
        raise NotRedrivable(f"{owner.run_id} of {owner.dag_id} has no task {owner.task_id}")
    return number


def tasks_to_clear(dag: Any, owner: Owner) -> list[str]:
    """The tasks of the map run, and all that follow them. All others of the map follow the one that plans it.

    :raises NotRedrivable: the DAG does not plan the map run any more.
    """
    task = dag.task_dict.get(owner.task_id)
    if task is None or task.task_type != _PLANS:
        raise NotRedrivable(f"the DAG {owner.dag_id} has no map with a task {owner.task_id} any more")
    part = dag.partial_subset([owner.task_id], include_downstream=True, include_upstream=False)
    return list(part.task_ids)
