"""An Airflow database, and runs of DAGs in it with dag.test()."""

from __future__ import annotations

import json
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLES = {"examples": REPOSITORY / "dags", "tests": Path(__file__).parent / "dags"}


@dataclass(frozen=True)
class TestedRun:
    """A finished run of a DAG."""

    __test__ = False

    state: str
    tasks: dict[tuple[str, int], Any]
    log: str
    """What the tasks logged and printed."""

    def state_of(self, task_id: str, map_index: int = -1) -> str:
        return str(self.tasks[task_id, map_index].state)

    def states(self, task_id: str) -> list[str]:
        """The states of a mapped task's instances."""
        return [str(ti.state) for (found, _), ti in sorted(self.tasks.items()) if found == task_id]

    def xcom(self, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        run_id = next(iter(self.tasks.values())).run_id
        with create_session() as session:
            return session.scalar(
                select(XComModel.value).where(
                    XComModel.run_id == run_id,
                    XComModel.task_id == task_id,
                    XComModel.map_index == map_index,
                    XComModel.key == key,
                )
            )

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """What the UI shows as rendered template fields."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.utils.session import create_session
        from sqlalchemy import select

        fields = RenderedTaskInstanceFields
        ti = self.tasks[task_id, map_index]
        with create_session() as session:
            found = session.scalar(
                select(fields.rendered_fields).where(
                    fields.run_id == ti.run_id, fields.task_id == task_id, fields.map_index == map_index
                )
            )
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """The metadata database, and the folders that DAGs are read from."""
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path), "refresh_interval": 0},
        }
        for name, path in BUNDLES.items()
    ]
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(bundles)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own
        from airflow.utils.db import initdb

        initdb()


RunDag = Callable[..., TestedRun]
_runs: dict[str, TestedRun] = {}


@pytest.fixture
def run_dag(airflow_database: None, capfd: pytest.CaptureFixture[str]) -> Iterator[RunDag]:
    """Run the DAG of a file with dag.test(), with this as its conf."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    level = logging.getLogger().level

    def run(file: str, dag_id: str, bundle: str = "tests", **conf: Any) -> TestedRun:
        # Tests that look at different sides of the same run share it.
        key = json.dumps([bundle, dag_id, conf, os.environ.get("AIRFLOW__CORE__MAX_MAP_LENGTH")])
        if key not in _runs:
            _runs[key] = run_now(file, dag_id, bundle, conf)
        return _runs[key]

    def run_now(file: str, dag_id: str, bundle: str, conf: dict[str, Any]) -> TestedRun:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Airflow's own, of dag.test()
            from airflow.dag_processing.dagbag import DagBag

            bag = DagBag(BUNDLES[bundle] / file)
            assert not bag.import_errors
            capfd.readouterr()
            found = bag.dags[dag_id].test(run_conf=conf)
            output = capfd.readouterr()
        tasks = {(ti.task_id, ti.map_index): ti for ti in found.get_task_instances()}
        return TestedRun(str(found.state), tasks, output.out + output.err)

    yield run
    logging.getLogger().setLevel(level)
    for number, handler in handlers.items():
        signal.signal(number, handler)
