"""The project's own table of cases: a Map state in the Amazon States Language, an input, and what must come out.

The rules are those of the AWS Step Functions guide and of what AWS was seen to do; the cases are written here. Every
case runs with one partition and with three: how the work is divided must never show.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_sfdm import DistributedMap, StatesError, run_map
from airflow_provider_sfdm.core.processors import PythonFunction
from airflow_provider_sfdm.storage import Connections
from tests.conformance.comparing import differences
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "own-cases"
BREACHED = (
    "States.ExceedToleratedFailureThreshold",
    "The specified tolerated failure threshold was exceeded",
)
IN_STATE = "An error occurred while executing the state 'Map' (entered at the event id #2). "


def echo(value: Any) -> Any:
    return value


def refuse_negative(value: Any) -> Any:
    for item in value["Items"] if isinstance(value, dict) else [value]:
        if item < 0:
            raise ValueError(item)
    return value


@dataclass(frozen=True, kw_only=True)
class Case:
    """``fields`` are those of the Map state; ``fails`` is the error and cause it must fail with."""

    id: str
    fields: dict[str, Any]
    input: Any = field(default_factory=dict)
    objects: dict[str, str | bytes] = field(default_factory=dict)
    child: Callable[[Any], Any] = echo
    output: Any = None
    fails: tuple[str, str] | None = None
    wildcards: tuple[dict[str, Any], ...] = ()


def reader(key: str, input_type: str, **config: Any) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": input_type, **config},
        "Parameters": {"Bucket": BUCKET, "Key": key},
    }


def csv(key: str = "f.csv", **config: Any) -> dict[str, Any]:
    return reader(key, "CSV", **{"CSVHeaderLocation": "FIRST_ROW", **config})


NUMBERS = {"numbers": [1, 2, 3, 4, 5]}
ABC = "a,b,c\n1,2,3\n"

CASES = [
    # -- items from the input
    Case(id="items-path-default", fields={}, input=[3, 1, 2], output=[3, 1, 2]),
    Case(id="items-path", fields={"ItemsPath": "$.a.b"}, input={"a": {"b": ["x"]}}, output=["x"]),
    Case(id="empty-array", fields={}, input=[], output=[]),
    Case(id="null-is-an-item", fields={}, input=[None], output=[None]),
    Case(
        id="items-path-to-an-object",
        fields={"ItemsPath": "$.a"},
        input={"a": {"b": 1}},
        fails=("States.Runtime", 'Reference path "$.a" must point to array.'),
    ),
    Case(
        id="input-path-first",
        fields={"InputPath": "$.inner", "ItemsPath": "$.list", "ItemSelector": {"all.$": "$"}},
        input={"inner": {"list": [7]}, "outer": 1},
        output=[{"all": {"list": [7]}}],
    ),
    Case(
        id="jsonata-items",
        fields={"QueryLanguage": "JSONata", "Items": [1, {"two": 2}]},
        output=[1, {"two": 2}],
    ),
    Case(
        id="jsonata-items-of-an-object",
        fields={"QueryLanguage": "JSONata", "Items": {"k": [1]}},
        output=[{"Key": "k", "Value": [1]}],
    ),
    # -- ItemSelector
    Case(
        id="selector-sees-the-whole-input",
        fields={
            "ItemsPath": "$.numbers",
            "ItemSelector": {
                "static": "$.numbers",
                "input.$": "$.numbers[0]",
                "value.$": "$$.Map.Item.Value",
                "index.$": "$$.Map.Item.Index",
                "source.$": "$$.Map.Item.Source",
            },
        },
        input={"numbers": [8, 9]},
        output=[
            {"static": "$.numbers", "input": 8, "value": 8, "index": 0, "source": "STATE_DATA"},
            {"static": "$.numbers", "input": 8, "value": 9, "index": 1, "source": "STATE_DATA"},
        ],
    ),
    Case(
        id="parameters-is-the-old-name",
        fields={"ItemsPath": "$.n", "Parameters": {"v.$": "$$.Map.Item.Value"}},
        input={"n": [1]},
        output=[{"v": 1}],
    ),
    Case(
        id="selector-and-members-of-an-object",
        fields={
            "ItemReader": reader("f.json", "JSON"),
            "ItemSelector": {"k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value.n"},
        },
        objects={"f.json": '{"a": {"n": 1}, "b": {"n": 2}}'},
        output=[{"k": "a", "v": 1}, {"k": "b", "v": 2}],
    ),
    Case(
        id="selector-names-the-file",
        fields={"ItemReader": csv(), "ItemSelector": {"s.$": "$$.Map.Item.Source", "b.$": "$$.Map.Item.Value.b"}},
        objects={"f.csv": ABC},
        output=[{"s": f"s3://{BUCKET}/f.csv", "b": "2"}],
    ),
    # -- ItemBatcher
    Case(
        id="batches-by-count",
        fields={"ItemsPath": "$.numbers", "ItemBatcher": {"MaxItemsPerBatch": 2}},
        input=NUMBERS,
        output=[{"Items": [1, 2]}, {"Items": [3, 4]}, {"Items": [5]}],
    ),
    Case(
        id="batches-by-bytes",  # {"Items":[1,2]} has 15 bytes
        fields={"ItemsPath": "$.numbers", "ItemBatcher": {"MaxInputBytesPerBatch": 15}},
        input=NUMBERS,
        output=[{"Items": [1, 2]}, {"Items": [3, 4]}, {"Items": [5]}],
    ),
    Case(
        id="batches-by-both",
        fields={"ItemsPath": "$.numbers", "ItemBatcher": {"MaxItemsPerBatch": 3, "MaxInputBytesPerBatch": 16}},
        input=NUMBERS,
        output=[{"Items": [1, 2]}, {"Items": [3, 4]}, {"Items": [5]}],
    ),
    Case(
        id="batch-input-is-evaluated-once-in-the-maps-scope",
        fields={
            "ItemsPath": "$.numbers",
            "ItemBatcher": {"MaxItemsPerBatch": 4, "BatchInput": {"all.$": "$.numbers[0]", "tag": "t"}},
        },
        input=NUMBERS,
        output=[
            {"BatchInput": {"all": 1, "tag": "t"}, "Items": [1, 2, 3, 4]},
            {"BatchInput": {"all": 1, "tag": "t"}, "Items": [5]},
        ],
    ),
    Case(
        id="batch-limits-from-the-input-may-be-text",
        fields={"ItemsPath": "$.numbers", "ItemBatcher": {"MaxItemsPerBatchPath": "$.n"}},
        input={**NUMBERS, "n": "3"},
        output=[{"Items": [1, 2, 3]}, {"Items": [4, 5]}],
    ),
    Case(
        id="selected-before-batched",
        fields={
            "ItemReader": csv(),
            "ItemSelector": {"i.$": "$$.Map.Item.Index"},
            "ItemBatcher": {"MaxItemsPerBatch": 2},
        },
        objects={"f.csv": "a\nx\ny\nz\n"},
        output=[{"Items": [{"i": 0}, {"i": 1}]}, {"Items": [{"i": 2}]}],
    ),
    # -- CSV
    Case(
        id="csv-ragged-rows",
        fields={"ItemReader": csv()},
        objects={"f.csv": "a,b\n1\n1,2,3\n,\n   \n"},
        output=[{"a": "1", "b": ""}, {"a": "1", "b": "2"}, {"a": "", "b": ""}, {"a": "   ", "b": ""}],
    ),
    Case(
        id="csv-quotes",
        fields={"ItemReader": csv(CSVDelimiter="PIPE")},
        objects={"f.csv": 'id|text\r\n1|"one|pipe"\r\n2|"two ""quoted"""\r\n3|"three\nlines"\r\n4|\'x\'\r\n'},
        output=[
            {"id": "1", "text": "one|pipe"},
            {"id": "2", "text": 'two "quoted"'},
            {"id": "3", "text": "three\nlines"},
            {"id": "4", "text": "'x'"},
        ],
    ),
    Case(
        id="csv-backslash",
        fields={"ItemReader": csv()},
        objects={"f.csv": 'a,b\nx\\,y,\\\\\nq\\"q,\\n\n'},
        output=[{"a": "x,y", "b": "\\"}, {"a": 'q"q', "b": "n"}],
    ),
    Case(
        id="csv-values-stay-text",
        fields={"ItemReader": csv()},
        objects={"f.csv": "0,True,{},\nnull,1.0,[1],true\n"},
        output=[{"0": "null", "True": "1.0", "{}": "[1]", "": "true"}],
    ),
    Case(
        id="csv-given-headers",
        fields={"ItemReader": csv(CSVHeaderLocation="GIVEN", CSVHeaders=["x", "y"])},
        objects={"f.csv": "1,2\n3,4"},
        output=[{"x": "1", "y": "2"}, {"x": "3", "y": "4"}],
    ),
    Case(
        id="csv-duplicate-headers",
        fields={"ItemReader": csv(CSVHeaderLocation="GIVEN", CSVHeaders=["x", "x"])},
        objects={"f.csv": "1,2\n"},
        fails=("States.ItemReaderFailed", "CSV headers cannot contain duplicates."),
    ),
    Case(
        id="csv-gzip-by-name",
        fields={"ItemReader": csv("f.csv.gz")},
        objects={"f.csv.gz": gzip.compress(ABC.encode())},
        output=[{"a": "1", "b": "2", "c": "3"}],
    ),
    # -- MaxItems
    Case(
        id="max-items",
        fields={"ItemReader": csv(MaxItems=2)},
        objects={"f.csv": "a\n1\n2\n3\n"},
        output=[{"a": "1"}, {"a": "2"}],
    ),
    Case(
        id="max-items-0-is-all",
        fields={"ItemReader": csv(MaxItems=0)},
        objects={"f.csv": "a\n1\n2\n"},
        output=[{"a": "1"}, {"a": "2"}],
    ),
    Case(
        id="max-items-path-may-be-larger-than-a-literal",
        fields={"ItemReader": csv(MaxItemsPath="$.n")},
        input={"n": 100_000_001},
        objects={"f.csv": "a\n1\n"},
        output=[{"a": "1"}],
    ),
    Case(
        id="max-items-path-negative",
        fields={"ItemReader": csv(MaxItemsPath="$.n")},
        input={"n": -1},
        objects={"f.csv": "a\n1\n"},
        fails=("States.ItemReaderFailed", "field MaxItems must be positive"),
    ),
    Case(
        id="max-items-path-fraction",
        fields={"ItemReader": csv(MaxItemsPath="$.n")},
        input={"n": 2.5},
        objects={"f.csv": "a\n1\n"},
        fails=(
            "States.Runtime",
            f'{IN_STATE}The MaxItemsPath field refers to value "2.5" which is not a valid integer: $.n',
        ),
    ),
    # -- JSON, JSON Lines
    Case(
        id="json-pointer",
        fields={"ItemReader": reader("f.json", "JSON", ItemsPointer="/a/1")},
        objects={"f.json": '{"a": [0, [1, 2]]}'},
        output=[1, 2],
    ),
    Case(
        id="json-pointer-miss",
        fields={"ItemReader": reader("f.json", "JSON", ItemsPointer="/b")},
        objects={"f.json": '{"a": 1}'},
        fails=(
            "States.ItemReaderFailed",
            "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.",
        ),
    ),
    Case(
        id="json-scalar",
        fields={"ItemReader": reader("f.json", "JSON")},
        objects={"f.json": "7"},
        fails=("States.ItemReaderFailed", "Attempting to map over non-iterable node."),
    ),
    Case(
        id="items-path-beside-a-reader-is-ignored",
        fields={"ItemReader": reader("f.json", "JSON"), "ItemsPath": "$.none"},
        objects={"f.json": "[1]"},
        output=[1],
    ),
    Case(
        id="json-lines",
        fields={"ItemReader": reader("f.jsonl", "JSONL")},
        objects={"f.jsonl": '{"a":1}\n[2]\n"three"'},
        output=[{"a": 1}, [2], "three"],
    ),
    Case(
        id="places-from-the-input",
        fields={
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.key"},
            }
        },
        input={"bucket": BUCKET, "key": "f.jsonl"},
        objects={"f.jsonl": "1\n"},
        output=[1],
    ),
    # -- listings
    Case(
        id="listing",
        fields={
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:listObjectsV2",
                "Parameters": {"Bucket": BUCKET, "Prefix": "p/"},
            },
            "ItemSelector": {"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"},
        },
        objects={"p/": "", "p/b": "22", "p/a": "1", "q": ""},
        output=[
            {
                "v": {"Etag": None, "Key": key, "LastModified": None, "Size": size, "StorageClass": "STANDARD"},
                "s": f"s3://{BUCKET}",
            }
            for key, size in (("p/", 0), ("p/a", 1), ("p/b", 2))
        ],
        wildcards=tuple(
            {"path": [str(number), "v", name], "any": True} for number in range(3) for name in ("Etag", "LastModified")
        ),
    ),
    Case(
        id="load-and-flatten",
        fields={
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:listObjectsV2",
                "ReaderConfig": {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN", "MaxItems": 3},
                "Parameters": {"Bucket": BUCKET, "Prefix": "p/"},
            },
            "ItemSelector": {"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"},
        },
        objects={"p/": "", "p/1": "1\n2\n", "p/2": "3\n4\n"},
        output=[
            {"v": 1, "s": f"s3://{BUCKET}/p/1"},
            {"v": 2, "s": f"s3://{BUCKET}/p/1"},
            {"v": 3, "s": f"s3://{BUCKET}/p/2"},
        ],
    ),
    # -- tolerance
    Case(id="no-tolerance", fields={}, input=[1, -1, 2], child=refuse_negative, fails=BREACHED),
    Case(
        id="count-alone-is-the-only-judge",
        fields={"ToleratedFailureCount": 1, "ResultWriter": {"WriterConfig": {"Transformation": "COMPACT"}}},
        input=[1, -1, 2, 3],
        child=refuse_negative,
        output=[1, None, 2, 3],
        wildcards=({"path": ["1"], "any": True},),
    ),
    Case(
        id="percentage-alone",
        fields={"ToleratedFailurePercentage": 50},
        input=[-1, -2, 3],
        child=refuse_negative,
        fails=BREACHED,
    ),
    Case(
        id="either-breach-fails",
        fields={"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 1},
        input=[-1, -2, 3],
        child=refuse_negative,
        fails=BREACHED,
    ),
    Case(
        id="a-batch-fails-with-all-its-items",
        fields={"ToleratedFailureCount": 2, "ItemBatcher": {"MaxItemsPerBatch": 3}},
        input=[1, -1, 2, 3],
        child=refuse_negative,
        fails=BREACHED,
    ),
    Case(
        id="count-path-negative",
        fields={"ItemsPath": "$.i", "ToleratedFailureCountPath": "$.n"},
        input={"i": [], "n": -1},
        fails=("States.Runtime", f"{IN_STATE}ToleratedFailureCount cannot be negative."),
    ),
    Case(
        id="count-path-object",
        fields={"ItemsPath": "$.i", "ToleratedFailureCountPath": "$.n"},
        input={"i": [], "n": {}},
        fails=(
            "States.Runtime",
            f'{IN_STATE}The ToleratedFailureCountPath field refers to value "{{}}" which is not a valid integer: $.n',
        ),
    ),
    Case(
        id="percentage-path-out-of-range",
        fields={"ItemsPath": "$.i", "ToleratedFailurePercentagePath": "$.n"},
        input={"i": [], "n": 100.1},
        fails=("States.Runtime", f"{IN_STATE}ToleratedFailurePercentage must be between 0 and 100."),
    ),
    Case(
        id="percentage-path-text",
        fields={"ItemsPath": "$.i", "ToleratedFailurePercentagePath": "$.n"},
        input={"i": [], "n": "No"},
        fails=(
            "States.Runtime",
            f'{IN_STATE}The ToleratedFailurePercentagePath field refers to value "No" which is not a valid float: $.n',
        ),
    ),
    # -- results
    Case(
        id="flattened-output",
        fields={"ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}}},
        input=[[1, [2]], [], "three", {"four": 4}],
        output=[1, [2], "three", {"four": 4}],
    ),
    Case(
        id="exported-output",
        fields={
            "Label": "own",
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": BUCKET, "Prefix.$": "$.prefix"},
            },
            "ItemsPath": "$.i",
        },
        input={"i": [1], "prefix": "a/b"},
        output={"MapRunArn": "", "ResultWriterDetails": {"Bucket": BUCKET, "Key": ""}},
        wildcards=(
            {"path": ["MapRunArn"], "pattern": r"arn:aws:states:[^:]+:\d{12}:mapRun:Map/own:[0-9a-f-]{36}"},
            {"path": ["ResultWriterDetails", "Key"], "pattern": r"a/b/[0-9a-f-]{36}/manifest\.json"},
        ),
    ),
    Case(
        id="output-over-256-kib",
        fields={},
        input=["x" * 200_000] * 2,
        fails=("States.DataLimitExceeded", ""),
    ),
]


