"""The optimized integrations, against moto over HTTP; what it does not tell, against a scripted server."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.aws.tasks.spelling import epoch_milliseconds
from airflow_provider_sfdm.core.errors import StatesRuntime
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed
from tools.servers import S3Endpoint

from .helpers import CALL, STATES, Answer, Seen, at, of, plain, serving

EXECUTION = "arn:aws:states:us-east-1:111111111111:execution:m:e"
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:m"
CONTEXT = {"Execution": {"Id": EXECUTION}, "StateMachine": {"Id": MACHINE}}

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(moto_server: S3Endpoint) -> Run:
    tasks = Tasks(of(moto_server))

    def call(action: str, **arguments: Any) -> Any:
        assert tasks.check(STATES + action, arguments) == ()
        result = tasks(STATES + action, arguments, CALL)
        assert json.loads(json.dumps(result)) == result
        return result

    return call


@pytest.fixture
def table(moto_server: S3Endpoint) -> str:
    name = f"t-{uuid.uuid4()}"
    client = of(moto_server)("dynamodb", None)  # type: ignore[arg-type]
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def test_dynamodb(run: Run, table: str) -> None:
    item = {
        "id": {"S": "1"},
        "n": {"N": "7"},
        "yes": {"BOOL": True},
        "none": {"NULL": True},
        "set": {"SS": ["a"]},
        "bytes": {"B": "AP8="},
        "map": {"M": {"list": {"L": [{"S": "é"}]}}},
    }
    put = run("dynamodb:putItem", TableName=table, Item=item)
    assert plain(put) == {}
    assert put["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert put["SdkHttpMetadata"]["AllHttpHeaders"]
    assert put["SdkResponseMetadata"]["RequestId"]
    assert plain(run("dynamodb:getItem", TableName=table, Key={"id": {"S": "1"}})) == {"Item": item}
    updated = run(
        "dynamodb:updateItem",
        TableName=table,
        Key={"id": {"S": "1"}},
        UpdateExpression="SET n = n + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    assert updated["Attributes"] == {"n": {"N": "8"}}
    gone = run("dynamodb:deleteItem", TableName=table, Key={"id": {"S": "1"}}, ReturnValues="ALL_OLD")
    assert gone["Attributes"]["n"] == {"N": "8"}
    assert plain(run("dynamodb:getItem", TableName=table, Key={"id": {"S": "1"}})) == {}


@pytest.mark.parametrize(
    ("body", "sent"),
    [({"a": [1, "é"]}, '{"a":[1,"é"]}'), ("text", "text"), ([1], "[1]"), (5, "5"), (True, "true")],
)
def test_messages_may_be_json(run: Run, moto_server: S3Endpoint, body: Any, sent: str) -> None:
    sqs: Any = of(moto_server)("sqs", None)  # type: ignore[arg-type]
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4()}")["QueueUrl"]
    result = run("sqs:sendMessage", QueueUrl=queue, MessageBody=body)
    assert set(plain(result)) == {"MD5OfMessageBody", "MessageId"}
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == sent

    sns: Any = of(moto_server)("sns", None)  # type: ignore[arg-type]
    topic = sns.create_topic(Name=f"t-{uuid.uuid4()}")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    assert set(plain(run("sns:publish", TopicArn=topic, Message=body))) == {"MessageId"}
    assert sent in [message["Body"] for message in sqs.receive_message(QueueUrl=queue).get("Messages", [])]


def test_events_are_sent_with_their_detail_as_text_and_the_execution_they_come_from() -> None:
    entries = [
        {"Detail": {"a": 1}, "DetailType": "t", "Source": "s"},
        {"Detail": '{"b":2}', "DetailType": "t", "Source": "s", "Resources": ["mine"], "Time": "2026-01-02T03:04:05Z"},
    ]
    answer = Answer({"Entries": [{"EventId": "1"}, {"EventId": "2"}], "FailedEntryCount": 0})
    with serving(lambda seen: answer) as server:
        tasks = Tasks(at(server.url))
        result = tasks(STATES + "events:putEvents", {"Entries": entries}, TaskCall("JSONPath", CONTEXT))
    assert plain(result) == {"Entries": [{"EventId": "1"}, {"EventId": "2"}], "FailedEntryCount": 0}
    first, second = json.loads(server.seen[0].body)["Entries"]
    assert (first["Detail"], first["Resources"]) == ('{"a":1}', [EXECUTION, MACHINE])
    assert (second["Detail"], second["Resources"]) == ('{"b":2}', ["mine", EXECUTION, MACHINE])
    assert second["Time"] == 1767323045


def test_a_timestamp_of_an_earlier_result_may_be_an_argument() -> None:
    with serving(lambda seen: Answer({"Entries": [], "FailedEntryCount": 0})) as server:
        entries = [{"Detail": {}, "Time": epoch_milliseconds(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))}]
        Tasks(at(server.url))(STATES + "events:putEvents", {"Entries": entries}, CALL)
    assert json.loads(server.seen[0].body)["Entries"][0]["Time"] == 1767323045


def test_an_event_that_is_not_taken_fails_the_task() -> None:
    answer = Answer({"Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "m"}], "FailedEntryCount": 1})
    with serving(lambda seen: answer) as server, pytest.raises(TaskFailed) as raised:
        Tasks(at(server.url))(STATES + "events:putEvents", {"Entries": [{"Detail": {}}]}, CALL)
    assert raised.value.error == "EventBridge.FailedEntry"
    assert json.loads(raised.value.cause or "")["FailedEntryCount"] == 1


ERRORS = [
    (
        "dynamodb:putItem",
        {"TableName": "t", "Item": {}},
        "ConditionalCheckFailedException",
        "DynamoDB.ConditionalCheckFailedException",
        "AmazonDynamoDBv2",
    ),
    (
        "dynamodb:getItem",
        {"TableName": "t", "Key": {}},
        "ResourceNotFoundException",
        "DynamoDB.ResourceNotFoundException",
        "AmazonDynamoDBv2",
    ),
    (
        "dynamodb:putItem",
        {"TableName": "t", "Item": {}},
        "ValidationException",
        "DynamoDB.AmazonDynamoDBException",
        "AmazonDynamoDBv2",
    ),
    (
        "dynamodb:putItem",
        {"TableName": "t", "Item": {}},
        "AccessDeniedException",
        "DynamoDB.AmazonDynamoDBException",
        "AmazonDynamoDBv2",
    ),
    (
        "sqs:sendMessage",
        {"QueueUrl": "q", "MessageBody": "b"},
        "InvalidMessageContents",
        "SQS.InvalidMessageContentsException",
        "AmazonSQS",
    ),
    ("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "b"}, "Odd", "SQS.AmazonSQSException", "AmazonSQS"),
    (
        "events:putEvents",
        {"Entries": []},
        "ValidationException",
        "EventBridge.AmazonEventBridgeException",
        "AmazonEventBridge",
    ),
    (
        "states:startExecution",
        {"StateMachineArn": MACHINE},
        "ExecutionAlreadyExists",
        "StepFunctions.ExecutionAlreadyExistsException",
        "AWSStepFunctions",
    ),
    (
        "states:startExecution",
        {"StateMachineArn": MACHINE},
        "AccessDeniedException",
        "StepFunctions.AWSStepFunctionsException",
        "AWSStepFunctions",
    ),
    (
        "athena:startQueryExecution",
        {"QueryString": "q"},
        "InvalidRequestException",
        "Athena.InvalidRequestException",
        "AmazonAthena",
    ),
    (
        "glue:startJobRun",
        {"JobName": "j"},
        "ConcurrentRunsExceededException",
        "Glue.ConcurrentRunsExceededException",
        "AWSGlue",
    ),
    ("glue:startJobRun", {"JobName": "j"}, "AccessDeniedException", "Glue.AccessDeniedException", "AWSGlue"),
    (
        "ecs:runTask",
        {"TaskDefinition": "t"},
        "ClusterNotFoundException",
        "ECS.ClusterNotFoundException",
        "AmazonECS",
    ),
    ("ecs:runTask", {"TaskDefinition": "t"}, "ThrottlingException", "ECS.AmazonECSException", "AmazonECS"),
]


@pytest.mark.parametrize(("action", "arguments", "code", "error", "service"), ERRORS)
def test_the_names_of_errors(action: str, arguments: Any, code: str, error: str, service: str) -> None:
    refusal = Answer({"__type": f"com.amazon#{code}", "message": "why"}, 400, {"x-amzn-RequestId": "r-1"})
    with serving(lambda seen: refusal) as server, pytest.raises(TaskFailed) as raised:
        Tasks(at(server.url))(STATES + action, arguments, CALL)
    assert (raised.value.error, raised.value.cause) == (
        error,
        f"why (Service: {service}; Status Code: 400; Error Code: {code}; Request ID: r-1; Proxy: null)",
    )
    assert len(server.seen) == 1


def test_errors_of_real_answers(run: Run, table: str) -> None:
    """Protocols name errors in different places: one of each kind."""
    key = {"id": {"S": "1"}}
    run("dynamodb:putItem", TableName=table, Item=key)
    cases: list[tuple[str, dict[str, Any], str]] = [
        (
            "dynamodb:putItem",
            {"TableName": table, "Item": key, "ConditionExpression": "attribute_not_exists(id)"},
            r"DynamoDB\.ConditionalCheckFailedException: The conditional request failed \(Service: AmazonDynamoDBv2; "
            r"Status Code: 400; Error Code: ConditionalCheckFailedException; Request ID: \S+; Proxy: null\)",
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "none", "MessageBody": "b"},
            r"SQS\.QueueDoesNotExistException: .*\(Service: AmazonSQS; Status Code: 400; Error Code: "
            r"AWS\.SimpleQueueService\.NonExistentQueue; .*",
        ),
        (
            "sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:1:no", "Message": "m"},
            r"SNS\.NotFoundException: .*\(Service: AmazonSNS; Status Code: 404; Error Code: NotFound; .*",
        ),
        (
            "batch:submitJob",
            {"JobName": "j", "JobQueue": "none", "JobDefinition": "none"},
            r"Batch\.ClientException: .*\(Service: AWSBatch; .*",
        ),
    ]
    for action, arguments, form in cases:
        with pytest.raises(TaskFailed) as raised:
            run(action, **arguments)
        assert re.fullmatch(form, str(raised.value), re.DOTALL), raised.value


class Machine:
    """Step Functions' calls that a nested execution needs: RUNNING for some looks, then the end."""

    def __init__(self, looks: int, **end: Any) -> None:
        self.looks = looks
        self.end = end
        self.calls: list[tuple[str, Any]] = []

    def __call__(self, seen: Seen) -> Answer:
        self.calls.append((seen.action, json.loads(seen.body)))
        if seen.action == "StartExecution":
            return Answer({"executionArn": EXECUTION, "startDate": 1.5})
        if seen.action == "StopExecution":
            return Answer({"stopDate": 2.5})
        self.looks -= 1
        common = {
            "executionArn": EXECUTION,
            "stateMachineArn": MACHINE,
            "name": "e",
            "status": "RUNNING",
            "startDate": 1.5,
            "input": '{"a": 1}',
            "inputDetails": {"included": True},
        }
        return Answer(common if self.looks >= 0 else common | self.end)

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]


