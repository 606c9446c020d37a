"""Plans a map run: reads the source once and decides where every partition begins.

A plain CSV, JSONL or Parquet file is read *in place*: the partitions seek in the file itself. That needs a proof that
no byte limit can decide where a batch ends, because the partitions then find the batches again by counting. Everything
else (compressed files, JSON, listings, manifests, arrays, batches by bytes) is *spooled*: see spooling.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ..core.batching import Batching, CountProof
from ..core.decoding import csv, jsonl
from ..core.decoding.compression import is_compressed
from ..core.decoding.stretch import Stretch
from ..core.errors import ItemReaderFailed
from ..core.readers import (
    ItemReader,
    S3CsvItemReader,
    S3JsonLItemReader,
    S3ParquetItemReader,
)
from ..core.selector_bound import SelectorBound
from ..storage import Connections, open_object, shown_url
from ..storage.base import ObjectStore, Pin, StorageError
from .boundaries import Boundaries, Boundary
from .plan import Source, SourceKind
from .reading_journal import Read, ReadingJournal
from .sources import file_logged, owner_of, source_label


@dataclass(frozen=True, slots=True)
class Layout:
    """What reading the source gave: where it is, how much there is, where partitions may begin."""

    source: Source
    items: int
    children: int
    boundaries: Boundaries


def lay_out_in_place(
    reader: ItemReader,
    batching: Batching,
    bound: SelectorBound | None,
    connections: Connections,
    on_read: Callable[[int], None],
    journal: ReadingJournal | None = None,
) -> Layout | None:
    """Lay a file out in place, or None if it must be spooled.

    :param journal: where to go on, and to store how far it was read.

    :raises ItemReaderFailed: the file is missing, denied or malformed.
    """
    if bound is None or not isinstance(reader, S3CsvItemReader | S3JsonLItemReader | S3ParquetItemReader):
        return None
    if shown_url(reader.location) != reader.location:
        # A signature: the plan would keep it, and it may expire before the last partition reads.
        return None
    if is_compressed(reader.location) and not isinstance(reader, S3ParquetItemReader):
        return None
    try:
        store, key = open_object(reader.location, connections, expected_bucket_owner=owner_of(reader))
        version = getattr(reader, "version_id", None)
        pin = store.pin(key, version)
        if pin.etag is None and pin.modified_ns is None and pin.version_id is None:
            return None  # nothing here tells whether the file is still the same one later
        if isinstance(reader, S3ParquetItemReader):
            return _parquet(store, key, pin, reader, batching, bound)
        return _lines(store, key, pin, reader, batching, bound, on_read, journal)
    except StorageError as error:
        raise ItemReaderFailed(str(error)) from error


def _source(kind: SourceKind, store: ObjectStore, key: str, pin: Pin, reader: ItemReader, **more: Any) -> Source:
    url = store.url(key)
    return Source(kind, url, pin, source_label(url), expected_bucket_owner=owner_of(reader), **more)


def _lines(
    store: ObjectStore,
    key: str,
    pin: Pin,
    reader: S3CsvItemReader | S3JsonLItemReader,
    batching: Batching,
    bound: SelectorBound,
    on_read: Callable[[int], None],
    journal: ReadingJournal | None,
) -> Layout | None:
    url = store.url(key)
    read = Read() if journal is None else journal.recorded({"in place": source_label(url), **asdict(pin)})
    with file_logged(url), contextlib.ExitStack() as stack:
        stream = stack.enter_context(store.open(key, pin))
        if isinstance(reader, S3CsvItemReader):
            delimiter = reader.csv_delimiter.character
            names = tuple(reader.csv_headers.headers)
            offset, line = 0, 1
            if names:
                csv.refuse_duplicates(names)
            else:
                names, offset, lines = csv.read_header(stream, delimiter, url)
                line = 1 + lines
            if (last := read.boundaries.last) is not None:
                offset, line = last.offset, last.line
                stream = stack.enter_context(store.open(key, pin, offset))
            stretches = csv.scan(stream, names, delimiter, url, line, offset)
            source = _source(SourceKind.CSV, store, key, pin, reader, names=names, delimiter=delimiter)
        else:
            offset, line = 0, 1
            if (last := read.boundaries.last) is not None:
                offset, line = last.offset, last.line
                stream = stack.enter_context(store.open(key, pin, offset))
            stretches = jsonl.scan(stream, url, line, offset)
            source = _source(SourceKind.JSONL, store, key, pin, reader)
        counted = _count(stretches, _max_items(reader), batching, bound, on_read, read, journal)
    if counted is None:
        return None
    items, children, boundaries = counted
    return Layout(source, items, children, boundaries)


def _max_items(reader: ItemReader) -> int | None:
    return int(reader.max_items) if reader.max_items else None


def _count(
    stretches: Iterable[Stretch],
    max_items: int | None,
    batching: Batching,
    bound: SelectorBound,
    on_read: Callable[[int], None],
    read: Read,
    journal: ReadingJournal | None,
) -> tuple[int, int, Boundaries] | None:
    """Count items and children and note where children begin, or None when a byte limit might decide. ``read`` is what
    has been read before; the stretches begin where the last of its boundaries is.
    """
    per_child = batching.count_limit
    if per_child is None:
        return None
    proof = CountProof(batching, bound)
    boundaries = read.boundaries
    items = boundaries.last.item if boundaries.last is not None else 0
    for stretch in stretches:
        sizes = stretch.sizes
        if max_items is not None and items + len(sizes) > max_items:
            sizes = sizes[: max_items - items]
        if not proof.holds(sizes):
            return None
        end = items + len(sizes)
        while (item := boundaries.next_child * per_child) < end:
            offset, line = stretch.position(item - items)
            boundaries.add(Boundary(boundaries.next_child, item, offset, line))
        items = end
        on_read(items)
        if items == max_items:
            break
        if journal is not None and journal.is_due():
            journal.store(Read(items, boundaries=boundaries))
    return items, -(-items // per_child), boundaries


def _parquet(
    store: ObjectStore, key: str, pin: Pin, reader: S3ParquetItemReader, batching: Batching, bound: SelectorBound
) -> Layout | None:
    from ..core.decoding.parquet import ParquetSource  # see sources.py

    per_child = batching.count_limit
    if per_child is None:
        return None
    with store.open_seekable(key, pin) as file:
        parquet = ParquetSource(file, store.url(key))
        total = sum(parquet.row_groups)
        rows = min(total, _max_items(reader) or total)
        proof = CountProof(batching, bound)
        first = 0
        for group, length in enumerate(parquet.row_groups):
            if first >= rows:
                break
            size = parquet.max_item_size(group) if length else 0
            if size is None or not proof.holds_for_any(size):
                return None
            first += length
    children = -(-rows // per_child)
    boundaries = Boundaries()
    boundaries.add_regular(children, per_child)
    source = _source(SourceKind.PARQUET, store, key, pin, reader)
    return Layout(source, rows, children, boundaries)
