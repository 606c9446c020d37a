"""Clears the tasks of a map run in this Airflow: what a person does in the UI."""

from __future__ import annotations

from typing import Any

from ..runtime.catalog import Owner
from ..runtime.redrive import NotRedrivable


def clear_tasks(owner: Owner) -> int:
    """Clear the tasks of the map run, and all that follow them in its DAG run; returns how many task instances.

    :raises NotRedrivable: this Airflow does not have them.
    """
    # As `airflow tasks clear` does it, which can name a range of dates, but no DAG run.
    from airflow.models.dagrun import DagRun
    from airflow.models.serialized_dag import SerializedDagModel

    dag: Any = SerializedDagModel.get_dag(owner.dag_id)
    if dag is None:
        raise NotRedrivable(f"this Airflow has no DAG {owner.dag_id}")
    if not DagRun.find(dag_id=owner.dag_id, run_id=owner.run_id):
        raise NotRedrivable(f"this Airflow has no run {owner.run_id} of {owner.dag_id}")
    prefix = f"{owner.group_id}." if owner.group_id else ""
    ids = [task_id for task_id in dag.task_ids if task_id.startswith(prefix)]
    part = dag.partial_subset(ids, include_downstream=True, include_upstream=False)
    number: int = dag.clear(task_ids=list(part.task_ids), run_id=owner.run_id)
    return number
