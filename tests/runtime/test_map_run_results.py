"""Results read back: this package's and AWS's, from a summary or a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_sfdm import (
    MapRunResults,
    ResultWriter,
    StatesRuntime,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.core.writer import OutputType
from airflow_provider_sfdm.runtime.results import ChildResult
from airflow_provider_sfdm.storage import Connections, StorageError
from tests.runtime.helpers import on_s3, put, run, s3_client
from tools.servers import S3Endpoint

ARN = "arn:aws:states:us-west-2:123456789012"
UUID = "4a0e1f5c-1111-4000-8000-000000000001"


def _odd_fails(item: int) -> dict[str, int]:
    if item % 2:
        raise ValueError(item)
    return {"n": item}


@pytest.mark.parametrize("output_type", list(OutputType))
def test_our_records(output_type: OutputType, tmp_path: Path) -> None:
    writer = ResultWriter(url=tmp_path.as_uri(), writer_config=WriterConfig(output_type=output_type))
    summary = run(tmp_path, _odd_fails, given=[0, 1, 2, 3, 4], tolerated_failure_count=1, result_writer=writer)
    for found in (
        MapRunResults.from_summary(summary),
        MapRunResults.from_summary(summary.to_dict()),
        MapRunResults.from_manifest(str(summary.manifest)),
    ):
        assert [(child.input, child.output) for child in found.succeeded()] == [(0, {"n": 0}), (2, {"n": 2})]
        assert [(child.input, child.error) for child in found.failed()] == [(1, "ValueError"), (3, "ValueError")]
        assert [(child.input, child.status, child.name) for child in found.pending()] == [(4, "PENDING", None)]
        assert all(child.record is not None and child.name == child.record["Name"] for child in found.succeeded())
        assert len(found.files("SUCCEEDED")) == 1


@pytest.mark.parametrize("transformation", [Transformation.COMPACT, Transformation.FLATTEN])
def test_our_outputs(transformation: Transformation, tmp_path: Path) -> None:
    writer = ResultWriter(url=tmp_path.as_uri(), writer_config=WriterConfig(transformation=transformation))
    summary = run(tmp_path, lambda item: [item, item], given=[0, 1], result_writer=writer)
    outputs = [[0, 0], [1, 1]] if transformation is Transformation.COMPACT else [0, 0, 1, 1]
    assert list(MapRunResults.from_summary(summary).succeeded()) == [
        ChildResult("SUCCEEDED", output=output) for output in outputs
    ]


def _aws_record(number: int, status: str, kind: str, **more: Any) -> dict[str, Any]:
    express = kind == "EXPRESS"
    name = f"0000000{number}-9a0e-3259-a825-55a4e8e3e9b1"
    prefix = f"{ARN}:{'express' if express else 'execution'}:NAME/LABEL:{name}"
    record = {
        "ExecutionArn": f"{prefix}:5f0c1111-2222-4333-8444-555566667777" if express else prefix,
        "Input": json.dumps({"Items": [number]}),
        "InputDetails": {"Included": True},
        "Name": name,
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "StartDate": "2026-09-23T22:59:51.865Z",
        "StateMachineArn": f"{ARN}:stateMachine:NAME/LABEL",
        "Status": status,
        "StopDate": "2026-09-23T22:59:52.001Z",
        **more,
    }
    if not express:
        record["RedriveStatus"] = "NOT_REDRIVABLE" if status == "SUCCEEDED" else "REDRIVABLE_BY_MAP_RUN"
    return dict(sorted(record.items()))


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_what_aws_exported(kind: str, s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket, client = s3_bucket(), s3_client(s3_server)
    contents: dict[str, list[list[dict[str, Any]]]] = {
        "SUCCEEDED": [
            [_aws_record(0, "SUCCEEDED", kind, Output='{"x":[1,"é"]}')],
            [_aws_record(4, "SUCCEEDED", kind, Output='"later"', RedriveCount=1)],
        ],
        "FAILED": [
            [
                _aws_record(1, "FAILED", kind, Error="KeyError", Cause="why"),
                _aws_record(2, "TIMED_OUT", kind, Error="States.Timeout"),
                _aws_record(3, "ABORTED", kind, Cause="The map run execution was aborted"),
            ]
        ],
        "PENDING": [[{"Input": '{"Items":[9]}', "InputDetails": {"Included": True}, "Status": "PENDING"}]],
    }
    manifest: dict[str, Any] = {"DestinationBucket": bucket, "MapRunArn": f"{ARN}:mapRun:NAME/LABEL:{UUID}"}
    manifest["ResultFiles"] = {}
    for status, files in contents.items():
        listed = []
        for number, file in enumerate(files):
            folder = f"results/{UUID}" + (f"/Redrive-{number}" if number else "")
            body = json.dumps(file, separators=(",", ":"), ensure_ascii=False).encode()
            client.put_object(Bucket=bucket, Key=f"{folder}/{status}_0.json", Body=body)
            listed.append({"Key": f"{folder}/{status}_0.json", "Size": len(body)})
        manifest["ResultFiles"][status] = listed
    key = f"results/{UUID}/manifest.json"
    client.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())

    found = MapRunResults.from_manifest(f"s3://{bucket}/{key}", on_s3(s3_server))
    assert [(child.input, child.output) for child in found.succeeded()] == [
        ({"Items": [0]}, {"x": [1, "é"]}),
        ({"Items": [4]}, "later"),
    ]
    assert [(child.status, child.error, child.cause) for child in found.failed()] == [
        ("FAILED", "KeyError", "why"),
        ("TIMED_OUT", "States.Timeout", None),
        ("ABORTED", None, "The map run execution was aborted"),
    ]
    assert [(child.status, child.input) for child in found.pending()] == [("PENDING", {"Items": [9]})]
    assert found.files("PENDING") == (f"s3://{bucket}/results/{UUID}/PENDING_0.json",)
    assert found.manifest.map_run_arn == f"{ARN}:mapRun:NAME/LABEL:{UUID}"


def test_results_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    summary = run(tmp_path, given=list(range(10)), partitions=5)
    found = MapRunResults.from_summary(summary)
    succeeded = found.succeeded()
    assert next(succeeded).output == 0
    (tmp_path / "results" / found.manifest.files["SUCCEEDED"][4].key).unlink()
    assert [next(succeeded).output for _ in range(7)] == list(range(1, 8))
    with pytest.raises(StorageError, match=r"SUCCEEDED_4\.json"):
        next(succeeded)


def test_what_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(StatesRuntime, match=r"m\.json is not the manifest"):
        MapRunResults.from_manifest(put(tmp_path / "m.json", "[]"))
    with pytest.raises(StorageError, match=r"none\.json"):
        MapRunResults.from_manifest((tmp_path / "none.json").as_uri())
    summary = run(tmp_path, given=[1])
    found = MapRunResults.from_summary(summary)
    put(tmp_path / "results" / found.manifest.files["SUCCEEDED"][0].key, b"[oops")
    with pytest.raises(StatesRuntime, match=r"SUCCEEDED_0\.json"):
        list(found.succeeded())
    broken = json.dumps([_aws_record(0, "SUCCEEDED", "STANDARD", Input="{oops")])
    put(tmp_path / "results" / found.manifest.files["SUCCEEDED"][0].key, broken)
    with pytest.raises(StatesRuntime, match=r"SUCCEEDED_0\.json: record 0 holds an Input"):
        list(found.succeeded())


@pytest.mark.parametrize(
    "output",
    [
        {"Input": "x", "Status": "fine"},
        {"Input": "{oops", "InputDetails": {"Included": True}, "Status": "PENDING"},
        {"ExecutionArn": "a", "InputDetails": 1, "Name": "n", "StartDate": "d", "Status": "fine", "StopDate": "d"},
    ],
)
def test_an_output_that_only_looks_like_a_record(output: dict[str, Any], tmp_path: Path) -> None:
    writer = ResultWriter(url=tmp_path.as_uri(), writer_config=WriterConfig(transformation=Transformation.COMPACT))
    summary = run(tmp_path, given=[output], result_writer=writer)
    (child,) = MapRunResults.from_summary(summary).succeeded()
    assert (child.status, child.output, child.record) == ("SUCCEEDED", output, None)


def _manifest(bucket: str, *keys: str) -> bytes:
    files = {"SUCCEEDED": [{"Key": key, "Size": 3} for key in keys]}
    return json.dumps({"DestinationBucket": bucket, "MapRunArn": "x", "ResultFiles": files}).encode()


@pytest.mark.parametrize(
    "key",
    [
        "../secret.json",
        "results/other/SUCCEEDED_0.json",
        "results/run2/SUCCEEDED_0.json",
        "results/run/../../secret.json",
        "results/run/./SUCCEEDED_0.json",
        "results/run",
        "results/run/",
        "/results/run/SUCCEEDED_0.json",
        "",
    ],
)
def test_a_key_that_leads_elsewhere_is_refused(key: str, tmp_path: Path) -> None:
    url = put(tmp_path / "results/run/manifest.json", _manifest(tmp_path.as_uri(), "results/run/S.json", key))
    with pytest.raises(StatesRuntime, match=re.escape(f"lists {key!r}, which is outside of its folder")):
        MapRunResults.from_manifest(url)


def test_a_redrive_lists_the_files_of_its_map_run(tmp_path: Path) -> None:
    keys = ("p/run/SUCCEEDED_0.json", "p/run/Redrive-1/SUCCEEDED_0.json", "p/run/Redrive-2/SUCCEEDED_0.json")
    for number, key in enumerate(keys):
        put(tmp_path / key, f"[{number}]")
    found = MapRunResults.from_manifest(
        put(tmp_path / "p/run/Redrive-2/manifest.json", _manifest(tmp_path.as_uri(), *keys))
    )
    assert [child.output for child in found.succeeded()] == [0, 1, 2]
    for folder, key in (("p/run/Redrive-2", "p/other/S.json"), ("p/run/Redrive-x", "p/run/S.json")):
        url = put(tmp_path / folder / "manifest.json", _manifest(tmp_path.as_uri(), key))
        with pytest.raises(StatesRuntime, match=re.escape(repr(key))):
            MapRunResults.from_manifest(url)


@pytest.mark.parametrize(
    ("bucket", "place"),
    [
        ("b", "s3://b/p/run"),
        ("b", "s3://reader@b/p/run"),
        ("writer@b", "s3://reader@b/p/run"),
        ("s3a://b", "s3://b/p/run"),
        ("b/p", "s3://b/p/run"),
        ("memory://b/", "memory://b/p/run"),
        ("memory://writer@b", "memory://reader@b/p/run"),
    ],
)
def test_where_results_are(bucket: str, place: str) -> None:
    key = "run/S.json" if bucket == "b/p" else "p/run/S.json"
    found = MapRunResults.from_manifest(f"{place}/manifest.json", _holding(_manifest(bucket, key)))
    # Read with the connection that the manifest was read with.
    assert found.files("SUCCEEDED") == (f"{place}/S.json",)


@pytest.mark.parametrize(
    ("bucket", "place"),
    [
        ("other", "s3://b/p/run"),
        ("", "s3://b/p/run"),
        ("b2", "s3://b/p/run"),
        ("file:///etc", "s3://b/p/run"),
        ("https://h", "s3://b/p/run"),
        ("s3://conn:hunter2@b", "memory://b/p/run"),
        ("memory://b/p/ru", "memory://b/p/run"),
        ("memory://other", "memory://b/p/run"),
        ("b", "memory://b/p/run"),
        ("https://h/?sig=hunter2", "memory://b/p/run"),
    ],
)
def test_a_manifest_that_names_another_place_is_refused(bucket: str, place: str) -> None:
    with pytest.raises(StatesRuntime, match="is not where this manifest is") as caught:
        MapRunResults.from_manifest(f"{place}/manifest.json", _holding(_manifest(bucket)))
    assert f"{place}/manifest.json" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_local_manifest_that_names_another_place_is_refused(tmp_path: Path) -> None:
    for bucket in (f"{tmp_path.as_uri()}/other", "file://host/x", "b", "/"):
        url = put(tmp_path / "run/manifest.json", _manifest(bucket))
        with pytest.raises(StatesRuntime, match="DestinationBucket"):
            MapRunResults.from_manifest(url)
    for bucket in ("file:///", f"{tmp_path.as_uri()}/", f"FILE://localhost{tmp_path}/run"):
        assert MapRunResults.from_manifest(put(tmp_path / "run/manifest.json", _manifest(bucket))).manifest.files


def _holding(manifest: bytes) -> Connections:
    """Services that hold nothing but one manifest, whatever they are asked for."""

    def s3_client(connection: str | None) -> Any:
        client = Mock()
        client.get_object.return_value = {"Body": BytesIO(manifest), "ContentLength": len(manifest), "ETag": '"x"'}
        return client

    def filesystem(url: str) -> Any:
        return Mock(protocol="memory", cat_file=lambda path: manifest), ""

    return Connections(s3_client=s3_client, filesystem=filesystem)