SUCCEEDED = {"status": "SUCCEEDED", "stopDate": 3.25, "output": "[1]", "outputDetails": {"included": True}}
DESCRIBED = {
    "ExecutionArn": EXECUTION,
    "StateMachineArn": MACHINE,
    "Name": "e",
    "StartDate": 1500,
    "Input": '{"a": 1}',
    "InputDetails": {"Included": True},
}
ENDED = DESCRIBED | {"Status": "SUCCEEDED", "StopDate": 3250, "Output": "[1]", "OutputDetails": {"Included": True}}


def test_a_nested_execution_is_started() -> None:
    with serving(Machine(0)) as server:
        arguments = {"StateMachineArn": MACHINE, "Input": {"a": [1, "é"]}, "Name": "e"}
        result = Tasks(at(server.url))(STATES + "states:startExecution", arguments, CALL)
    assert plain(result) == {"ExecutionArn": EXECUTION, "StartDate": 1500}
    sent = json.loads(server.seen[0].body)
    assert sent == {"stateMachineArn": MACHINE, "input": '{"a":[1,"é"]}', "name": "e"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(".sync", ENDED), (".sync:2", ENDED | {"Input": {"a": 1}, "Output": [1]})],
)
def test_a_nested_execution_is_waited_for(pattern: str, expected: Any) -> None:
    machine, slept = Machine(3, **SUCCEEDED), list[float]()
    with serving(machine) as server:
        tasks = Tasks(at(server.url), sleep=slept.append)
        result = tasks(f"{STATES}states:startExecution{pattern}", {"StateMachineArn": MACHINE}, CALL)
    assert result == expected
    assert machine.actions == ["StartExecution"] + ["DescribeExecution"] * 4
    assert slept == [1.0, 1.5, 2.25]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
