"""Jobs that `.sync` waits for: Athena, AWS Batch, ECS and Glue, each against a server that speaks its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.aws.tasks.models import service
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

from .helpers import STATES, Answer, Seen, at, plain, serving

OPERATIONS = {
    # Batch names its operations in the path, in lower case.
    name.lower() if service_name == "batch" else name: service(service_name).model.operation_model(name)
    for service_name in ("athena", "batch", "ecs", "glue")
    for name in service(service_name).model.operation_names
}


def unknown(answer: Any, shape: Shape | None) -> list[str]:
    """What the service's model does not have: a script must not make up members."""
    if isinstance(shape, ListShape):
        return [name for item in answer for name in unknown(item, shape.member)]
    if not isinstance(shape, StructureShape):
        return []
    members = shape.members
    return [key for key in answer if key not in members] + [
        name for key, value in answer.items() if key in members for name in unknown(value, members[key])
    ]


class Script:
    """Answers in turn, each to the action that is expected next."""

    def __init__(self, *answers: tuple[str, Any]) -> None:
        for action, answer in answers:
            assert isinstance(answer, Answer) or unknown(answer, OPERATIONS[action].output_shape) == []
        self.answers: Iterator[tuple[str, Any]] = iter(answers)
        self.sent: list[Any] = []

    def __call__(self, seen: Seen) -> Answer:
        expected, answer = next(self.answers)
        action = seen.action or seen.path.rpartition("/")[2]
        self.sent.append(json.loads(seen.body))
        if action != expected:
            return Answer({"message": f"not {action}"}, 400)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def run(self, resource: str, arguments: Any, timeout: float | None = None) -> Any:
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        with serving(self) as server:
            tasks = Tasks(at(server.url), sleep=sleep, clock=lambda: now[0])
            result = tasks(STATES + resource, arguments, TaskCall("JSONPath", {}, timeout))
        assert list(self.answers) == []
        return result

    def raised(self, resource: str, arguments: Any, timeout: float | None = None) -> TaskFailed:
        with pytest.raises(TaskFailed) as raised:
            self.run(resource, arguments, timeout)
        assert list(self.answers) == []
        return raised.value

    def failure(self, resource: str, arguments: Any) -> tuple[str, Any]:
        failed = self.raised(resource, arguments)
        return failed.error, json.loads(failed.cause or "")


def query(state: str, **more: Any) -> dict[str, Any]:
    status = {"State": state, "SubmissionDateTime": 1.5, **more}
    return {"QueryExecution": {"QueryExecutionId": "q-1", "Query": "select 1", "Status": status}}


ATHENA = {"QueryString": "select 1", "WorkGroup": "w"}


def test_athena() -> None:
    script = Script(
        ("StartQueryExecution", {"QueryExecutionId": "q-1"}),
        ("GetQueryExecution", query("QUEUED")),
        ("GetQueryExecution", query("RUNNING")),
        ("GetQueryExecution", query("SUCCEEDED", CompletionDateTime=2)),
    )
    result = script.run("athena:startQueryExecution.sync", ATHENA)
    assert result["QueryExecution"]["Status"] == {
        "State": "SUCCEEDED",
        "SubmissionDateTime": 1500,
        "CompletionDateTime": 2000,
    }
    assert script.sent[-1] == {"QueryExecutionId": "q-1"}
    assert script.sent[0].pop("ClientRequestToken")
    assert script.sent[0] == ATHENA


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_athena_that_fails(state: str) -> None:
    end = query(state, StateChangeReason="why")
    script = Script(("StartQueryExecution", {"QueryExecutionId": "q-1"}), ("GetQueryExecution", end))
    error, cause = script.failure("athena:startQueryExecution.sync", ATHENA)
    assert error == "States.TaskFailed"
    assert cause["QueryExecution"]["Status"]["StateChangeReason"] == "why"


def test_athena_without_waiting() -> None:
    script = Script(("StartQueryExecution", {"QueryExecutionId": "q-1"}))
    result = script.run("athena:startQueryExecution", ATHENA)
    assert plain(result) == {"QueryExecutionId": "q-1"}
    assert result["SdkHttpMetadata"]["HttpStatusCode"] == 200


def job_run(state: str, **more: Any) -> dict[str, Any]:
    return {"JobRun": {"Id": "jr_1", "JobName": "j", "JobRunState": state, "StartedOn": 1.5, **more}}


