"""Plans a map run: reads the source once and decides where every partition begins.

A plain CSV, JSONL or Parquet file is read *in place*: the partitions seek in the file itself. That needs a proof that
no byte limit can decide where a batch ends, because the partitions then find the batches again by counting. Everything
else (compressed files, JSON, listings, manifests, arrays, batches by bytes) is *spooled*: read_items writes the items,
after ItemSelector, to items.jsonl of the map run's folder, and the partitions seek in that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..core.batching import Batching, CountProof, Greedy
from ..core.decoding import csv, jsonl
from ..core.decoding.compression import is_compressed
from ..core.decoding.stretch import Stretch
from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import dumps
from ..core.readers import (
    ItemReader,
    S3CsvItemReader,
    S3JsonLItemReader,
    S3ParquetItemReader,
)
from ..core.selector import Bound
from ..core.selector_bound import SelectorBound
from ..storage import Connections, open_object, shown_url
from ..storage.base import ObjectStore, Pin, StorageError
from .boundaries import Boundaries, Boundary
from .folder import SPOOL
from .plan import Source, SourceKind
from .sources import Item, file_logged, owner_of, source_label


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
) -> Layout | None:
    """Lay a file out in place, or None if it must be spooled.

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
        return _lines(store, key, pin, reader, batching, bound, on_read)
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
) -> Layout | None:
    url = store.url(key)
    with file_logged(url), store.open(key, pin) as stream:
        if isinstance(reader, S3CsvItemReader):
            delimiter = reader.csv_delimiter.character
            names = tuple(reader.csv_headers.headers)
            offset, line = 0, 1
            if names:
                csv.refuse_duplicates(names)
            else:
                names, offset, lines = csv.read_header(stream, delimiter, url)
                line = 1 + lines
            stretches = csv.scan(stream, names, delimiter, url, line, offset)
            source = _source(SourceKind.CSV, store, key, pin, reader, names=names, delimiter=delimiter)
        else:
            stretches = jsonl.scan(stream, url, 1, 0)
            source = _source(SourceKind.JSONL, store, key, pin, reader)
        counted = _count(stretches, _max_items(reader), batching, bound, on_read)
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
) -> tuple[int, int, Boundaries] | None:
    """Count items and children and note where children begin, or None when a byte limit might decide."""
    per_child = batching.count_limit
    if per_child is None:
        return None
    proof = CountProof(batching, bound)
    boundaries = Boundaries()
    items = 0
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


def spool(
    items: Iterator[Item],
    select: Bound,
    batching: Batching,
    folder: ObjectStore,
    on_read: Callable[[int], None],
    label: str,
    *,
    selector_is_function: bool = False,
) -> Layout:
    """Write the items, after ItemSelector, to the map run's folder as JSON lines. ``label`` says where they come from.

    :raises ItemReaderFailed: the source cannot be read.
    :raises StatesRuntime: ItemSelector fails for an item.
    :raises DataLimitExceeded: an item does not fit into a child's input; names the item and where it came from.
    """
    boundaries = Boundaries()
    starts_child = Greedy(batching).starts_child
    count = children = offset = 0
    apply = select.select
    with folder.create(SPOOL) as writer:
        buffer: list[bytes] = []
        buffered = 0
        for count, (value, member, origin) in enumerate(items, 1):
            selected: Any = None
            try:
                selected = apply(count - 1, value, member, origin)
                line = dumps(selected)
            except (TypeError, ValueError) as error:
                if selector_is_function:
                    kind = type(selected).__name__
                    cause = f"The ItemSelector function returned no JSON for item {count - 1}, but a {kind}: {error}"
                    raise StatesRuntime(cause) from error
                raise ItemReaderFailed(f"item {count - 1} of {origin} is not JSON: {error}") from error
            except SystemExit as error:
                # Not the end of this process, as in a child: a Lambda function would end with Runtime.ExitError.
                cause = f"The ItemSelector function failed for item {count - 1}: SystemExit: {error}"
                raise StatesRuntime(cause) from error
            if starts_child(len(line), count - 1, origin):
                if children == boundaries.next_child:
                    boundaries.add(Boundary(children, count - 1, offset, count))
                children += 1
            offset += len(line) + 1
            buffer.append(line)
            buffered += len(line)
            if buffered > _SPOOL_BLOCK:
                buffer.append(b"")
                writer.write(b"\n".join(buffer))
                buffer.clear()
                buffered = 0
                on_read(count)
        if buffer:
            writer.write(b"\n".join(buffer) + b"\n")
    # The size pins it: the folder is the map run's own, and nothing else writes there.
    source = Source(SourceKind.SPOOL, label=label)
    return Layout(source, count, children, boundaries)


_SPOOL_BLOCK = 256 * 1024