@pytest.mark.parametrize("pattern", [".sync", ".sync:2"])
def test_a_nested_execution_that_fails(pattern: str, status: str) -> None:
    end = {"status": status, "stopDate": 3.25, "error": "Own", "cause": "why"}
    with serving(Machine(1, **end)) as server, pytest.raises(TaskFailed) as raised:
        tasks = Tasks(at(server.url), sleep=lambda seconds: None)
        tasks(f"{STATES}states:startExecution{pattern}", {"StateMachineArn": MACHINE}, CALL)
    assert raised.value.error == "States.TaskFailed"
    described = DESCRIBED | {"Status": status, "StopDate": 3250, "Error": "Own", "Cause": "why"}
    assert json.loads(raised.value.cause or "") == described


def test_what_is_waited_for_is_stopped_at_the_tasks_timeout() -> None:
    machine, now = Machine(1000), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with serving(machine) as server:
        tasks = Tasks(at(server.url), sleep=sleep, clock=lambda: now[0])
        call = TaskCall("JSONPath", {}, timeout_seconds=30)
        with pytest.raises(TaskFailed) as raised:
            tasks(STATES + "states:startExecution.sync", {"StateMachineArn": MACHINE}, call)
    assert (raised.value.error, raised.value.cause) == ("States.Timeout", None)
    assert now[0] == 30
    assert machine.calls[-1] == ("StopExecution", {"executionArn": EXECUTION})


