"""ExpectedBucketOwner goes along with every request that a reader makes, whatever it reads and wherever that leads."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_sfdm import (
    InputType,
    ItemReaderFailed,
    ReaderTransformation,
    ResultWriter,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from airflow_provider_sfdm.core.readers import ManifestType
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import run, s3_client
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWNER = "123456789012"
STRANGER = "999999999999"


def _parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(10))}), written)
    return written.getvalue()


@pytest.fixture(scope="module")
def client(moto_server: S3Endpoint) -> S3Client:
    return s3_client(moto_server)


@pytest.fixture(scope="module")
def buckets(client: S3Client) -> tuple[str, str]:
    """One with the files, and one that manifests of the first lead to."""
    names = (f"owned-{uuid4().hex}", f"other-{uuid4().hex}")
    for name in names:
        client.create_bucket(Bucket=name)
    bucket, other = names
    inventory = {
        "fileFormat": "CSV",
        "fileSchema": "a",
        "destinationBucket": f"arn:aws:s3:::{other}",
        "files": [{"key": "rows.csv.gz"}],
    }
    for place, key, data in (
        (bucket, "rows.csv", b"a\n1\n2\n"),
        (bucket, "rows.csv.gz", gzip.compress(b"a\n1\n")),
        (bucket, "rows.jsonl", b"1\n2\n"),
        (bucket, "rows.json", b"[1,2]"),
        (bucket, "rows.parquet", _parquet()),
        (bucket, "lines/a.jsonl", b"1\n"),
        (bucket, "inventory.json", json.dumps(inventory).encode()),
        (bucket, "athena.csv", f"s3://{other}/rows.jsonl\n".encode()),
        (other, "rows.csv.gz", gzip.compress(b"1\n2\n")),
        (other, "rows.jsonl", b"1\n"),
    ):
        client.put_object(Bucket=place, Key=key, Body=data)
    return bucket, other


@pytest.fixture
def asked(client: S3Client) -> Iterator[list[tuple[str, str, str | None]]]:
    """Operation, bucket and expected owner of every request."""
    seen: list[tuple[str, str, str | None]] = []

    def look(params: dict[str, Any], model: Any, **_: Any) -> None:
        seen.append((model.name, params["Bucket"], params.get("ExpectedBucketOwner")))

    client.meta.events.register("provide-client-params.s3", look)
    yield seen
    client.meta.events.unregister("provide-client-params.s3", look)


READERS: dict[str, Any] = {
    "CSV in place": lambda **where: S3CsvItemReader(key="rows.csv", **where),
    "compressed CSV": lambda **where: S3CsvItemReader(key="rows.csv.gz", **where),
    "JSONL in place": lambda **where: S3JsonLItemReader(key="rows.jsonl", **where),
    "JSON": lambda **where: S3JsonItemReader(key="rows.json", **where),
    "Parquet": lambda **where: S3ParquetItemReader(key="rows.parquet", **where),
    "listing": lambda **where: S3ObjectsItemReader(prefix="lines/", **where),
    "LOAD_AND_FLATTEN": lambda **where: S3ObjectsItemReader(
        prefix="lines/", transformation=ReaderTransformation.LOAD_AND_FLATTEN, input_type=InputType.JSONL, **where
    ),
    "inventory": lambda **where: S3ManifestItemReader(key="inventory.json", **where),
    "Athena": lambda **where: S3ManifestItemReader(
        key="athena.csv", manifest_type=ManifestType.ATHENA_DATA, input_type=InputType.JSONL, **where
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_the_owner_goes_along(
    name: str,
    client: S3Client,
    buckets: tuple[str, str],
    asked: list[tuple[str, str, str | None]],
    tmp_path: Path,
) -> None:
    connections = Connections(s3_client=lambda _: client)
    reader = READERS[name](bucket=buckets[0], expected_bucket_owner=OWNER)
    summary = run(tmp_path, item_reader=reader, connections=connections, partitions=2)
    assert summary.item_counts.succeeded > 0
    assert asked
    assert {owner for _, _, owner in asked} == {OWNER}
    assert (buckets[1] in {bucket for _, bucket, _ in asked}) == (name in ("inventory", "Athena"))


def test_a_bucket_of_somebody_else_is_a_failure(client: S3Client, buckets: tuple[str, str], tmp_path: Path) -> None:
    """As S3 answers it; this server does not look at the owner."""

    def refuse(params: dict[str, Any], **_: Any) -> Any:
        if params["headers"].get("x-amz-expected-bucket-owner") != STRANGER:
            return None
        error = {"Code": "AccessDenied", "Message": "Access Denied"}
        return SimpleNamespace(status_code=403), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}

    client.meta.events.register("before-call.s3", refuse)
    connections = Connections(s3_client=lambda _: client)
    try:
        for make in READERS.values():
            with pytest.raises(ItemReaderFailed, match="AccessDenied: Access Denied"):
                run(
                    tmp_path,
                    item_reader=make(bucket=buckets[0], expected_bucket_owner=STRANGER),
                    connections=connections,
                )
    finally:
        client.meta.events.unregister("before-call.s3", refuse)
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]


def test_a_result_writer_has_no_such_field(
    client: S3Client, buckets: tuple[str, str], asked: list[tuple[str, str, str | None]], tmp_path: Path
) -> None:
    """AWS's ResultWriter has Bucket and Prefix alone; docs/security.md says what to do instead."""
    writer = ResultWriter(bucket=buckets[0], prefix="out")
    connections = Connections(s3_client=lambda _: client)
    run(tmp_path, given=[1], connections=connections, result_writer=writer)
    assert {owner for operation, _, owner in asked if operation == "PutObject"} == {None}
