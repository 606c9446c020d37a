"""Names from outside (keys of listings and manifests, run ids, prefixes) never lead out of where they belong."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from airflow_provider_sfdm import (
    InputType,
    InvalidDefinition,
    ItemReaderFailed,
    MapRunResults,
    ResultWriter,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    StatesRuntime,
)
from airflow_provider_sfdm.core.names import MapRunName
from airflow_provider_sfdm.core.readers import ManifestType
from airflow_provider_sfdm.operators.places import map_runs_url
from airflow_provider_sfdm.storage import Connections, StorageError, open_folder
from tests.runtime.helpers import inputs, put, run

HOSTILE = [
    "../../secret",
    "..",
    ".",
    "/etc/passwd",
    "a/../../secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "a\0b",
    "a\\..\\secret",
    "line\nfeed",
    "\u202etxt.exe",
    "é" * 200,
    "x" * 250,
    "x" * 400,
    "{{ conn.aws_default.password }}",
    "~/secret",
    "$HOME",
    "-rf",
    "",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the folders that the tests use."""
    file = tmp_path / "secret"
    file.write_text('{"secret":1}\n')
    return file


@pytest.mark.parametrize("name", HOSTILE)
def test_run_ids_and_names_are_plain_names(name: str, tmp_path: Path) -> None:
    """Any user who may trigger a DAG names its run."""
    base = tmp_path / "map-runs"
    context = cast(Any, {"dag_run": SimpleNamespace(dag_id=name, run_id=name)})
    url = map_runs_url(base.as_uri(), context, name)
    parts = url.removeprefix(f"{base.as_uri()}/").split("/")
    assert len(parts) == 3
    store = open_folder(f"{url}/{uuid4()}")
    store.put("plan.json", b"{}")
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert len(written.relative_to(base).parts) == 5
    assert all(part.isascii() and 0 < len(part) <= 255 for part in parts)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_map_run_is_named_by_a_uuid(name: str) -> None:
    """It is a folder's name; whoever writes plan.json or the summary chooses it."""
    with pytest.raises(InvalidDefinition, match="is not a UUID"):
        MapRunName("map", "label", name)


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if name not in ("x" * 250, "x" * 400, "é" * 200, "~/secret", "$HOME", "-rf")]
)
def test_prefixes_stay_in_the_folder_that_stands_for_a_bucket(name: str, tmp_path: Path, secret: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "bucket").mkdir()
    connections = Connections(buckets={"b": (tmp_path / "bucket").as_uri()})
    outcome: Any = None
    try:
        writer = ResultWriter(bucket="b", prefix=name) if name else ResultWriter(bucket="b")
        outcome = run(tmp_path / "x", given=[1], connections=connections, result_writer=writer)
    except Exception as error:
        assert "ResultWriterFailed" in type(error).__name__ or isinstance(error, StorageError), repr(error)
    assert outcome is None or outcome.status == "SUCCEEDED"
    after = sorted(path.name for path in tmp_path.iterdir())
    assert set(after) - set(before) <= {"bucket", "x"}
    assert secret.read_text() == '{"secret":1}\n'


@pytest.mark.parametrize("key", ["../secret", "/secret", "data/../../secret", "data//x", "link", "folder/secret", "."])
@pytest.mark.parametrize("kind", list(ManifestType))
def test_keys_of_a_manifest_stay_in_their_folder(kind: ManifestType, key: str, tmp_path: Path, secret: Path) -> None:
    """A manifest lists what is read; whoever writes it chooses the keys."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "link").symlink_to(secret)
    (data / "folder").symlink_to(tmp_path)
    if kind is ManifestType.S3_INVENTORY:
        content = {
            "fileFormat": "CSV",
            "fileSchema": "a",
            "destinationBucket": "arn:aws:s3:::b",
            "files": [{"key": key}],
        }
        url = put(data / "manifest.json", json.dumps(content))
        reader = S3ManifestItemReader(url=url)
        expected = "a key must be|a symbolic link leads out"
    else:
        url = put(data / "m.csv", f"file://{data}/{key}\n")
        reader = S3ManifestItemReader(url=url, manifest_type=kind, input_type=InputType.JSONL)
        expected = "is not an s3://bucket/key URL"
    with pytest.raises(ItemReaderFailed, match=expected):
        run(tmp_path / "x", item_reader=reader)


def test_links_in_a_listed_folder_lead_nowhere_else(tmp_path: Path, secret: Path) -> None:
    put(tmp_path / "data/a.jsonl", "1\n")
    (tmp_path / "data/b.jsonl").symlink_to(secret)
    reader = S3ObjectsItemReader(url=(tmp_path / "data").as_uri())
    with pytest.raises(ItemReaderFailed, match=r"b\.jsonl: a symbolic link leads out of "):
        run(tmp_path / "x", item_reader=reader)


def test_hostile_names_of_listed_files_are_data(tmp_path: Path) -> None:
    names = ["%2e%2e", "a\\..\\b", "line\nfeed", "\u202etxt.exe", "{{ 1 + 1 }}", "-rf", "$HOME", "..."]
    for name in names:
        put(tmp_path / "data" / name, "x")
    summary = run(tmp_path, item_reader=S3ObjectsItemReader(url=(tmp_path / "data").as_uri()))
    assert sorted(item["Key"] for item in inputs(summary)) == sorted(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "results", "runs"]


@pytest.mark.parametrize("key", ["../../secret", "/etc/passwd", "results/other/x.json"])
def test_a_manifest_of_results_names_only_what_is_beside_it(key: str, tmp_path: Path, secret: Path) -> None:
    summary = run(tmp_path, given=[1])
    path = Path(str(summary.manifest).removeprefix("file://"))
    manifest = json.loads(path.read_text())
    manifest["ResultFiles"]["SUCCEEDED"] = [{"Key": key, "Size": 10**30}]
    path.write_text(json.dumps(manifest))
    with pytest.raises(StatesRuntime, match="outside of its folder"):
        MapRunResults.from_summary(summary)
