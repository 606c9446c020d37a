"""manifest.json, in AWS's layout, written and read."""

from __future__ import annotations

import json

import pytest

from airflow_provider_sfdm.core.errors import StatesRuntime
from airflow_provider_sfdm.core.manifest import Manifest, ResultFile, result_key

ARN = "arn:aws:states:us-west-2:123456789012:mapRun:NAME/LABEL:4a0e1f5c-0000-4000-8000-000000000001"


def test_the_bytes_are_compact_json_in_the_order_of_aws() -> None:
    manifest = Manifest("B", ARN, {"SUCCEEDED": (ResultFile("p/u/SUCCEEDED_0.json", 1857),)})
    assert manifest.to_json() == (
        b'{"DestinationBucket":"B","MapRunArn":"' + ARN.encode() + b'","ResultFiles":{"FAILED":[],"PENDING":[],'
        b'"SUCCEEDED":[{"Key":"p/u/SUCCEEDED_0.json","Size":1857}]}}'
    )


def test_it_is_read_back() -> None:
    files = {"FAILED": (), "PENDING": (ResultFile("a", 1), ResultFile("b", 2)), "SUCCEEDED": ()}
    manifest = Manifest("B", ARN, files)
    assert Manifest.from_json(manifest.to_json(), "m") == manifest


def test_statuses_that_a_manifest_leaves_out_have_no_files() -> None:
    content = {"DestinationBucket": "B", "MapRunArn": ARN, "ResultFiles": {"FAILED": [{"Key": "k", "Size": 3}]}}
    manifest = Manifest.from_json(json.dumps(content).encode(), "m")
    assert manifest.files == {"FAILED": (ResultFile("k", 3),), "PENDING": (), "SUCCEEDED": ()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"{}",
        b'{"DestinationBucket":"B","MapRunArn":"A"}',
        b'{"DestinationBucket":"B","MapRunArn":"A","ResultFiles":[]}',
        b'{"DestinationBucket":"B","MapRunArn":"A","ResultFiles":{"FAILED":[{"Key":"k"}]}}',
        b'{"DestinationBucket":"B","MapRunArn":"A","ResultFiles":{"FAILED":[7]}}',
    ],
)
def test_what_is_no_manifest_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(StatesRuntime, match=r"^States.Runtime: s3://b/m.json is not the manifest of a map run"):
        Manifest.from_json(data, "s3://b/m.json")


def test_the_names_of_result_files() -> None:
    assert result_key("SUCCEEDED", 0, jsonl=False) == "SUCCEEDED_0.json"
    assert result_key("FAILED", 3, jsonl=True) == "FAILED_3.jsonl"
