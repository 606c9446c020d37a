"""Jobs that `.sync` waits for: Athena, AWS Batch, ECS and Glue, each against a server that speaks its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.states.seam import TaskFailed

from .helpers import CALL, STATES, Answer, Seen, at, plain, serving


class Script:
    """Answers in turn, each to the action that is expected next."""

    def __init__(self, *answers: tuple[str, Any]) -> None:
        self.answers: Iterator[tuple[str, Any]] = iter(answers)
        self.sent: list[Any] = []

    def __call__(self, seen: Seen) -> Answer:
        expected, answer = next(self.answers)
        action = seen.action or seen.path.rpartition("/")[2]
        self.sent.append(json.loads(seen.body))
        return Answer(answer) if action == expected else Answer({"message": f"not {action}"}, 400)

    def run(self, resource: str, arguments: Any) -> Any:
        with serving(self) as server:
            result = Tasks(at(server.url), sleep=lambda seconds: None)(STATES + resource, arguments, CALL)
        assert list(self.answers) == []
        return result

    def failure(self, resource: str, arguments: Any) -> tuple[str, Any]:
        with pytest.raises(TaskFailed) as raised:
            self.run(resource, arguments)
        return raised.value.error, json.loads(raised.value.cause or "")


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
    with pytest.raises(TaskFailed, match="does not know the job"):
        script.run("batch:submitJob.sync", BATCH)


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
    assert result == {
        "TaskArn": "arn:task",
        "LastStatus": "STOPPED",
        "CreatedAt": 1500,
        "Containers": [{"Name": "n", "ExitCode": 0}],
    }
    assert script.sent[0]["overrides"] == {"containerOverrides": [{"name": "n", "command": ["x"]}]}
    assert script.sent[-1] == {"cluster": "c", "tasks": ["arn:task"]}


@pytest.mark.parametrize(
    "end",
    [ecs("STOPPED", 1, stoppedReason="why"), ecs("STOPPED", stopCode="TaskFailedToStart", stoppedReason="why")],
)
def test_ecs_that_fails(end: dict[str, Any]) -> None:
    script = Script(("RunTask", ecs("PENDING")), ("DescribeTasks", end))
    error, cause = script.failure("ecs:runTask.sync", ECS)
    assert (error, cause["StoppedReason"]) == ("States.TaskFailed", "why")


def test_ecs_that_has_no_room() -> None:
    refusal = {"tasks": [], "failures": [{"arn": "arn:instance", "reason": "RESOURCE:MEMORY"}]}
    error, cause = Script(("RunTask", refusal)).failure("ecs:runTask.sync", ECS)
    assert error == "States.TaskFailed"
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
