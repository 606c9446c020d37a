"""From an ItemReader to items: what ``read_items`` streams when a source cannot be read in place.

Also opens single files, for the partitions that do read in place.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice, repeat
from typing import Any, BinaryIO, NamedTuple

from ..core.decoding import csv, jsonl, manifests
from ..core.decoding import json as json_decoding
from ..core.decoding.compression import decompress
from ..core.errors import ItemReaderFailed
from ..core.readers import (
    CsvDelimiter,
    CsvHeaders,
    InputType,
    ItemReader,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
)
from ..storage import Connections, open_folder, open_listing, open_object, shown_url
from ..storage.base import ObjectInfo, ObjectStore, Pin, StorageError

log = logging.getLogger(__name__)

STATE_DATA = "STATE_DATA"


Item = tuple[Any, str | None, str]
"""One item before ItemSelector: its value; its member's name (object sources only); where it came from.

A plain tuple, because making a named one costs as much as decoding a line of JSON.
"""


class FileFormat(NamedTuple):
    """How the files of a source are decoded."""

    input_type: InputType
    headers: CsvHeaders | None = None
    delimiter: CsvDelimiter = CsvDelimiter.COMMA
    pointer: str | None = None


def state_data(items: Any) -> Iterator[Item]:
    """Items of an array or an object: from the run's input or an upstream task.

    A lazy sequence (Airflow's of mapped tasks) is read in slices, because one element at a time is a request each.

    :raises ItemReaderFailed: neither an array nor an object.
    """
    if isinstance(items, Mapping):
        for key, value in items.items():
            yield value, str(key), STATE_DATA
        return
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise ItemReaderFailed("Attempting to map over non-iterable node.")
    if isinstance(items, Sequence) and not isinstance(items, list | tuple):
        items = _sliced(items)
    yield from _from(STATE_DATA, items)


def _from(source: str, values: Iterable[Any]) -> Iterator[Item]:
    return zip(values, repeat(None), repeat(source))


def _sliced(items: Sequence[Any], size: int = 500) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield from items[start : start + size]


def what_is_read(reader: ItemReader, connections: Connections) -> Any:
    """What tells whether another attempt at reading would go on in the same data, as JSON: a file's version, ETag, or
    size and time; of a listing, what is listed. None where reading cannot be gone on with.

    :raises ItemReaderFailed: the file is missing or denied.
    """
    if isinstance(reader, S3ManifestItemReader):
        return None
    if isinstance(reader, S3ObjectsItemReader):
        return [reader.location] if reader.transformation is ReaderTransformation.NONE else None
    try:
        store, key = open_object(reader.location, connections, expected_bucket_owner=owner_of(reader))
        return {"file": source_label(store.url(key)), **asdict(store.pin(key, getattr(reader, "version_id", None)))}
    except StorageError as error:
        raise ItemReaderFailed(str(error)) from error


def reader_items(
    reader: ItemReader, connections: Connections, skip: int = 0, after: str | None = None
) -> Iterator[Item]:
    """All items of a reader (resolved: no paths, no templates), MaxItems applied, but the first ``skip`` ones.

    :param after: where a listing goes on: the key of the last of these.

    :raises ItemReaderFailed: the data is missing, denied or malformed; names the file and the place in it.
    """
    items = _guarded(reader, connections, after or "")
    first, last = (0 if after else skip), (int(reader.max_items) if reader.max_items else None)
    if after and last is not None:
        last -= skip
    return islice(items, first, last) if first or last is not None else items


def _guarded(reader: ItemReader, connections: Connections, after: str) -> Iterator[Item]:
    try:
        yield from _items(reader, connections, after)
    except StorageError as error:
        raise ItemReaderFailed(str(error)) from error


def _items(reader: ItemReader, connections: Connections, after: str) -> Iterator[Item]:
    if isinstance(reader, S3ObjectsItemReader):
        return _listing(reader, connections, after)
    if isinstance(reader, S3ManifestItemReader):
        return _manifest(reader, connections)
    store, key = open_object(reader.location, connections, expected_bucket_owner=owner_of(reader))
    return file_items(store, key, file_format(reader), getattr(reader, "version_id", None))


def owner_of(reader: ItemReader) -> str | None:
    """ExpectedBucketOwner of a resolved reader."""
    owner = reader.expected_bucket_owner
    return None if owner is None else str(owner)


def source_label(url: str) -> str:
    """What ``$$.Map.Item.Source`` says of a file: its URL, without the name of an Airflow connection or a signature."""
    scheme, separator, rest = shown_url(url).partition("://")
    place, slash, key = rest.partition("/")
    return scheme + separator + place.rpartition("@")[2] + slash + key


def file_format(reader: ItemReader) -> FileFormat:
    """How a reader's file is (or, for a listing or an Athena manifest, its files are) decoded."""
    input_type = getattr(reader, "input_type", None)
    assert input_type is not None, "a listing of metadata has no file format"
    if isinstance(reader, S3CsvItemReader | S3ObjectsItemReader | S3ManifestItemReader) and input_type is InputType.CSV:
        return FileFormat(input_type, reader.csv_headers or CsvHeaders.use_first_row(), reader.csv_delimiter)
    if isinstance(reader, S3JsonItemReader):
        return FileFormat(input_type, pointer=reader.items_pointer)
    return FileFormat(input_type)


def _listing(reader: S3ObjectsItemReader, connections: Connections, after: str) -> Iterator[Item]:
    store, prefix = open_listing(reader.location, connections, expected_bucket_owner=owner_of(reader))
    if reader.transformation is ReaderTransformation.NONE:
        # Recorded: for a listing, Map.Item.Source is the bucket alone.
        label = source_label(store.root)
        for page in store.list(prefix, after):
            for info in page:
                yield object_item(info), None, label
        return
    decoded = file_format(reader)
    for page in store.list(prefix):
        for info in page:
            # What the S3 console makes as a "folder" is an empty object that has nothing to flatten.
            if not (info.size == 0 and info.key.endswith("/")):
                yield from file_items(store, info.key, decoded, listed=info)


def object_item(info: ObjectInfo) -> dict[str, Any]:
    """A listed object as AWS hands it on (recorded): ``Etag`` with its quotes, LastModified in epoch seconds."""
    return {
        "Etag": info.etag,
        "Key": info.key,
        "LastModified": info.last_modified,
        "Size": info.size,
        "StorageClass": info.storage_class or "STANDARD",
    }


def _manifest(reader: S3ManifestItemReader, connections: Connections) -> Iterator[Item]:
    store, key = open_object(reader.location, connections, expected_bucket_owner=owner_of(reader))
    url = store.shown(key)
    content = _small(store, key, reader.version_id)
    if reader.manifest_type is ManifestType.ATHENA_DATA:
        for file_url in manifests.athena(content, url):
            file_store, file_key = open_object(file_url, connections, expected_bucket_owner=owner_of(reader))
            yield from file_items(file_store, file_key, file_format(reader))
        return
    inventory = manifests.inventory(content, url)
    decoded = FileFormat(InputType.CSV, CsvHeaders.use(inventory.names))
    # A manifest somewhere else than on S3 (a copy, for a test or a laptop) has its files beside it.
    scheme, connection, _ = _s3_place(store.root)
    for bucket, file_key in inventory.files:
        root = f"s3://{connection}{bucket}" if scheme == "s3" else store.root
        yield from file_items(open_folder(root, connections, expected_bucket_owner=owner_of(reader)), file_key, decoded)


def _s3_place(root: str) -> tuple[str, str, str]:
    """Scheme, connection (with its ``@``, or empty) and the rest of a store's root."""
    scheme, _, place = root.partition("://")
    connection, at, rest = place.rpartition("@")
    return scheme, connection + at, rest


# Manifests are small: an inventory's lists thousands of files in a few hundred kilobytes.
_MAX_MANIFEST_BYTES = 64 * 1024 * 1024


def _small(store: ObjectStore, key: str, version_id: Any = None) -> bytes:
    with store.open(key, store.pin(key, version_id)) as stream:
        content = stream.read(_MAX_MANIFEST_BYTES + 1)
    if len(content) > _MAX_MANIFEST_BYTES:
        raise ItemReaderFailed(f"{store.shown(key)} is larger than {_MAX_MANIFEST_BYTES:,} bytes: is it a manifest?")
    return content


def file_items(
    store: ObjectStore,
    key: str,
    decoded: FileFormat,
    version_id: str | None = None,
    listed: ObjectInfo | None = None,
) -> Iterator[Item]:
    """The items of one file, decompressed by its name. ``listed`` is what a listing said of it, if it came from one."""
    url = store.shown(key)
    label = source_label(url)
    # A listing tells what identifies a file, which saves a request each; without an ETag the size alone is too little.
    pin = Pin(listed.size, etag=listed.etag) if listed and listed.etag else store.pin(key, version_id)
    if decoded.input_type is InputType.PARQUET:
        from ..core.decoding.parquet import ParquetSource  # it takes longer to import than the rest together

        with store.open_seekable(key, pin) as file:
            source = ParquetSource(file, url)
            yield from _from(label, source.rows(0, sum(source.row_groups)))
        return
    with file_logged(url), store.open(key, pin) as raw, decompress(raw, url) as stream:
        if decoded.input_type is InputType.CSV:
            yield from _from(label, csv_rows(stream, decoded, url))
        elif decoded.input_type is InputType.JSONL:
            yield from _from(label, jsonl.values(stream, url, 1))
        else:
            for member, value in json_decoding.items(stream, url, decoded.pointer).pairs:
                yield value, member, label


@contextlib.contextmanager
def file_logged(url: str) -> Iterator[None]:
    """Log the file where reading it fails with AWS's own words: these must stay the cause, and name no file."""
    try:
        yield
    except ItemReaderFailed as error:
        if url not in error.cause:
            log.error("%s: %s", url, error.cause)
        raise


def csv_rows(stream: BinaryIO, decoded: FileFormat, url: str) -> Iterator[dict[str, str]]:
    """All rows of a delimited file, from its very beginning."""
    names = tuple(decoded.headers.headers) if decoded.headers is not None else ()
    delimiter = decoded.delimiter.character
    first_line = 1
    if names:
        csv.refuse_duplicates(names)
    else:
        names, _, lines = csv.read_header(stream, delimiter, url)
        first_line += lines
    return csv.rows(stream, names, delimiter, url, first_line)
