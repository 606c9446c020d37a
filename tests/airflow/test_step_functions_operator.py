"""Operator, sensor and trigger on Step Functions, run as Airflow runs them: the same scenarios in every mode."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk.exceptions import AirflowTaskTimeout
from botocore.retries.standard import ExponentialBackoff

from airflow_provider_sfdm import (
    CsvHeaders,
    DistributedMap,
    JsonPath,
    LambdaFunction,
    MapRunResults,
    MapRunUpdate,
    QueryLanguage,
    ResultWriter,
    S3CsvItemReader,
)
from airflow_provider_sfdm.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow_provider_sfdm.core import watching
from airflow_provider_sfdm.core.counters import MapRunStatus
from airflow_provider_sfdm.hooks.connections import airflow_connections
from airflow_provider_sfdm.links.step_functions import (
    MapRunLink,
    StateMachineDetailsLink,
    StateMachineExecutionsDetailsLink,
    execution_url,
)
from airflow_provider_sfdm.operators.step_functions import StepFunctionsDistributedMapOperator
from airflow_provider_sfdm.operators.update_map_run import UpdateMapRunOperator
from airflow_provider_sfdm.runtime.noticing import NOTICED_WITHIN
from airflow_provider_sfdm.sensors.map_run import MapRunSensor
from airflow_provider_sfdm.stepfunctions import call_budget, watcher
from airflow_provider_sfdm.triggers import map_run as trigger_module
from tests.airflow.step_functions_tasks import (
    CONNECTION,
    INTERVAL,
    MODES,
    NAME,
    PATIENCE,
    SECRET,
    SENSOR_MODES,
    TASK_ID,
    Ended,
    Sensor,
    Task,
    Update,
    aws_record,
    connection,
    export,
    first_event,
)
from tests.stepfunctions.scripted import Child, Map, ScriptedStepFunctions, Step, arn
from tests.stepfunctions.scripted_model import ROLE, Run
from tools.servers import S3Endpoint

UUID = "4a0e3b54-0a53-4a3c-9d8e-0c1d2e3f4a5b"
MACHINE = "m"
MADE = f"flights-{TASK_ID}"
"""The name of the machine that a task makes."""
WATCHES = [("operator", mode) for mode in MODES] + [("sensor", mode) for mode in SENSOR_MODES]
every_watch = pytest.mark.parametrize(("kind", "mode"), WATCHES)
both_modes = pytest.mark.parametrize("mode", MODES)

RUNNING = Map(items={"pending": 5, "running": 3, "succeeded": 2})
DONE = Map(status="SUCCEEDED", items={"succeeded": 10, "resultsWritten": 10})
SUCCEEDED = Step(status="SUCCEEDED", output=[1, 2, 3], maps=[DONE])
THRESHOLD = {
    "error": "States.ExceedToleratedFailureThreshold",
    "cause": "The specified tolerated failure threshold was exceeded",
}
BROKEN = Map(
    status="FAILED",
    items={"succeeded": 7, "failed": 2, "timedOut": 1, "resultsWritten": 10},
    children=[
        Child(status="FAILED", error="BadRow", cause="row 3"),
        Child(status="TIMED_OUT"),
        Child(status="FAILED", error="BadRow", cause="row 8"),
    ],
)
FAILED = Step(status="FAILED", maps=[BROKEN], **THRESHOLD)
CONSOLE = "https://console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/"
DOCUMENT: dict[str, Any] = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes AWS seconds or minutes takes the scripted server no time."""
    monkeypatch.setattr(watcher, "_SOON", INTERVAL)
    monkeypatch.setattr(watcher, "LISTED_WITHIN", 0.3)
    monkeypatch.setattr(watching, "RESET_SECONDS", 0.1)
    # Of a watcher's parameters: the process's own budget lasts for one test only.
    defaults = watcher.MapRunWatcher.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "budget", call_budget.CallBudget(1000.0))
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: INTERVAL)


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # Airflow's own logger writes to a task's log only.
    for kind in (StepFunctionsDistributedMapOperator, MapRunSensor, UpdateMapRunOperator):
        monkeypatch.setattr(kind, "log", logging.getLogger("sfdm-test"))
    caplog.set_level(logging.INFO)


