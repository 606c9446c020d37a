"""`aws-sdk` tasks: requests, results and errors of several services, against moto over HTTP."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.aws.tasks.spelling import epoch_milliseconds, iso_timestamp
from airflow_provider_sfdm.core.errors import StatesRuntime
from airflow_provider_sfdm.states.seam import TaskFailed
from tools.servers import S3Endpoint

from .helpers import CALL, SDK, Answer, Seen, at, of, serving

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?Z")

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(moto_server: S3Endpoint) -> Run:
    """Run an action: ``run("s3:getObject", Bucket="b", Key="k")``."""
    tasks = Tasks(of(moto_server))

    def call(action: str, **arguments: Any) -> Any:
        assert tasks.check(SDK + action, arguments) == ()
        result = tasks(SDK + action, arguments, CALL)
        json.dumps(result)
        return result

    return call


@pytest.fixture
def bucket(run: Run) -> str:
    name = f"test-{uuid.uuid4()}"
    run("s3:createBucket", Bucket=name)
    return name


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Dict": "é"}, '{"Dict":"é"}'),
        ([1, 2.5, None], "[1,2.5,null]"),
        # A body is the JSON text of the value.
        ("text data", '"text data"'),
        (7, "7"),
    ],
)
def test_s3_bodies(run: Run, bucket: str, body: Any, text: str) -> None:
    put = run("s3:putObject", Bucket=bucket, Key="k", Body=body, ContentType="text/x", Metadata={"Who": "me"})
    got = run("s3:getObject", Bucket=bucket, Key="k")
    assert got["Body"] == text
    assert got["ContentLength"] == len(text.encode())
    assert got["ETag"] == put["ETag"]
    assert got["ContentType"] == "text/x"
    assert got["Metadata"] == {"who": "me"}
    assert ISO.fullmatch(got["LastModified"])
    assert "ResponseMetadata" not in got


def test_a_body_that_is_no_text_and_one_that_is_too_large(run: Run, bucket: str, moto_server: S3Endpoint) -> None:
    client = moto_server.client()
    client.put_object(Bucket=bucket, Key="bytes", Body=b"a\xffb")
    client.put_object(Bucket=bucket, Key="large", Body=b"x" * 262_145)
    client.put_object(Bucket=bucket, Key="largest", Body=b"x" * 262_144)
    assert run("s3:getObject", Bucket=bucket, Key="bytes")["Body"] == "a\ufffdb"
    assert len(run("s3:getObject", Bucket=bucket, Key="largest")["Body"]) == 262_144
    with pytest.raises(TaskFailed) as raised:
        run("s3:getObject", Bucket=bucket, Key="large")
    assert raised.value.error == "States.DataLimitExceeded"
    assert raised.value.cause == (
        "The state/task 'arn:aws:states:::aws-sdk:s3:getObject' returned a result with a size exceeding the maximum "
        "number of bytes service limit."
    )


def test_listings_show_keys_as_they_are(run: Run, bucket: str) -> None:
    run("s3:putObject", Bucket=bucket, Key="a b/é+", Body="x")
    listed = run("s3:listObjectsV2", Bucket=bucket, Prefix="a b")
    assert [item["Key"] for item in listed["Contents"]] == ["a b/é+"]
    assert "EncodingType" not in listed
    assert ISO.fullmatch(listed["Contents"][0]["LastModified"])
    assert listed["KeyCount"] == 1
    assert listed["IsTruncated"] is False


def test_the_resource_of_a_reader_as_a_task(moto_server: S3Endpoint, bucket: str) -> None:
    arguments = {"Bucket": bucket}
    result = Tasks(of(moto_server))("arn:aws:states:::s3:listObjectsV2", arguments, CALL)
    assert result["Name"] == bucket


def test_dynamodb_has_java_names_of_types(run: Run) -> None:
    table = f"t-{uuid.uuid4()}"
    described = run(
        "dynamodb:createTable",
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert ISO.fullmatch(described["TableDescription"]["CreationDateTime"])
    item = {"id": {"S": "1"}, "n": {"N": "1.5"}, "b": {"Bool": True}, "z": {"Nul": True}, "s": {"Ss": ["x"]}}
    item["m"] = {"M": {"l": {"L": [{"BOOL": False}]}}}
    assert run("dynamodb:putItem", TableName=table, Item=item) == {}
    read = run("dynamodb:getItem", TableName=table, Key={"id": {"S": "1"}})
    assert read == {"Item": {**item, "m": {"M": {"l": {"L": [{"Bool": False}]}}}}}


def test_members_in_lower_case_become_pascal_case(run: Run) -> None:
    created = run(
        "sfn:createStateMachine",
        Name=f"m-{uuid.uuid4()}",
        Definition='{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}',
        RoleArn="arn:aws:iam::123456789012:role/r",
    )
    assert set(created) == {"StateMachineArn", "CreationDate"}
    assert ISO.fullmatch(created["CreationDate"])
    machines = run("sfn:listStateMachines")["StateMachines"]
    assert created["StateMachineArn"] in [machine["StateMachineArn"] for machine in machines]


def test_queues_streams_parameters_and_keys(run: Run) -> None:
    queue = run("sqs:createQueue", QueueName=f"q-{uuid.uuid4()}")["QueueUrl"]
    sent = run("sqs:sendMessage", QueueUrl=queue, MessageBody="hello")
    assert sent["Md5OfMessageBody"] == "5d41402abc4b2a76b9719d911017c592"
    assert run("sqs:receiveMessage", QueueUrl=queue)["Messages"][0]["Body"] == "hello"

    name = f"/p/{uuid.uuid4()}"
    assert run("ssm:putParameter", Name=name, Value="v", Type="String")["Version"] == 1
    assert run("ssm:getParameter", Name=name)["Parameter"]["Value"] == "v"

    secret = f"s-{uuid.uuid4()}"
    run("secretsmanager:createSecret", Name=secret, SecretBinary="text as it is")
    assert run("secretsmanager:getSecretValue", SecretId=secret)["SecretBinary"] == "text as it is"

    groups = run("cloudwatchlogs:describeLogGroups")
    assert groups["LogGroups"] == []


def test_policies_are_texts_as_java_has_them(run: Run) -> None:
    """boto3 would decode and parse them."""
    name = f"r-{uuid.uuid4()}"
    policy = '{"Version":"2012-10-17","Statement":[]}'
    created = run("iam:createRole", RoleName=name, AssumeRolePolicyDocument=policy)
    assert isinstance(created["Role"]["AssumeRolePolicyDocument"], str)


def test_user_data_is_sent_as_it_is() -> None:
    """boto3 would encode it, though the API wants what the author has encoded already."""
    answer = b"<RunInstancesResponse><reservationId>r-1</reservationId></RunInstancesResponse>"
    with serving(lambda seen: Answer(answer)) as server:
        arguments = {"MinCount": 1, "MaxCount": 1, "UserData": "aGVsbG8="}
        result = Tasks(at(server.url))(SDK + "ec2:runInstances", arguments, CALL)
    assert result == {"ReservationId": "r-1"}
    assert b"UserData=aGVsbG8%3D" in server.seen[0].body


def test_checksums_are_not_asked_for() -> None:
    with serving(lambda seen: Answer(b"x")) as server:
        Tasks(at(server.url))(SDK + "s3:getObject", {"Bucket": "b", "Key": "k"}, CALL)
    assert "x-amz-checksum-mode" not in server.seen[0].headers


TABLE = {"TableName": "no-such-table", "Key": {"id": {"S": "1"}}}
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:none"


@pytest.mark.parametrize(
    ("action", "arguments", "error", "service", "status"),
    [
        ("s3:getObject", {"Bucket": "no-such-bucket-at-all", "Key": "k"}, "S3.NoSuchBucketException", "S3", 404),
        ("s3:headObject", {"Bucket": "no-such-bucket-at-all", "Key": "k"}, "S3.NoSuchKeyException", "S3", 404),
        ("s3:headBucket", {"Bucket": "no-such-bucket-at-all"}, "S3.NoSuchBucketException", "S3", 404),
        ("s3:getBucketPolicy", {"Bucket": "no-such-bucket-at-all"}, "S3.NoSuchBucketException", "S3", 404),
        ("dynamodb:getItem", TABLE, "DynamoDb.ResourceNotFoundException", "DynamoDb", 400),
        ("sqs:sendMessage", {"QueueUrl": "none", "MessageBody": "b"}, "Sqs.QueueDoesNotExistException", "Sqs", 400),
        (
            "sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:1:no", "Message": "m"},
            "Sns.NotFoundException",
            "Sns",
            404,
        ),
        (
            "secretsmanager:getSecretValue",
            {"SecretId": "none"},
            "SecretsManager.ResourceNotFoundException",
            "SecretsManager",
            404,
        ),
        ("ssm:getParameter", {"Name": "none"}, "Ssm.ParameterNotFoundException", "Ssm", 400),
        (
            "sfn:startExecution",
            {"StateMachineArn": MACHINE},
            "Sfn.StateMachineDoesNotExistException",
            "Sfn",
            400,
        ),
        ("iam:getRole", {"RoleName": "none"}, "Iam.NoSuchEntityException", "Iam", 404),
        ("kms:describeKey", {"KeyId": str(uuid.UUID(int=0))}, "Kms.NotFoundException", "Kms", 400),
        (
            "rds:describeDBInstances",
            {"DbInstanceIdentifier": "none"},
            "Rds.DbInstanceNotFoundException",
            "Rds",
            404,
        ),
        ("glue:getJob", {"JobName": "none"}, "Glue.EntityNotFoundException", "Glue", 400),
        ("ecs:describeTasks", {"Cluster": "none", "Tasks": ["t"]}, "Ecs.ClusterNotFoundException", "Ecs", 400),
        # Errors that the model of the service does not have.
        ("ec2:describeInstances", {"InstanceIds": ["i-1"]}, "Ec2.Ec2Exception", "Ec2", 400),
        (
            "cloudformation:describeStacks",
            {"StackName": "none"},
            "CloudFormation.CloudFormationException",
            "CloudFormation",
            400,
        ),
    ],
)
def test_the_names_of_errors(
    run: Run, action: str, arguments: dict[str, Any], error: str, service: str, status: int
) -> None:
    with pytest.raises(TaskFailed) as raised:
        run(action, **arguments)
    assert raised.value.error == error
    assert raised.value.cause is not None
    form = rf"(?s).+ \(Service: {service}, Status Code: {status}, Request ID: \S+\) \(SDK Attempt Count: 1\)"
    assert re.fullmatch(form, raised.value.cause), raised.value.cause


def _s3_error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R</RequestId></Error>".encode()


S3_HEADERS = {"x-amz-request-id": "REQ", "x-amz-id-2": "EXT=", "Content-Type": "application/xml"}


@pytest.mark.parametrize(
    ("action", "status", "body", "error", "cause"),
    [
        (
            "s3:getObject",
            404,
            _s3_error("NoSuchKey", "The specified key does not exist."),
            "S3.NoSuchKeyException",
            "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: REQ, Extended Request ID: "
            "EXT=) (SDK Attempt Count: 1)",
        ),
        (
            "s3:getObject",
            403,
            _s3_error("AccessDenied", "Access Denied"),
            "S3.S3Exception",
            "Access Denied (Service: S3, Status Code: 403, Request ID: REQ, Extended Request ID: EXT=) (SDK Attempt "
            "Count: 1)",
        ),
        (
            "s3:getObject",
            503,
            _s3_error("SlowDown", "Please reduce your request rate."),
            "S3.S3Exception",
            "Please reduce your request rate. (Service: S3, Status Code: 503, Request ID: REQ, Extended Request ID: "
            "EXT=) (SDK Attempt Count: 1)",
        ),
        (
            "s3:headObject",
            404,
            b"",
            "S3.NoSuchKeyException",
            "null (Service: S3, Status Code: 404, Request ID: REQ, Extended Request ID: EXT=) (SDK Attempt Count: 1)",
        ),
        (
            "s3:headObject",
            403,
            b"",
            "S3.S3Exception",
            "null (Service: S3, Status Code: 403, Request ID: REQ, Extended Request ID: EXT=) (SDK Attempt Count: 1)",
        ),
    ],
)
def test_causes_word_for_word(action: str, status: int, body: bytes, error: str, cause: str) -> None:
    with serving(lambda seen: Answer(body, status, S3_HEADERS)) as server, pytest.raises(TaskFailed) as raised:
        Tasks(at(server.url))(SDK + action, {"Bucket": "b", "Key": "k"}, CALL)
    assert (raised.value.error, raised.value.cause) == (error, cause)
    assert len(server.seen) == 1, "there are no retries of its own"


def test_credentials_stay_out_of_causes() -> None:
    """A service that refuses a signature repeats what was signed."""
    message = (
        "The request signature we calculated does not match. The Canonical String for this request should have been "
        "'POST\n/\nhost:x\nx-amz-security-token:FwoGZXIvYXdzEXAMPLE//token==\n' Credential=AKIAEXAMPLE/20260101/x, "
        "Signature=0123456789abcdef"
    )
    body = {"__type": "InvalidSignatureException", "message": message}
    with serving(lambda seen: Answer(body, 403)) as server, pytest.raises(TaskFailed) as raised:
        Tasks(at(server.url))(SDK + "dynamodb:listTables", {}, CALL)
    assert raised.value.error == "DynamoDb.DynamoDbException"
    cause = raised.value.cause or ""
    assert "does not match" in cause
    for secret in ("FwoGZXIv", "token==", "AKIAEXAMPLE", "0123456789abcdef"):
        assert secret not in cause


@pytest.mark.parametrize(
    "arguments",
    [
        {"Bucket": "b", "Key": "k", "Metadata": {"a": "line\nbreak"}},
        {"Bucket": "b", "Key": "k", "Metadata": {"a b": "c"}},
        {"Bucket": "", "Key": "k"},
        {"Bucket": "b", "Key": ""},
        {"Bucket": "not a bucket/..", "Key": "k"},
        {"Bucket": "arn:aws:s3:nowhere", "Key": "k"},
    ],
)
def test_what_no_request_can_be_made_of_fails_the_task_alone(arguments: dict[str, Any]) -> None:
    refusal = Answer(_s3_error("InvalidRequest", "no"), 400)
    with serving(lambda seen: refusal) as server, pytest.raises(TaskFailed) as raised:
        Tasks(at(server.url))(SDK + "s3:putObject", arguments, CALL)
    assert raised.value.error in ("S3.SdkClientException", "S3.InvalidRequestException")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = {
    "dynamodb:putItem": ("TableName", "Item", "Expected", "ConditionExpression", "ExpressionAttributeValues"),
    "s3:putObject": ("Bucket", "Key", "Body", "Metadata", "Expires", "ContentLength"),
    "ec2:runInstances": ("MinCount", "BlockDeviceMappings", "InstanceMarketOptions", "UserData"),
    "lambda:updateFunctionCode": ("FunctionName", "ZipFile", "Publish"),
    "cloudwatchlogs:putLogEvents": ("LogGroupName", "LogEvents"),
}


@given(st.data())
def test_any_json_is_read_or_its_problems_named(data: st.DataObject) -> None:
    action = data.draw(st.sampled_from(sorted(MEMBERS)))
    members = st.sampled_from(MEMBERS[action]) | st.text(max_size=4)
    arguments = data.draw(st.dictionaries(members, JSON, max_size=4))

    def unreachable(service: str, config: object) -> Any:
        raise ConnectionRefusedError

    tasks = Tasks(unreachable)
    problems = tasks.check(SDK + action, arguments, query_language="JSONata")
    with pytest.raises((TaskFailed, StatesRuntime)) as raised:
        tasks(SDK + action, arguments, CALL)
    assert "{%" in repr(arguments) or isinstance(raised.value, StatesRuntime) is bool(problems)


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TaskFailed) as raised:
        Tasks()(SDK + "dynamodb:listTables", {}, CALL)
    assert (raised.value.error, raised.value.cause) == (
        "DynamoDb.SdkClientException",
        "Unable to locate credentials",
    )


def test_numbers_and_documents_arrive_as_they_are() -> None:
    def script(seen: Seen) -> Answer:
        return Answer({"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"})

    arguments = {
        "ModelId": "m",
        "InferenceConfig": {"Temperature": 1, "MaxTokens": 5.0},
        "AdditionalModelRequestFields": {"TopK": [1, 2.5, None, {"a": True}]},
    }
    with serving(script) as server:
        result = Tasks(at(server.url))(SDK + "bedrockruntime:converse", arguments, CALL)
    sent = json.loads(server.seen[0].body)
    assert sent["inferenceConfig"] == {"temperature": 1.0, "maxTokens": 5}
    assert sent["additionalModelRequestFields"] == {"TopK": [1, 2.5, None, {"a": True}]}
    assert result == {"Output": {"Message": {"Role": "assistant", "Content": []}}, "StopReason": "end_turn"}


def test_texts_may_be_json() -> None:
    """As every definition has it that starts an execution with an object for its Input."""
    with serving(lambda seen: Answer({"executionArn": "e", "startDate": 1.5})) as server:
        arguments = {"StateMachineArn": "m", "Input": {"a": [1, "é"]}}
        result = Tasks(at(server.url))(SDK + "sfn:startExecution", arguments, CALL)
    assert result == {"ExecutionArn": "e", "StartDate": "1970-01-01T00:00:01.500Z"}
    assert json.loads(server.seen[0].body) == {"stateMachineArn": "m", "input": '{"a":[1,"é"]}'}
    assert Tasks().check(SDK + "sfn:startSyncExecution", {"StateMachineArn": "m", "Input": {"a.$": "$.b"}}) == ()


def test_names_that_java_has_taken() -> None:
    answer = b"<CreateRouteResponse><return>true</return></CreateRouteResponse>"
    with serving(lambda seen: Answer(answer)) as server:
        result = Tasks(at(server.url))(SDK + "ec2:createRoute", {"RouteTableId": "r"}, CALL)
    assert result == {"ReturnValue": True}
    condition = {"FindingCriteria": {"Criterion": {"severity": {"EqualsValue": ["8"]}}}, "DetectorId": "d"}
    assert Tasks().check(SDK + "guardduty:listFindings", condition) == ()


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "2026-09-24T03:02:58Z"), (120_000, "2026-09-24T03:02:58.120Z"), (123_450, "2026-09-24T03:02:58.123450Z")],
)
def test_timestamps(microsecond: int, text: str) -> None:
    moment = datetime(2026, 9, 24, 3, 2, 58, microsecond, tzinfo=UTC)
    assert iso_timestamp(moment) == text
    assert epoch_milliseconds(moment) == 1_790_218_978_000 + round(microsecond / 1000)
