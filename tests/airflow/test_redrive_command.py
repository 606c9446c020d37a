"""``airflow sfdm redrive`` in the database that dag.test() has left. With a scheduler: test_scheduler.py."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import describe_map_run
from airflow_provider_sfdm.cli.command import perform
from airflow_provider_sfdm.cli.map_runs import redrive
from airflow_provider_sfdm.runtime.catalog import find_map_run
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.stop import StopReason

FILE, DAG = "redriven_map.py", "redriven_map"
OPTIONS = {"storage": None, "profile": None, "region": None, "endpoint_url": None, "aws_conn_id": None}


class Failed:
    """A run of a DAG whose map run has failed."""

    def __init__(self, run_dag: Any, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (folder / "broken").touch()
        self.run = run_dag(FILE, DAG, folder=str(folder))
        self.run_id = next(iter(self.run.tasks.values())).run_id
        self.arn = self.run.xcom("effect.write_results")["mapRunArn"]
        self._capfd = capfd

    @property
    def folder(self) -> MapRunFolder:
        from airflow_provider_sfdm.operators.places import storage_url

        return find_map_run(self.arn, storage_url())

    def redrive(self) -> tuple[int, str]:
        """The exit code, and what is printed."""
        self._capfd.readouterr()
        code = perform(redrive, Namespace(map_run=self.arn, **OPTIONS))
        out, err = self._capfd.readouterr()
        return code, out or err.splitlines()[-1]

    def states(self) -> list[str | None]:
        """Of the tasks."""
        return [None if ti.state is None else str(ti.state) for ti in self._dag_run().get_task_instances()]

    def _dag_run(self) -> Any:
        from airflow.models.dagrun import DagRun

        (found,) = DagRun.find(dag_id=DAG, run_id=self.run_id)
        return found

    def set_state(self, state: str) -> None:
        """Of the DAG run."""
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import update

        with create_session() as session:
            session.execute(update(DagRun).where(DagRun.run_id == self.run_id).values(state=state))


@pytest.fixture
def failed(run_dag: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Failed:
    return Failed(run_dag, tmp_path, capfd)


def test_once(failed: Failed) -> None:
    """Its tasks are cleared; then its DAG run goes on, and must be left to it."""
    assert len(failed.states()) == 6 and None not in failed.states()
    code, out = failed.redrive()
    assert (code, json.loads(out)) == (
        0,
        {"mapRunArn": failed.arn, "dagId": DAG, "dagRunId": failed.run_id, "cleared": 6},
    )
    assert failed.states() == [None] * 6
    assert failed.redrive() == (1, f"sfdm: its DAG run, {failed.run_id} of {DAG}, is queued")


@pytest.mark.parametrize("stopped", [False, True])
def test_a_map_run_whose_dag_run_has_ended_before_it(stopped: bool, failed: Failed) -> None:
    """Somebody has marked the DAG run as failed, say: there is no summary, and nobody will write one."""
    failed.folder.store.delete("summary.json")
    if stopped:
        failed.folder.stop(StopReason("", "stopped by hand", aborted=True))
    assert describe_map_run(failed.folder.url).status == "RUNNING"
    failed.set_state("running")
    assert failed.redrive() == (1, f"sfdm: its DAG run, {failed.run_id} of {DAG}, is running")
    assert None not in failed.states()
    failed.set_state("failed")
    assert failed.redrive()[0] == 0
    assert failed.states() == [None] * 6


def test_what_has_succeeded(failed: Failed) -> None:
    summary = failed.folder.read("summary.json")
    failed.folder.write("summary.json", {**summary, "status": "SUCCEEDED"})
    assert failed.redrive() == (1, f"sfdm: {failed.arn} is SUCCEEDED")
    assert None not in failed.states()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"task_id": "old.read_items"}, f"the DAG {DAG} has no map with a task old.read_items any more"),
        ({"run_id": "old"}, f"this Airflow has no run old of {DAG}"),
    ],
)
def test_what_this_airflow_does_not_have(changed: dict[str, str], told: str, failed: Failed) -> None:
    """The DAG, or the map in it, was renamed."""
    owner = failed.folder.read("owner.json")
    assert owner == {"dag_id": DAG, "run_id": failed.run_id, "task_id": "effect.read_items"}
    failed.folder.write("owner.json", {**owner, **changed})
    assert failed.redrive() == (1, f"sfdm: {told}")
    assert None not in failed.states()


def test_what_is_said_to_be_of_another_dag(failed: Failed) -> None:
    """Whoever writes in the storage must not have tasks of any other DAG run again."""
    owner = failed.folder.read("owner.json")
    failed.folder.write("owner.json", {**owner, "dag_id": "other"})
    told = f"sfdm: {failed.folder.url} says that it is of the DAG other, and its ARN that it is of {DAG}.effect"
    assert failed.redrive() == (1, told)
    assert None not in failed.states()


def test_a_dag_run_without_tasks(failed: Failed) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(TaskInstance).where(TaskInstance.run_id == failed.run_id))
    assert failed.redrive() == (1, f"sfdm: {failed.run_id} of {DAG} has no task effect.read_items")