def test_what_is_waited_for_is_stopped_when_the_worker_is() -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    machine = Machine(1000)
    with serving(machine) as server, pytest.raises(KeyboardInterrupt):
        tasks = Tasks(at(server.url), sleep=interrupted)
        tasks(STATES + "states:startExecution.sync", {"StateMachineArn": MACHINE}, CALL)
    assert machine.actions[-1] == "StopExecution"


def test_a_look_that_is_throttled_is_repeated() -> None:
    machine, refused = Machine(0, **SUCCEEDED), [2]

    def script(seen: Seen) -> Answer:
        if seen.action == "DescribeExecution" and refused[0]:
            refused[0] -= 1
            return Answer({"__type": "ThrottlingException", "message": "Rate exceeded"}, 400)
        return machine(seen)

    with serving(script) as server:
        result = Tasks(at(server.url))(STATES + "states:startExecution.sync", {"StateMachineArn": MACHINE}, CALL)
    assert result["Status"] == "SUCCEEDED"
    assert refused == [0]


def test_a_nested_execution_on_a_server_that_runs_it(moto_server: S3Endpoint) -> None:
    client = moto_server.states_client()
    machine = client.create_state_machine(
        name=f"m-{uuid.uuid4()}",
        definition='{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}',
        roleArn="arn:aws:iam::123456789012:role/r",
    )["stateMachineArn"]
    tasks = Tasks(of(moto_server), sleep=lambda seconds: None)
    arguments = {"StateMachineArn": machine, "Input": {"a": 1}}
    result = tasks(STATES + "states:startExecution.sync:2", arguments, TaskCall("JSONPath", {}, timeout_seconds=60))
    assert (result["Status"], result["Input"], result["Output"]) == ("SUCCEEDED", {"a": 1}, {"a": 1})
    assert isinstance(result["StartDate"], int)


def test_evaluated_arguments_are_checked_before_anything_starts() -> None:
    machine = Machine(0)
    with serving(machine) as server, pytest.raises(StatesRuntime, match="'StateMachineArn' must be a STRING"):
        Tasks(at(server.url))(STATES + "states:startExecution.sync", {"StateMachineArn": 1}, CALL)
    assert machine.calls == []
