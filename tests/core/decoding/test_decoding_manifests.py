"""Manifests of S3 Inventory and of Athena."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.decoding.manifests import InventoryManifest, athena, inventory
from airflow_provider_sfdm.core.errors import ItemReaderFailed
from airflow_provider_sfdm.core.json import dumps

SOURCE = "s3://bucket/manifest"
# The example of the Amazon S3 guide.
MANIFEST: dict[str, Any] = {
    "sourceBucket": "amzn-s3-demo-source-bucket",
    "destinationBucket": "arn:aws:s3:::example-inventory-destination-bucket",
    "version": "2016-11-30",
    "creationTimestamp": "1514944800000",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate",
    "files": [
        {"key": "inventory/data/939c.csv.gz", "size": 2147483647, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}
    ],
}


def test_inventory() -> None:
    assert inventory(dumps(MANIFEST), SOURCE) == InventoryManifest(
        ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate"),
        (("example-inventory-destination-bucket", "inventory/data/939c.csv.gz"),),
    )


@pytest.mark.parametrize("bucket", ["arn:aws-cn:s3:::b", "b"])
def test_inventory_of_another_partition_and_of_nothing(bucket: str) -> None:
    manifest = {**MANIFEST, "destinationBucket": bucket}
    assert inventory(dumps(manifest), SOURCE).files == (("b", "inventory/data/939c.csv.gz"),)
    assert inventory(dumps({**manifest, "files": []}), SOURCE).files == ()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (
            b"x",
            f"{SOURCE}: the inventory manifest is not valid JSON: unexpected character, expected a JSON value: "
            "line 1 column 1 (char 0)",
        ),
        (b"[]", f"{SOURCE}: the inventory manifest is not a JSON object"),
        (b"{}", f"{SOURCE}: the inventory manifest has no fileFormat, or it is not text"),
        (
            dumps({**MANIFEST, "fileFormat": "ORC"}),
            f"{SOURCE}: the inventory's fileFormat is ORC; only CSV can be read",
        ),
        (
            dumps({**MANIFEST, "fileSchema": 1}),
            f"{SOURCE}: the inventory manifest has no fileSchema, or it is not text",
        ),
        (dumps({**MANIFEST, "fileSchema": "Key, Key"}), "CSV headers cannot contain duplicates."),
        (dumps({**MANIFEST, "files": None}), f"{SOURCE}: the inventory manifest has no list of files"),
        (dumps({**MANIFEST, "files": [{}]}), f"{SOURCE}: the inventory manifest has no key, or it is not text"),
        (dumps({**MANIFEST, "files": ["x"]}), f"{SOURCE}: the inventory manifest has no key, or it is not text"),
    ],
)
def test_not_an_inventory(data: bytes, cause: str) -> None:
    with pytest.raises(ItemReaderFailed) as caught:
        inventory(data, SOURCE)
    assert caught.value.cause == cause


def test_athena() -> None:
    data = b's3://out/t/20261123_1\n\r\ns3://out/t/a b,\xc3\xa9\r\n"s3://out/x"\n'
    assert athena(data, SOURCE) == ("s3://out/t/20261123_1", "s3://out/t/a b,é", "s3://out/x")
    assert athena(b"", SOURCE) == ()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"s3://a/b\n\nhttp://x/y\n", f"{SOURCE} line 3: 'http://x/y' is not an s3://bucket/key URL"),
        (b"s3://bucket\n", f"{SOURCE} line 1: 's3://bucket' is not an s3://bucket/key URL"),
        (b"s3:///key\n", f"{SOURCE} line 1: 's3:///key' is not an s3://bucket/key URL"),
        (b"s3://a/b\n\xff", f"{SOURCE} line 2: the manifest is not UTF-8"),
    ],
)
def test_not_an_athena_manifest(data: bytes, cause: str) -> None:
    with pytest.raises(ItemReaderFailed) as caught:
        athena(data, SOURCE)
    assert caught.value.cause == cause