class Server(ScriptedStepFunctions):
    """Knows one alias more than the scripted server: ``live``, of version 1."""

    def StartExecution(self, request: dict[str, Any]) -> dict[str, Any]:
        alias = request["stateMachineArn"]
        if not alias.endswith(":live"):
            return super().StartExecution(request)
        return super().StartExecution({**request, "stateMachineArn": alias.removesuffix("live") + "1"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    found = Server()
    with found:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(found))
        yield found


@pytest.fixture(autouse=True)
def triggers_ask_the_tests(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a trigger asks Airflow: XComs, and the state of its task."""
    answers = SimpleNamespace(state="deferred", xcoms=None)
    monkeypatch.setattr(
        trigger_module,
        "XCom",
        SimpleNamespace(
            set=lambda **given: answers.xcoms.set(**given) if answers.xcoms else None,
            get_one=lambda **asked: answers.xcoms.get_one(**asked) if answers.xcoms else None,
        ),
    )
    monkeypatch.setattr(trigger_module, "task_state", lambda **_: answers.state)
    monkeypatch.setattr(trigger_module, "NOTICED_WITHIN", 0.0)  # no scheduler has to notice anything
    return answers


def planned(server: ScriptedStepFunctions, steps: Sequence[Step], states: Any = None, **plan: Any) -> str:
    """A machine whose executions go on so."""
    definition = None if states is None else {"StartAt": next(iter(states)), "States": states}
    server.plan(MACHINE, steps, **plan)
    return server.add_machine(MACHINE, definition)


def operator(server: ScriptedStepFunctions, mode: str, steps: Sequence[Step], **arguments: Any) -> Task:
    """A task that runs a machine that is there."""
    plan = {name: arguments.pop(name) for name in ("redrives", "listed_after", "stale") if name in arguments}
    machine = planned(server, steps, arguments.pop("states", None), **plan)
    return Task(server, mode, state_machine_arn=machine, **arguments)


def watch(server: ScriptedStepFunctions, kind: str, mode: str, steps: Sequence[Step], **arguments: Any) -> Task:
    """An operator that starts an execution, or a sensor that watches one."""
    if kind == "operator":
        return operator(server, mode, steps, **arguments)
    plan = {name: arguments.pop(name) for name in ("listed_after",) if name in arguments}
    machine = planned(server, steps, arguments.pop("states", None), **plan)
    answer = server.StartExecution({"stateMachineArn": machine, "name": NAME, "input": "{}"})
    return Sensor(server, mode, execution_arn=answer["executionArn"], **arguments)


def once_started(server: ScriptedStepFunctions, kind: str, happens: Callable[[], object]) -> None:
    """Let something happen when there is an execution; a sensor watches one that is there."""
    if kind == "operator":
        server.meanwhile("StartExecution", happens)
    else:
        happens()


def execution(server: ScriptedStepFunctions, name: str = NAME, machine: str = MACHINE) -> Run:
    return server.runs[arn("execution", f"{machine}:{name}")]


def failure_of(ended: Ended, kind: str) -> str:
    """Why it failed: another attempt of the operator may mend that, not one of the sensor."""
    return ended.failure(AirflowException if kind == "operator" else AirflowFailException)


# Success


@every_watch
def test_success_with_its_output(server: Server, kind: str, mode: str) -> None:
    ended = watch(server, kind, mode, [Step(), Step(maps=[RUNNING]), SUCCEEDED]).attempt()
    summary = ended.succeeded()
    assert (summary.status, summary.output, summary.errors) == (MapRunStatus.SUCCEEDED, [1, 2, 3], {})
    assert ended.counts == {"succeeded": 10, "total": 10, "resultsWritten": 10}
    assert summary.execution_arn == execution(server).arn
    assert summary.stop_date is not None
    assert ended.result == summary.to_dict()


@every_watch
def test_what_has_ended_needs_no_triggerer(server: Server, kind: str, mode: str) -> None:
    task = watch(server, kind, mode, [SUCCEEDED])
    assert task.attempt().succeeded().output == [1, 2, 3]
    assert len(task.deferrals) == (kind == "operator" and mode == "deferred")


@every_watch
def test_tolerated_failures(server: Server, kind: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    done = Map(**{**vars(BROKEN), "status": "SUCCEEDED"})
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), Step(status="SUCCEEDED", output=[], maps=[done])])
    summary = task.attempt().succeeded()
    assert dict(summary.errors) == {"BadRow": 2, "States.Timeout": 1}
    assert "2 child executions failed with BadRow" in caplog.messages
    assert any("10 items (7 succeeded, 2 failed, 1 timed out)" in message for message in caplog.messages)


@every_watch
def test_results_on_s3(
    server: Server,
    kind: str,
    mode: str,
    s3_server: S3Endpoint,
    s3_bucket: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(server, s3_server))
    bucket, map_run_arn = s3_bucket(), arn("mapRun", f"{MACHINE}/Map:{UUID}")
    records = {
        "SUCCEEDED": [aws_record(0, "SUCCEEDED", Output='{"x":1}')],
        "FAILED": [aws_record(1, "FAILED", Error="KeyError", Cause="why")],
    }
    manifest = export(s3_server, bucket, f"results/{UUID}", map_run_arn, records)
    details = {"Bucket": bucket, "Key": f"results/{UUID}/manifest.json"}
    output = {"MapRunArn": map_run_arn, "ResultWriterDetails": details}
    counts = {"succeeded": 1, "failed": 1, "resultsWritten": 2}
    done = Map(status="SUCCEEDED", uuid=UUID, items=counts)
    task = watch(server, kind, mode, [Step(), Step(status="SUCCEEDED", output=output, maps=[done])])
    summary = task.attempt().succeeded()
    assert (summary.manifest, dict(summary.errors)) == (manifest, {"KeyError": 1})
    assert "ListExecutions" not in server.operations()  # the files tell the errors
    results = MapRunResults.from_summary(summary, airflow_connections(CONNECTION))
    assert [child.output for child in results.succeeded()] == [{"x": 1}]
    assert [(child.error, child.cause, child.input) for child in results.failed()] == [
        ("KeyError", "why", {"Items": [1]})
    ]


@every_watch
def test_a_manifest_that_is_missing_costs_the_verdict_nothing(
    server: Server,
    kind: str,
    mode: str,
    s3_server: S3Endpoint,
    s3_bucket: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(server, s3_server))
    bucket = s3_bucket()
    state = {
        "Type": "Map",
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **DOCUMENT},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": bucket}},
        "End": True,
    }
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), FAILED], states={"Map": state})
    ended = task.attempt()
    assert "failed child executions: BadRow (2), States.Timeout (1)" in failure_of(ended, kind)
    assert ended.summary.manifest is not None
    assert ended.summary.manifest.startswith(f"s3://{bucket}/")


# Failures


@every_watch
def test_a_failure_says_why_and_where(server: Server, kind: str, mode: str) -> None:
    ended = watch(server, kind, mode, [Step(), Step(maps=[RUNNING]), FAILED]).attempt()
    assert failure_of(ended, kind) == (
        "States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded; "
        f"failed child executions: BadRow (2), States.Timeout (1); {CONSOLE}{execution(server).arn}"
    )
    # For a task with trigger_rule="all_done".
    summary = ended.summary
    assert (summary.status, summary.error, summary.cause) == (MapRunStatus.FAILED, *THRESHOLD.values())
    assert dict(summary.errors) == {"BadRow": 2, "States.Timeout": 1}
    assert ended.counts == {"succeeded": 7, "failed": 2, "timedOut": 1, "total": 10, "resultsWritten": 10}


@every_watch
def test_an_execution_that_fails_before_its_map(server: Server, kind: str, mode: str) -> None:
    ended = watch(server, kind, mode, [Step(), Step(status="FAILED", error="Before", cause="no input")]).attempt()
    assert failure_of(ended, kind) == f"Before: no input; {CONSOLE}{execution(server).arn}"
    assert (ended.summary.map_run_arn, ended.counts) == (None, {})


@every_watch
def test_an_output_that_is_too_large(server: Server, kind: str, mode: str) -> None:
    cause = "The state/task 'Map' returned a result with a size exceeding the maximum number of bytes service limit."
    step = Step(status="FAILED", error="States.DataLimitExceeded", cause=cause, maps=[DONE])
    text = failure_of(watch(server, kind, mode, [Step(maps=[RUNNING]), step]).attempt(), kind)
    assert text.startswith(f"States.DataLimitExceeded: {cause}; give the map a ResultWriter")


@every_watch
def test_an_action_that_the_role_lacks(server: Server, kind: str, mode: str) -> None:
    cause = (
        f"User: {ROLE} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::flights/a.csv because no "
        "identity-based policy allows the s3:GetObject action"
    )
    step = Step(status="FAILED", error="States.ItemReaderFailed", cause=cause, maps=[Map(status="FAILED")])
    text = failure_of(watch(server, kind, mode, [Step(maps=[Map()]), step]).attempt(), kind)
    assert f"States.ItemReaderFailed: {cause}; the role of the state machine lacks s3:GetObject" in text


def test_a_soft_failing_sensor_is_skipped(server: Server) -> None:
    for mode in SENSOR_MODES:
        ended = watch(server, "sensor", mode, [Step(maps=[RUNNING]), Step(maps=[RUNNING]), FAILED], soft_fail=True)
        ended.attempt().failure(AirflowSkipException)
        server.runs.clear()


# Every status


def enum_of(shape: str) -> list[str]:
    model = botocore.session.get_session().get_service_model("stepfunctions")
    return list(model.shape_for(shape).enum)  # type: ignore[attr-defined]


ENDS = {
    "RUNNING": None,
    "PENDING_REDRIVE": None,
    "SUCCEEDED": "",
    "FAILED": "E: C",
    "TIMED_OUT": "States.Timeout: the execution ran longer than TimeoutSeconds of its state machine",
    "ABORTED": "the execution is ABORTED, without an error or a cause",
}


@every_watch
@pytest.mark.parametrize("status", enum_of("ExecutionStatus"))
def test_every_status_of_an_execution(server: Server, kind: str, mode: str, status: str) -> None:
    why = {"error": "E", "cause": "C"} if status == "FAILED" else {}
    of_map = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "TIMED_OUT": "ABORTED", "ABORTED": "ABORTED"}
    shown = Map(status=of_map.get(status, "RUNNING"), items={"succeeded": 1})
    steps = [Step(maps=[RUNNING]), Step(status=status, output=[], maps=[shown], **why)]
    if ENDS[status] is None:
        steps += [steps[1], SUCCEEDED]  # the watch goes on
    ended = watch(server, kind, mode, steps).attempt()
    if ENDS[status]:
        assert failure_of(ended, kind).startswith(f"{ENDS[status]}; {CONSOLE}")
        assert ended.summary.status == of_map[status]
    else:
        assert ended.succeeded().status is MapRunStatus.SUCCEEDED


@every_watch
@pytest.mark.parametrize("status", enum_of("MapRunStatus"))
def test_every_status_of_a_map_run_in_an_execution_that_goes_on(
    server: Server, kind: str, mode: str, status: str
) -> None:
    # A Retry or Catch of the Map state may make good for it: the execution's verdict is the one that counts.
    shown = Step(maps=[Map(status=status, items={"failed": 1})])
    again = Map(**{**vars(DONE), "run": 2})
    ended = watch(server, kind, mode, [shown, shown, Step(status="SUCCEEDED", output=[], maps=[again])]).attempt()
    summary = ended.succeeded()
    assert (summary.status, summary.item_counts.succeeded) == (MapRunStatus.SUCCEEDED, 10)


@pytest.mark.parametrize("mode", SENSOR_MODES)
@pytest.mark.parametrize("status", enum_of("MapRunStatus"))
def test_every_status_of_a_map_run_alone(server: Server, mode: str, status: str) -> None:
    shown = Map(status=status, uuid=UUID, items={"succeeded": 3})
    machine = planned(server, [Step(maps=[shown]), Step(maps=[Map(**{**vars(DONE), "uuid": UUID})])], moves_on=None)
    run = server.StartExecution({"stateMachineArn": machine, "name": NAME, "input": "{}"})["executionArn"]
    map_run_arn = arn("mapRun", f"{MACHINE}/Map:{UUID}")
    sensor = Sensor(server, mode, map_run_arn=map_run_arn)
    if status == "RUNNING":
        threading.Timer(0.5, server.advance, [run]).start()
    ended = sensor.attempt()
    if status in ("RUNNING", "SUCCEEDED"):
        assert ended.succeeded().map_run_arn == map_run_arn
    else:
        text = ended.failure(AirflowFailException)
        assert text == f"{map_run_arn} is {status}: its execution says why; {CONSOLE}{run}"
        assert ended.summary.status == status


# Which Map Run


@every_watch
def test_a_map_run_that_is_not_listed_for_a_while(server: Server, kind: str, mode: str) -> None:
    steps = [Step(maps=[RUNNING])] * 6 + [SUCCEEDED]
    ended = watch(server, kind, mode, steps, listed_after=4).attempt()
    assert ended.succeeded().item_counts.succeeded == 10


@every_watch
def test_a_map_run_that_is_listed_after_the_end_only(server: Server, kind: str, mode: str) -> None:
    ended = watch(server, kind, mode, [SUCCEEDED], listed_after=2).attempt()
    assert ended.succeeded().item_counts.succeeded == 10


@every_watch
@pytest.mark.parametrize("label", ["first", "second"])
def test_the_map_run_of_a_label(server: Server, kind: str, mode: str, label: str) -> None:
    first = Map(label="first", state="A", status="SUCCEEDED", items={"succeeded": 1})
    second = Map(label="second", state="B", items={"running": 2})
    done = Map(label="second", state="B", status="SUCCEEDED", items={"succeeded": 2})
    steps = [Step(), Step(maps=[first]), Step(maps=[second]), Step(status="SUCCEEDED", output=[], maps=[done])]
    summary = watch(server, kind, mode, steps, map_label=label).attempt().succeeded()
    assert summary.item_counts.succeeded == {"first": 1, "second": 2}[label]
    assert f"/{label}:" in str(summary.map_run_arn)


# Faults


@every_watch
@pytest.mark.parametrize("operation", ["DescribeExecution", "ListMapRuns", "DescribeMapRun"])
def test_throttling(server: Server, kind: str, mode: str, operation: str) -> None:
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), SUCCEEDED])
    once_started(server, kind, lambda: server.fail(operation, times=2))
    assert task.attempt().succeeded().item_counts.succeeded == 10


def test_throttling_while_it_begins(server: Server) -> None:
    for mode in MODES:
        for operation in ("DescribeStateMachine", "CreateStateMachine", "StartExecution"):
            server.fail(operation, times=2)
        server.plan(MADE, [SUCCEEDED])
        assert made(server, mode).attempt().succeeded().output == [1, 2, 3]
        server.runs.clear()
        server.machines.clear()


@every_watch
def test_a_token_that_expired_once(server: Server, kind: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), SUCCEEDED])
    once_started(server, kind, lambda: expire(server, 1))
    assert task.attempt().succeeded().output == [1, 2, 3]
    assert any("reading the connection again" in message for message in caplog.messages)


def expire(server: Server, times: int | None) -> None:
    message = "The security token included in the request is expired"
    server.fail("DescribeExecution", "ExpiredTokenException", message, times=times)


@every_watch
def test_a_token_that_has_expired_for_good(
    server: Server, kind: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"timeout": 4.0} if kind == "sensor" else {}
    task = watch(server, kind, mode, [Step(maps=[RUNNING])], **arguments)
    once_started(server, kind, lambda: expire(server, None))
    ended = task.attempt()
    said = "DescribeExecution: ExpiredTokenException: The security token included in the request is expired"
    text = ended.failure()
    assert said in text
    assert "renew the credentials of the Airflow connection" in text
    assert execution(server).step.status == "RUNNING"


@both_modes
def test_a_token_that_has_expired_before_anything_began(server: Server, mode: str) -> None:
    expire(server, None)
    text = operator(server, mode, [SUCCEEDED]).attempt().failure()
    assert text.endswith("is expired; renew the credentials of the Airflow connection")


@every_watch
def test_an_action_that_the_watch_lacks(server: Server, kind: str, mode: str) -> None:
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), Step(maps=[RUNNING])])
    server.deny("DescribeMapRun", times=None)
    text = task.attempt().failure()
    assert text.endswith("the IAM action that is missing is states:DescribeMapRun")


@both_modes
@pytest.mark.parametrize("operation", ["DescribeStateMachine", "CreateStateMachine", "StartExecution"])
def test_an_action_that_the_worker_lacks(server: Server, mode: str, operation: str) -> None:
    server.deny(operation)
    assert made(server, mode).attempt().failure().endswith(f"the IAM action that is missing is states:{operation}")
    assert not server.runs


PHASES = [
    "CreateStateMachine",
    "StartExecution",
    "DescribeExecution",
    "ListMapRuns",
    "DescribeMapRun",
    "ListExecutions",
    "RedriveExecution",
    "StopExecution",
]


@both_modes
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", PHASES)
def test_a_connection_that_breaks_in_the_middle(server: Server, mode: str, operation: str, after: bool) -> None:
    bad = Step(maps=[Map(items={"succeeded": 4, "failed": 6, "running": 1})])
    server.plan(MADE, [Step(maps=[RUNNING]), FAILED], redrives=[[Step(maps=[RUNNING]), *[bad] * 100]])
    task = made(server, mode, fail_when="failed > 5", retries=1)
    if operation in ("DescribeExecution", "ListMapRuns", "DescribeMapRun"):
        # In the watch: what looks for the execution before is another client, which repeats calls.
        server.meanwhile("StartExecution", lambda: server.reset(operation, after=after))
    else:
        server.reset(operation, after=after)
    assert "failed child executions: BadRow (2), States.Timeout (1)" in task.attempt().failure()
    assert task.attempt().failure(AirflowFailException).startswith("MapRun.FailWhen: failed > 5 (6 items); ")
    assert server.executions == [NAME]
    run = execution(server, machine=MADE)
    assert (run.step.status, run.step.error, run.redrives) == ("ABORTED", "MapRun.FailWhen", 1)


@pytest.mark.parametrize("kind", ["operator", "sensor"])
@pytest.mark.parametrize("fault", ["throttled", "reset", "expired"])
def test_a_fault_right_after_the_event_costs_no_summary(server: Server, kind: str, fault: str) -> None:
    task = watch(server, kind, "deferred", [Step(maps=[RUNNING]), Step(maps=[RUNNING]), SUCCEEDED])
    trigger = task.defer()
    event = asyncio.run(first_event(trigger))
    if fault == "throttled":
        server.fail("DescribeExecution")
    elif fault == "expired":
        expire(server, 1)
    else:
        server.reset("DescribeExecution", after=True)
    kwargs = {**(task.deferrals[0].kwargs or {}), "event": event}
    summary = task.make().resume_execution(task.deferrals[0].method_name, kwargs, task.context)
    assert (summary["executionArn"], summary["status"]) == (execution(server).arn, "SUCCEEDED")
    assert summary["itemCounts"]["succeeded"] == 10


# Conditions, times, updates

BAD = Map(items={"succeeded": 7, "failed": 3, "running": 10})
WHY = "failed > 20% after 10 (3 of 10 items: 30 %)"


@both_modes
def test_fail_when_stops_the_execution(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step(maps=[RUNNING]), Step(maps=[BAD])], fail_when="failed > 20% after 10")
    ended = task.attempt()
    # Bad data is no better at the next attempt.
    assert ended.failure(AirflowFailException) == f"MapRun.FailWhen: {WHY}; {CONSOLE}{execution(server).arn}"
    assert (execution(server).step.error, execution(server).step.cause) == ("MapRun.FailWhen", WHY)
    assert (ended.summary.status, ended.summary.item_counts.aborted) == (MapRunStatus.ABORTED, 10)


@every_watch
def test_fail_when_lets_the_execution_run_on(server: Server, kind: str, mode: str) -> None:
    arguments = {"stop_on_fail_when": False} if kind == "operator" else {}
    steps = [Step(maps=[RUNNING]), Step(maps=[BAD])]
    ended = watch(server, kind, mode, steps, fail_when=["timedOut > 5", "failed > 20% after 10"], **arguments).attempt()
    assert ended.failure(AirflowFailException) == f"MapRun.FailWhen: {WHY}; {CONSOLE}{execution(server).arn}"
    assert execution(server).step.status == "RUNNING"
    assert (ended.summary.status, ended.summary.stop_date) == (MapRunStatus.RUNNING, None)


@every_watch
def test_succeed_when_lets_the_execution_run_on(server: Server, kind: str, mode: str) -> None:
    steps = [Step(maps=[RUNNING]), Step(maps=[Map(items={"succeeded": 19, "running": 1})])]
    ended = watch(server, kind, mode, steps, succeed_when="succeeded >= 95%").attempt()
    summary = ended.succeeded()
    assert summary.succeed_when == "succeeded >= 95% (19 of 20 items: 95 %)"
    assert summary.status is MapRunStatus.RUNNING
    assert summary.raise_for_status() is summary
    assert execution(server).step.status == "RUNNING"


@both_modes
def test_succeed_when_stops_the_execution(server: Server, mode: str) -> None:
    steps = [Step(maps=[RUNNING]), Step(maps=[Map(items={"succeeded": 19, "running": 1})])]
    ended = operator(server, mode, steps, succeed_when="succeeded >= 95%", stop_on_succeed_when=True).attempt()
    summary = ended.succeeded()
    assert summary.succeed_when == "succeeded >= 95% (19 of 20 items: 95 %)"
    assert (summary.status, execution(server).step.error) == (MapRunStatus.ABORTED, "MapRun.SucceedWhen")
    assert summary.item_counts.aborted == 1


@both_modes
def test_conditions_may_be_templates(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step(maps=[BAD])], fail_when="failed > {{ 10 * 2 }}% after 10")
    assert WHY in task.attempt().failure(AirflowFailException)
    bad = operator(server, mode, [Step(maps=[BAD])], fail_when="{{ 'often' }}", map_index=1)
    assert "fail_when" in bad.attempt().failure(AirflowFailException)


@both_modes
def test_a_condition_that_is_none_starts_nothing(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step(maps=[BAD])], fail_when="{{ 'often' }}")
    task.attempt().failure(AirflowFailException)
    assert not server.runs


@both_modes
@pytest.mark.parametrize("stops", [True, False])
def test_the_time_of_the_execution(server: Server, mode: str, stops: bool) -> None:
    task = operator(server, mode, [Step(maps=[RUNNING])], timeout=timedelta(seconds=0.4), stop_on_kill=stops)
    ended = task.attempt()
    said = "MapRun.Timeout"
    assert ended.failure().startswith(f"{said}: not done 0.4 seconds after it began; ")
    step = execution(server).step
    assert (step.status, step.error) == (("ABORTED", "MapRun.Timeout") if stops else ("RUNNING", None))
    assert ended.summary.status is (MapRunStatus.ABORTED if stops else MapRunStatus.RUNNING)


def test_the_time_of_the_attempt_while_deferred(server: Server) -> None:
    task = operator(server, "deferred", [Step(maps=[RUNNING])], execution_timeout=timedelta(seconds=2))
    assert "MapRun.Timeout: not done when the execution_timeout of the task was over" in task.attempt().failure()
    assert execution(server).step.status == "ABORTED"


def test_the_time_of_the_attempt_while_it_waits(server: Server) -> None:
    task = operator(server, "waits", [Step(maps=[RUNNING])], execution_timeout=timedelta(seconds=2))
    task.attempt().failure(AirflowTaskTimeout)
    assert (execution(server).step.status, execution(server).step.error) == ("ABORTED", "MapRun.Timeout")


@pytest.mark.parametrize("mode", SENSOR_MODES)
def test_the_time_of_a_sensor(server: Server, mode: str) -> None:
    sensor = watch(server, "sensor", mode, [Step(maps=[RUNNING])], timeout=1)
    sensor.attempt().failure(AirflowSensorTimeout)
    assert execution(server).step.status == "RUNNING"


@both_modes
def test_updates_are_issued(server: Server, mode: str) -> None:
    updates = [
        MapRunUpdate(after=0, max_concurrency=7),
        MapRunUpdate(when="succeeded >= 4", max_concurrency=70, tolerated_failure_percentage=5),
    ]
    steps = [Step(maps=[RUNNING])] * 2 + [Step(maps=[Map(items={"succeeded": 4, "running": 6})])] * 2 + [SUCCEEDED]
    summary = operator(server, mode, steps, updates=updates).attempt().succeeded()
    sent = [{k: v for k, v in one.items() if k != "mapRunArn"} for one in server.called("UpdateMapRun")]
    assert sent == [{"maxConcurrency": 7}, {"maxConcurrency": 70, "toleratedFailurePercentage": 5}]
    assert (summary.max_concurrency, summary.tolerated_failure_percentage) == (70, 5)


# The next attempts


def lost(server: Server, task: Task) -> None:
    """An attempt that ends without its execution."""
    server.deny("DescribeMapRun")
    assert "could not be watched" in task.attempt().failure()
    assert execution(server).step.status == "RUNNING"


@both_modes
def test_an_attempt_goes_on_with_an_execution_that_runs(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step(maps=[RUNNING])] * 6 + [SUCCEEDED], retries=1)
    lost(server, task)
    assert task.attempt().succeeded().execution_arn == execution(server).arn
    assert (server.executions, len(server.called("StartExecution"))) == ([NAME], 1)


@both_modes
@pytest.mark.parametrize("stale", [0, 3])
def test_an_attempt_redrives(server: Server, mode: str, stale: int) -> None:
    again = [Step(maps=[RUNNING]), SUCCEEDED]
    task = operator(server, mode, [Step(maps=[RUNNING]), FAILED], redrives=[again], stale=stale, retries=1)
    first = task.attempt()
    first.failure()
    ended = task.attempt()
    summary = ended.succeeded()
    assert (summary.execution_arn, summary.map_run_arn) == (first.summary.execution_arn, first.summary.map_run_arn)
    assert summary.redrive_count == 1
    assert ended.counts == {"succeeded": 10, "total": 10, "resultsWritten": 10}
    assert len(server.called("RedriveExecution")) == 1


@both_modes
def test_each_attempt_redrives_once_more(server: Server, mode: str) -> None:
    redrives = [[Step(maps=[RUNNING]), FAILED], [Step(maps=[RUNNING]), SUCCEEDED]]
    task = operator(server, mode, [FAILED], redrives=redrives, retries=2, stale=1)
    task.attempt().failure()
    task.attempt().failure()
    assert task.attempt().succeeded().redrive_count == 2
    assert len({request["clientToken"] for request in server.called("RedriveExecution")}) == 2


NOT_REDRIVABLE = Step(status="FAILED", error="E", cause="C", not_redrivable="Execution is too old", maps=[BROKEN])


@both_modes
def test_what_cannot_be_redriven_starts_anew(server: Server, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    task = operator(server, mode, [NOT_REDRIVABLE], retries=1)
    task.attempt().failure()
    server.plan(MACHINE, [SUCCEEDED])
    assert str(task.attempt().succeeded().execution_arn).endswith(f":{NAME}-2")
    assert (
        f"{execution(server).arn} cannot be redriven, so another execution is started: Execution is too old"
        in caplog.messages
    )


@both_modes
def test_what_cannot_be_redriven_fails_where_the_author_wants_that(server: Server, mode: str) -> None:
    task = operator(server, mode, [NOT_REDRIVABLE], retries=1, on_retry="redrive_or_fail")
    task.attempt().failure()
    text = task.attempt().failure(AirflowFailException)
    assert text == f"{execution(server).arn} is FAILED and cannot be redriven: Execution is too old"
    assert server.executions == [NAME]


@both_modes
def test_an_attempt_may_start_anew_in_any_case(server: Server, mode: str) -> None:
    task = operator(server, mode, [FAILED], retries=1, on_retry="restart")
    task.attempt().failure()
    server.plan(MACHINE, [SUCCEEDED])
    assert str(task.attempt().succeeded().execution_arn).endswith(f":{NAME}-2")


@both_modes
def test_another_definition_is_not_redriven(server: Server, mode: str) -> None:
    server.plan(MADE, [FAILED])
    task = made(server, mode, retries=2)
    task.attempt().failure()
    other = {"StartAt": "Other", "States": {"Other": {"Type": "Pass", "End": True}}}
    refused = task.attempt(definition=other, on_retry="redrive_or_fail").failure(AirflowFailException)
    assert "the definition is another one now" in refused
    server.plan(MADE, [SUCCEEDED])
    summary = task.attempt(on_retry="redrive_or_restart").succeeded()
    assert str(summary.execution_arn).endswith(f":{NAME}-2")
    assert not server.called("RedriveExecution")


@both_modes
def test_another_input_is_not_redriven(server: Server, mode: str) -> None:
    task = operator(server, mode, [FAILED], retries=1, input={"a": 1})
    task.attempt().failure()
    server.plan(MACHINE, [SUCCEEDED])
    task.attempt(input={"a": 2}).succeeded()
    assert execution(server, f"{NAME}-2").input == '{"a":2}'


@both_modes
def test_a_task_that_is_cleared_after_its_success_starts_anew(server: Server, mode: str) -> None:
    task = operator(server, mode, [SUCCEEDED], retries=2)
    task.attempt().succeeded()
    task.clear()
    assert str(task.attempt().succeeded().execution_arn).endswith(f":{NAME}-2")


@both_modes
def test_a_success_that_no_attempt_saw_is_taken(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step(maps=[RUNNING])] * 2 + [SUCCEEDED], retries=2)
    lost(server, task)
    for _ in range(3):
        server.advance(execution(server).arn)
    assert task.attempt().succeeded().execution_arn == execution(server).arn
    assert server.executions == [NAME]


@both_modes
def test_a_task_that_is_cleared_after_its_failure_redrives(server: Server, mode: str) -> None:
    task = operator(server, mode, [FAILED], redrives=[[SUCCEEDED]])
    task.attempt().failure()
    task.clear()
    assert task.attempt().succeeded().redrive_count == 1


@both_modes
def test_an_execution_of_somebody_else_with_another_input(server: Server, mode: str) -> None:
    task = operator(server, mode, [Step()], input={"a": 1})
    machine = arn("stateMachine", MACHINE)
    server.StartExecution({"stateMachineArn": machine, "name": NAME, "input": "{}"})
    text = task.attempt().failure(AirflowFailException)
    assert "is running with another input; give an execution_name of its own" in text


EARLIER: dict[str, Callable[[str], Any]] = {
    "arn": lambda found: found,
    "summary": lambda found: {"executionArn": found, "status": "FAILED"},
    "template": lambda _: "{{ ti.xcom_pull(task_ids='earlier')['executionArn'] }}",
    "xcom": lambda _: upstream("earlier"),
}


def upstream(task_id: str) -> Callable[[], Any]:
    """The output of an upstream task, made where the DAG is."""
    return lambda: EmptyOperator(task_id=task_id).output


@both_modes
@pytest.mark.parametrize("how", list(EARLIER))
def test_redrive_of_an_earlier_execution(server: Server, mode: str, how: str) -> None:
    machine = planned(server, [FAILED], redrives=[[Step(maps=[RUNNING]), SUCCEEDED]], stale=1)
    found = server.StartExecution({"stateMachineArn": machine, "name": "earlier", "input": "{}"})["executionArn"]
    server.advance(found)
    task = Task(server, mode, redrive=EARLIER[how](found), upstream={"earlier": {"executionArn": found}})
    summary = task.attempt().succeeded()
    assert (summary.execution_arn, summary.redrive_count) == (found, 1)


@both_modes
def test_redrive_of_what_has_succeeded(server: Server, mode: str) -> None:
    machine = planned(server, [SUCCEEDED])
    found = server.StartExecution({"stateMachineArn": machine, "name": "earlier", "input": "{}"})["executionArn"]
    server.advance(found)
    text = Task(server, mode, redrive=found).attempt().failure(AirflowFailException)
    assert text == f"redrive: {found} has succeeded: there is nothing to run again"


@both_modes
def test_a_late_kill_by_an_earlier_attempt(server: Server, mode: str) -> None:
    again = [Step(maps=[RUNNING]), SUCCEEDED]
    task = operator(server, mode, [Step(maps=[RUNNING])], redrives=[again], retries=1, stale=1)
    lost(server, task)
    cause = f"attempt 1 of the Airflow task flights.{TASK_ID} (run_1) was killed"
    stop = {"executionArn": execution(server).arn, "error": "MapRun.Killed", "cause": cause}
    server.meanwhile("DescribeMapRun", lambda: server.StopExecution(stop))
    summary = task.attempt().succeeded()
    assert (summary.execution_arn, summary.redrive_count) == (execution(server).arn, 1)
    assert len(task.deferrals) == (3 if mode == "deferred" else 0)


@both_modes
def test_a_stop_by_somebody_else_is_a_failure(server: Server, mode: str) -> None:
    stopped = Step(status="ABORTED", error="Enough", cause="says Ann", maps=[Map(status="ABORTED")])
    text = operator(server, mode, [Step(maps=[RUNNING]), stopped]).attempt().failure()
    assert text.startswith("Enough: says Ann; ")
    assert not server.called("RedriveExecution")


# Kills


def kill(server: Server, **arguments: Any) -> Ended:
    """Kill a task that waits."""
    task = operator(server, "waits", [Step(maps=[RUNNING])], **arguments)
    ended: list[Ended] = []
    thread = threading.Thread(target=lambda: ended.append(task.attempt()))
    thread.start()
    for _ in range(500):
        if len(server.called("DescribeMapRun")) > 2:
            break
        threading.Event().wait(INTERVAL)
    task.operator.on_kill()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return ended[0]


def test_a_task_that_is_killed_stops_the_execution(server: Server) -> None:
    assert kill(server).failure() == f"the task was killed; {execution(server).arn} is being stopped"
    step = execution(server).step
    cause = f"attempt 1 of the Airflow task flights.{TASK_ID} (run_1) was killed"
    assert (step.status, step.error, step.cause) == ("ABORTED", "MapRun.Killed", cause)


def test_a_task_that_is_killed_may_let_the_execution_run_on(server: Server) -> None:
    assert kill(server, stop_on_kill=False).failure() == f"the task was killed; {execution(server).arn} runs on"
    assert execution(server).step.status == "RUNNING"
    assert not server.called("StopExecution")


def test_a_kill_before_anything_began(server: Server) -> None:
    task = operator(server, "waits", [Step()])
    task.begin_attempt()
    task.make().on_kill()
    assert not server.calls


def test_a_kill_after_the_end(server: Server) -> None:
    task = operator(server, "waits", [SUCCEEDED])
    task.attempt().succeeded()
    task.operator.on_kill()
    assert not server.called("StopExecution")


def test_a_kill_while_the_execution_is_being_started(server: Server) -> None:
    task = operator(server, "waits", [Step(maps=[RUNNING])])
    server.meanwhile("StartExecution", lambda: task.operator.on_kill())
    task.attempt().failure()
    assert execution(server).step.status == "ABORTED"


@pytest.fixture
def deferred(server: Server, triggers_ask_the_tests: SimpleNamespace) -> Task:
    """A task that is deferred."""
    task = operator(server, "deferred", [Step(maps=[RUNNING])])
    task.defer()
    triggers_ask_the_tests.xcoms = task.xcoms
    return task


def kill_trigger(trigger: Any) -> None:
    asyncio.run(trigger.on_kill())


def test_a_deferred_task_that_is_marked_stops_the_execution(
    server: Server, deferred: Task, triggers_ask_the_tests: SimpleNamespace
) -> None:
    triggers_ask_the_tests.state = "failed"
    kill_trigger(deferred.triggers[0])
    step = execution(server).step
    cause = f"attempt 1 of the Airflow task flights.{TASK_ID} (run_1) was killed"
    assert (step.status, step.error, step.cause) == ("ABORTED", "MapRun.Killed", cause)


def test_a_trigger_that_moves_to_another_triggerer_stops_nothing(server: Server, deferred: Task) -> None:
    kill_trigger(deferred.triggers[0])
    assert not server.called("StopExecution")


def test_a_deferred_task_that_was_cleared_and_is_deferred_again(server: Server, deferred: Task) -> None:
    deferred.xcoms.push(TASK_ID, "map_run", {"executionArn": execution(server).arn, "attempt": 2})
    kill_trigger(deferred.triggers[0])
    assert execution(server).step.status == "ABORTED"


def test_a_trigger_that_has_fired_stops_nothing(
    server: Server, deferred: Task, triggers_ask_the_tests: SimpleNamespace
) -> None:
    triggers_ask_the_tests.state = "running"
    (trigger,) = deferred.triggers

    async def kill_at_event() -> None:
        run = trigger.run()
        await anext(run)
        await trigger.on_kill()
        await run.aclose()  # type: ignore[attr-defined]

    server.meanwhile("DescribeMapRun", lambda: finish(server))
    asyncio.run(asyncio.wait_for(kill_at_event(), PATIENCE))
    assert not server.called("StopExecution")


def finish(server: Server) -> None:
    run = execution(server)
    run.steps, run.position = [SUCCEEDED], -1


def test_a_deferred_task_may_let_the_execution_run_on(server: Server, triggers_ask_the_tests: SimpleNamespace) -> None:
    triggers_ask_the_tests.state = "failed"
    kill_trigger(operator(server, "deferred", [Step()], stop_on_kill=False).defer())
    assert not server.called("StopExecution")


def test_a_sensors_trigger_stops_nothing(server: Server, triggers_ask_the_tests: SimpleNamespace) -> None:
    triggers_ask_the_tests.state = "failed"
    kill_trigger(watch(server, "sensor", "deferred", [Step(maps=[RUNNING])]).defer())
    assert not server.called("StopExecution")


def test_a_trigger_can_be_cancelled(server: Server, deferred: Task) -> None:
    (trigger,) = deferred.triggers

    async def cancel() -> bool:
        running = asyncio.ensure_future(first_event(trigger))
        while len(server.called("DescribeMapRun")) < 2:
            await asyncio.sleep(INTERVAL)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            return True
        return False

    assert asyncio.run(asyncio.wait_for(cancel(), PATIENCE))


# The scheduler must have noticed that a task waits before it goes on

NOTICED = 1.0


@pytest.fixture
def noticed(triggers_ask_the_tests: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds that a trigger gives the scheduler."""
    monkeypatch.setattr(trigger_module, "NOTICED_WITHIN", NOTICED)
    return NOTICED


def test_airflow_has_noticed_when_its_workers_have_reported() -> None:
    assert conf.getint("workers", "min_heartbeat_interval") * 2 < NOTICED_WITHIN


@pytest.mark.parametrize("kind", ["operator", "sensor"])
def test_an_event_waits_until_airflow_has_noticed_the_deferral(server: Server, kind: str, noticed: float) -> None:
    task = watch(server, kind, "deferred", [Step(maps=[RUNNING]), SUCCEEDED])
    trigger = task.defer()
    began = time.monotonic()
    assert asyncio.run(first_event(trigger))["outcome"] == "succeeded"
    assert noticed <= time.monotonic() - began < noticed + PATIENCE / 2


def test_an_event_that_failed_waits_as_well(server: Server, noticed: float) -> None:
    trigger = operator(server, "deferred", [Step(maps=[RUNNING])]).defer()
    server.deny("DescribeExecution")
    began = time.monotonic()
    assert "failed" in asyncio.run(first_event(trigger))
    assert time.monotonic() - began >= noticed


def test_what_must_be_stopped_is_stopped_at_once(server: Server, noticed: float) -> None:
    task = operator(server, "deferred", [Step(maps=[RUNNING]), Step(maps=[BAD])], fail_when="failed > 20% after 10")
    trigger = task.defer()
    began = time.monotonic()
    stopped: list[float] = []
    server.meanwhile("StopExecution", lambda: stopped.append(time.monotonic() - began))
    assert asyncio.run(first_event(trigger))["outcome"] == "fail_when"
    assert stopped[0] < noticed


def test_a_kill_stops_the_execution_until_the_event(
    server: Server, noticed: float, triggers_ask_the_tests: SimpleNamespace
) -> None:
    trigger = operator(server, "deferred", [Step(maps=[RUNNING])] * 2, succeed_when="succeeded >= 1").defer()
    triggers_ask_the_tests.state = "failed"

    async def kill_before_the_event() -> None:
        running = asyncio.ensure_future(first_event(trigger))
        await asyncio.sleep(noticed / 2)
        assert not running.done()
        running.cancel()
        await trigger.on_kill()

    asyncio.run(asyncio.wait_for(kill_before_the_event(), PATIENCE))
    assert execution(server).step.error == "MapRun.Killed"


def test_a_sensor_is_not_out_of_time_for_that(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_module, "NOTICED_WITHIN", PATIENCE)
    task = watch(server, "sensor", "deferred", [Step(maps=[RUNNING]), SUCCEEDED], timeout=PATIENCE / 2)
    task.attempt().succeeded()


def test_dag_test_waits_for_no_scheduler(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_module, "NOTICED_WITHIN", 2 * PATIENCE)
    trigger = operator(server, "deferred", [Step(maps=[RUNNING]), SUCCEEDED]).defer()
    trigger.task_instance = None
    assert asyncio.run(first_event(trigger))["outcome"] == "succeeded"


# What is run


def made(server: Server, mode: str, **arguments: Any) -> Task:
    """A task that makes its machine."""
    return Task(server, mode, **{"definition": DOCUMENT, "role_arn": ROLE, **arguments})


@both_modes
@pytest.mark.parametrize("given", [DOCUMENT, json.dumps(DOCUMENT)], ids=["mapping", "text"])
def test_a_whole_document(server: Server, mode: str, given: Any, caplog: pytest.LogCaptureFixture) -> None:
    server.plan(MADE, [SUCCEEDED])
    made(server, mode, definition=given, tags={"team": "{{ ds }}"}).attempt().succeeded()
    machine = server.machines[arn("stateMachine", MADE)]
    assert (json.loads(machine.definition), machine.role) == (DOCUMENT, ROLE)
    assert machine.tags == {"team": "2026-11-25"}
    assert execution(server, machine=MADE).version == f"{machine.arn}:1"
    assert f"State machine created: {machine.arn}:1" in caplog.messages


@both_modes
def test_a_definition_that_the_service_refuses(server: Server, mode: str) -> None:
    finding = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": "no Next", "location": "/States/A"}
    server.diagnostics = [finding]
    text = made(server, mode).attempt().failure(AirflowFailException)
    assert "/States/A: no Next (SCHEMA_VALIDATION_FAILED)" in text
    assert not server.machines


@both_modes
@pytest.mark.parametrize("which", ["", ":1", ":live"], ids=["base", "version", "alias"])
def test_a_machine_that_is_there(server: Server, mode: str, which: str) -> None:
    machine = planned(server, [FAILED], redrives=[[SUCCEEDED]])
    server.PublishStateMachineVersion({"stateMachineArn": machine})
    task = Task(server, mode, state_machine_arn=machine + which, retries=1)
    task.attempt().failure()
    assert server.called("StartExecution")[0]["stateMachineArn"] == machine + which
    assert execution(server).version == (f"{machine}:1" if which else None)
    # The next attempt redrives: it is the same machine.
    assert task.attempt().succeeded().execution_arn == execution(server).arn
    assert not server.called("CreateStateMachine")


@both_modes
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"key": "{{ ds }}.csv", "days": [1, "{{ ds }}"]}, {"key": "2026-11-25.csv", "days": [1, "2026-11-25"]}),
        ('{"key": "{{ ds }}.csv"}', {"key": "2026-11-25.csv"}),
        ([1, 2], [1, 2]),
        (upstream("before"), {"rows": 3}),
    ],
    ids=["mapping", "text", "array", "upstream"],
)
def test_the_input_of_a_machine_that_is_there(server: Server, mode: str, given: Any, sent: Any) -> None:
    task = operator(server, mode, [SUCCEEDED], input=given, upstream={"before": {"rows": 3}})
    task.attempt().succeeded()
    assert json.loads(execution(server).input) == sent