@pytest.fixture(scope="module")
def s3(moto_server: S3Endpoint) -> Iterator[S3Client]:
    """A client of the S3 server that has the cases' bucket."""
    client = moto_server.client()
    client.create_bucket(Bucket=BUCKET)
    yield client
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def connections(s3: S3Client, request: pytest.FixtureRequest) -> Iterator[Connections]:
    """Of the S3 server, with the case's objects."""
    case: Case = request.getfixturevalue("case")
    for key, body in case.objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)
    yield Connections(s3_client=lambda _: s3)
    for key in case.objects:
        s3.delete_object(Bucket=BUCKET, Key=key)


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_case(case: Case, partitions: int, connections: Connections, tmp_path: Path) -> None:
    state = {
        "Type": "Map",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Child",
            "States": {"Child": {"Type": "Pass", "End": True}},
        },
        "End": True,
        **case.fields,
    }
    definition = replace(DistributedMap.from_asl(json.dumps(state)), item_processor=PythonFunction(case.child))
    arguments: dict[str, Any] = {"name": "Map", "partitions": partitions, "connections": connections}
    if case.fails is None:
        summary = run_map(definition, case.input, tmp_path.as_uri(), **arguments).raise_for_status()
        assert differences(case.output, summary.output, case.wildcards) == []
        return
    with pytest.raises(StatesError) as caught:
        run_map(definition, case.input, tmp_path.as_uri(), **arguments).raise_for_status()
    error, cause = case.fails
    assert (caught.value.error, caught.value.cause) == (error, cause or caught.value.cause)


def test_every_case_has_its_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
