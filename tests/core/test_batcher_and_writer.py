from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.writer import OutputType, ResultWriter, Transformation, WriterConfig

COUNT, SIZE = "ItemBatcher.MaxItemsPerBatch", "ItemBatcher.MaxInputBytesPerBatch"


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_items_per_batch": 1},
        {"max_items_per_batch": 10**9},
        {"max_input_bytes_per_batch": 262_144},
        {"max_items_per_batch_path": "$.n", "max_input_bytes_per_batch": 1},
        {"max_items_per_batch": "{{ params.n }}"},
        {"max_items_per_batch": "{% $n %}", "batch_input": "{% $states.input %}"},
    ],
)
def test_batcher_allowed(arguments: dict[str, Any]) -> None:
    batcher = ItemBatcher(**arguments)
    assert {name: getattr(batcher, name) for name in arguments} == arguments


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "ItemBatcher"),
        ({"batch_input": {}}, "ItemBatcher"),
        ({"max_items_per_batch": 0}, COUNT),
        ({"max_items_per_batch": True}, COUNT),
        ({"max_items_per_batch": "5"}, COUNT),
        ({"max_items_per_batch": 1, "max_items_per_batch_path": "$.n"}, COUNT),
        ({"max_items_per_batch_path": "$..n"}, f"{COUNT}Path"),
        ({"max_input_bytes_per_batch": 0}, SIZE),
        ({"max_input_bytes_per_batch": 262_145}, SIZE),
        ({"max_input_bytes_per_batch": 1, "max_input_bytes_per_batch_path": "$.n"}, SIZE),
        ({"max_items_per_batch": 1, "batch_input": [1]}, "ItemBatcher.BatchInput"),
        ({"max_items_per_batch": 1, "batch_input": {"a": [float("nan")]}}, "ItemBatcher.BatchInput.a[0]"),
        ({"max_items_per_batch": 1, "batch_input": {"a": {1}}}, "ItemBatcher.BatchInput.a"),
    ],
)
def test_batcher_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        ItemBatcher(**arguments)
    assert caught.value.field == field


def test_batch_input_is_a_copy() -> None:
    given = {"a": [1]}
    batcher = ItemBatcher(max_items_per_batch=1, batch_input=given)
    given["a"].append(2)
    assert batcher.batch_input == {"a": [1]}


@pytest.mark.parametrize(
    ("arguments", "location"),
    [
        ({"bucket": "b"}, "s3://b"),
        ({"bucket": "b", "prefix": "p"}, "s3://b/p"),
        ({"url": "s3://b/p/"}, "s3://b/p"),
        ({"url": "file:///out"}, "file:///out"),
        ({"writer_config": WriterConfig()}, None),
    ],
)
def test_writer_location(arguments: dict[str, Any], location: str | None) -> None:
    assert ResultWriter(**arguments).location == location


def test_writer_by_url_equals_writer_by_bucket() -> None:
    assert ResultWriter(url="s3://b/p") == ResultWriter(bucket="b", prefix="p")
    with pytest.raises(InvalidDefinition, match=r"ResultWriter\.Parameters\.Prefix"):
        _ = ResultWriter(bucket="b", prefix=JsonPath("$.p")).location


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "ResultWriter"),
        ({"prefix": "p"}, "ResultWriter.Parameters.Bucket"),
        ({"bucket": "b", "url": "s3://b/p"}, "ResultWriter"),
        ({"url": "/out"}, "ResultWriter"),
        ({"url": "s3:///p"}, "ResultWriter.Parameters.Bucket"),
        ({"bucket": 1}, "ResultWriter.Parameters.Bucket"),
        ({"writer_config": {"OutputType": "JSON"}}, "ResultWriter.WriterConfig"),
    ],
)
def test_writer_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        ResultWriter(**arguments)
    assert caught.value.field == field


def test_writer_config() -> None:
    kind: Any = WriterConfig
    assert kind(transformation="FLATTEN", output_type="JSONL") == WriterConfig(
        transformation=Transformation.FLATTEN, output_type=OutputType.JSONL
    )
    with pytest.raises(InvalidDefinition, match=r"ResultWriter\.WriterConfig\.OutputType: must be one of JSON"):
        kind(output_type="CSV")
    with pytest.raises(InvalidDefinition, match=r"ResultWriter\.WriterConfig\.Transformation"):
        kind(transformation="flatten")
