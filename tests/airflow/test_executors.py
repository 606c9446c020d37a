"""What an executor is told about a map's tasks reaches all of them, the mapped one too."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_sfdm import distributed_map

POD = {"pod_override": {"spec": {"terminationGracePeriodSeconds": 60}}}


def test_arguments_for_executors() -> None:
    @dag(schedule=None)
    def one_map() -> None:
        @distributed_map(items=[1, 2], queue="maps", executor_config=POD)
        def same(item: int) -> int:
            return item

        same()

    tasks = one_map().task_dict
    assert set(tasks) == {"same.read_items", "same.run_partition", "same.write_results"}
    assert all((task.queue, task.executor_config) == ("maps", POD) for task in tasks.values())
