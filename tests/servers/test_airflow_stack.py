"""The Airflow that the demo, the scheduler tests and the benchmarks run on."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tools.airflow_api import DagRun, TaskInstance
from tools.airflow_stack import AirflowStack
from tools.processes import ServerFailed


def test_a_dag_runs_under_the_scheduler(airflow_stack: AirflowStack) -> None:
    seen: list[str] = []

    def tick(run: DagRun, instances: list[TaskInstance]) -> None:
        seen.append(run.state)
        assert len({(instance.task_id, instance.map_index) for instance in instances}) == len(instances)

    run_id = airflow_stack.trigger("array_from_task")
    run = airflow_stack.wait("array_from_task", run_id, timeout=300, on_tick=tick)
    assert run.state == "success"
    assert seen[-1] == "success"
    instances = airflow_stack.task_instances("array_from_task", run_id)
    assert {instance.state for instance in instances} == {"success"}
    last = max(instances, key=lambda instance: instance.end_date or "")
    log = airflow_stack.task_log("array_from_task", run_id, last.task_id, map_index=last.map_index)
    assert any(line.startswith("Done. Returned value was") for line in log)
    told = airflow_stack.told("array_from_task", run_id)
    assert f" {last.task_id} 1 success " in told
    assert "\nDone. Returned value was" in told


def test_an_unknown_dag_is_told_after_the_timeout(airflow_stack: AirflowStack) -> None:
    with pytest.raises(ServerFailed, match="not ready after 1 s"):
        airflow_stack.trigger("no_such_dag", timeout=1)


def test_a_component_that_does_not_come_up_is_told_with_its_log(tmp_path: Path) -> None:
    stack = AirflowStack(
        tmp_path / "home", tmp_path, environment={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////no/such/folder/a"}
    )
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.raises(ServerFailed, match=r"db-migrate ended with exit code 1.*\n[\s\S]*unable to open database"):
        stack.start()
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
