"""``sfdm run --bucket``: Distributed Maps as they were pasted, over folders instead of buckets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from .running import one, run, sfdm

ROWS = "id,amount\n1,3\n2,30\n"


def _map(reader: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Type": "Map",
        "ItemReader": reader,
        "ItemSelector": {"is.$": "$$.Map.Item.Value", "from.$": "$$.Map.Item.Source"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **one({"Type": "Pass"}),
        },
        "End": True,
        **more,
    }


def _file(key: str, **config: str) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": config,
        "Parameters": {"Bucket": "sales", "Key": key},
    }


CSV = _file("2026/may.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW")
LISTING = {
    "Resource": "arn:aws:states:::s3:listObjectsV2",
    "Parameters": {"Bucket.$": "$.bucket", "Prefix": "2026/", "ExpectedBucketOwner": "123456789012"},
}
FLATTENED = {**LISTING, "ReaderConfig": {"Transformation": "LOAD_AND_FLATTEN", "InputType": "CSV"}}
READ = [{"id": "1", "amount": "3"}, {"id": "2", "amount": "30"}]


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    folder = tmp_path / "sales"
    (folder / "2026").mkdir(parents=True)
    (folder / "2026/may.csv").write_text(ROWS)
    return folder


def _output(definition: dict[str, Any], folder: Path, *more: str) -> Any:
    code, told = run(definition, {"bucket": "sales"}, "--bucket", f"sales={folder}", *more)
    assert code == 0, told
    return told["output"]


@pytest.mark.parametrize("reader", [CSV, FLATTENED], ids=["file", "flattened"])
def test_rows_of_files(reader: dict[str, Any], sales: Path) -> None:
    assert _output(_map(reader), sales) == [{"is": row, "from": "s3://sales/2026/may.csv"} for row in READ]


def test_a_listing(sales: Path) -> None:
    (found,) = _output(_map(LISTING), sales)
    assert (found["from"], found["is"]["Key"], found["is"]["Size"]) == ("s3://sales", "2026/may.csv", len(ROWS))


def test_an_inventory(sales: Path, tmp_path: Path) -> None:
    """Its files are in the bucket that it names, another one than its own."""
    lists = tmp_path / "lists"
    (lists / "data").mkdir(parents=True)
    (lists / "data/1.csv.gz").write_bytes(gzip.compress(b'"sales","2026/may.csv"\n'))
    manifest = {
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "destinationBucket": "arn:aws:s3:::lists",
        "files": [{"key": "data/1.csv.gz"}],
    }
    (sales / "manifest.json").write_text(json.dumps(manifest))
    reader = _file("manifest.json", InputType="MANIFEST")
    item = {"is": {"Bucket": "sales", "Key": "2026/may.csv"}, "from": "s3://lists/data/1.csv.gz"}
    assert _output(_map(reader), sales, "--bucket", f"lists={lists.as_uri()}") == [item]


def test_results(sales: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "results", "Prefix": "sales/daily"},
    }
    details = _output(_map(CSV, ResultWriter=writer), sales, "--bucket", f"results={tmp_path / 'out'}")[
        "ResultWriterDetails"
    ]
    manifest = json.loads((tmp_path / "out" / details["Key"]).read_bytes())
    assert (details["Bucket"], manifest["DestinationBucket"]) == ("results", "results")
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    records = json.loads((tmp_path / "out" / file["Key"]).read_bytes())
    assert [json.loads(record["Output"])["is"] for record in records] == READ


def test_map_runs_in_a_bucket_that_is_a_folder(sales: Path) -> None:
    _output(_map(CSV), sales, "--storage", "s3://sales/runs")
    assert list((sales / "runs").rglob("plan.json"))


@pytest.mark.parametrize("key", ["../secret.csv", "/secret.csv", "link.csv", "none.csv"])
def test_what_is_not_in_the_folder_fails_the_map(key: str, sales: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(ROWS)
    (sales / "link.csv").symlink_to(tmp_path / "secret.csv")
    state = _map(_file(key, InputType="CSV", CSVHeaderLocation="FIRST_ROW"))
    code, told = run(state, {}, "--bucket", f"sales={sales}")
    assert (code, told["error"]) == (1, "States.ItemReaderFailed")
    assert told["cause"].startswith(f"s3://sales/{key}: ")
    assert str(sales) not in told["cause"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("sales",), "write NAME=FOLDER or NAME=URL"),
        (("=.",), "write NAME=FOLDER or NAME=URL"),
        (("sales=",), "write NAME=FOLDER or NAME=URL"),
        (("s3://sales=.",), "write NAME=FOLDER or NAME=URL"),
        (("sales=none",), "none is no folder"),
        (("sales=.", "sales=/"), "sales is given twice"),
        (("sales=nothing://x",), "it cannot be opened"),
        (("sales=s3://user:word@x",), "credentials do not belong in a URL"),
    ],
    ids=str,
)
def test_what_cannot_stand_for_a_bucket(given: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    options = [word for one in given for word in ("--bucket", one)]
    done = sfdm("run", "-", *options, stdin=json.dumps(_map(CSV)).encode(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"sfdm: --bucket {given[-1]}: ".encode())
    assert problem.encode() in done.stderr
