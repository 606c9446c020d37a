"""What Step Functions cannot run of a valid definition, and what it can."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.engines import (
    Engine,
    as_engine,
    refuse_unsupported,
    unsupported_on_step_functions,
)
from airflow_provider_sfdm.core.errors import InvalidDefinition, UnsupportedField
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction, PythonFunction, TaskGroupProcessor
from airflow_provider_sfdm.core.readers import (
    InputType,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from airflow_provider_sfdm.core.retry import Retrier
from airflow_provider_sfdm.core.values import Intrinsic
from airflow_provider_sfdm.core.writer import ResultWriter, Transformation, WriterConfig

ASL = AslProcessor(start_at="A", states={"A": {"Type": "Pass", "End": True}})
BATCHER = ItemBatcher(max_items_per_batch=5)


def function(item: Any) -> Any:
    return item


async def waits(item: Any) -> Any:
    return item


class UpstreamOutput:
    """What an upstream task will give: not known when the DAG is parsed, and no JSON."""


def refused(**fields: Any) -> list[tuple[str, str]]:
    definition = DistributedMap(**{"item_processor": LambdaFunction("delays"), **fields})
    return [(error.field, error.problem) for error in unsupported_on_step_functions(definition)]


@pytest.mark.parametrize(
    ("processor", "kind"),
    [
        (function, "a Python function"),
        (waits, "a Python function"),
        (lambda item: item, "a Python function"),
        (PythonFunction(function, per_item=True), "a Python function"),
        (TaskGroupProcessor(function), "an Airflow task group"),
    ],
)
def test_python_cannot_run_there_and_two_ways_out_are_named(processor: Any, kind: str) -> None:
    ((field, problem),) = refused(item_processor=processor, item_batcher=BATCHER)
    assert field == "ItemProcessor"
    assert problem.startswith(f"{kind} can't run in Step Functions")
    assert "put the code in a Lambda function and give LambdaFunction(…)" in problem
    assert "write the child workflow in the Amazon States Language and give AslProcessor(…)" in problem


URL = "is not in S3, and Step Functions reads S3 only"
CONNECTION = "names an Airflow connection, and Step Functions goes by its role: give the bucket"


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({"item_selector": function}, "ItemSelector", "a Python function can't run in Step Functions"),
        ({"item_reader": S3CsvItemReader(url="file:///data/a.csv")}, "ItemReader", f"file:///data/a.csv {URL}"),
        ({"item_reader": S3JsonItemReader(url="https://x.org/a.json")}, "ItemReader", f"https://x.org/a.json {URL}"),
        ({"item_reader": S3ObjectsItemReader(url="file:///data/")}, "ItemReader", URL),
        ({"item_reader": S3ParquetItemReader(url="gs://b/a.parquet")}, "ItemReader", URL),
        ({"result_writer": ResultWriter(url="file:///results")}, "ResultWriter", "S3 only"),
        ({"result_writer": ResultWriter(url="gs://bucket/results")}, "ResultWriter", "S3 only"),
        ({"item_reader": S3CsvItemReader(url="s3://mine@b/a.csv")}, "ItemReader.Parameters.Bucket", CONNECTION),
        ({"item_reader": S3CsvItemReader(bucket="mine@b", key="k")}, "ItemReader.Parameters.Bucket", CONNECTION),
        ({"result_writer": ResultWriter(url="s3://mine@b/a")}, "ResultWriter.Parameters.Bucket", CONNECTION),
        ({"timeout": 1.5}, "TimeoutSeconds", "Step Functions takes whole seconds up to 99,999,999, got 1.5"),
        ({"timeout": 100_000_000}, "TimeoutSeconds", "whole seconds up to 99,999,999"),
        ({"state_fields": {"Next": "B"}}, "Next", "leads to another state"),
        ({"state_fields": {"Catch": []}}, "Catch", "leads to another state"),
        ({"items": ["x" * 1000] * 300}, "Items", "and Step Functions takes 262,144: write the items to S3"),
        ({"items": {"k": "x" * 270_000}}, "Items", "and Step Functions takes 262,144: write the items to S3"),
        (
            {"items": {"k": 1}, "item_selector": {"v.$": "$$.Map.Item.Value"}},
            "ItemSelector",
            "give an array of the objects that the selector needs, or use JSONata",
        ),
    ],
)
def test_what_it_cannot_run(fields: dict[str, Any], field: str, problem: str) -> None:
    ((found, text),) = refused(**fields)
    assert found == field
    assert problem in text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"item_processor": ASL},
        {"item_processor": LambdaFunction("delays", "PROD")},
        {"item_processor": LambdaFunction("delays-{{ params.stage }}")},
        {
            "item_processor": LambdaFunction("arn:aws:lambda:eu-west-1:123456789012:function:f", direct=True),
            "retry": (Retrier(error_equals=("States.ALL",)),),
            "timeout": 60.0,
        },
        {"item_reader": S3CsvItemReader(url="s3://flights/{{ ds }}.csv")},
        {"item_reader": S3CsvItemReader(url="{{ params.url }}")},
        {"item_reader": S3CsvItemReader(bucket="flights", key="{{ ds }}.csv", max_items="{{ params.n }}")},
        {"item_reader": S3CsvItemReader(bucket="{{ params.bucket }}", key=JsonPath("$.key"), version_id="v")},
        {"item_reader": S3JsonLItemReader(bucket="b", key=Intrinsic("States.Format('{}.jsonl', $.day)"))},
        {"item_reader": S3ObjectsItemReader(bucket="b", prefix="2026/", arguments={"MaxKeys": 5})},
        {
            "item_reader": S3ObjectsItemReader(
                bucket="b",
                prefix="2026/",
                transformation=ReaderTransformation.LOAD_AND_FLATTEN,
                input_type=InputType.JSONL,
            )
        },
        {
            "item_reader": S3ManifestItemReader(
                bucket="b", key="m.csv", manifest_type=ManifestType.ATHENA_DATA, input_type=InputType.PARQUET
            )
        },
        {"result_writer": ResultWriter(url="{{ params.url }}")},
        {"result_writer": ResultWriter(url="s3://out/{{ ds }}")},
        {"result_writer": ResultWriter(writer_config=WriterConfig(transformation=Transformation.FLATTEN))},
        {"max_concurrency": "{{ params.n }}", "tolerated_failure_percentage": "{{ params.x }}"},
        {"item_batcher": ItemBatcher(max_items_per_batch="{{ params.n }}", batch_input={"day": "{{ ds }}"})},
        {"item_selector": {"id.$": "States.UUID()", "value.$": "$$.Map.Item.Value"}, "items": [1]},
        {"items": [UpstreamOutput(), 1]},
        {"items": {"a": UpstreamOutput()}},
        {"items": UpstreamOutput()},
        {"items": []},
        {"items_path": "$.orders", "max_concurrency_path": "$.n"},
        {"query_language": "JSONata", "items": "{% $states.input.orders %}"},
        {
            "query_language": "JSONata",
            "items": {"k": 1},
            "item_selector": {"v": "{% $states.context.Map.Item.Value %}"},
            "max_concurrency": "{% $states.input.n %}",
        },
        {"query_language": "JSONata", "item_reader": S3CsvItemReader(arguments="{% $states.input.place %}")},
        {"query_language": "JSONata", "result_writer": ResultWriter(arguments="{% $states.input.place %}")},
        {"label": "delays", "execution_type": "EXPRESS", "aws_partition": "aws-cn"},
        {"state_fields": {"Retry": [], "Assign": {"a": 1}, "ResultSelector": {}, "ResultPath": "$.a", "End": True}},
        {"state_fields": {"InputPath": None, "OutputPath": "$.a"}},
    ],
)
def test_what_it_can(fields: dict[str, Any]) -> None:
    assert refused(**fields) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"item_batcher": ItemBatcher(max_items_per_batch="{{ params.n }}", batch_input={"a": "{{ ds }}"})},
        {"item_reader": S3CsvItemReader(bucket="b", key="k", max_items="{{ params.n }}")},
        {"max_concurrency": "{{ params.n }}"},
    ],
)
def test_a_template_must_have_been_rendered_when_the_machine_is_made(fields: dict[str, Any]) -> None:
    definition = DistributedMap(item_processor=LambdaFunction("delays"), **fields)
    with pytest.raises(UnsupportedField):
        definition.to_asl()


def test_all_of_it_is_told() -> None:
    definition = DistributedMap(
        item_processor=function,
        item_selector=function,
        item_reader=S3CsvItemReader(url="file:///a.csv"),
        result_writer=ResultWriter(url="s3://mine@b/a"),
        state_fields={"Next": "B", "Catch": []},
    )
    with pytest.raises(UnsupportedField) as caught:
        refuse_unsupported(definition, [UnsupportedField("Label", "one more")], Engine.STEPFUNCTIONS)
    assert caught.value.field == "ItemProcessor"
    assert [note.split(": ")[:2] for note in caught.value.__notes__] == [
        ["also", name]
        for name in ("ItemSelector", "ItemReader", "ResultWriter.Parameters.Bucket", "Next", "Catch", "Label")
    ]


def test_what_is_added_is_refused_by_itself() -> None:
    definition = DistributedMap(item_processor=ASL, state_fields={"ResultPath": "$.a"})
    refuse_unsupported(definition, engine=Engine.STEPFUNCTIONS)
    with pytest.raises(UnsupportedField, match=r"^Label: one more$") as caught:
        refuse_unsupported(definition, [UnsupportedField("Label", "one more")], Engine.STEPFUNCTIONS)
    assert not hasattr(caught.value, "__notes__")
    # The other engine has another table.
    with pytest.raises(UnsupportedField, match="ResultPath: is for a state machine"):
        refuse_unsupported(definition)


@pytest.mark.parametrize("value", ["airflow", "stepfunctions", Engine.AIRFLOW, Engine.STEPFUNCTIONS])
def test_engines(value: str) -> None:
    assert as_engine(value) == value
    assert isinstance(as_engine(value), Engine)


@pytest.mark.parametrize("value", ["", "step_functions", "StepFunctions", "local", None, 3])
def test_what_is_no_engine(value: object) -> None:
    with pytest.raises(InvalidDefinition, match=r"^engine: must be one of airflow, stepfunctions; got "):
        as_engine(value)
