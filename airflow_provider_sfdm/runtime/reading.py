"""Reads one partition's range of the source as children ready to run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..core.batching import Greedy
from ..core.decoding import csv, jsonl
from ..core.errors import ItemReaderFailed
from ..core.json import dumps, loads
from ..core.paths import Scope
from ..core.records import Redriven, Resume
from ..core.selector import compile_selector
from ..storage import Connections, open_object
from ..storage.base import AccessDenied, ObjectChanged, ObjectNotFound
from .children import Child
from .folder import CHILDREN, SPOOL, MapRunFolder
from .per_item import ItemOutcomes
from .plan import Partition, Plan, SourceKind


def partition_children(
    plan: Plan, partition: Partition, folder: MapRunFolder, connections: Connections, *, per_item: bool
) -> Iterator[Child]:
    """The children of a partition, in order; reads only as far as they are taken.

    :raises ItemReaderFailed: the source is malformed, missing or denied, or is no longer what was planned.
    :raises StorageError: the source, or the map run's own copy of it, cannot be reached: it may be later.
    """
    if not partition.children:
        return
    try:
        if plan.source.kind is SourceKind.SPOOL:
            children = _spooled(plan, partition, folder)
        elif plan.source.kind is SourceKind.CHILDREN:
            children = redriven_children(partition, folder)
        else:
            children = _counted(plan, partition, connections)
        if not per_item:
            yield from children
            return
        for child in children:
            child.outcomes = ItemOutcomes(child.input)
            yield child
    except (ObjectNotFound, AccessDenied, ObjectChanged) as error:
        if plan.source.kind in (SourceKind.SPOOL, SourceKind.CHILDREN):
            raise  # the map run's own folder, not the data set
        raise ItemReaderFailed(str(error)) from error


def _counted(plan: Plan, partition: Partition, connections: Connections) -> Iterator[Child]:
    """Children read in place. Planning has proven that every batch but the last is full by count."""
    batching = plan.batches.batching()
    per_child = batching.count_limit
    assert per_child is not None, "a source is read in place only when batches are counted"
    items = _selected(plan, partition, islice(_items(plan, partition, connections), partition.items))
    taken = 0
    if not batching.batched:
        for index, item in enumerate(items, partition.first_child):
            yield Child(index, 1, item, dumps(item))
            taken += 1
    else:
        for index in range(partition.first_child, partition.first_child + partition.children):
            batch = list(islice(items, per_child))
            if not batch:
                break
            taken += len(batch)
            child_input = batching.input_of(batch)
            yield Child(index, len(batch), child_input, dumps(child_input))
    if taken != partition.items:
        # A pinned source does not change, so this is a defect; it must never pass as a short data set.
        raise ItemReaderFailed(
            f"{plan.source.url}: partition {partition.index} was planned with {partition.items:,} items, "
            f"it has {taken:,}"
        )


def _items(plan: Plan, partition: Partition, connections: Connections) -> Iterator[Any]:
    source = plan.source
    store, key = open_object(source.url, connections, expected_bucket_owner=source.expected_bucket_owner)
    if source.kind is SourceKind.PARQUET:
        from ..core.decoding.parquet import ParquetSource  # see sources.py

        with store.open_seekable(key, source.pin) as file:
            yield from ParquetSource(file, source.url).rows(partition.offset, partition.items)
        return
    with store.open(key, source.pin, partition.offset) as stream:
        if source.kind is SourceKind.CSV:
            yield from csv.rows(stream, source.names, source.delimiter, source.url, partition.line)
        else:
            yield from jsonl.values(stream, source.url, partition.line)


def _selected(plan: Plan, partition: Partition, items: Iterator[Any]) -> Iterator[Any]:
    if plan.selector is None:
        return items
    select = compile_selector(plan.selector).bind(Scope(plan.input, plan.context, plan.variables)).select
    label = plan.source.label
    return (select(index, value, None, label) for index, value in enumerate(items, partition.first_item))


def _spooled(plan: Plan, partition: Partition, folder: MapRunFolder) -> Iterator[Child]:
    """Children of spooled items: a line is an item's compact JSON, so its length is the item's size."""
    batching = plan.batches.batching()
    starts_child = Greedy(batching).starts_child
    url = folder.store.url(SPOOL)
    batch: list[bytes] = []
    index = partition.first_child
    lines = _lines(plan, folder, partition.offset)
    for number, line in enumerate(islice(lines, partition.items), partition.first_item):
        item = line[:-1]
        if starts_child(len(item), number, url) and batch:
            yield _child(plan, index, batch)
            batch = []
            index += 1
        batch.append(item)
    if batch:
        yield _child(plan, index, batch)
        index += 1
    if index != partition.first_child + partition.children:
        raise ItemReaderFailed(
            f"{url}: partition {partition.index} was planned with {partition.children:,} child executions"
            f" and has {index - partition.first_child:,}"
        )


def _lines(plan: Plan, folder: MapRunFolder, offset: int) -> Iterator[bytes]:
    """The lines of the spooled items from byte ``offset`` of all pieces on."""
    for piece in plan.source.pieces:
        if offset < piece.size:
            with folder.store.open(piece.key, None, offset) as stream:
                yield from stream
        offset = max(0, offset - piece.size)


def redriven_children(partition: Partition, folder: MapRunFolder) -> Iterator[Child]:
    """The children of a partition of a redrive."""
    with folder.store.open(partition.children_key or CHILDREN, None, partition.offset) as stream:
        for index, line in enumerate(islice(stream, partition.children), partition.first_child):
            found = loads(line)
            input_json = found["Input"].encode()
            redriven = Redriven(found["Name"], found["Count"], found["Date"], found["Start"])
            resume = Resume.from_dict(found.get("Resume"))
            yield Child(index, found["Items"], loads(input_json), input_json, redriven=redriven, resume=resume)


def _child(plan: Plan, index: int, batch: list[bytes]) -> Child:
    if not plan.batches.batched:
        (item,) = batch
        return Child(index, 1, loads(item), item)
    items_json = b"[" + b",".join(batch) + b"]"
    batches = plan.batches
    if batches.has_batch_input:
        child_json = b'{"BatchInput":' + dumps(batches.batch_input) + b',"Items":' + items_json + b"}"
    else:
        child_json = b'{"Items":' + items_json + b"}"
    return Child(index, len(batch), loads(child_json), child_json)
