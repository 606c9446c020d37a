"""DAGs of the tests: maps among other tasks, and where default_args or storage are not what the tasks need."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_sfdm import distributed_map


@dag(schedule=None, default_args={"do_xcom_push": False, "multiple_outputs": True, "trigger_rule": "all_done"})
def hostile_defaults() -> None:
    @task(do_xcom_push=True, multiple_outputs=False)
    def read_summary(summary: dict[str, Any]) -> list[int]:
        found: list[int] = summary["output"]
        return found

    @distributed_map(items=[1, 2, 3])
    def double(item: int) -> int:
        return 2 * item

    read_summary(double())


@dag(schedule=None)
def failing_start() -> None:
    """What comes before the map fails; write_results has an upstream task of its own, which succeeds."""

    @task
    def fails() -> None:
        raise ValueError("not today")

    @task
    def succeeds() -> None: ...

    @distributed_map(items=[1], retries=3)
    def double(item: int) -> int:
        return 2 * item

    summary = double()
    fails() >> summary
    summary.operator.set_upstream(succeeds())


@dag(schedule=None)
def relative_storage() -> None:
    @distributed_map(items=[1], retries=3, storage="{{ 'rel' }}/dir")
    def double(item: int) -> int:
        return 2 * item

    double()


hostile_defaults()
failing_start()
relative_storage()