@both_modes
def test_an_input_that_is_no_json(server: Server, mode: str) -> None:
    text = operator(server, mode, [SUCCEEDED], input="{{ ds }}: x").attempt().failure(AirflowFailException)
    assert text.startswith("input: is not JSON")


@both_modes
def test_an_input_that_is_too_large(server: Server, mode: str) -> None:
    task = operator(server, mode, [SUCCEEDED], input={"a": "x" * 300_000})
    assert "put it into S3" in task.attempt().failure(AirflowFailException)
    assert not server.runs


CLOUD = LambdaFunction("delays")


@both_modes
def test_a_distributed_map(server: Server, mode: str) -> None:
    definition = DistributedMap(
        item_processor=CLOUD,
        item_reader=S3CsvItemReader(bucket="flights", key=JsonPath("$.key"), csv_headers=CsvHeaders.use_first_row()),
        result_writer=ResultWriter(bucket="out-{{ ds }}", prefix="delays"),
        label="delays",
    )
    counts = {"succeeded": 3, "resultsWritten": 3}
    done = Map(status="SUCCEEDED", label="delays", uuid=UUID, items=counts)
    server.plan(MADE, [Step(status="SUCCEEDED", output={}, maps=[done])])
    summary = made(server, mode, definition=definition, input={"key": "{{ ds }}.csv"}).attempt().succeeded()
    state = json.loads(server.machines[arn("stateMachine", MADE)].definition)["States"]["Map"]
    assert state["ItemReader"]["Parameters"] == {"Bucket": "flights", "Key.$": "$.key"}
    assert state["ResultWriter"]["Parameters"] == {"Bucket": "out-2026-11-25", "Prefix": "delays"}
    assert json.loads(execution(server, machine=MADE).input) == {"key": "2026-11-25.csv"}
    assert summary.manifest == f"s3://out-2026-11-25/delays/{UUID}/manifest.json"


