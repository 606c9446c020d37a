"""Jobs that `.sync` waits for, on moto: what its Athena, Batch, ECS and Glue run through while they are looked at."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed
from tools.servers import S3Endpoint

from .helpers import CALL, STATES, of, plain

Clients = Callable[[str], Any]


def post(server: S3Endpoint, path: str, content: Any) -> None:
    request = urllib.request.Request(
        server.endpoint_url + path, data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


@pytest.fixture(scope="module", autouse=True)
def slowly(moto_server: S3Endpoint) -> Iterator[None]:
    """Jobs go on at every other look."""
    models = ["athena::execution", "ecs::task", "glue::job_run"]
    post(moto_server, "/moto-api/config", {"batch": {"use_docker": False}})
    for name in models:
        transition = {"progression": "manual", "times": 2}
        post(moto_server, "/moto-api/state-manager/set-transition", {"model_name": name, "transition": transition})
    yield
    for name in models:
        post(moto_server, "/moto-api/state-manager/unset-transition", {"model_name": name})


@pytest.fixture
def clients(moto_server: S3Endpoint) -> Clients:
    """The caller's own clients."""
    return lambda name: of(moto_server)(name, None)  # type: ignore[arg-type]


class Clock:
    """Time that passes in sleeps alone, each of which may do something."""

    def __init__(self, server: S3Endpoint, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.now = 0.0
        self.meanwhile = meanwhile
        self.tasks = Tasks(of(server), sleep=self.sleep, clock=lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


def run(clock: Clock, action: str, arguments: Any, call: TaskCall = CALL) -> Any:
    assert clock.tasks.check(STATES + action, arguments) == ()
    result = clock.tasks(STATES + action, arguments, call)
    assert json.loads(json.dumps(result)) == result
    return result


def failure(clock: Clock, action: str, arguments: Any, call: TaskCall = CALL) -> TaskFailed:
    with pytest.raises(TaskFailed) as raised:
        run(clock, action, arguments, call)
    return raised.value


SOON = TaskCall("JSONPath", {}, timeout_seconds=2)
QUERY = {"QueryString": "select 1", "ResultConfiguration": {"OutputLocation": "s3://b/p"}}


def test_a_query(moto_server: S3Endpoint) -> None:
    clock = Clock(moto_server)
    result = run(clock, "athena:startQueryExecution.sync", QUERY)
    assert set(result) == {"QueryExecution"}
    execution = result["QueryExecution"]
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert isinstance(execution["Status"]["SubmissionDateTime"], int)
    assert clock.now > 0, "it has been waited for"
    named = {"QueryExecutionId": execution["QueryExecutionId"]}
    found = run(clock, "athena:getQueryExecution", named)
    assert found["QueryExecution"]["Query"] == "select 1"
    assert run(clock, "athena:getQueryResults", named)["ResultSet"] == {
        "Rows": [],
        "ResultSetMetadata": {"ColumnInfo": []},
    }


def test_a_query_that_somebody_cancels(moto_server: S3Endpoint, clients: Clients) -> None:
    athena = clients("athena")

    def cancel() -> None:
        for found in athena.list_query_executions()["QueryExecutionIds"]:
            athena.stop_query_execution(QueryExecutionId=found)

    failed = failure(Clock(moto_server, cancel), "athena:startQueryExecution.sync", QUERY)
    assert failed.error == "States.TaskFailed"
    assert json.loads(failed.cause or "")["QueryExecution"]["Status"]["State"] == "CANCELLED"


def test_a_query_is_stopped_at_the_timeout(moto_server: S3Endpoint, clients: Clients) -> None:
    athena = clients("athena")
    before = set(athena.list_query_executions()["QueryExecutionIds"])
    assert failure(Clock(moto_server), "athena:startQueryExecution.sync", QUERY, SOON).error == "States.Timeout"
    (started,) = set(athena.list_query_executions()["QueryExecutionIds"]) - before
    assert athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"] == "CANCELLED"


@pytest.fixture
def glue_job(clients: Clients) -> str:
    name = f"j-{uuid.uuid4()}"
    clients("glue").create_job(Name=name, Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://b/k"})
    return name


def test_a_glue_job(moto_server: S3Endpoint, glue_job: str) -> None:
    arguments = {
        "JobName": glue_job,
        "Arguments": {"--a": "b"},
        "Timeout": 5,
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
    }
    result = run(Clock(moto_server), "glue:startJobRun.sync", arguments)
    assert (result["JobName"], result["JobRunState"], result["WorkerType"]) == (glue_job, "SUCCEEDED", "G.1X")
    assert result["Arguments"] == {"--a": "b"}
    assert isinstance(result["StartedOn"], int)


def test_a_glue_job_that_is_not_waited_for(moto_server: S3Endpoint, glue_job: str) -> None:
    """The guide: "The JobName field is extracted from the request and inserted into the response"."""
    clock = Clock(moto_server)
    result = plain(run(clock, "glue:startJobRun", {"JobName": glue_job}))
    assert set(result) == {"JobName", "JobRunId"}
    assert result["JobName"] == glue_job
    assert failure(clock, "glue:startJobRun", {"JobName": glue_job}).error == "Glue.ConcurrentRunsExceededException"
    failed = failure(clock, "glue:startJobRun.sync", {"JobName": "none"})
    assert failed.error == "Glue.EntityNotFoundException"
    assert "(Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException; Request ID:" in (
        failed.cause or ""
    )


@pytest.fixture(scope="module")
def batch_queue(moto_server: S3Endpoint) -> str:
    client, iam = of(moto_server)("batch", None), of(moto_server)("iam", None)  # type: ignore[arg-type]
    name = f"q-{uuid.uuid4()}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    made = client.create_compute_environment(
        computeEnvironmentName=name, type="UNMANAGED", state="ENABLED", serviceRole=role
    )
    order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
    client.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    client.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties={"image": "i", "vcpus": 1, "memory": 64}
    )
    return name


def submitted(queue: str, **more: Any) -> dict[str, Any]:
    return {"JobName": "j", "JobQueue": queue, "JobDefinition": queue, **more}


def test_a_batch_job(moto_server: S3Endpoint, batch_queue: str) -> None:
    overrides = {"Environment": [{"Name": "A", "Value": "b"}], "Command": ["x"]}
    arguments = submitted(batch_queue, Parameters={"Key1": "value1"}, ContainerOverrides=overrides, Tags={"t": "v"})
    result = run(Clock(moto_server), "batch:submitJob.sync", arguments)
    assert (result["Status"], result["JobName"]) == ("SUCCEEDED", "j")
    assert {"Name": "A", "Value": "b"} in result["Container"]["Environment"]
    assert isinstance(result["StartedAt"], int)
    answered = plain(run(Clock(moto_server), "batch:submitJob", arguments))
    assert set(answered) == {"JobArn", "JobId", "JobName"}


def test_a_batch_job_of_several(moto_server: S3Endpoint, batch_queue: str) -> None:
    result = run(Clock(moto_server), "batch:submitJob.sync", submitted(batch_queue, ArrayProperties={"Size": 3}))
    assert result["Status"] == "SUCCEEDED"
    assert result["ArrayProperties"]["Size"] == 3
    assert result["ArrayProperties"]["StatusSummary"]["SUCCEEDED"] == 3


def test_a_batch_job_without_a_queue(moto_server: S3Endpoint, batch_queue: str) -> None:
    failed = failure(Clock(moto_server), "batch:submitJob.sync", submitted(batch_queue, JobQueue="none"))
    assert failed.error == "Batch.ClientException"


@pytest.fixture(scope="module")
def ecs_task(moto_server: S3Endpoint) -> dict[str, Any]:
    client, ec2 = of(moto_server)("ecs", None), of(moto_server)("ec2", None)  # type: ignore[arg-type]
    name = f"c-{uuid.uuid4()}"
    client.create_cluster(clusterName=name)
    container = {"name": "n", "image": "i", "memory": 64, "essential": True}
    client.register_task_definition(
        family=name, containerDefinitions=[container], networkMode="awsvpc", requiresCompatibilities=["FARGATE"]
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    return {
        "Cluster": name,
        "TaskDefinition": name,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [subnet], "SecurityGroups": [group]}},
        "Overrides": {"ContainerOverrides": [{"Name": "n", "Command": ["x"]}]},
    }


