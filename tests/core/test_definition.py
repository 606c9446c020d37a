from __future__ import annotations

import pickle
from typing import Any

import pytest

from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import InvalidDefinition, UnsupportedField
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction, PythonFunction, TaskGroupProcessor
from airflow_provider_sfdm.core.readers import S3CsvItemReader
from airflow_provider_sfdm.core.retry import Retrier
from airflow_provider_sfdm.core.values import UNSET, ExecutionType, QueryLanguage
from airflow_provider_sfdm.core.writer import ResultWriter, WriterConfig

READER = S3CsvItemReader(bucket="b", key="k")
ASL = AslProcessor(start_at="Pass", states={"Pass": {"Type": "Pass", "End": True}})


def child(batch: Any) -> Any:
    return batch


def made(**fields: Any) -> DistributedMap:
    return DistributedMap(**{"item_processor": child, **fields})


def test_defaults_and_normal_forms() -> None:
    definition = made(execution_type="EXPRESS", query_language="JSONata", retry=[Retrier(error_equals=("E",))])
    assert definition.item_processor == PythonFunction(child)
    assert definition.execution_type is ExecutionType.EXPRESS
    assert definition.query_language is QueryLanguage.JSONATA
    assert definition.retry == (Retrier(error_equals=("E",)),)
    assert definition.items is UNSET
    assert made(state_fields={"End": True}) == made()
    assert made(state_fields={"Next": "A", "End": False}) == made(state_fields={"Next": "A"})


def test_equality_repr_and_pickling() -> None:
    definition = made(item_reader=READER, max_concurrency=5, input={"a": 1})
    assert definition == made(item_reader=READER, max_concurrency=5, input={"a": 1})
    assert definition != made(item_reader=READER, max_concurrency=6, input={"a": 1})
    assert "max_concurrency=5" in repr(definition)
    again = pickle.loads(pickle.dumps(definition))
    assert again == definition
    assert again.items is UNSET