@both_modes
def test_items_of_an_upstream_task(server: Server, mode: str) -> None:
    server.plan(MADE, lambda definition, given: Step(status="SUCCEEDED", output=given["items"], maps=[DONE]))
    rows = [{"id": 1}, {"id": "{{ not a template }}"}]
    task = made(
        server,
        mode,
        definition=lambda: DistributedMap(item_processor=CLOUD, items=upstream("orders")()),
        upstream={"orders": rows},
    )
    assert task.attempt().succeeded().output == rows
    later = made(server, mode, definition=DistributedMap(item_processor=CLOUD), items=upstream("orders"), map_index=4)
    later.xcoms.push("orders", "return_value", rows)
    assert later.attempt().succeeded().output == rows
    assert len(server.runs) == 2


@both_modes
def test_a_definition_in_jsonata(server: Server, mode: str) -> None:
    definition = DistributedMap(
        item_processor=CLOUD, query_language=QueryLanguage.JSONATA, items="{% $states.input.rows %}", label="rows"
    )
    server.plan(MADE, [SUCCEEDED])
    made(server, mode, definition=definition, input={"rows": ["{{ ds }}"]}).attempt().succeeded()
    state = json.loads(server.machines[arn("stateMachine", MADE)].definition)["States"]["Map"]
    assert (state["QueryLanguage"], state["Items"]) == ("JSONata", "{% $states.input.rows %}")
    assert json.loads(execution(server, machine=MADE).input) == {"rows": ["2026-11-25"]}


