"""Maps that both engines must run alike, what they read, and how two runs are compared."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_sfdm import (
    DistributedMap,
    ExecutionType,
    InputType,
    ItemBatcher,
    JsonPath,
    LambdaFunction,
    MapRunResults,
    OutputType,
    ReaderTransformation,
    ResultWriter,
    Retrier,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ObjectsItemReader,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.core.json import loads
from airflow_provider_sfdm.storage import Connections

CODE = """
def handler(event, context):
    def work(item):
        number = item.get("n", item.get("id", 0)) if isinstance(item, dict) else item
        if number in (3, 7, "3"):
            raise ValueError(f"{number} is bad")
        return {"worked": item}
    if isinstance(event, dict) and "Items" in event:
        return [work(item) for item in event["Items"]]
    return work(event)
"""
"""A Lambda function: the child workflow of all cases."""
NUMBERS = list(range(12))
"""The function fails for 3 and 7."""
GOOD = [0, 1, 2, 10]
FILES: dict[str, Any] = {"bucket": JsonPath("$.bucket")}


def _writer(**config: Any) -> ResultWriter:
    return ResultWriter(
        bucket=JsonPath("$.bucket"),
        prefix=JsonPath("$.prefix"),
        writer_config=WriterConfig(**config) if config else None,
    )


CASES: dict[str, dict[str, Any]] = {
    "array": {"items": GOOD},
    "array_exported": {"items": GOOD, "result_writer": _writer()},
    "members": {"items": {"a": 1, "b": [2], "c": None}, "result_writer": _writer()},
    "no_items": {"items": []},
    "tolerated": {"items": NUMBERS, "tolerated_failure_percentage": 40, "result_writer": _writer()},
    "breached": {"items": NUMBERS, "tolerated_failure_count": 1, "result_writer": _writer()},
    "first_failure": {"items": NUMBERS, "result_writer": _writer()},
    "selected": {
        "items": NUMBERS,
        "item_selector": {
            "n.$": "$$.Map.Item.Value",
            "index.$": "$$.Map.Item.Index",
            "day.$": "$.day",
            "all.$": "$",
            "context.$": "$$.Execution.Input.day",
            "kind": "order",
        },
        "tolerated_failure_percentage": 100,
        "result_writer": _writer(),
    },
    "batched": {
        "items": NUMBERS,
        "item_batcher": ItemBatcher(max_items_per_batch=5, batch_input={"day.$": "$.day", "fixed": True}),
        "tolerated_failure_percentage": 100,
        "result_writer": _writer(transformation=Transformation.COMPACT),
    },
    "by_bytes": {
        "items": ["x" * length for length in (10, 40, 5, 60, 30)],
        "item_batcher": ItemBatcher(max_input_bytes_per_batch=90),
        "result_writer": _writer(transformation=Transformation.FLATTEN, output_type=OutputType.JSONL),
    },
    "csv": {
        "item_reader": S3CsvItemReader(key=JsonPath("$.csv"), **FILES),
        "item_batcher": ItemBatcher(max_items_per_batch_path="$.size"),
        "result_writer": _writer(),
    },
    "json_members": {"item_reader": S3JsonItemReader(key="in/data.json", items_pointer="/orders", **FILES)},
    "jsonl": {"item_reader": S3JsonLItemReader(key="in/data.jsonl", max_items=3, **FILES), "result_writer": _writer()},
    "listing": {
        "item_reader": S3ObjectsItemReader(prefix="in/", **FILES),
        "item_selector": {"key.$": "$$.Map.Item.Value.Key"},
    },
    "flattened": {
        "item_reader": S3ObjectsItemReader(
            prefix="in/lines/",
            transformation=ReaderTransformation.LOAD_AND_FLATTEN,
            input_type=InputType.JSONL,
            **FILES,
        ),
        "result_writer": _writer(),
    },
    "retried": {
        "items": [3],
        "retry": Retrier(error_equals=("States.ALL",), interval_seconds=1, max_attempts=1),
        "tolerated_failure_percentage": 100,
        "result_writer": _writer(),
    },
    "express": {
        "items": NUMBERS,
        "execution_type": ExecutionType.EXPRESS,
        "tolerated_failure_percentage": 100,
        "result_writer": _writer(),
    },
    "missing_file": {"item_reader": S3CsvItemReader(key="in/nothing.csv", **FILES)},
}
FAIL = frozenset({"breached", "first_failure", "missing_file"})
"""The cases that end FAILED; the others succeed."""
# What is different in each run: names, times, places.
_NOT_COMPARED = {"mapRunArn", "executionArn", "startDate", "stopDate", "manifest", "output"}
_OF_ONE_RUN = {"ExecutionArn", "Name", "StartDate", "StateMachineArn", "StopDate"}


def definition_of(name: str, function: str = "work") -> DistributedMap:
    """The definition of a case; one child at a time, so that what a breach leaves undone is the same each time."""
    return DistributedMap(item_processor=LambdaFunction(function), max_concurrency=1, **CASES[name])


def input_of(name: str, bucket: str, folder: str) -> dict[str, Any]:
    """The input of a case; ``folder`` is where its results go."""
    return {"bucket": bucket, "prefix": f"out/{folder}/{name}", "csv": "in/data.csv", "day": "monday", "size": 2}


def put_data(client: Any, bucket: str) -> None:
    """What the cases read."""
    rows = "".join(f"{number},name {number}\n" for number in (1, 2, 4, 5, 6))
    lines = "".join(json.dumps({"id": number}) + "\n" for number in (1, 2, 4, 5))
    for key, text in {
        "in/data.csv": f"id,name\n{rows}",
        "in/data.json": json.dumps({"orders": {"x": {"id": 1}, "y": {"id": 2}}}),
        "in/data.jsonl": lines,
        "in/lines/a.jsonl": lines,
        "in/lines/b.jsonl": lines,
    }.items():
        client.put_object(Bucket=bucket, Key=key, Body=text.encode())


def compared(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in _NOT_COMPARED}


def records(summary: dict[str, Any], connections: Connections) -> dict[str, list[Any]]:
    """Everything in the result files, but what is different in each run."""
    results = MapRunResults.from_summary(summary, connections)
    found: dict[str, list[Any]] = {}
    for status, children in (
        ("SUCCEEDED", results.succeeded()),
        ("FAILED", results.failed()),
        ("PENDING", results.pending()),
    ):
        found[status] = []
        for child in children:
            record = dict(child.record) if child.record is not None else {"element": child.output}
            assert record.keys() >= _OF_ONE_RUN or child.record is None or status == "PENDING"
            record = {key: value for key, value in record.items() if key not in _OF_ONE_RUN}
            for text in ("Input", "Output", "Cause"):
                if isinstance(record.get(text), str) and record[text][:1] in "{[":
                    record[text] = _without_run(loads(record[text].encode()))
            found[status].append(record)
    return found


def _without_run(value: Any) -> Any:
    """A value without the prefix of the results, which names the engine in this test."""
    if isinstance(value, dict):
        return {key: _without_run(member) for key, member in value.items() if key not in ("prefix", "requestId")}
    return [_without_run(member) for member in value] if isinstance(value, list) else value
