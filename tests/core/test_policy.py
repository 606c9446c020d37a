"""The IAM statements that the role of a machine around a map needs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.policy import policy_statements
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import (
    CsvHeaders,
    InputType,
    ItemReader,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from airflow_provider_sfdm.core.writer import ResultWriter, WriterConfig

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:flights"
FUNCTIONS = "arn:aws:lambda:eu-west-1:123456789012:function"
PASS = AslProcessor(start_at="Pass", states={"Pass": {"Type": "Pass", "End": True}})
LOAD = ReaderTransformation.LOAD_AND_FLATTEN
GET, LIST, VERSION = "s3:GetObject", "s3:ListBucket", "s3:GetObjectVersion"
WRITE = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
# Of the map itself: two statements that every definition has.
OWN = 2


def made(**fields: Any) -> DistributedMap:
    return DistributedMap(**{"item_processor": PASS, **fields})


def allow(actions: list[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources), **more}


def beyond_the_own(**fields: Any) -> list[dict[str, Any]]:
    return policy_statements(made(**fields), MACHINE)[OWN:]


def task(resource: str, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **more}


def actions_of(**states: Any) -> set[str]:
    """What the tasks of these states may do, wherever."""
    processor = AslProcessor(start_at=next(iter(states)), states=states)
    found = beyond_the_own(item_processor=processor)
    return {action for statement in found for action in statement["Action"]}


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_map_starts_and_manages_its_children(partition: str) -> None:
    place = f"arn:{partition}:states:eu-west-1:123456789012"
    assert policy_statements(made(items=[1]), f"{place}:stateMachine:flights") == [
        allow(["states:StartExecution"], f"{place}:stateMachine:flights"),
        allow(
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            f"{place}:execution:flights:*",
            f"{place}:execution:flights/*:*",
        ),
    ]


def test_the_method_of_the_definition_is_the_function() -> None:
    definition = made(item_reader=S3CsvItemReader(bucket="b", key="k"))
    assert definition.policy_statements(MACHINE) == policy_statements(definition, MACHINE)


@pytest.mark.parametrize("version", ["", ":3", ":PROD"])
def test_a_version_or_alias_is_its_machine(version: str) -> None:
    assert policy_statements(made(), f"{MACHINE}{version}") == policy_statements(made(), MACHINE)


@pytest.mark.parametrize(
    "arn",
    [
        "flights",
        "",
        "arn:aws:states:eu-west-1:123456789012:execution:flights:run",
        "arn:aws:states:eu-west-1:123456789012:mapRun:flights/label:uuid",
        f"{MACHINE}/label",
        "arn:aws:iam::123456789012:role/flights",
    ],
)
def test_another_arn_is_refused(arn: str) -> None:
    with pytest.raises(InvalidDefinition, match="must be the ARN of a state machine") as refused:
        policy_statements(made(), arn)
    assert refused.value.field == "state_machine_arn"


@pytest.mark.parametrize(
    ("reader", "statements"),
    [
        (S3CsvItemReader(bucket="b", key="a/k.csv"), [allow([GET], "arn:aws:s3:::b/a/k.csv")]),
        (S3JsonItemReader(url="s3://b/k.json"), [allow([GET], "arn:aws:s3:::b/k.json")]),
        (S3JsonLItemReader(bucket="b", key="k", version_id="v"), [allow([GET, VERSION], "arn:aws:s3:::b/k")]),
        (S3ParquetItemReader(bucket="b", key="k"), [allow([GET], "arn:aws:s3:::b/k")]),
        # What is not known here is any.
        (S3CsvItemReader(bucket="b", key=JsonPath("$.key")), [allow([GET], "arn:aws:s3:::b/*")]),
        (S3CsvItemReader(bucket=JsonPath("$.b"), key="k"), [allow([GET], "arn:aws:s3:::*/k")]),
        (S3CsvItemReader(bucket="b", key="{{ ds }}.csv"), [allow([GET], "arn:aws:s3:::b/*")]),
        (S3CsvItemReader(url="{{ params.url }}"), [allow([GET], "arn:aws:s3:::*/*")]),
        (
            S3CsvItemReader(bucket="b", key="k", version_id=JsonPath("$.version")),
            [allow([GET, VERSION], "arn:aws:s3:::b/k")],
        ),
        # A listing, and the condition that keeps it to its prefix.
        (S3ObjectsItemReader(bucket="b"), [allow([LIST], "arn:aws:s3:::b")]),
        (
            S3ObjectsItemReader(bucket="b", prefix="2026/"),
            [allow([LIST], "arn:aws:s3:::b", Condition={"StringLike": {"s3:prefix": ["2026/*"]}})],
        ),
        (S3ObjectsItemReader(bucket="b", prefix="{{ ds }}/"), [allow([LIST], "arn:aws:s3:::b")]),
        (S3ObjectsItemReader(bucket="b", prefix=JsonPath("$.p")), [allow([LIST], "arn:aws:s3:::b")]),
        (S3ObjectsItemReader(bucket="{{ b }}", prefix=None), [allow([LIST], "arn:aws:s3:::*")]),
        # The objects themselves are read with LOAD_AND_FLATTEN only.
        (
            S3ObjectsItemReader(bucket="b", prefix="2026/", transformation=LOAD, input_type=InputType.JSONL),
            [
                allow([LIST], "arn:aws:s3:::b", Condition={"StringLike": {"s3:prefix": ["2026/*"]}}),
                allow([GET], "arn:aws:s3:::b/2026/*"),
            ],
        ),
        (
            S3ObjectsItemReader(
                bucket="b", transformation=LOAD, input_type=InputType.CSV, csv_headers=CsvHeaders.use_first_row()
            ),
            [allow([LIST], "arn:aws:s3:::b"), allow([GET], "arn:aws:s3:::b/*")],
        ),
        (
            S3ObjectsItemReader(bucket="b", prefix=JsonPath("$.p"), transformation=LOAD, input_type=InputType.JSON),
            [allow([LIST], "arn:aws:s3:::b"), allow([GET], "arn:aws:s3:::b/*")],
        ),
        # The files that a manifest lists are wherever it says.
        (S3ManifestItemReader(bucket="b", key="m.json"), [allow([GET], "arn:aws:s3:::b/m.json", "arn:aws:s3:::*/*")]),
        (
            S3ManifestItemReader(
                bucket="b", key="m.csv", manifest_type=ManifestType.ATHENA_DATA, input_type=InputType.JSONL
            ),
            [allow([GET], "arn:aws:s3:::b/m.csv", "arn:aws:s3:::*/*")],
        ),
    ],
)
def test_reading(reader: ItemReader, statements: list[dict[str, Any]]) -> None:
    assert beyond_the_own(item_reader=reader) == statements


def test_reading_in_another_partition() -> None:
    machine = "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:m"
    found = policy_statements(
        made(
            item_processor=LambdaFunction("f"),
            item_reader=S3ObjectsItemReader(bucket="b", transformation=LOAD, input_type=InputType.JSON),
            result_writer=ResultWriter(bucket="out"),
        ),
        machine,
    )
    resources = [resource for statement in found for resource in statement["Resource"]]
    assert all(resource.startswith("arn:aws-cn:") for resource in resources)
    assert "arn:aws-cn:lambda:cn-north-1:123456789012:function:f" in resources


def test_reading_what_jsonata_says() -> None:
    def reading(reader: ItemReader) -> list[dict[str, Any]]:
        return beyond_the_own(query_language="JSONata", item_reader=reader)

    assert reading(S3CsvItemReader(bucket="b", key="{% $x %}")) == [allow([GET], "arn:aws:s3:::b/*")]
    assert reading(S3CsvItemReader(arguments="{% $x %}")) == [allow([GET], "arn:aws:s3:::*/*")]
    assert reading(S3ObjectsItemReader(arguments="{% $x %}")) == [allow([LIST], "arn:aws:s3:::*")]


@pytest.mark.parametrize(
    ("writer", "statements"),
    [
        (ResultWriter(bucket="out", prefix="delays"), [allow(WRITE, "arn:aws:s3:::out/delays/*")]),
        (ResultWriter(bucket="out"), [allow(WRITE, "arn:aws:s3:::out/*")]),
        (ResultWriter(url="s3://out/a/b/"), [allow(WRITE, "arn:aws:s3:::out/a/b/*")]),
        (ResultWriter(bucket="out", prefix="{{ ds }}"), [allow(WRITE, "arn:aws:s3:::out/*")]),
        (ResultWriter(bucket=JsonPath("$.bucket"), prefix="p"), [allow(WRITE, "arn:aws:s3:::*/p/*")]),
        (ResultWriter(bucket="out", prefix=JsonPath("$.p")), [allow(WRITE, "arn:aws:s3:::out/*")]),
        # Its form alone: the results are the state's output.
        (ResultWriter(writer_config=WriterConfig()), []),
    ],
)
def test_writing(writer: ResultWriter, statements: list[dict[str, Any]]) -> None:
    assert beyond_the_own(result_writer=writer) == statements


def test_writing_where_jsonata_says() -> None:
    writer = ResultWriter(arguments="{% $x %}")
    assert beyond_the_own(query_language="JSONata", result_writer=writer) == [allow(WRITE, "arn:aws:s3:::*/*")]


def test_writing_to_a_url_that_is_a_template() -> None:
    assert beyond_the_own(result_writer=ResultWriter(url="{{ params.url }}")) == [allow(WRITE, "arn:aws:s3:::*/*")]


@pytest.mark.parametrize(
    ("function", "resources"),
    [
        (LambdaFunction("delays"), [f"{FUNCTIONS}:delays", f"{FUNCTIONS}:delays:*"]),
        (LambdaFunction("delays", "PROD"), [f"{FUNCTIONS}:delays", f"{FUNCTIONS}:delays:*"]),
        (LambdaFunction("delays:PROD"), [f"{FUNCTIONS}:delays:PROD"]),
        (LambdaFunction(f"{FUNCTIONS}:delays"), [f"{FUNCTIONS}:delays", f"{FUNCTIONS}:delays:*"]),
        (LambdaFunction(f"{FUNCTIONS}:delays:7"), [f"{FUNCTIONS}:delays:7"]),
        (LambdaFunction(f"{FUNCTIONS}:delays", direct=True), [f"{FUNCTIONS}:delays", f"{FUNCTIONS}:delays:*"]),
        (LambdaFunction("delays-{{ params.stage }}"), ["*"]),
        # A function of another account and Region keeps them.
        (
            LambdaFunction("arn:aws:lambda:us-east-1:210987654321:function:f:1"),
            ["arn:aws:lambda:us-east-1:210987654321:function:f:1"],
        ),
        # The third way to name a function: a part of its ARN.
        (
            LambdaFunction("210987654321:function:f"),
            [
                "arn:aws:lambda:eu-west-1:210987654321:function:f",
                "arn:aws:lambda:eu-west-1:210987654321:function:f:*",
            ],
        ),
    ],
)
def test_invoking(function: LambdaFunction, resources: list[str]) -> None:
    assert beyond_the_own(item_processor=function) == [allow(["lambda:InvokeFunction"], *resources)]


@pytest.mark.parametrize(
    ("resource", "actions"),
    [
        ("arn:aws:states:::aws-sdk:dynamodb:putItem", {"dynamodb:PutItem"}),
        ("arn:aws:states:::aws-sdk:s3:getObject", {"s3:GetObject"}),
        ("arn:aws:states:::aws-sdk:s3:listObjectsV2", {"s3:ListBucket"}),
        ("arn:aws:states:::aws-sdk:s3:copyObject", {"s3:GetObject", "s3:PutObject"}),
        ("arn:aws:states:::aws-sdk:sfn:startExecution", {"states:StartExecution"}),
        ("arn:aws:states:::aws-sdk:eventbridge:putEvents.waitForTaskToken", {"events:PutEvents"}),
        ("arn:aws-us-gov:states:::aws-sdk:sqs:sendMessage", {"sqs:SendMessage"}),
        ("arn:aws:states:::dynamodb:getItem", {"dynamodb:GetItem"}),
        ("arn:aws:states:::lambda:invoke", {"lambda:InvokeFunction"}),
        ("arn:aws:states:::lambda:invoke.waitForTaskToken", {"lambda:InvokeFunction"}),
        ("arn:aws:states:::sns:publish", {"sns:Publish"}),
        ("arn:aws:states:::batch:submitJob", {"batch:SubmitJob"}),
        (
            "arn:aws:states:::batch:submitJob.sync",
            {
                "batch:SubmitJob",
                "batch:DescribeJobs",
                "batch:TerminateJob",
                "events:PutTargets",
                "events:PutRule",
                "events:DescribeRule",
            },
        ),
        (
            "arn:aws:states:::states:startExecution.sync:2",
            {
                "states:StartExecution",
                "states:DescribeExecution",
                "states:StopExecution",
                "events:PutTargets",
                "events:PutRule",
                "events:DescribeRule",
            },
        ),
        (
            "arn:aws:states:::glue:startJobRun.sync",
            {"glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"},
        ),
        # An activity is asked by its worker, not by the role.
        ("arn:aws:states:eu-west-1:123456789012:activity:a", set()),
    ],
)
def test_tasks_of_the_child_workflow(resource: str, actions: set[str]) -> None:
    assert actions_of(Do=task(resource)) == actions


def test_tasks_in_branches_and_inner_maps_are_one_statement() -> None:
    inner = {"StartAt": "Deep", "States": {"Deep": task("arn:aws:states:::sqs:sendMessage")}}
    processor = AslProcessor(
        start_at="Both",
        states={
            "Both": {
                "Type": "Parallel",
                "Next": "Each",
                "Branches": [
                    {"StartAt": "Put", "States": {"Put": task("arn:aws:states:::aws-sdk:dynamodb:putItem")}},
                    {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}},
                ],
            },
            "Each": {"Type": "Map", "ItemProcessor": inner, "Next": "Old"},
            "Old": {"Type": "Map", "Iterator": {"StartAt": "F", "States": {"F": task(f"{FUNCTIONS}:f")}}, "End": True},
        },
    )
    assert beyond_the_own(item_processor=processor) == [
        allow(["lambda:InvokeFunction"], f"{FUNCTIONS}:f", f"{FUNCTIONS}:f:*"),
        allow(["dynamodb:PutItem", "sqs:SendMessage"], "*"),
    ]


def test_a_map_in_a_child_reads_and_writes_too() -> None:
    """Distributed Maps nest: a STANDARD child may hold another one."""
    nested = {
        "Type": "Map",
        "End": True,
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}},
    }
    assert {"s3:GetObject", "s3:PutObject"} <= actions_of(Inner=nested)


def test_what_is_no_task_asks_for_nothing() -> None:
    states: dict[str, Any] = {"A": {"Type": "Pass", "Resource": "arn:aws:states:::sns:publish", "Next": "B"}}
    states["B"] = {"Type": "Task", "Resource": None, "End": True}
    assert actions_of(**states) == set()


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        # "IAM needed by the role", as recorded and documented.
        ({"items": [1]}, {"states:StartExecution", "states:DescribeExecution", "states:StopExecution"}),
        ({"items": [1]}, {"states:RedriveExecution"}),
        (
            {"item_reader": S3CsvItemReader(bucket="b", key="k", version_id="v")},
            {"s3:GetObject", "s3:GetObjectVersion"},
        ),
        ({"item_reader": S3ObjectsItemReader(bucket="b")}, {"s3:ListBucket"}),
        (
            {"result_writer": ResultWriter(bucket="b")},
            {"s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"},
        ),
    ],
)
def test_all_that_aws_says_is_needed(fields: dict[str, Any], needed: set[str]) -> None:
    found = policy_statements(made(**fields), MACHINE)
    assert needed <= {action for statement in found for action in statement["Action"]}
    assert all(statement["Effect"] == "Allow" and statement["Resource"] for statement in found)