@both_modes
def test_names_of_mapped_tasks_and_of_the_authors_choice(server: Server, mode: str) -> None:
    operator(server, mode, [SUCCEEDED], map_index=3).attempt().succeeded()
    operator(server, mode, [SUCCEEDED], execution_name="delays-{{ ds }}").attempt().succeeded()
    assert server.executions == [f"flights-{TASK_ID}-3-run_1", "delays-2026-11-25"]


# What a task shows


def test_links_in_another_partition() -> None:
    where = {"region_name": "cn-north-1", "aws_domain": "amazonaws.cn"}
    arn = "arn:aws-cn:states:cn-north-1:123456789012:mapRun:m/Map:1"
    console = "https://console.amazonaws.cn/states/home?region=cn-north-1#"
    assert MapRunLink().format_link(map_run_arn=arn, **where).startswith(f"{console}/maprun/arn%3Aaws-cn")
    assert execution_url(arn) == f"{console}/v2/executions/details/{arn}"


@both_modes
def test_links(server: Server, mode: str) -> None:
    console = "https://console.aws.amazon.com/states/home?region=us-east-1"
    ended = operator(server, mode, [Step(maps=[RUNNING]), SUCCEEDED]).attempt()
    summary = ended.succeeded()
    links = {link.name: link.format_link(**ended.xcoms[link.key]) for link in links_of_the_operator()}
    quoted = {"Map Run": str(summary.map_run_arn), "State Machine Executions Details": execution(server).arn}
    for name, target in quoted.items():
        place = links[name].removeprefix(console)
        assert place.endswith(target.replace(":", "%3A").replace("/", "%2F")), links[name]
    assert links["State Machine Details"].startswith(f"{console}#/statemachines/view/")


