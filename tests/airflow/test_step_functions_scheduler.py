"""Maps on Step Functions under a real scheduler and triggerer, against a real HTTP server with Map Runs.

ministack has no redrive and lets the Map Run of a stopped execution run on; what needs those is in tests/stepfunctions.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.core.executions import Execution
from tools import servers
from tools.airflow_api import DagRun
from tools.airflow_stack import AirflowStack
from tools.processes import wait_until
from tools.servers import REGION, S3Endpoint

REPOSITORY = Path(__file__).resolve().parents[2]
MODES = ("waits", "deferred")

pytestmark = pytest.mark.scheduler


@dataclass(frozen=True)
class Stack:
    """A running Airflow whose aws_default is the server."""

    airflow: AirflowStack
    server: S3Endpoint

    @property
    def calls(self) -> StepFunctions:
        return StepFunctions(self.server.states_client())

    def start(self, dag_id: str, items: list[dict[str, Any]]) -> str:
        return self.airflow.trigger(dag_id, {"items": items})

    def wait_for_attempts(self, dag_id: str, run_id: str) -> tuple[str, int]:
        """The state in which a run ended, and how many attempts its task had."""
        run = self.wait(dag_id, run_id)
        (instance,) = self.airflow.task_instances(dag_id, run_id)
        return run.state, instance.attempt

    def wait(self, dag_id: str, run_id: str) -> DagRun:
        return self.airflow.wait(dag_id, run_id, timeout=240)

    def attempts(self, dag_id: str, run_id: str) -> list[str]:
        """The logs of all attempts, the triggerer's among them."""
        folder = self.airflow.task_log_file(dag_id, run_id, "map").parent
        return ["\n".join(file.read_text() for file in sorted(folder.glob("*.log*")))]

    def summary(self, dag_id: str, run_id: str) -> dict[str, Any]:
        found = self.airflow.api.xcom(dag_id, run_id, "map")
        assert isinstance(found, dict)
        return found

    def execution(self, dag_id: str, run_id: str) -> Execution:
        """The execution that the task watches, as soon as there is one."""
        found: list[str] = []

        def is_there() -> bool:
            for ti in self.airflow.task_instances(dag_id, run_id):
                if ti.state in ("running", "deferred"):
                    try:
                        found.append(self.airflow.api.xcom(dag_id, run_id, "map", key="map_run")["executionArn"])
                    except OSError:
                        return False
            return bool(found)

        wait_until(is_there, timeout=60, processes=())
        return self.calls.get_execution(found[-1])

    def state(self, dag_id: str, run_id: str, wanted: str) -> None:
        """Wait until the task is in this state."""
        wait_until(
            lambda: [ti.state for ti in self.airflow.task_instances(dag_id, run_id)] == [wanted],
            timeout=60,
            processes=(),
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(REPOSITORY / "dags" / "example_step_functions.py", dags)
    shutil.copy(Path(__file__).parent / "dags" / "step_functions_dags.py", dags)
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as server:
        environment = {"AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection()}
        with AirflowStack(home, dags, parallelism=14, triggerer=True, environment=environment) as airflow:
            yield Stack(airflow, server)


def items(*seconds: float, bad: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [{"id": number, "seconds": wait, "bad": number in bad} for number, wait in enumerate(seconds)]


LONG = 300
WITHOUT_HELP = {
    "plain": items(1, 1, 1, 1, 1, bad=(2,)),
    "retried": items(0, 0, 0, bad=(1,)),
    "bad_data": items(*[0] * 8, *[LONG] * 4, bad=(1, 3, 5)),
    "enough": items(0, 0, 0, LONG),
    "late": items(LONG),
    "short_attempt": items(LONG),
}


@pytest.fixture(scope="module")
def runs(stack: Stack) -> dict[str, str]:
    """Runs that go their way by themselves, all at once: the ids by DAG."""
    return {
        dag_id: stack.start(dag_id, given)
        for name, given in WITHOUT_HELP.items()
        for dag_id in (f"{name}_{mode}" for mode in MODES)
    }


def make_function(server: S3Endpoint, name: str, code: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", code)
    client = boto3.session.Session().client(
        "lambda",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=REGION,
    )
    client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/functions",
        Handler="index.handler",
        Code={"ZipFile": content.getvalue()},
    )


def test_the_example(stack: Stack) -> None:
    client = stack.server.client()
    client.create_bucket(Bucket="orders")
    rows = "".join(f"{number},{'' if number == 5 else number * 10}\n" for number in range(1, 21))
    client.put_object(Bucket="orders", Key="orders.csv", Body=f"id,price\n{rows}".encode())
    make_function(stack.server, "price", "def handler(event, context):\n    return int(event['price']) * 2\n")
    conf = {"bucket": "orders", "role_arn": "arn:aws:iam::000000000000:role/maps"}
    run_id = stack.airflow.trigger("step_functions", conf)
    run = stack.airflow.wait("step_functions", run_id, timeout=120)
    log = stack.airflow.task_log("step_functions", run_id, "report")
    assert run.state == "success", log
    assert "map run SUCCEEDED: 20 items (19 succeeded, 1 failed)" in log
    assert "map run SUCCEEDED: 10 items (9 succeeded, 1 failed)" in log
    assert "  errors of child executions: {'Unpaid': 1}" in log
    went_on = stack.airflow.api.xcom("step_functions", run_id, "checks")
    assert (went_on["status"], went_on["succeedWhen"]) == ("RUNNING", "succeeded >= 80% (8 of 10 items: 80 %)")
    prices = stack.airflow.api.xcom("step_functions", run_id, "prices.run_map")
    assert prices["output"][:5] == [20, 40, 60, 80, None]


@pytest.mark.parametrize("mode", MODES)
def test_a_map_that_succeeds(stack: Stack, runs: dict[str, str], mode: str) -> None:
    dag_id = f"plain_{mode}"
    run_id = runs[dag_id]
    assert stack.wait(dag_id, run_id).state == "success"
    summary = stack.summary(dag_id, run_id)
    assert (summary["status"], summary["errors"]) == ("SUCCEEDED", {"BadItem": 1})
    counts = summary["itemCounts"]
    assert (counts["succeeded"], counts["failed"], counts["total"]) == (4, 1, 5)
    progress = stack.airflow.api.xcom(dag_id, run_id, "map", key="progress")
    assert progress["mapRunArn"] == summary["mapRunArn"]
    links = stack.airflow.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/map/links")["extra_links"]
    assert summary["mapRunArn"].rpartition(":")[2] in links["Map Run"]
    assert all(url.startswith("https://console.aws.amazon.com/states/home?region=us-east-1#") for url in links.values())


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_map_is_tried_again(stack: Stack, runs: dict[str, str], mode: str) -> None:
    dag_id = f"retried_{mode}"
    run_id = runs[dag_id]
    assert stack.wait_for_attempts(dag_id, run_id) == ("failed", 2)
    summary = stack.summary(dag_id, run_id)
    assert (summary["error"], summary["errors"]) == ("States.ExceedToleratedFailureThreshold", {"BadItem": 1})
    assert summary["executionArn"].endswith("-2"), "this server has no redrive, so the second attempt started anew"
    (log,) = stack.attempts(dag_id, run_id)
    assert "cannot be redriven, so another execution is started" in log
    assert "failed child executions: BadItem (1)" in log
    assert "https://console.aws.amazon.com" in log


@pytest.mark.parametrize("mode", MODES)
def test_bad_data_stops_the_execution_and_is_not_tried_again(stack: Stack, runs: dict[str, str], mode: str) -> None:
    dag_id = f"bad_data_{mode}"
    run_id = runs[dag_id]
    assert stack.wait_for_attempts(dag_id, run_id) == ("failed", 1)
    execution = stack.calls.get_execution(stack.summary(dag_id, run_id)["executionArn"])
    assert (execution.status, execution.error) == ("ABORTED", "MapRun.FailWhen")
    assert execution.cause is not None
    assert execution.cause.startswith("failed > 10% after 4")


@pytest.mark.parametrize("mode", MODES)
def test_enough_is_enough_and_the_execution_runs_on(stack: Stack, runs: dict[str, str], mode: str) -> None:
    dag_id = f"enough_{mode}"
    run_id = runs[dag_id]
    assert stack.wait(dag_id, run_id).state == "success"
    summary = stack.summary(dag_id, run_id)
    assert summary["status"] == "RUNNING"
    assert stack.calls.get_execution(summary["executionArn"]).status == "RUNNING"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dag", ["late", "short_attempt"])
def test_out_of_time(stack: Stack, runs: dict[str, str], dag: str, mode: str) -> None:
    dag_id = f"{dag}_{mode}"
    run_id = runs[dag_id]
    assert stack.wait(dag_id, run_id).state == "failed"
    arn = stack.airflow.api.xcom(dag_id, run_id, "map", key="map_run")["executionArn"]
    execution = stack.calls.get_execution(arn)
    # A task in a process of its own is killed by Airflow's execution_timeout; everything else is our own clock.
    by_airflow = dag == "short_attempt" and mode == "waits"
    assert (execution.status, execution.error) == ("ABORTED", "MapRun.Killed" if by_airflow else "MapRun.Timeout")
    assert execution.stop is not None
    assert execution.stop - execution.start < 60


def test_a_kill_stops_the_execution_unless_the_author_says_otherwise(stack: Stack) -> None:
    api = stack.airflow.api
    ways = {
        "task": lambda dag_id, run_id: api.set_state(dag_id, run_id, "map", "failed"),
        "run": lambda dag_id, run_id: api.set_run_state(dag_id, run_id, "failed"),
        "clear": lambda dag_id, run_id: api.clear(dag_id, run_id, ["map"]),
    }
    cases = [(f"plain_{mode}", how) for mode in MODES for how in ways] + [
        (f"left_alone_{mode}", "task") for mode in MODES
    ]
    started = [(dag_id, how, stack.start(dag_id, items(LONG))) for dag_id, how in cases]
    watched = [(dag_id, how, run_id, stack.execution(dag_id, run_id)) for dag_id, how, run_id in started]
    for dag_id, _, run_id, _ in watched:
        stack.state(dag_id, run_id, "running" if dag_id.endswith("waits") else "deferred")
    time.sleep(3)  # a trigger must have been started to be killed
    for dag_id, how, run_id, _ in watched:
        ways[how](dag_id, run_id)
    for dag_id, how, run_id, execution in watched:
        if dag_id.startswith("left_alone"):
            continue
        wait_until(
            lambda arn=execution.arn: stack.calls.get_execution(arn).status == "ABORTED",  # type: ignore[misc]
            timeout=60,
            processes=(),
        )
        stopped = stack.calls.get_execution(execution.arn)
        assert stopped.error == "MapRun.Killed"
        assert stopped.cause is not None
        assert stopped.cause.startswith(f"attempt 1 of the Airflow task {dag_id}.map")
        if how == "clear":  # this server has no redrive: the next attempt starts anew
            wait_until(
                lambda dag_id=dag_id, run_id=run_id: stack.execution(dag_id, run_id).arn.endswith("-2"),  # type: ignore[misc]
                timeout=60,
                processes=(),
            )
            api.set_run_state(dag_id, run_id, "failed")
    for dag_id, _, _, execution in watched:
        if dag_id.startswith("left_alone"):
            assert stack.calls.get_execution(execution.arn).status == "RUNNING"


def test_an_attempt_whose_process_died_is_followed_by_one_that_finds_the_execution(stack: Stack) -> None:
    dag_id = "retried_waits"
    run_id = stack.start(dag_id, items(12))
    execution = stack.execution(dag_id, run_id)
    ti = stack.airflow.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/map")
    os.kill(_task_process(ti["id"]), signal.SIGKILL)
    assert stack.wait_for_attempts(dag_id, run_id) == ("success", 2)
    assert stack.summary(dag_id, run_id)["executionArn"] == execution.arn
    (log,) = stack.attempts(dag_id, run_id)
    assert "is running already: watching it" in log
    machine = execution.arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    started = stack.server.states_client().list_executions(stateMachineArn=machine)["executions"]
    assert len([one for one in started if run_id.split(".")[-1][:6] in one["name"]]) == 1


def _task_process(task_instance: str) -> int:
    """The process that runs a task: its title has the id of the task instance. So has that of its supervisor."""
    titles = {process.pid: " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}
    (pid,) = (pid for pid, title in titles.items() if title.startswith(f"airflow worker -- {task_instance}"))
    return pid


def test_sensors_in_every_mode(stack: Stack) -> None:
    source = "plain_deferred"
    run_id = stack.start(source, items(0, 25))
    execution = stack.execution(source, run_id)
    sensing = stack.airflow.trigger("sensors", {"execution": execution.arn})
    stack.airflow.wait("sensors", sensing, timeout=180)
    states = {ti.task_id: ti.state for ti in stack.airflow.task_instances("sensors", sensing)}
    assert states == {
        "pokes": "success",
        "rescheduled": "success",
        "deferred": "success",
        "enough": "success",
        "out_of_time": "failed",
        "out_of_time_deferred": "failed",
        "skipped": "skipped",
    }
    for task_id in ("pokes", "rescheduled", "deferred"):
        summary = stack.airflow.api.xcom("sensors", sensing, task_id)
        assert (summary["status"], summary["itemCounts"]["succeeded"]) == ("SUCCEEDED", 2)
    assert stack.airflow.api.xcom("sensors", sensing, "enough")["status"] == "RUNNING"
    assert stack.wait(source, run_id).state == "success", "sensors stop nothing"
