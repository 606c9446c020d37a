"""A new map run over what an earlier one did not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    ItemReaderFailed,
    MapRunSummary,
    ResultWriter,
    Transformation,
    WriterConfig,
    run_map,
)
from tests.runtime.helpers import echo, path_of, put, results


def earlier(folder: Path, config: WriterConfig | None = None, **fields: Any) -> MapRunSummary:
    """Of ten items 3 and 4 fail, and the last ones never start."""

    def function(value: Any) -> Any:
        items = value["Items"] if isinstance(value, dict) else [value]
        if {3, 4} & set(items):
            raise ValueError(items)
        return value

    writer = ResultWriter(url=(folder / "results").as_uri(), writer_config=config or WriterConfig())
    fields = {"tolerated_failure_count": 1, "result_writer": writer, **fields}
    definition = DistributedMap(item_processor=function, **fields)
    return run_map(definition, list(range(10)), (folder / "runs").as_uri())


def again(folder: Path, given: Any, function: Any = echo, **fields: Any) -> MapRunSummary:
    writer = ResultWriter(url=(folder / "again").as_uri(), writer_config=WriterConfig())
    definition = DistributedMap(item_processor=function, result_writer=writer, **fields)
    return run_map(definition, storage=(folder / "runs").as_uri(), partitions=2, from_results=given)


@pytest.mark.parametrize("kind", ["summary", "dict", "manifest"])
def test_what_failed_and_what_never_started(kind: str, tmp_path: Path) -> None:
    first = earlier(tmp_path)
    assert first.execution_counts.failed == 2
    given: Any = {"summary": first, "dict": first.to_dict(), "manifest": first.manifest}[kind]
    second = again(tmp_path, given)
    assert second.status == "SUCCEEDED"
    assert second.map_run_arn != first.map_run_arn
    assert (second.redrive_count, second.item_counts.total) == (0, 7)
    found = list(results(second).succeeded())
    assert [child.input for child in found] == [3, 4, 5, 6, 7, 8, 9]
    assert len({child.name for child in found}) == 7
    assert all(child.record is not None and child.record["RedriveCount"] == 0 for child in found)


def test_inputs_stay_as_they_were(tmp_path: Path) -> None:
    """Neither the selector nor the batcher is applied once more; items are counted in the batches."""
    batcher = ItemBatcher(max_items_per_batch=3, batch_input={"a": 1})
    first = earlier(tmp_path, item_batcher=batcher, tolerated_failure_count=2)
    other = ItemBatcher(max_items_per_batch=1)
    second = again(tmp_path, first, item_batcher=other, item_selector={"x.$": "$$.Map.Item.Value"})
    inputs = [child.input for child in results(second).succeeded()]
    assert inputs[0] == {"BatchInput": {"a": 1}, "Items": [3, 4, 5]}
    assert second.item_counts.succeeded == sum(len(one["Items"]) for one in inputs) == 7
    assert second.execution_counts.succeeded == 3


def test_records_of_any_transformation(tmp_path: Path) -> None:
    """Failed and pending children always have records."""
    first = earlier(tmp_path, WriterConfig(transformation=Transformation.FLATTEN))
    assert [child.input for child in results(again(tmp_path, first)).succeeded()] == [3, 4, 5, 6, 7, 8, 9]


def test_of_a_map_that_succeeded(tmp_path: Path) -> None:
    first = earlier(tmp_path, tolerated_failure_count=2)
    assert first.status == "SUCCEEDED"
    second = again(tmp_path, first)
    assert [child.input for child in results(second).succeeded()] == [3, 4]
    third = again(tmp_path, second)
    assert (third.status, third.item_counts.total) == ("SUCCEEDED", 0)


def test_it_can_be_redriven(tmp_path: Path) -> None:
    from airflow_provider_sfdm import redrive_map

    calls: list[int] = []

    def function(item: int) -> int:
        calls.append(item)
        if item == 4 and len(calls) < 4:
            raise ValueError
        return item

    second = again(tmp_path, earlier(tmp_path), function)
    assert second.status == "FAILED"
    done = len(list(results(second).succeeded()))
    calls.clear()
    calls.extend([0] * 9)
    third = redrive_map(DistributedMap(item_processor=function), second, (tmp_path / "runs").as_uri())
    assert (third.status, third.redrive_count, len(calls) - 9) == ("SUCCEEDED", 1, 7 - done)
    assert [child.input for child in results(third).succeeded()] == [3, 4, 5, 6, 7, 8, 9]


def test_results_of_aws(tmp_path: Path) -> None:
    """As recorded, with other spaces in its inputs than ours have."""
    folder, uuid = tmp_path / "bucket", "4a0e54b0-1c5b-4b0c-8f6c-6d5b6a3c0001"
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m/l"
    failed = {
        "Cause": "c",
        "Error": "E",
        "ExecutionArn": f"{machine.replace('stateMachine', 'execution')}:one",
        "Input": '{"id": 1, "name": "é"}',
        "InputDetails": {"Included": True},
        "Name": "one",
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "REDRIVABLE_BY_MAP_RUN",
        "StartDate": "2026-09-23T22:59:51.865Z",
        "StateMachineArn": machine,
        "Status": "FAILED",
        "StopDate": "2026-09-23T22:59:52.865Z",
    }
    pending = {"Input": '{"id":2}', "InputDetails": {"Included": True}, "Status": "PENDING"}
    files = {"FAILED": [failed], "PENDING": [pending], "SUCCEEDED": []}
    listed: dict[str, list[dict[str, Any]]] = {}
    for status, records in files.items():
        data = json.dumps(records)
        key = f"out/{uuid}/{status}_0.json"
        if records:
            put(folder / key, data)
        listed[status] = [{"Key": key, "Size": len(data)}] if records else []
    arn = f"arn:aws:states:us-east-1:123456789012:mapRun:m/l:{uuid}"
    manifest = {"DestinationBucket": folder.as_uri(), "MapRunArn": arn, "ResultFiles": listed}
    url = put(folder / f"out/{uuid}/manifest.json", json.dumps(manifest))
    summary = again(tmp_path, url)
    assert [child.input for child in results(summary).succeeded()] == [{"id": 1, "name": "é"}, {"id": 2}]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("some text", "no URL of a manifest"),
        (5, "must be the summary"),
        ({"a": 1}, "not the summary of a map run"),
        ("file:///nowhere/manifest.json", "file:///nowhere/manifest.json"),
    ],
)
def test_what_is_none(given: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ItemReaderFailed, match=told) as caught:
        again(tmp_path, given)
    assert caught.value.cause.startswith("from_results: ")


def test_a_record_without_its_input(tmp_path: Path) -> None:
    first = earlier(tmp_path)
    file = path_of(first.manifest or "").with_name("FAILED_0.json")
    records = json.loads(file.read_bytes())
    del records[1]["Input"]
    file.write_text(json.dumps(records))
    with pytest.raises(ItemReaderFailed, match="record 1 of the FAILED files has no Input"):
        again(tmp_path, first)
