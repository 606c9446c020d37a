"""Map states as AWS documents their fields, in and out.

The states are our own; their fields are those of the pages of the AWS Step Functions guide.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from airflow_provider_sfdm.core.asl import from_asl, to_asl
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.engines import unsupported_on_airflow
from airflow_provider_sfdm.core.errors import InvalidDefinition, UnsupportedField
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import (
    InputType,
    ManifestType,
    S3CsvItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
)
from airflow_provider_sfdm.core.retry import Retrier
from airflow_provider_sfdm.core.values import UNSET, QueryLanguage
from airflow_provider_sfdm.core.writer import ResultWriter

GET, LIST, PUT = (f"arn:aws:states:::s3:{action}" for action in ("getObject", "listObjectsV2", "putObject"))
INVOKE = "arn:aws:states:::lambda:invoke"
ARN = "arn:aws:lambda:us-east-2:123456789012:function:score:$LATEST"
FILE = {"Bucket": "films", "Key": "data/ratings"}
PROCESSOR: dict[str, Any] = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
    "StartAt": "Keep",
    "States": {"Keep": {"Type": "Pass", "End": True}},
}
CSV = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


def state(**fields: Any) -> dict[str, Any]:
    """A Map state in the spelling that to_asl has; a field given as None is left out."""
    whole = {"Type": "Map", "ItemProcessor": PROCESSOR, "End": True, **fields}
    return {name: value for name, value in whole.items() if value is not None}


def reader(config: dict[str, Any] | None, *, resource: str = GET, **parameters: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"Resource": resource, "Parameters": parameters or FILE}
    return fields | ({"ReaderConfig": config} if config else {})


def task(**fields: Any) -> dict[str, Any]:
    """A processor of one Task state that invokes a Lambda function."""
    parameters = {"FunctionName": ARN, "Payload.$": "$"}
    whole = {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "OutputPath": "$.Payload", **fields}
    one = {name: value for name, value in whole.items() if value is not None} | {"End": True}
    return {**PROCESSOR, "StartAt": "Score", "States": {"Score": one}}


AS_DOCUMENTED = {
    # Using Map state in Distributed mode
    "csv with versions, limits and writer": state(
        Comment="every rating",
        ItemReader=reader(CSV, **FILE, VersionId="v1"),
        ItemProcessor=task(Retry=[{"ErrorEquals": ["E"], "IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2}]),
        MaxConcurrency=1000,
        Label="Ratings",
        ToleratedFailurePercentage=5,
        ToleratedFailureCount=10,
        ResultWriter={"Resource": PUT, "Parameters": {"Bucket": "out", "Prefix": "jobs"}},
        Next="Report",
        End=None,
    ),
    "limits by path": state(
        MaxConcurrencyPath="$.concurrency",
        ToleratedFailurePercentagePath="$.limits.percentage",
        ToleratedFailureCountPath="$limit",
        InputPath="$.job",
        ItemsPath="$.rows",
        ResultPath=None,
    ),
    # ItemReader (Map)
    "listing": state(ItemReader=reader(None, resource=LIST, Bucket="photos", Prefix="raw/")),
    "listing with MaxItems": state(ItemReader=reader({"MaxItems": 7}, resource=LIST, Bucket="photos")),
    "load and flatten": state(
        ItemReader=reader(
            {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"}, resource=LIST, Bucket="logs", Prefix="d/"
        )
    ),
    "json": state(ItemReader=reader({"InputType": "JSON"})),
    "json pointer": state(ItemReader=reader({"InputType": "JSON", "ItemsPointer": "/films/0/ratings"})),
    "jsonl": state(ItemReader=reader({"InputType": "JSONL", "MaxItems": 0})),
    "csv, headers given": state(
        ItemReader=reader(
            {
                "InputType": "CSV",
                "CSVHeaderLocation": "GIVEN",
                "CSVHeaders": ["user", "film"],
                "CSVDelimiter": "PIPE",
                "MaxItemsPath": "$.most",
            }
        )
    ),
    "parquet": state(ItemReader=reader({"InputType": "PARQUET"})),
    "inventory": state(ItemReader=reader({"ManifestType": "S3_INVENTORY"})),
    "athena": state(
        ItemReader=reader({"ManifestType": "ATHENA_DATA", "InputType": "PARQUET"}, **FILE, ExpectedBucketOwner="1")
    ),
    "places by path": state(
        ItemReader=reader(CSV, **{"Bucket.$": "$.bucket", "Key.$": "$$.Execution.Input.key"}),
        ResultWriter={"Resource": PUT, "Parameters": {"Bucket.$": "$.bucket", "Prefix.$": "$prefix"}},
    ),
    # ItemBatcher (Map)
    "batches": state(
        ItemBatcher={
            "BatchInput": {"factCheck": "2026", "source.$": "$.source"},
            "MaxItemsPerBatch": 100,
            "MaxInputBytesPerBatch": 131_072,
        }
    ),
    "batches by path": state(
        ItemBatcher={"MaxItemsPerBatchPath": "$.batch.items", "MaxInputBytesPerBatchPath": "$.batch.bytes"}
    ),
    # ItemSelector (Map)
    "selector": state(
        ItemSelector={
            "index.$": "$$.Map.Item.Index",
            "value.$": "$$.Map.Item.Value",
            "all.$": "$.settings",
            "nested": {"of": ["constants", 1, None]},
            "made.$": "States.Format('{}-{}', $.a, $$.Map.Item.Index)",
        }
    ),
    # ResultWriter (Map)
    "writer, form only": state(ResultWriter={"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"}}),
    "writer, both": state(
        ResultWriter={
            "Resource": PUT,
            "Parameters": {"Bucket": "out", "Prefix": "p"},
            "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"},
        }
    ),
    # Transforming data with JSONata
    "jsonata": state(
        QueryLanguage="JSONata",
        Items="{% $states.input.rows %}",
        ItemSelector={"row": "{% $states.context.Map.Item.Value %}"},
        ItemBatcher={"MaxItemsPerBatch": "{% $n %}", "BatchInput": "{% $states.input.constants %}"},
        MaxConcurrency="{% $states.input.concurrency %}",
        ToleratedFailurePercentage="{% $p %}",
        ResultWriter={"Resource": PUT, "Arguments": {"Bucket": "{% $out %}", "Prefix": "p"}},
        Output={"count": "{% $count($states.result) %}"},
        Assign={"done": True},
    ),
    "jsonata reader": state(
        QueryLanguage="JSONata",
        ItemReader={
            "Resource": GET,
            "ReaderConfig": {**CSV, "MaxItems": "{% $n %}"},
            "Arguments": {"Bucket": "films", "Key": "{% $states.input.key %}"},
        },
    ),
    "items given": state(QueryLanguage="JSONata", Items=[1, {"a": 2}]),
    "object given": state(QueryLanguage="JSONata", Items={"a": 2}),
    # the machine around it
    "around": state(
        Retry=[{"ErrorEquals": ["States.ALL"]}],
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
        ResultSelector={"a.$": "$.b"},
        ResultPath="$.map",
        OutputPath="$.map",
        Assign={"x.$": "$.y"},
    ),
    "china": state(
        ItemReader=reader(CSV, resource="arn:aws-cn:states:::s3:getObject"),
        ItemProcessor=task(Resource="arn:aws-cn:states:::lambda:invoke"),
    ),
}


@pytest.mark.parametrize("name", AS_DOCUMENTED)
def test_a_documented_state_comes_back_as_it_is(name: str) -> None:
    given = AS_DOCUMENTED[name]
    before = copy.deepcopy(given)
    definition = from_asl(given)
    assert to_asl(definition) == given
    assert from_asl(json.dumps(given)) == definition
    assert DistributedMap.from_asl(given).to_asl() == before


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (state(ItemProcessor=None, Iterator=PROCESSOR), state()),
        (state(Parameters={"a.$": "$.b"}), state(ItemSelector={"a.$": "$.b"})),
        (
            state(ItemReader=reader({"InputType": "MANIFEST"})),
            state(ItemReader=reader({"ManifestType": "S3_INVENTORY"})),
        ),
        (
            state(ItemReader=reader({"InputType": "MANIFEST", "ManifestType": "S3_INVENTORY"})),
            state(ItemReader=reader({"ManifestType": "S3_INVENTORY"})),
        ),
        (state(ItemReader=reader({"InputType": "CSV", "CSVDelimiter": "COMMA"})), state(ItemReader=reader(CSV))),
        (
            state(ItemReader=reader({"Transformation": "NONE"}, resource=LIST, Bucket="b")),
            state(ItemReader=reader(None, resource=LIST, Bucket="b")),
        ),
        (
            state(ResultWriter={"WriterConfig": {"OutputType": "JSON"}}),
            state(ResultWriter={"WriterConfig": {"Transformation": "NONE", "OutputType": "JSON"}}),
        ),
        (state(QueryLanguage="JSONPath"), state()),
        (
            state(ItemProcessor=task(Retry=[{"ErrorEquals": ["E"]}])),
            state(
                ItemProcessor=task(
                    Retry=[{"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 2}]
                )
            ),
        ),
    ],
)
def test_older_names_and_defaults_have_one_spelling(given: dict[str, Any], normal: dict[str, Any]) -> None:
    assert to_asl(from_asl(given)) == normal


def test_values_of_a_state() -> None:
    definition = from_asl(AS_DOCUMENTED["csv with versions, limits and writer"])
    assert definition.item_reader == S3CsvItemReader(bucket="films", key="data/ratings", version_id="v1")
    assert definition.item_processor == LambdaFunction(ARN, state_name="Score")
    assert definition.retry == (Retrier(error_equals=("E",), interval_seconds=2, max_attempts=6),)
    assert definition.result_writer == ResultWriter(bucket="out", prefix="jobs")
    assert definition.state_fields == {"Next": "Report"}
    assert definition.items is UNSET
    places = from_asl(AS_DOCUMENTED["places by path"])
    assert places.item_reader == S3CsvItemReader(bucket=JsonPath("$.bucket"), key=JsonPath("$$.Execution.Input.key"))
    assert from_asl(AS_DOCUMENTED["athena"]).item_reader == S3ManifestItemReader(
        bucket="films",
        key="data/ratings",
        expected_bucket_owner="1",
        manifest_type=ManifestType.ATHENA_DATA,
        input_type=InputType.PARQUET,
    )
    assert from_asl(AS_DOCUMENTED["listing"]).item_reader == S3ObjectsItemReader(bucket="photos", prefix="raw/")


def test_the_machines_query_language() -> None:
    given = state(Items=[1])
    with pytest.raises(InvalidDefinition, match="Items: is not a field"):
        from_asl(given)
    definition = from_asl(given, query_language="JSONata")
    assert definition.query_language is QueryLanguage.JSONATA
    assert to_asl(definition) == {**given, "QueryLanguage": "JSONata"}
    assert from_asl(state(QueryLanguage="JSONPath"), query_language="JSONata") == from_asl(state())


RETRIED = [{"ErrorEquals": ["E"]}]
JSONATA_TASK = {
    "Parameters": None,
    "OutputPath": None,
    "QueryLanguage": "JSONata",
    "Arguments": {"FunctionName": "f", "Payload": "{%$states.input%}"},
    "Output": "{% $states.result.Payload %}",
}


@pytest.mark.parametrize(
    ("fields", "function"),
    [
        ({}, LambdaFunction(ARN, state_name="Score")),
        ({"QueryLanguage": "JSONPath", "TimeoutSeconds": 9}, LambdaFunction(ARN, state_name="Score")),
        (
            {"Parameters": {"FunctionName": "f", "Qualifier": "2", "Payload.$": "$"}, "Retry": RETRIED},
            LambdaFunction("f", "2", "Score"),
        ),
        (
            {"Resource": ARN, "Parameters": None, "OutputPath": None, "TimeoutSeconds": 9},
            LambdaFunction(ARN, state_name="Score", direct=True),
        ),
        (JSONATA_TASK, LambdaFunction("f", state_name="Score")),
    ],
)
def test_one_lambda_task_is_a_lambda_function(fields: dict[str, Any], function: LambdaFunction) -> None:
    definition = from_asl(state(ItemProcessor=task(**fields)))
    assert definition.item_processor == function
    assert definition.timeout == fields.get("TimeoutSeconds")
    assert len(definition.retry) == len(fields.get("Retry", []))
    assert from_asl(to_asl(definition)) == definition


@pytest.mark.parametrize(
    "fields",
    [
        {"Comment": "kept"},
        {"OutputPath": "$"},
        {"OutputPath": None},
        {"ResultSelector": {"a.$": "$.Payload"}},
        {"Catch": []},
        {"HeartbeatSeconds": 3},
        {"TimeoutSeconds": "{% $n %}"},
        {"Retry": [{"ErrorEquals": ["E"], "Comment": "kept"}]},
        {"Resource": f"{INVOKE}.waitForTaskToken"},
        {"Resource": ARN},
        {"Resource": "arn:aws:states:::sqs:sendMessage"},
        {"Parameters": {"FunctionName": ARN, "Payload.$": "$.x"}},
        {"Parameters": {"FunctionName": ARN, "Payload": {}}},
        {"Parameters": {"FunctionName.$": "$.f", "Payload.$": "$"}},
        {"Parameters": {"FunctionName": ARN, "Payload.$": "$", "InvocationType": "Event"}},
        {**JSONATA_TASK, "Output": "{% $states.result %}"},
        {**JSONATA_TASK, "Arguments": {"FunctionName": "{% $f %}", "Payload": "{% $states.input %}"}},
    ],
)
def test_a_task_that_says_more_stays_as_it_is(fields: dict[str, Any]) -> None:
    given = state(ItemProcessor=task(**fields))
    definition = from_asl(given)
    assert isinstance(definition.item_processor, AslProcessor)
    assert to_asl(definition) == given


def test_the_function_in_jsonata() -> None:
    definition = DistributedMap(
        item_processor=LambdaFunction("f", "2"), query_language=QueryLanguage.JSONATA, timeout=4.0
    )
    assert to_asl(definition)["ItemProcessor"]["States"]["Invoke"] == {
        "Type": "Task",
        "QueryLanguage": "JSONata",
        "Resource": INVOKE,
        "Arguments": {"FunctionName": "f", "Qualifier": "2", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "TimeoutSeconds": 4,
        "End": True,
    }


def changed(path: str, value: Any, base: str = "csv with versions, limits and writer") -> dict[str, Any]:
    """A documented state with one field set (or, with ``...``, taken out)."""
    made = copy.deepcopy(AS_DOCUMENTED[base])
    *parents, last = path.split("/")
    place = made
    for name in parents:
        place = place.setdefault(name, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize(
    ("given", "field", "problem"),
    [
        (changed("Foo", 1), "Foo", "not a field"),
        (changed("TimeoutSeconds", 1), "TimeoutSeconds", "not a field"),
        (changed("ItemReader/Foo", 1), "ItemReader.Foo", "not a field"),
        (changed("ItemReader/ReaderConfig/Foo", 1), "ItemReader.ReaderConfig.Foo", "not a field"),
        (changed("ItemReader/ReaderConfig/ItemsPointer", "/a"), "ItemReader.ReaderConfig.ItemsPointer", "Csv"),
        (changed("ItemReader/Parameters/Prefix", "a"), "ItemReader.Parameters.Prefix", "not a field"),
        (changed("ItemReader/Parameters/Key.$", "$.k"), "ItemReader.Parameters.Key.$", "not both"),
        (changed("ItemReader/Parameters/Key", 7), "ItemReader.Parameters.Key", "string"),
        (changed("ItemReader/Parameters", ...), "ItemReader.Parameters", "given"),
        (changed("ItemReader/Arguments", {}), "ItemReader.Arguments", "not a field"),
        (changed("ItemReader/Resource", INVOKE), "ItemReader.Resource", "listObjectsV2"),
        (changed("ItemReader/Resource", "s3"), "ItemReader.Resource", "arn:"),
        (changed("ItemReader/Resource", ...), "ItemReader.Resource", "getObject"),
        (changed("ItemReader/ReaderConfig/InputType", "XML"), "ItemReader.ReaderConfig.InputType", "PARQUET"),
        (changed("ItemReader/ReaderConfig", ...), "ItemReader.ReaderConfig.InputType", "must be given"),
        (changed("ItemReader/ReaderConfig/MaxItems", "5"), "ItemReader.ReaderConfig.MaxItems", "integer"),
        (changed("ItemReader/ReaderConfig/MaxItems", None), "ItemReader.ReaderConfig.MaxItems", "null"),
        (
            changed("ItemReader/ReaderConfig", {"InputType": "CSV", "CSVHeaders": ["a"]}),
            "ItemReader.ReaderConfig.CSVHeaderLocation",
            "GIVEN",
        ),
        (
            changed("ItemReader/ReaderConfig", {"InputType": "PARQUET"}),
            "ItemReader.Parameters.VersionId",
            "Parquet",
        ),
        (changed("ItemReader", []), "ItemReader", "object"),
        (changed("ItemBatcher", {}), "ItemBatcher", "give MaxItemsPerBatch"),
        (changed("ItemBatcher", {"MaxItems": 1}), "ItemBatcher", "give MaxItemsPerBatch"),
        (changed("ItemBatcher", {"MaxItemsPerBatch": 1, "Foo": 1}), "ItemBatcher.Foo", "not a field"),
        (changed("ResultWriter", {}), "ResultWriter", "empty"),
        (changed("ResultWriter", {"Resource": PUT}), "ResultWriter", "go together"),
        (changed("ResultWriter/Resource", GET), "ResultWriter.Resource", "putObject"),
        (changed("ResultWriter/Parameters/Bucket", ...), "ResultWriter.Parameters.Bucket", "given"),
        (changed("ResultWriter/Parameters/Key", "k"), "ResultWriter.Parameters.Key", "not a field"),
        (changed("ResultWriter/WriterConfig/Foo", "k"), "ResultWriter.WriterConfig.Foo", "not a field"),
        (changed("Iterator", PROCESSOR), "Iterator", "older name"),
        (changed("ItemProcessor", ...), "ItemProcessor", "given"),
        (changed("ItemProcessor/ProcessorConfig", ...), "ItemProcessor.ProcessorConfig.Mode", "INLINE"),
        (
            changed("ItemProcessor/ProcessorConfig/ExecutionType", ...),
            "ItemProcessor.ProcessorConfig.ExecutionType",
            "EXPRESS",
        ),
        (changed("ItemProcessor/ProcessorConfig/Foo", 1), "ItemProcessor.ProcessorConfig.Foo", "not a field"),
        (changed("ItemProcessor/Foo", 1), "ItemProcessor.Foo", "not a field"),
        (changed("ItemProcessor/StartAt", "X"), "ItemProcessor.StartAt", "Score"),
        (changed("Parameters", {}, "selector"), "Parameters", "older name of ItemSelector"),
        (changed("ItemSelector", "$.x", "selector"), "ItemSelector", "object"),
        (changed("Parameters", {}, "jsonata"), "Parameters", "not a field"),
        (changed("Items", "x", "jsonata"), "Items", "JSONata expression"),
        (changed("InputPath", "$", "jsonata"), "InputPath", "JSONata"),
        (changed("ItemsPath", "$.a", "jsonata reader"), "ItemsPath", "JSONata"),
        (changed("ToleratedFailurePercentagePath", "$.a"), "ToleratedFailurePercentage", "not both"),
        (changed("Label", None), "Label", "null"),
        (changed("Type", "Task"), "Type", "must be Map"),
        (changed("QueryLanguage", "SQL"), "QueryLanguage", "JSONPath"),
        (changed("ItemReader/Resource", "arn:aws-cn:states:::s3:getObject"), "Resource", "aws, aws-cn"),
        ({"StartAt": "M", "States": {"M": {"Type": "Map"}, "P": {"Type": "Pass"}}}, "Type", "(M)"),
    ],
)
def test_refused(given: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        from_asl(given)
    assert caught.value.field == field
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"Type": "Map", "Label": NaN}', "NaN"),
        ('{"Type": "Map", "Label": "a", "Label": "b"}', "Label: is there twice"),
        ("[" * 100_000, "not JSON"),
        ('{"MaxConcurrency": ' + "1" * 10_000 + "}", "not JSON"),
    ],
)
def test_text_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition, match=problem):
        from_asl(text)


LISTING = {
    "Resource": "arn:aws:states:::s3:listObjectsV2",
    "Parameters": {"Bucket": "b", "Prefix.$": "States.Format('{}/', $.day)", "MaxKeys": 9, "StartAfter.$": "$.last"},
}
WRITING = {"Resource": PUT, "Parameters": {"Bucket": "b", "Prefix.$": "States.UUID()"}}


# Of the state machine around the map, in the examples.
_AROUND = {"Retry", "Catch", "Assign", "Output", "ResultSelector", "ResultPath", "OutputPath"}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (changed("ItemReader/Parameters", {"Bucket": "b", "Key.$": "States.UUID()"}), []),
        (changed("ItemReader", LISTING), ["ItemReader.Parameters.StartAfter.$"]),
        (changed("ResultWriter", WRITING), []),
        (changed("ItemReader/Arguments", "{% $all %}", "jsonata reader"), []),
        (changed("ResultWriter", {"Resource": PUT, "Arguments": "{% $all %}"}, "jsonata reader"), []),
    ],
)
def test_what_is_known_in_a_run_only_is_kept(given: dict[str, Any], fields: list[str]) -> None:
    definition = from_asl(given)
    made = to_asl(definition)
    for part in ("ItemReader", "ResultWriter"):
        assert made.get(part) == given.get(part)
    assert from_asl(made) == definition
    refused = {problem.field for problem in unsupported_on_airflow(definition)}
    assert refused - _AROUND == set(fields)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"States": 5, "StartAt": "x"}, "States"),
        ([], "Map"),
        (changed("ItemReader/Arguments", "no expression", "jsonata reader"), "ItemReader.Arguments"),
        (changed("ItemReader/Parameters", "{% $all %}"), "ItemReader.Parameters"),
        (changed("ItemReader", {**LISTING, "Parameters": {"Bucket": "b", "Max": 1}}), "ItemReader.Parameters.Max"),
    ],
)
def test_what_is_wrong_is_named(given: Any, field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        from_asl(given)
    assert caught.value.field == field


def child(item: Any) -> Any:
    return item


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"item_processor": child}, "ItemProcessor"),
        ({"item_reader": S3CsvItemReader(url="file:///a.csv")}, "ItemReader"),
        ({"item_reader": S3CsvItemReader(url="{{ a }}")}, "ItemReader"),
        (
            {"item_reader": S3CsvItemReader(bucket="b", key="k", max_items="{{ n }}")},
            "ItemReader.ReaderConfig.MaxItems",
        ),
        ({"result_writer": ResultWriter(url="file:///a")}, "ResultWriter"),
        ({"item_selector": child}, "ItemSelector"),
        ({"items": [1]}, "Items"),
        ({"items": object(), "query_language": "JSONata"}, "Items"),
        ({"max_concurrency": "{{ n }}"}, "MaxConcurrency"),
        ({"timeout": 0.5}, "TimeoutSeconds"),
    ],
)
def test_step_functions_cannot(fields: dict[str, Any], field: str) -> None:
    definition = DistributedMap(**{"item_processor": LambdaFunction("f"), **fields})
    with pytest.raises(UnsupportedField) as caught:
        to_asl(definition)
    assert caught.value.field == field


def test_the_input_is_no_part_of_the_state() -> None:
    definition = DistributedMap(item_processor=LambdaFunction("f"), input={"a": 1})
    assert to_asl(definition) == to_asl(DistributedMap(item_processor=LambdaFunction("f")))