def test_an_ecs_task(moto_server: S3Endpoint, ecs_task: dict[str, Any]) -> None:
    result = run(Clock(moto_server), "ecs:runTask.sync", ecs_task)
    assert (result["LastStatus"], result["StartedBy"]) == ("STOPPED", "AWS Step Functions")
    assert result["Overrides"]["ContainerOverrides"][0]["Command"] == ["x"]
    assert result["Tags"] == []
    answered = plain(run(Clock(moto_server), "ecs:runTask", ecs_task))
    assert answered["Failures"] == []
    assert [task["StartedBy"] for task in answered["Tasks"]] == ["AWS Step Functions"]


def test_several_ecs_tasks(moto_server: S3Endpoint, ecs_task: dict[str, Any]) -> None:
    result = run(Clock(moto_server), "ecs:runTask.sync", {**ecs_task, "Count": 2})
    assert [task["LastStatus"] for task in result["Tasks"]] == ["STOPPED", "STOPPED"]


def test_an_ecs_task_is_stopped_at_the_timeout(
    moto_server: S3Endpoint, ecs_task: dict[str, Any], clients: Clients
) -> None:
    client, cluster = clients("ecs"), ecs_task["Cluster"]
    before = set(client.list_tasks(cluster=cluster)["taskArns"])
    assert failure(Clock(moto_server), "ecs:runTask.sync", ecs_task, SOON).error == "States.Timeout"
    (started,) = set(client.list_tasks(cluster=cluster)["taskArns"]) - before
    assert client.describe_tasks(cluster=cluster, tasks=[started])["tasks"][0]["lastStatus"] == "STOPPED"


def test_an_ecs_task_without_a_cluster(moto_server: S3Endpoint, ecs_task: dict[str, Any]) -> None:
    failed = failure(Clock(moto_server), "ecs:runTask.sync", {**ecs_task, "Cluster": "none"})
    assert failed.error == "ECS.ClusterNotFoundException"
    assert failed.cause is not None
    assert failed.cause.startswith(
        "Cluster not found. (Service: AmazonECS; Status Code: 400; Error Code: ClusterNotFound"
    )