def test_glue() -> None:
    script = Script(
        ("StartJobRun", {"JobRunId": "jr_1"}),
        *(("GetJobRun", job_run(state)) for state in ("STARTING", "RUNNING", "STOPPING", "WAITING")),
        ("GetJobRun", job_run("SUCCEEDED", ExecutionTime=5)),
    )
    result = script.run("glue:startJobRun.sync", {"JobName": "j", "Arguments": {"--a": "b"}})
    assert result == {
        "Id": "jr_1",
        "JobName": "j",
        "JobRunState": "SUCCEEDED",
        "StartedOn": 1500,
        "ExecutionTime": 5,
    }
    assert script.sent[1] == {"JobName": "j", "RunId": "jr_1"}


@pytest.mark.parametrize("state", ["FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"])
def test_glue_that_fails(state: str) -> None:
    script = Script(
        ("StartJobRun", {"JobRunId": "jr_1"}),
        ("GetJobRun", job_run(state, ErrorMessage="why")),
    )
    error, cause = script.failure("glue:startJobRun.sync", {"JobName": "j"})
    assert (error, cause["JobRunState"], cause["ErrorMessage"]) == ("States.TaskFailed", state, "why")


BATCH = {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "ContainerOverrides": {"Vcpus": 1}}
SUBMITTED = {"jobArn": "a", "jobName": "j", "jobId": "1"}


def batch(status: str, **more: Any) -> dict[str, Any]:
    job = {"jobName": "j", "jobId": "1", "jobQueue": "q", "status": status, "startedAt": 1500, "jobDefinition": "d"}
    return {"jobs": [{**job, **more}]}


