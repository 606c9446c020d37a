"""What is refused before anything runs, and that what AWS takes passes."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.core.errors import StatesRuntime
from airflow_provider_sfdm.states.seam import TaskCall

from .helpers import CALL, FUNCTION, SDK, STATES


def _no_client(service: str, config: object) -> Any:
    raise AssertionError("no service may be called")


TASKS = Tasks(_no_client, {"score": len})
ACTIVITY = "arn:aws:states:us-east-1:111111111111:activity:work"


def found(resource: str, arguments: Any = None, **options: Any) -> list[str]:
    return [str(problem) for problem in TASKS.check(resource, arguments, **options)]


@pytest.mark.parametrize(
    ("resource", "arguments"),
    [
        ("score", {"anything": 1}),
        (FUNCTION + "f", None),
        (FUNCTION + "f:$LATEST", {"x.$": "$"}),
        ("arn:aws-cn:lambda:cn-north-1:111111111111:function:f", []),
        (STATES + "lambda:invoke", {"FunctionName": "f", "Payload.$": "$", "LogType": "Tail"}),
        ("arn:aws-us-gov:states:::lambda:invoke", {"FunctionName.$": "$.f"}),
        (SDK + "s3:getObject", {"Bucket": "b", "Key.$": "$.key"}),
        (SDK + "s3:getObject", None),
        (SDK + "sfn:startExecution", {"StateMachineArn": "a", "Input.$": "States.JsonToString($)"}),
        (SDK + "eventbridge:putEvents", {"Entries": [{"Detail": "{}", "DetailType": "t", "Source": "s"}]}),
        (SDK + "cloudwatchlogs:describeLogGroups", {"LogGroupNamePrefix": "a"}),
        (SDK + "elasticloadbalancingv2:describeLoadBalancers", {"LoadBalancerArns": ["a"]}),
        (SDK + "rds:describeDBInstances", {"DbInstanceIdentifier": "a"}),
        (SDK + "dynamodb:putItem", {"TableName": "t", "Item": {"a": {"Bool": True}, "b": {"NULL": True}}}),
        (SDK + "bedrockruntime:converse", {"ModelId": "m", "AdditionalModelRequestFields": {"any": [1, None]}}),
        (STATES + "s3:listObjectsV2", {"Bucket": "b"}),
        (STATES + "sqs:sendMessage", {"QueueUrl": "q", "MessageBody": {"a.$": "$"}}),
        (STATES + "sns:publish", {"TopicArn": "t", "Message": [1, 2]}),
        (STATES + "dynamodb:putItem", {"TableName": "t", "Item": {"a": {"M": {"b": {"N": "1"}}}}}),
        (STATES + "events:putEvents", {"Entries": [{"Detail": {"a": 1}}]}),
        (STATES + "states:startExecution", {"StateMachineArn": "a", "Input": {"b": 1}}),
        (STATES + "states:startExecution.sync", {"StateMachineArn": "a"}),
        (STATES + "states:startExecution.sync:2", {"StateMachineArn": "a"}),
        (STATES + "athena:startQueryExecution.sync", {"QueryString": "select 1"}),
        (STATES + "glue:startJobRun.sync", {"JobName": "j", "Arguments": {"--a": "b"}}),
        (STATES + "batch:submitJob.sync", {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}),
        (STATES + "ecs:runTask.sync", {"Cluster": "c", "TaskDefinition": "t", "LaunchType": "FARGATE"}),
    ],
)
def test_what_step_functions_takes_passes(resource: str, arguments: Any) -> None:
    assert found(resource, arguments) == []


UNKNOWN = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not "
    "available in this region."
)


@pytest.mark.parametrize(
    ("resource", "hint"),
    [
        (SDK + "s3:noSuchThing", " S3 has no action 'noSuchThing'."),
        (SDK + "s3:getobject", " S3 has no action 'getobject'; did you mean 'getObject'?"),
        (SDK + "s3:get_object", " S3 has no action 'get_object'; did you mean 'getObject'?"),
        (SDK + "stepfunctions:startExecution", " 'stepfunctions' is no service; did you mean 'sfn'?"),
        (SDK + "logs:describeLogGroups", " 'logs' is no service; did you mean 'cloudwatchlogs'?"),
        (SDK + "zzz:getObject", " 'zzz' is no service."),
        (SDK + "s3:getObject.sync", " AWS SDK integrations have no .sync."),
        (STATES + "sqs:sendMessage.sync", ""),
        (STATES + "sqs:receiveMessage", ""),
        (STATES + "athena:startQueryExecution.sync:2", ""),
        (STATES + "states:startExecution.sync:3", ""),
        (STATES + "s3:getObject.sync", ""),
        (STATES + "lambda:invokeAsync", ""),
        (STATES + "nothing:atAll", ""),
        ("arn:aws:s3:::bucket", ""),
        ("arn:aws:lambda:us-east-1:1:function:f", ""),
        ("scores", " Python functions that are registered: score."),
        ("", " Python functions that are registered: score."),
    ],
)
def test_an_unknown_resource_is_refused_in_aws_words(resource: str, hint: str) -> None:
    assert found(resource) == [UNKNOWN.format(resource) + hint]


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (STATES + "lambda:invoke.waitForTaskToken", "SendTaskSuccess"),
        (STATES + "sqs:sendMessage.waitForTaskToken", "SendTaskSuccess"),
        (SDK + "s3:getObject.waitForTaskToken", "SendTaskSuccess"),
        (ACTIVITY, "GetActivityTask"),
        (STATES + "http:invoke", "http:invoke"),
        (STATES + "apigateway:invoke", "apigateway:invoke"),
        (STATES + "sagemaker:createTrainingJob.sync", "sagemaker:createTrainingJob"),
        (STATES + "eks:runJob.sync", "eks:runJob"),
        (STATES + "elasticmapreduce:addStep.sync", "elasticmapreduce:addStep"),
        (STATES + "emr-serverless:startJobRun.sync", "emr-serverless:startJobRun"),
        (STATES + "bedrock:invokeModel", "bedrock:invokeModel"),
        (STATES + "codebuild:startBuild.sync", "codebuild:startBuild"),
        (STATES + "mediaconvert:createJob", "mediaconvert:createJob"),
        (STATES + "databrew:startJobRun.sync", "databrew:startJobRun"),
        (SDK + "bedrockruntime:converseStream", "stream of events"),
        (SDK + "s3:selectObjectContent", "stream of events"),
    ],
)
def test_what_cannot_work_here_is_refused_with_the_reason(resource: str, why: str) -> None:
    (problem,) = found(resource, {})
    assert resource in problem
    assert why in problem
    # A definition that was not checked fails with the same words when the state is reached.
    with pytest.raises(StatesRuntime) as raised:
        TASKS(resource, {}, CALL)
    assert raised.value.cause == problem


@pytest.mark.parametrize(
    ("resource", "arguments", "expected"),
    [
        (
            SDK + "s3:getObject",
            {"Bucket": "b", "key": "k"},
            [
                'The field "key" is not supported by Step Functions; did you mean Key? (at /key)',
                "The field 'Key' is required but was missing",
            ],
        ),
        (SDK + "s3:getObject", [], ["The arguments of this resource must be a JSON object"]),
        (
            SDK + "rds:describeDBInstances",
            {"DBInstanceIdentifier": "a"},
            [
                'The field "DBInstanceIdentifier" is not supported by Step Functions; '
                "did you mean DbInstanceIdentifier? (at /DBInstanceIdentifier)"
            ],
        ),
        (SDK + "sts:getCallerIdentity", {"A": 1}, ['The field "A" is not supported by Step Functions (at /A)']),
        (
            STATES + "dynamodb:putItem",
            {"TableName": "t", "Item": {"a/b": {"N": 1}, "c": {"S": {"d": "e"}}, "f": []}},
            [
                "The value for the field 'N' must be a STRING (at /Item/a/b/N)",
                "The value for the field 'S' must be a STRING (at /Item/c/S)",
                "The value for the field 'f' must be a JSON object (at /Item/f)",
            ],
        ),
        (
            STATES + "sqs:sendMessage",
            {"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": "5"},
            ["The value for the field 'DelaySeconds' must be an INTEGER (at /DelaySeconds)"],
        ),
        (
            STATES + "sqs:sendMessage",
            {"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": True},
            ["The value for the field 'DelaySeconds' must be an INTEGER (at /DelaySeconds)"],
        ),
        (
            SDK + "dynamodb:getItem",
            {"TableName": "t", "Key": {}, "ConsistentRead": "yes"},
            ["The value for the field 'ConsistentRead' must be a BOOLEAN (at /ConsistentRead)"],
        ),
        (
            SDK + "ec2:describeInstances",
            {"InstanceIds": "i-1"},
            ["The value for the field 'InstanceIds' must be a LIST (at /InstanceIds)"],
        ),
        (
            STATES + "batch:submitJob",
            {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "Parameters": {"frame_id": 7}},
            ["The value for the field 'frame_id' must be a STRING (at /Parameters/frame_id)"],
        ),
        (
            SDK + "sfn:startExecution",
            {"StateMachineArn": "m", "Name": 7},
            ["The value for the field 'Name' must be a STRING (at /Name)"],
        ),
        (
            SDK + "batch:submitJob",
            {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "DependsOn": [{"Type": {"not": "a choice"}}]},
            ["The value for the field 'Type' must be a STRING (at /DependsOn[0]/Type)"],
        ),
        (
            STATES + "states:startExecution",
            {"Input": {"a": 1}},
            ["The field 'StateMachineArn' is required but was missing"],
        ),
        (STATES + "lambda:invoke", {"Payload": 1}, ["The field 'FunctionName' is required but was missing"]),
    ],
)
def test_arguments_that_cannot_be_are_named(resource: str, arguments: Any, expected: list[str]) -> None:
    assert found(resource, arguments) == expected


def test_paths_and_expressions_are_not_known_yet() -> None:
    arguments = {"Bucket": "{% $b %}", "Key.$": "$.k"}
    assert found(SDK + "s3:getObject", {"Bucket": "{% $b %}", "Key": "k"}, query_language="JSONata") == []
    assert found(SDK + "s3:getObject", "{% $states.input %}", query_language="JSONata") == []
    assert found(SDK + "ec2:describeInstances", {"InstanceIds": "{% $i %}"}, query_language="JSONata") == []
    assert found(SDK + "s3:getObject", arguments) == []
    # In JSONata ".$" means nothing.
    assert found(SDK + "s3:getObject", arguments, query_language="JSONata") == [
        'The field "Key.$" is not supported by Step Functions; did you mean Key? (at /Key.$)',
        "The field 'Key' is required but was missing",
    ]


def test_another_role_is_refused() -> None:
    (problem,) = found(SDK + "sts:getCallerIdentity", {}, credentials={"RoleArn": "arn:aws:iam::1:role/r"})
    assert problem.startswith("Credentials are not supported here")
    with pytest.raises(StatesRuntime, match="Credentials are not supported here"):
        TASKS(SDK + "sts:getCallerIdentity", {}, TaskCall("JSONPath", {}, credentials={"RoleArn": "r"}))


@pytest.mark.parametrize(("language", "field"), [("JSONPath", "Parameters"), ("JSONata", "Arguments")])
def test_evaluated_arguments_are_refused_in_aws_words(language: str, field: str) -> None:
    with pytest.raises(StatesRuntime) as raised:
        TASKS(SDK + "s3:getObject", {"Bucket": "b", "Keyy": 1}, TaskCall(language, {}))
    assert raised.value.cause == (
        f'The {field} \'{{"Bucket":"b","Keyy":1}}\' could not be used to start the Task: '
        "[The field \"Keyy\" is not supported by Step Functions, The field 'Key' is required but was missing]"
    )


def test_deep_arguments_are_refused() -> None:
    value: Any = {"S": "x"}
    for _ in range(5000):
        value = {"L": [value]}
    item = {"TableName": "t", "Item": {"a": value}}
    for resource, arguments in (
        (STATES + "dynamodb:putItem", item),
        (SDK + "s3:putObject", {"Bucket": "b", "Key": "k", "Body": value}),
        (FUNCTION + "f", value),
    ):
        (problem,) = TASKS.check(resource, arguments)
        assert "nested too deeply" in problem.message
        with pytest.raises(StatesRuntime, match="nested too deeply"):
            TASKS(resource, arguments, CALL)