@pytest.mark.parametrize(
    "fields",
    [
        {"max_concurrency": 0},
        {"max_concurrency": 10_000},
        {"max_concurrency": "{{ params.n }}"},
        {"tolerated_failure_percentage": 0.5},
        {"tolerated_failure_percentage": 100},
        {"tolerated_failure_count": 0, "tolerated_failure_percentage": 1.1},
        {"tolerated_failure_count": 10**400},
        {"items": [1, 2]},
        {"items": {"a": 1}},
        {"items": object()},
        {"items_path": "$.a", "item_reader": READER},
        {"items": "{% $states.input.rows %}", "query_language": "JSONata"},
        {"item_selector": {"a.$": "$$.Map.Item.Value", "b.$": "States.UUID()", "c.$": "$x", "d": "$y"}},
        {"item_selector": {"a.$": "{{ params.path }}"}},
        {"item_selector": {"a.$": 1}, "query_language": "JSONata"},
        {"item_selector": child},
        {"label": "x" * 40},
        {"label": "Zürich-1"},
        {"label": "{{ dag.dag_id }}"},
        {"timeout": 0.5},
        {"item_processor": PythonFunction(child, per_item=True), "item_batcher": ItemBatcher(max_items_per_batch=1)},
        {"item_reader": S3CsvItemReader(bucket=JsonPath("$.b"), key="{% if a %}x{% endif %}")},
        {"result_writer": ResultWriter(writer_config=WriterConfig())},
        {"state_fields": {"InputPath": None, "Catch": [], "Next": "A", "ResultSelector": {}}},
        {"state_fields": {"Output": None, "Assign": {"a": 1}}, "query_language": "JSONata"},
    ],
)
def test_allowed(fields: dict[str, Any]) -> None:
    definition = made(**fields)
    assert {name: getattr(definition, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({"max_concurrency": 10_001}, "MaxConcurrency", "from 0 to 10,000, got 10001"),
        ({"max_concurrency": -1}, "MaxConcurrency", "got -1"),
        ({"max_concurrency": 1.0}, "MaxConcurrency", "integer"),
        ({"max_concurrency": False}, "MaxConcurrency", "integer"),
        ({"max_concurrency": "5"}, "MaxConcurrency", "Jinja"),
        ({"max_concurrency": "{% $n %}"}, "MaxConcurrency", "is JSONata"),
        ({"max_concurrency": 1, "max_concurrency_path": "$.n"}, "MaxConcurrency", "both"),
        ({"max_concurrency_path": "$.n", "query_language": "JSONata"}, "MaxConcurrencyPath", "JSONata"),
        ({"tolerated_failure_percentage": 100.1}, "ToleratedFailurePercentage", "from 0 to 100"),
        ({"tolerated_failure_percentage": -0.1}, "ToleratedFailurePercentage", "from 0 to 100"),
        ({"tolerated_failure_percentage": float("nan")}, "ToleratedFailurePercentage", "number"),
        ({"tolerated_failure_percentage": True}, "ToleratedFailurePercentage", "number"),
        ({"tolerated_failure_percentage": 10**400}, "ToleratedFailurePercentage", "from 0 to 100"),
        ({"tolerated_failure_count": -1}, "ToleratedFailureCount", "at least 0"),
        ({"tolerated_failure_count": 1, "tolerated_failure_count_path": "$.n"}, "ToleratedFailureCount", "both"),
        ({"tolerated_failure_count_path": "n"}, "ToleratedFailureCountPath", "path"),
        ({"items": 5}, "Items", "array"),
        ({"items": None}, "Items", "array"),
        ({"items": "{{ ds }}"}, "Items", "array"),
        ({"items": "{% $x %}"}, "Items", "is JSONata"),
        ({"items": [], "items_path": "$.a"}, "ItemsPath", "not both"),
        ({"items": [], "item_reader": READER}, "Items", "not both"),
        ({"items_path": "$.a[*]"}, "ItemsPath", "reference path"),
        ({"item_reader": "s3://b/k"}, "ItemReader", "ItemReader"),
        ({"item_batcher": 5}, "ItemBatcher", "ItemBatcher"),
        ({"result_writer": "s3://b/k"}, "ResultWriter", "ResultWriter"),
        ({"item_selector": "$.a"}, "ItemSelector", "object or a function"),
        ({"item_selector": "{% $x %}"}, "ItemSelector", "is JSONata"),
        ({"item_selector": {"a": [{"b.$": "x"}]}}, "ItemSelector.a[0].b.$", "path"),
        ({"item_selector": {"a": 1, "a.$": "$.x"}}, "ItemSelector.a.$", "both"),
        ({"item_selector": {1: 2}}, "ItemSelector", "keys"),
        ({"item_selector": {"a": float("inf")}}, "ItemSelector.a", "JSON number"),
        (
            {"item_batcher": ItemBatcher(max_items_per_batch=1, batch_input={"a.$": 1})},
            "ItemBatcher.BatchInput.a.$",
            "path",
        ),
        (
            {"item_batcher": ItemBatcher(max_items_per_batch_path="$.n"), "query_language": "JSONata"},
            "ItemBatcher.MaxItemsPerBatchPath",
            "JSONata",
        ),
        (
            {"item_reader": S3CsvItemReader(bucket=JsonPath("$.b"), key="k"), "query_language": "JSONata"},
            "ItemReader.Parameters.Bucket",
            "no paths",
        ),
        ({"item_reader": S3CsvItemReader(bucket="b", key="{% $k %}")}, "ItemReader.Parameters.Key", "is JSONata"),
        ({"result_writer": ResultWriter(bucket="{% $k %}")}, "ResultWriter.Parameters.Bucket", "is JSONata"),
        ({"label": ""}, "Label", "1 to 40"),
        ({"label": "x" * 41}, "Label", "1 to 40"),
        ({"label": 1}, "Label", "string"),
        ({"timeout": 0}, "TimeoutSeconds", "above 0"),
        ({"timeout": float("inf")}, "TimeoutSeconds", "above 0"),
        ({"timeout": True}, "TimeoutSeconds", "above 0"),
        ({"retry": "E"}, "Retry", "Retrier"),
        ({"item_processor": ASL, "timeout": 1}, "TimeoutSeconds", "its states"),
        ({"item_processor": ASL, "retry": Retrier(error_equals=("E",))}, "Retry", "its states"),
        ({"item_processor": TaskGroupProcessor(child), "timeout": 1}, "TimeoutSeconds", "its operators"),
        ({"item_processor": PythonFunction(child, per_item=True)}, "ItemProcessor", "item_batcher"),
        ({"execution_type": "FAST"}, "ItemProcessor.ProcessorConfig.ExecutionType", "STANDARD, EXPRESS"),
        ({"query_language": "SQL"}, "QueryLanguage", "JSONPath, JSONata"),
        ({"comment": 1}, "Comment", "string"),
        ({"aws_partition": "x"}, "aws_partition", "aws-cn"),
        ({"aws_partition": "aws:x"}, "aws_partition", "aws-cn"),
        ({"aws_partition": "awsome"}, "aws_partition", "aws-cn"),
        ({"aws_partition": None}, "aws_partition", "aws-cn"),
        ({"state_fields": {"TimeoutSeconds": 1}}, "TimeoutSeconds", "not one of"),
        ({"state_fields": []}, "state_fields", "object"),
        ({"state_fields": {"Output": 1}}, "Output", "JSONPath"),
        ({"state_fields": {"ResultPath": "$.x"}, "query_language": "JSONata"}, "ResultPath", "JSONata"),
        ({"state_fields": {"ResultPath": "x"}}, "ResultPath", "begin with $"),
        ({"state_fields": {"InputPath": 1}}, "InputPath", "path or null"),
        ({"state_fields": {"Retry": {}}}, "Retry", "array"),
        ({"state_fields": {"Next": "A", "End": True}}, "End", "not both"),
        ({"state_fields": {"End": False}}, "End", "without Next"),
        ({"state_fields": {"End": 1}}, "End", "true or false"),
        ({"state_fields": {"Next": ""}}, "Next", "name"),
    ],
)
def test_refused(fields: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        made(**fields)
    assert caught.value.field == field
    assert problem in caught.value.problem


@pytest.mark.parametrize("character", [*'?*<>{}[]:;,\\|^~$#%&`" \t\n', "\x00", "\x1f", "\x7f", "\x9f", "\u3000"])
def test_label_refuses(character: str) -> None:
    with pytest.raises(InvalidDefinition, match="Label: must not hold"):
        made(label=f"a{character}b")


def test_the_selector_is_a_copy() -> None:
    selector = {"a": [1]}
    definition = made(item_selector=selector)
    selector["a"].append(2)
    assert definition.item_selector == {"a": [1]}


def test_python_has_no_asl_but_lambda_has() -> None:
    with pytest.raises(UnsupportedField, match=r"ItemProcessor: a Python function .* LambdaFunction.* AslProcessor"):
        made(item_reader=READER).to_asl()
    definition = made(item_reader=READER, item_processor=LambdaFunction("f"))
    assert DistributedMap.from_asl(definition.to_asl()) == definition