def links_of_the_operator() -> list[Any]:
    found = list(StepFunctionsDistributedMapOperator.operator_extra_links)
    kinds = [StateMachineDetailsLink, StateMachineExecutionsDetailsLink, MapRunLink]
    assert [type(link) for link in found] == kinds
    return found


@both_modes
def test_xcoms_are_small(server: Server, mode: str, triggers_ask_the_tests: SimpleNamespace) -> None:
    task = operator(server, mode, [Step(maps=[RUNNING])] * 3 + [FAILED])
    triggers_ask_the_tests.xcoms = task.xcoms
    ended = task.attempt()
    ended.failure()
    assert ended.xcoms["map_run"] == {"executionArn": execution(server).arn, "attempt": 1}
    progress = ended.xcoms["progress"]
    assert progress["mapRunArn"] == ended.summary.map_run_arn
    assert progress["status"] == "FAILED"
    assert len(json.dumps(progress)) < 1000
    assert len(json.dumps(ended.xcoms)) < 5000


@every_watch
def test_no_secrets(server: Server, kind: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    task = watch(server, kind, mode, [Step(maps=[RUNNING]), Step(maps=[RUNNING]), FAILED])
    once_started(server, kind, lambda: expire(server, 1))
    ended = task.attempt()
    shown = [
        failure_of(ended, kind),
        json.dumps(ended.xcoms),
        caplog.text,
        json.dumps(task.store.get("sfdm_executions")),
    ]
    shown += [json.dumps(trigger.serialize()) for trigger in task.triggers]
    assert all(SECRET not in text for text in shown)
    assert caplog.messages


# UpdateMapRunOperator


def running(server: Server, steps: Sequence[Step] | None = None, **plan: Any) -> str:
    """An execution with a Map Run that is known."""
    shown = Map(**{**vars(RUNNING), "uuid": UUID})
    machine = planned(server, steps or [Step(maps=[shown])], moves_on=None, **plan)
    return str(server.StartExecution({"stateMachineArn": machine, "name": "e", "input": "{}"})["executionArn"])


MAP_RUN = arn("mapRun", f"{MACHINE}/Map:{UUID}")


@pytest.mark.parametrize("how", ["map run", "execution", "summary", "upstream"])
def test_update_of_a_map_run(server: Server, how: str) -> None:
    found = running(server)
    targets: dict[str, dict[str, Any]] = {
        "map run": {"map_run_arn": "{{ ti.xcom_pull(task_ids='before')['mapRunArn'] }}"},
        "execution": {"execution_arn": found},
        "summary": {"execution_arn": {"executionArn": found}},
        "upstream": {"execution_arn": upstream("before")},
    }
    summary = {"executionArn": found, "mapRunArn": MAP_RUN}
    task = Update(
        server,
        upstream={"before": summary},
        max_concurrency="{{ 5 * 2 }}",
        tolerated_failure_percentage="{{ 2.5 }}",
        **targets[how],
    )
    ended = task.attempt()
    assert (ended.error, ended.result) == (None, [MAP_RUN])
    assert server.map_runs[MAP_RUN].limits == {
        "maxConcurrency": 10,
        "toleratedFailureCount": 0,
        "toleratedFailurePercentage": 2.5,
    }


def test_update_of_what_has_ended(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    found = running(server, [Step(status="SUCCEEDED", output=[], maps=[Map(**{**vars(DONE), "uuid": UUID})])])
    ended = Update(server, execution_arn=found, max_concurrency=5).attempt()
    assert (ended.error, ended.result) == (None, [])
    assert ("WARNING", "Nothing is running: no limits were changed") in [
        (r.levelname, r.message) for r in caplog.records
    ]
    assert not server.called("UpdateMapRun")


def test_update_of_what_ends_at_that_moment(server: Server) -> None:
    done = Step(status="SUCCEEDED", output=[], maps=[Map(**{**vars(DONE), "uuid": UUID})])
    found = running(server, [Step(maps=[Map(**{**vars(RUNNING), "uuid": UUID})]), done])
    server.meanwhile("UpdateMapRun", lambda: server.advance(found))
    ended = Update(server, map_run_arn=MAP_RUN, max_concurrency=5).attempt()
    assert (ended.error, ended.result) == (None, [])


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("max_concurrency", {"max_concurrency": "{{ 'many' }}"}),
        ("MaxConcurrency", {"max_concurrency": "{{ -1 }}"}),
        ("map_run_arn", {"max_concurrency": 1, "map_run_arn": "{{ ds }}"}),
        ("execution_arn", {"max_concurrency": 1, "map_run_arn": None, "execution_arn": "{{ ds }}"}),
    ],
)
def test_update_with_what_cannot_be(server: Server, field: str, arguments: dict[str, Any]) -> None:
    running(server)
    ended = Update(server, **{"map_run_arn": MAP_RUN, **arguments}).attempt()
    assert field in ended.failure(AirflowFailException)


def test_update_without_permission(server: Server) -> None:
    running(server)
    server.deny("UpdateMapRun")
    text = Update(server, map_run_arn=MAP_RUN, max_concurrency=1).attempt().failure()
    assert text.endswith("the IAM action that is missing is states:UpdateMapRun")
