"""Maps on Step Functions under a real scheduler and triggerer, each case in a task that waits and in a deferred one.

Two real HTTP servers answer: an emulator that runs the states (ministack), and one that follows a script, for what no
emulator does: redrives, and Map Runs that end with their execution.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from airflow_provider_sfdm.aws.step_functions import StepFunctions
from tests.stepfunctions.functions import make_function
from tests.stepfunctions.scripted import ScriptedStepFunctions
from tests.stepfunctions.scripted_model import Child, Map, Step
from tools import servers
from tools.airflow_api import DagRun
from tools.airflow_stack import AirflowStack
from tools.processes import wait_until
from tools.servers import S3Endpoint

REPOSITORY = Path(__file__).resolve().parents[2]
MODES = ("waits", "deferred")
# The emulator's Map Runs end by the clock; so long that no test sees it.
LONG = 300

pytestmark = pytest.mark.scheduler


@dataclass(frozen=True)
class Stack:
    """A running Airflow with the connections ``emulator`` and ``scripted``."""

    airflow: AirflowStack
    emulator: S3Endpoint
    scripted: ScriptedStepFunctions

    def start(self, dag_id: str, items: list[dict[str, Any]] | None = None) -> str:
        return self.airflow.trigger(dag_id, {"items": items or []})

    def wait(self, dag_id: str, run_id: str) -> DagRun:
        return self.airflow.wait(dag_id, run_id, timeout=240)

    def must_end(self, dag_id: str, run_id: str, state: str, attempts: int = 1) -> None:
        """Wait until a run of one task has ended, in that state and after so many attempts."""
        run = self.wait(dag_id, run_id)
        (instance,) = self.airflow.task_instances(dag_id, run_id)
        assert (run.state, instance.attempt) == (state, attempts), self.airflow.told(dag_id, run_id)

    def log(self, dag_id: str, run_id: str) -> str:
        """What all attempts logged, and the triggerer for them."""
        folder = self.airflow.task_log_file(dag_id, run_id, "map").parent
        return "\n".join(file.read_text() for file in sorted(folder.glob("*.log*")))

    def summary(self, dag_id: str, run_id: str) -> dict[str, Any]:
        found = self.airflow.api.xcom(dag_id, run_id, "map")
        assert isinstance(found, dict)
        return found

    def execution_arn(self, dag_id: str, run_id: str) -> str:
        """The execution that the task watches, as soon as it does."""
        found: list[str] = []

        def is_there() -> bool:
            for ti in self.airflow.task_instances(dag_id, run_id):
                if ti.state in ("running", "deferred"):
                    try:
                        found.append(self.airflow.api.xcom(dag_id, run_id, "map", key="map_run")["executionArn"])
                    except OSError:
                        return False
            return bool(found)

        until(is_there)
        return found[-1]


def until(ready: Callable[[], bool]) -> None:
    wait_until(ready, timeout=120, processes=())


def running(**items: int) -> Step:
    return Step(maps=[Map(items=items)])


def ended(status: str, *children: Child, output: Any = None, error: str | None = None, **items: int) -> Step:
    return Step(
        status=status,
        output=output,
        error=error,
        cause=error and "The specified tolerated failure threshold was exceeded",
        maps=[Map(status=status, items=items, children=children)],
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(REPOSITORY / "dags" / "example_step_functions.py", dags)
    shutil.copy(Path(__file__).parent / "dags" / "step_functions_dags.py", dags)
    # SQLite does not stand so many tasks at once, and mixes up the triggers of deferred ones. The folder is none of
    # pytest's: its server runs as another user, and pytest closes its own to all others whenever it starts.
    folder = TemporaryDirectory(prefix="sfdm-postgres-")
    database = servers.postgres(Path(folder.name))
    emulated = servers.ministack(tmp_path_factory.mktemp("ministack"))
    with folder, database as url, emulated as emulator, ScriptedStepFunctions() as scripted:
        environment = {
            "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW_CONN_EMULATOR": emulator.airflow_connection(),
            "AIRFLOW_CONN_SCRIPTED": scripted.airflow_connection(),
        }
        airflow = AirflowStack(home, dags, database_url=url, parallelism=14, triggerer=True, environment=environment)
        with airflow:
            yield Stack(airflow, emulator, scripted)


@pytest.fixture(scope="module")
def runs(stack: Stack) -> dict[str, str]:
    """Runs that go their way by themselves, all at once: the ids by DAG."""
    bad = Child(status="FAILED", error="BadItem", cause="the item is bad")
    failed = ended("FAILED", bad, error="States.ExceedToleratedFailureThreshold", succeeded=8, failed=2, total=10)
    good = ended("SUCCEEDED", Child(status="SUCCEEDED"), output=[1], succeeded=10, total=10)
    scripts: dict[str, list[list[Step]]] = {
        "redriven": [[running(running=10, total=10), failed], [running(running=2, succeeded=8, total=10), good]],
        "bad_data": [[running(succeeded=5, failed=3, running=4, total=12)]],
        "late": [[running(running=1, total=1)]],
        "short_attempt": [[running(running=1, total=1)]],
    }
    for name, (steps, *redrives) in scripts.items():
        for mode in MODES:
            stack.scripted.plan(f"{name}_{mode}-map", steps, redrives=redrives, stale=1)
    given = {"plain": items(1, 1, 1, 1, 1, bad=(2,)), "enough": items(0, 0, 0, LONG)}
    names = [*given, *scripts]
    return {dag_id: stack.start(dag_id, given.get(name)) for name in names for dag_id in dags_of(name)}


def dags_of(name: str) -> list[str]:
    return [f"{name}_{mode}" for mode in MODES]


def items(*seconds: float, bad: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [{"id": number, "seconds": wait, "bad": number in bad} for number, wait in enumerate(seconds)]


def test_the_example(stack: Stack, runs: dict[str, str]) -> None:
    client = stack.emulator.client()
    client.create_bucket(Bucket="orders")
    rows = "".join(f"{number},{'' if number == 5 else number * 10}\n" for number in range(1, 21))
    client.put_object(Bucket="orders", Key="orders.csv", Body=f"id,price\n{rows}".encode())
    make_function(stack.emulator, "price", "def handler(event, context):\n    return int(event['price']) * 2\n")
    conf = {"bucket": "orders", "role_arn": "arn:aws:iam::000000000000:role/maps"}
    run_id = stack.airflow.trigger("step_functions", conf)
    run = stack.airflow.wait("step_functions", run_id, timeout=240)
    assert run.state == "success", stack.airflow.told("step_functions", run_id)
    log = stack.airflow.task_log("step_functions", run_id, "report")
    assert "map run SUCCEEDED: 20 items (19 succeeded, 1 failed)" in log
    assert "map run SUCCEEDED: 10 items (9 succeeded, 1 failed)" in log
    assert "  errors of child executions: {'Unpaid': 1}" in log
    went_on = stack.airflow.api.xcom("step_functions", run_id, "checks")
    assert (went_on["status"], went_on["succeedWhen"]) == ("RUNNING", "succeeded >= 80% (8 of 10 items: 80 %)")
    prices = stack.airflow.api.xcom("step_functions", run_id, "prices.run_map")
    assert prices["output"][:5] == [20, 40, 60, 80, None]


@pytest.mark.parametrize("dag_id", dags_of("plain"))
def test_a_map_that_succeeds(stack: Stack, runs: dict[str, str], dag_id: str) -> None:
    run_id = runs[dag_id]
    stack.must_end(dag_id, run_id, "success")
    summary = stack.summary(dag_id, run_id)
    assert (summary["status"], summary["errors"]) == ("SUCCEEDED", {"BadItem": 1})
    counts = summary["itemCounts"]
    assert (counts["succeeded"], counts["failed"], counts["total"]) == (4, 1, 5)
    progress = stack.airflow.api.xcom(dag_id, run_id, "map", key="progress")
    assert progress["mapRunArn"] == summary["mapRunArn"]
    links = stack.airflow.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/map/links")["extra_links"]
    assert summary["mapRunArn"].rpartition(":")[2] in links["Map Run"]
    assert all(url.startswith("https://console.aws.amazon.com/states/home?region=us-east-1#") for url in links.values())


@pytest.mark.parametrize("dag_id", dags_of("redriven"))
def test_a_retry_redrives_the_execution(stack: Stack, runs: dict[str, str], dag_id: str) -> None:
    run_id = runs[dag_id]
    stack.must_end(dag_id, run_id, "success", attempts=2)
    summary = stack.summary(dag_id, run_id)
    assert (summary["status"], summary["redriveCount"], summary["output"]) == ("SUCCEEDED", 1, [1])
    assert summary["itemCounts"]["succeeded"] == 10
    machine = f"{dag_id}-map"
    assert len([arn for arn, run in stack.scripted.runs.items() if machine in arn and run.parent is None]) == 1
    log = stack.log(dag_id, run_id)
    assert "States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded" in log
    assert "failed child executions: BadItem (1)" in log
    assert "https://console.aws.amazon.com" in log
    assert "what succeeded is not run again" in log


@pytest.mark.parametrize("dag_id", dags_of("bad_data"))
def test_bad_data_stops_the_execution_and_is_not_tried_again(stack: Stack, runs: dict[str, str], dag_id: str) -> None:
    run_id = runs[dag_id]
    stack.must_end(dag_id, run_id, "failed")
    summary = stack.summary(dag_id, run_id)
    assert (summary["status"], summary["error"]) == ("ABORTED", "MapRun.FailWhen")
    assert summary["cause"] == "failed > 10% after 4 (3 of 8 items: 37.5 %)"
    assert stack.scripted.runs[summary["executionArn"]].step.status == "ABORTED"


@pytest.mark.parametrize("dag_id", dags_of("enough"))
def test_enough_is_enough_and_the_execution_runs_on(stack: Stack, runs: dict[str, str], dag_id: str) -> None:
    run_id = runs[dag_id]
    stack.must_end(dag_id, run_id, "success")
    summary = stack.summary(dag_id, run_id)
    assert summary["status"] == "RUNNING"
    calls = StepFunctions(stack.emulator.states_client())
    assert calls.get_execution(summary["executionArn"]).status == "RUNNING"


@pytest.mark.parametrize("dag_id", [*dags_of("late"), *dags_of("short_attempt")])
def test_out_of_time(stack: Stack, runs: dict[str, str], dag_id: str) -> None:
    run_id = runs[dag_id]
    stack.must_end(dag_id, run_id, "failed")
    run = stack.scripted.runs[stack.airflow.api.xcom(dag_id, run_id, "map", key="map_run")["executionArn"]]
    assert (run.step.status, run.step.error) == ("ABORTED", "MapRun.Timeout")
    assert run.stop is not None
    assert (run.stop - run.start).total_seconds() < 60


def test_a_kill_stops_the_execution_unless_the_author_says_otherwise(stack: Stack) -> None:
    api = stack.airflow.api
    ways: dict[str, Callable[[str, str], None]] = {
        "task": lambda dag_id, run_id: api.set_state(dag_id, run_id, "map", "failed"),
        "run": lambda dag_id, run_id: api.set_run_state(dag_id, run_id, "failed"),
        "clear": lambda dag_id, run_id: api.clear(dag_id, run_id, ["map"]),
    }
    going = [running(running=1, total=1)]
    for name in ("killed", "left_alone"):
        for dag_id in dags_of(name):
            done = ended("SUCCEEDED", output=[1], succeeded=1, total=1)
            stack.scripted.plan(f"{dag_id}-map", going, redrives=[[*going * 4, done]])
    cases = [(dag_id, how) for dag_id in dags_of("killed") for how in ways]
    cases += [(dag_id, "task") for dag_id in dags_of("left_alone")]
    started = [(dag_id, how, stack.start(dag_id)) for dag_id, how in cases]
    watched = [(dag_id, how, run_id, stack.execution_arn(dag_id, run_id)) for dag_id, how, run_id in started]
    for dag_id, _, run_id, _ in watched:
        # A trigger must have been started to be killed.
        until(lambda dag_id=dag_id, run_id=run_id: "map run RUNNING" in stack.log(dag_id, run_id))  # type: ignore[misc]
    for dag_id, how, run_id, _ in watched:
        ways[how](dag_id, run_id)
    stops: dict[str, str] = {}
    for dag_id, how, run_id, arn in watched:
        if dag_id.startswith("left_alone"):
            continue
        until(lambda arn=arn: arn in _stops(stack))  # type: ignore[misc]
        stops = _stops(stack)
        assert stops[arn] == f"MapRun.Killed: attempt 1 of the Airflow task {dag_id}.map ({run_id}) was killed"
        if how == "clear":  # the next attempt redrives what the clear has stopped
            stack.must_end(dag_id, run_id, "success", attempts=2)
            assert stack.summary(dag_id, run_id)["executionArn"] == arn
            assert stack.scripted.runs[arn].redrives == 1
        else:
            assert stack.scripted.runs[arn].step.status == "ABORTED"
    for dag_id, _, _, arn in watched:
        if dag_id.startswith("left_alone"):
            assert arn not in stops
            assert stack.scripted.runs[arn].step.status == "RUNNING"


def _stops(stack: Stack) -> dict[str, str]:
    requests = stack.scripted.called("StopExecution")
    return {request["executionArn"]: f"{request['error']}: {request['cause']}" for request in requests}


def test_an_attempt_whose_process_died_is_followed_by_one_that_finds_the_execution(stack: Stack) -> None:
    done = ended("SUCCEEDED", output=[1], succeeded=1, total=1)
    stack.scripted.plan("died-map", [running(running=1, total=1), done], moves_on=None)
    run_id = stack.start("died")
    arn = stack.execution_arn("died", run_id)
    ti = stack.airflow.api.get(f"/dags/died/dagRuns/{run_id}/taskInstances/map")
    os.kill(_task_process(ti["id"]), signal.SIGKILL)
    until(lambda: "is running already: watching it" in stack.log("died", run_id))
    stack.scripted.advance(arn)
    stack.must_end("died", run_id, "success", attempts=2)
    assert stack.summary("died", run_id)["executionArn"] == arn
    assert len([one for one in stack.scripted.executions if "died" in one]) == 1


def _task_process(task_instance: str) -> int:
    """The process that runs a task: its title has the id of the task instance. So has that of its supervisor."""
    titles = {process.pid: " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}
    (pid,) = (pid for pid, title in titles.items() if title.startswith(f"airflow worker -- {task_instance}"))
    return pid


def test_sensors_in_every_mode(stack: Stack) -> None:
    source = "plain_deferred"
    run_id = stack.start(source, items(0, 25))
    arn = stack.execution_arn(source, run_id)
    sensing = stack.airflow.trigger("sensors", {"execution": arn})
    stack.airflow.wait("sensors", sensing, timeout=240)
    states = {ti.task_id: ti.state for ti in stack.airflow.task_instances("sensors", sensing)}
    assert states == {
        "pokes": "success",
        "rescheduled": "success",
        "deferred": "success",
        "enough": "success",
        "out_of_time": "failed",
        "out_of_time_deferred": "failed",
        "skipped": "skipped",
    }, stack.airflow.told("sensors", sensing)
    for task_id in ("pokes", "rescheduled", "deferred"):
        summary = stack.airflow.api.xcom("sensors", sensing, task_id)
        assert (summary["status"], summary["itemCounts"]["succeeded"]) == ("SUCCEEDED", 2)
    assert stack.airflow.api.xcom("sensors", sensing, "enough")["status"] == "RUNNING"
    stack.must_end(source, run_id, "success")  # sensors stop nothing