def test_batch() -> None:
    script = Script(
        ("submitjob", SUBMITTED),
        ("describejobs", {"jobs": []}),
        *(("describejobs", batch(s)) for s in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")),
        ("describejobs", batch("SUCCEEDED", container={"exitCode": 0})),
    )
    result = script.run("batch:submitJob.sync", BATCH)
    assert result == {
        "JobName": "j",
        "JobId": "1",
        "JobQueue": "q",
        "JobDefinition": "d",
        "Status": "SUCCEEDED",
        "StartedAt": 1500,
        "Container": {"ExitCode": 0},
    }
    assert script.sent[0] == {
        "jobName": "j",
        "jobQueue": "q",
        "jobDefinition": "d",
        "containerOverrides": {"vcpus": 1},
    }


def test_batch_that_fails() -> None:
    script = Script(("submitjob", SUBMITTED), ("describejobs", batch("FAILED", statusReason="why")))
    error, cause = script.failure("batch:submitJob.sync", BATCH)
    assert (error, cause["StatusReason"]) == ("States.TaskFailed", "why")


def test_a_job_that_the_service_forgets_is_given_up() -> None:
    looks: list[tuple[str, Any]] = [("describejobs", {"jobs": []})] * 11
    script = Script(("submitjob", SUBMITTED), *looks, ("terminatejob", {}))
    assert "does not know the job" in str(script.raised("batch:submitJob.sync", BATCH))


def test_an_array_job_is_one_job_that_fails_with_its_children() -> None:
    children = {"size": 2, "statusSummary": {"FAILED": 1, "SUCCEEDED": 1}}
    script = Script(("submitjob", SUBMITTED), ("describejobs", batch("FAILED", arrayProperties=children)))
    error, cause = script.failure("batch:submitJob.sync", {**BATCH, "ArrayProperties": {"Size": 2}})
    assert (error, cause["ArrayProperties"]) == (
        "States.TaskFailed",
        {"Size": 2, "StatusSummary": {"FAILED": 1, "SUCCEEDED": 1}},
    )
    assert script.sent[0]["arrayProperties"] == {"size": 2}


ECS = {"Cluster": "c", "TaskDefinition": "t", "Overrides": {"ContainerOverrides": [{"Name": "n", "Command": ["x"]}]}}


def ecs(status: str, exit_code: int | None = None, **more: Any) -> dict[str, Any]:
    container = {"name": "n"} if exit_code is None else {"name": "n", "exitCode": exit_code}
    task = {"taskArn": "arn:task", "lastStatus": status, "createdAt": 1.5, "containers": [container]}
    return {"tasks": [{**task, **more}], "failures": []}


def test_ecs() -> None:
    script = Script(
        ("RunTask", ecs("PROVISIONING")),
        ("DescribeTasks", {"tasks": [], "failures": [{"arn": "arn:task", "reason": "MISSING"}]}),
        ("DescribeTasks", ecs("RUNNING")),
        ("DescribeTasks", ecs("STOPPED", 0)),
    )
    result = script.run("ecs:runTask.sync", ECS)
    (container,) = result["Containers"]
    # SDK version 1 has every list, though the service has not sent it.
    for part, lists in (
        (result, {"Attachments", "Attributes", "InferenceAccelerators", "Tags"}),
        (container, {"GpuIds", "ManagedAgents", "NetworkBindings", "NetworkInterfaces"}),
    ):
        assert {name for name, value in part.items() if value == []} >= lists
    assert {name: value for name, value in container.items() if value != []} == {"Name": "n", "ExitCode": 0}
    assert (result["TaskArn"], result["LastStatus"], result["CreatedAt"]) == ("arn:task", "STOPPED", 1500)
    assert script.sent[0]["startedBy"] == "AWS Step Functions"
    assert script.sent[0]["overrides"] == {"containerOverrides": [{"name": "n", "command": ["x"]}]}
    assert script.sent[-1] == {"cluster": "c", "tasks": ["arn:task"]}


@pytest.mark.parametrize(
    "end",
    [
        ecs("STOPPED", 1, stoppedReason="why"),
        ecs("STOPPED", stopCode="TaskFailedToStart", stoppedReason="why"),
        ecs("STOPPED", containers=[{"exitCode": 0}, {"name": "sidecar", "exitCode": 137}], stoppedReason="why"),
    ],
)
def test_ecs_that_fails(end: dict[str, Any]) -> None:
    script = Script(("RunTask", ecs("PENDING")), ("DescribeTasks", end))
    error, cause = script.failure("ecs:runTask.sync", ECS)
    assert (error, cause["StoppedReason"]) == ("States.TaskFailed", "why")


def test_ecs_that_has_no_room() -> None:
    refusal = {"tasks": [], "failures": [{"arn": "arn:instance", "reason": "RESOURCE:MEMORY"}]}
    error, cause = Script(("RunTask", refusal)).failure("ecs:runTask.sync", ECS)
    assert error == "AmazonECS.Unknown"
    assert cause == {"Failures": [{"Arn": "arn:instance", "Reason": "RESOURCE:MEMORY"}]}
    # Without .sync it is the caller's to look at.
    result = Script(("RunTask", refusal)).run("ecs:runTask", ECS)
    assert plain(result) == {"Tasks": [], "Failures": [{"Arn": "arn:instance", "Reason": "RESOURCE:MEMORY"}]}


def test_several_ecs_tasks_end_together() -> None:
    one, other = ecs("STOPPED", 0)["tasks"][0], ecs("RUNNING")["tasks"][0]
    script = Script(
        ("RunTask", {"tasks": [one, other], "failures": []}),
        ("DescribeTasks", {"tasks": [one, other]}),
        ("DescribeTasks", {"tasks": [one, one]}),
    )
    assert len(script.run("ecs:runTask.sync", {**ECS, "Count": 2})["Tasks"]) == 2


def test_an_ecs_task_that_is_forgotten_has_not_succeeded() -> None:
    one, other = ecs("STOPPED", 0)["tasks"][0], ecs("RUNNING")["tasks"][0]
    missing = [{"arn": "arn:task", "reason": "MISSING"}]
    script = Script(
        ("RunTask", {"tasks": [one, other], "failures": []}),
        ("DescribeTasks", {"tasks": [other], "failures": missing}),
        ("DescribeTasks", {"tasks": [one], "failures": missing}),
    )
    error, cause = script.failure("ecs:runTask.sync", {**ECS, "Count": 2})
    assert (error, cause["Failures"]) == ("States.TaskFailed", [{"Arn": "arn:task", "Reason": "MISSING"}])
    assert len(cause["Tasks"]) == 1


def test_all_ecs_tasks_are_stopped_though_one_cannot_be() -> None:
    one, other = ecs("RUNNING")["tasks"][0], ecs("RUNNING", taskArn="arn:other")["tasks"][0]
    both = {"tasks": [one, other], "failures": []}
    gone = Answer({"__type": "InvalidParameterException", "message": "The referenced task was not found."}, 400)
    looks: list[tuple[str, Any]] = [("DescribeTasks", both)]
    script = Script(("RunTask", both), *looks, ("StopTask", gone), ("StopTask", {"task": other}))
    assert script.raised("ecs:runTask.sync", {**ECS, "Count": 2}, timeout=1).error == "States.Timeout"
    assert [sent["task"] for sent in script.sent[-2:]] == ["arn:task", "arn:other"]


STARTED_ECS = ecs("PENDING")
# How each starts, the look at one that runs and at one that has ended, and how it is stopped.
JOBS = [
    (
        "athena:startQueryExecution.sync",
        ATHENA,
        ("StartQueryExecution", {"QueryExecutionId": "q-1"}),
        ("GetQueryExecution", query("RUNNING")),
        ("GetQueryExecution", query("SUCCEEDED")),
        ("StopQueryExecution", {}),
        {"QueryExecutionId": "q-1"},
        "Athena.AmazonAthenaException",
    ),
    (
        "batch:submitJob.sync",
        BATCH,
        ("submitjob", SUBMITTED),
        ("describejobs", batch("RUNNING")),
        ("describejobs", batch("SUCCEEDED")),
        ("terminatejob", {}),
        {"jobId": "1", "reason": "The task that waited for it has ended"},
        "Batch.AWSBatchException",
    ),
    (
        "ecs:runTask.sync",
        ECS,
        ("RunTask", STARTED_ECS),
        ("DescribeTasks", ecs("RUNNING")),
        ("DescribeTasks", ecs("STOPPED", 0)),
        ("StopTask", {"task": STARTED_ECS["tasks"][0]}),
        {"cluster": "c", "task": "arn:task"},
        "ECS.AmazonECSException",
    ),
    (
        "glue:startJobRun.sync",
        {"JobName": "j"},
        ("StartJobRun", {"JobRunId": "jr_1"}),
        ("GetJobRun", job_run("RUNNING")),
        ("GetJobRun", job_run("SUCCEEDED")),
        ("BatchStopJobRun", {}),
        {"JobName": "j", "JobRunIds": ["jr_1"]},
        "Glue.AWSGlueException",
    ),
]
Step = tuple[str, Any]
each_job = pytest.mark.parametrize(
    ("resource", "arguments", "start", "runs", "ended", "stop", "stopped", "error"),
    JOBS,
    ids=[job[0].partition(":")[0] for job in JOBS],
)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between its tries, up to seconds each."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


@each_job
def test_a_job_is_stopped_at_the_timeout(
    resource: str, arguments: Any, start: Step, runs: Step, ended: Step, stop: Step, stopped: Any, error: str
) -> None:
    script = Script(start, runs, runs, stop)
    failed = script.raised(resource, arguments, timeout=2)
    assert (failed.error, failed.cause) == ("States.Timeout", None)
    assert script.sent[-1] == stopped


@each_job
def test_looks_that_fail_are_repeated(
    resource: str,
    arguments: Any,
    start: Step,
    runs: Step,
    ended: Step,
    stop: Step,
    stopped: Any,
    error: str,
    no_pauses: None,
) -> None:
    throttled = Answer({"__type": "ThrottlingException", "message": "Rate exceeded"}, 400)
    unavailable = Answer(b"<html>503</html>", 503)
    failing = [(runs[0], throttled), (runs[0], unavailable), (runs[0], Answer({"message": "oh"}, 500))]
    script = Script(start, *failing, runs, *failing, ended)
    assert script.run(resource, arguments)


@each_job
def test_a_service_that_stays_away_fails_the_task_and_the_job_is_stopped(
    resource: str,
    arguments: Any,
    start: Step,
    runs: Step,
    ended: Step,
    stop: Step,
    stopped: Any,
    error: str,
    no_pauses: None,
) -> None:
    unavailable = (runs[0], Answer({"message": "away"}, 503, {"x-amzn-RequestId": "r-1"}))
    failed = Script(start, *[unavailable] * 6, stop).raised(resource, arguments)
    assert failed.error == error
    assert failed.cause is not None
    assert failed.cause.startswith("away (Service: A")
    assert "Status Code: 503; " in failed.cause


@each_job
def test_a_start_that_is_throttled_is_not_repeated(
    resource: str, arguments: Any, start: Step, runs: Step, ended: Step, stop: Step, stopped: Any, error: str
) -> None:
    """Repeating is what the state's Retry says."""
    refusal = {"__type": "ThrottlingException", "message": "Rate exceeded"}
    failed = Script((start[0], Answer(refusal, 400))).raised(resource, arguments)
    assert failed.error in (error, "Glue.ThrottlingException")


@each_job
def test_a_stop_that_fails_does_not_hide_the_timeout(
    resource: str,
    arguments: Any,
    start: Step,
    runs: Step,
    ended: Step,
    stop: Step,
    stopped: Any,
    error: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = Answer({"__type": "AccessDeniedException", "message": "no"}, 400)
    assert Script(start, runs, (stop[0], refusal)).raised(resource, arguments, timeout=1).error == "States.Timeout"
    assert "could not be stopped" in caplog.text
