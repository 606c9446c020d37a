"""Manifests: files that list the files whose rows are the items (S3 Inventory, Athena UNLOAD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ItemReaderFailed
from ..json import loads
from .csv import MAX_HEADER, refuse_duplicates

_BUCKET_ARN = ":s3:::"


@dataclass(frozen=True, slots=True)
class InventoryManifest:
    """What an S3 Inventory's manifest.json says.

    ``files``: (bucket, key) of each data file, GZIP-compressed CSV without a header row, whose columns are ``names``.
    Every column of a row is text, an object's key URL-encoded as the inventory has it.
    """

    names: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def inventory(data: bytes, source: str) -> InventoryManifest:
    """Read a manifest.json ("Inventory manifest" in the Amazon S3 guide).

    Raises ItemReaderFailed naming ``source`` for what is no inventory manifest and for formats other than CSV.
    """
    try:
        manifest = loads(data)
    except ValueError as error:
        raise ItemReaderFailed(f"{source}: the inventory manifest is not valid JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ItemReaderFailed(f"{source}: the inventory manifest is not a JSON object")
    kind = _text(manifest, "fileFormat", source)
    if kind != "CSV":
        raise ItemReaderFailed(f"{source}: the inventory's fileFormat is {kind}; only CSV can be read")
    schema = _text(manifest, "fileSchema", source)
    if len(schema) > MAX_HEADER:
        raise ItemReaderFailed(f"{source}: the inventory's fileSchema is longer than {MAX_HEADER} characters")
    names = tuple(name.strip() for name in schema.split(","))
    refuse_duplicates(names)
    # A bucket's name stands here as an ARN, and in any partition: arn:aws:s3:::name.
    destination = _text(manifest, "destinationBucket", source)
    bucket = destination.rpartition(_BUCKET_ARN)[2] if destination.startswith("arn:") else destination
    files = manifest.get("files")
    if not isinstance(files, list):
        raise ItemReaderFailed(f"{source}: the inventory manifest has no list of files")
    return InventoryManifest(names, tuple((bucket, _text(file, "key", source)) for file in files))


def _text(value: Any, field: str, source: str) -> str:
    text = value.get(field) if isinstance(value, dict) else None
    if not isinstance(text, str) or not text:
        raise ItemReaderFailed(f"{source}: the inventory manifest has no {field}, or it is not text")
    return text


def athena(data: bytes, source: str) -> tuple[str, ...]:
    """The ``s3://bucket/key`` URLs in an Athena data manifest (``…-manifest.csv``): one a line, blank lines skipped.

    Raises ItemReaderFailed naming ``source`` and the line of anything else.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = data.count(b"\n", 0, error.start) + 1
        raise ItemReaderFailed(f"{source} line {bad}: the manifest is not UTF-8") from error
    urls = []
    for number, line in enumerate(text.split("\n"), 1):
        url = line.strip().removeprefix('"').removesuffix('"')
        if not url:
            continue
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not (url.startswith("s3://") and bucket and key):
            raise ItemReaderFailed(f"{source} line {number}: {url[:200]!r} is not an s3://bucket/key URL")
        urls.append(url)
    return tuple(urls)
