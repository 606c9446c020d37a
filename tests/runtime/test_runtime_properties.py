"""Whatever the items, the batches and the partitions: every item once, in order, and the books add up."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import (
    ItemBatcher,
    ItemReader,
    PythonFunction,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
)
from airflow_provider_sfdm.core.batching import Batching, Greedy
from airflow_provider_sfdm.core.json import dumps
from airflow_provider_sfdm.runtime.order import InOrder
from tests.runtime.helpers import counters, put, results, run

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
BATCHERS = st.none() | st.builds(
    ItemBatcher,
    max_items_per_batch=st.integers(1, 6),
    max_input_bytes_per_batch=st.none() | st.integers(600, 1000),
    batch_input=st.none() | st.just({"é": [1]}),
)
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _items_of(batches: list[Any], batcher: ItemBatcher | None) -> list[Any]:
    return batches if batcher is None else [item for batch in batches for item in batch["Items"]]


def _array(folder: Path, items: list[Any]) -> dict[str, Any]:
    return {"given": items}


def _file(name: str, join: Callable[[list[bytes]], bytes], reader: Callable[..., ItemReader]) -> Any:
    def source(folder: Path, items: list[Any]) -> dict[str, Any]:
        texts = [json.dumps(item, ensure_ascii=False).encode() for item in items]
        return {"item_reader": reader(url=put(folder / name, join(texts)))}

    return source


SOURCES = st.sampled_from(
    [
        _array,
        _file("f.jsonl", b"\n".join, S3JsonLItemReader),
        _file("f.json", lambda texts: b"[" + b",".join(texts) + b"]", S3JsonItemReader),
    ]
)


@QUICK
@given(items=st.lists(VALUES, max_size=25), batcher=BATCHERS, partitions=st.integers(1, 6), source=SOURCES)
def test_every_item_once_and_in_order(
    items: list[Any], batcher: ItemBatcher | None, partitions: int, source: Callable[[Path, list[Any]], dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        summary = run(folder, partitions=partitions, item_batcher=batcher, **source(folder, items))
        children = list(results(summary).succeeded())
    assert _items_of([child.input for child in children], batcher) == items
    assert [child.output for child in children] == [child.input for child in children]
    assert summary.item_counts.total == summary.item_counts.succeeded == len(items)
    assert summary.execution_counts.total == summary.execution_counts.succeeded == len(children)


@QUICK
@given(
    fails=st.lists(st.booleans(), max_size=25),
    batcher=BATCHERS,
    partitions=st.integers(1, 6),
    concurrency=st.integers(0, 8),
    per_item=st.booleans(),
    tolerated=st.integers(0, 30),
)
def test_the_books_add_up_whatever_fails(
    fails: list[bool], batcher: ItemBatcher | None, partitions: int, concurrency: int, per_item: bool, tolerated: int
) -> None:
    items = list(enumerate(fails))
    data = [list(item) for item in items]

    def function(value: Any) -> Any:
        for _, bad in value["Items"] if isinstance(value, dict) else [value]:
            if bad:
                raise ValueError
        return value

    processor = PythonFunction(function, per_item=per_item and batcher is not None)
    with tempfile.TemporaryDirectory() as name:
        summary = run(
            Path(name), processor, given=data, partitions=partitions, item_batcher=batcher,
            max_concurrency=concurrency, tolerated_failure_count=tolerated,
        )  # fmt: skip
        found = results(summary)
        succeeded, failed, pending = list(found.succeeded()), list(found.failed()), list(found.pending())
    parts = [_items_of([child.input for child in part], batcher) for part in (succeeded, failed, pending)]
    # The three files together are the data, once.
    assert sorted(item for part in parts for item in part) == data
    assert [len(part) for part in parts] == [
        summary.item_counts.succeeded,
        summary.item_counts.failed + summary.item_counts.aborted,
        summary.item_counts.pending,
    ]
    counts = counters(summary)
    assert counts.get("total", 0) == counts.get("resultsWritten", 0) == len(data)
    executions = summary.execution_counts
    finished = executions.succeeded + executions.failed + executions.aborted + executions.pending
    assert finished == executions.total and executions.running == 0
    limit = tolerated or 0
    assert (summary.status == "SUCCEEDED") is (summary.item_counts.failed <= limit)
    if per_item and batcher is not None:
        assert all(bad for _, bad in parts[1]) and not any(bad for _, bad in parts[0])


@QUICK
@given(rows=st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=25), partitions=st.integers(1, 6))
def test_rows_of_a_csv_file(rows: list[list[str]], partitions: int) -> None:
    def field(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'

    text = "a,b\n" + "".join(",".join(map(field, row)) + "\n" for row in rows)
    with tempfile.TemporaryDirectory() as name:
        reader = S3CsvItemReader(url=put(Path(name) / "f.csv", text))
        summary = run(Path(name), item_reader=reader, partitions=partitions)
        found = [child.input for child in results(summary).succeeded()]
    assert found == [dict(zip("ab", row, strict=True)) for row in rows]


@given(
    sizes=st.lists(st.integers(1, 60), max_size=40),
    count=st.none() | st.integers(1, 5),
    limit=st.integers(90, 200),
    begin=st.integers(0, 10),
)
def test_batches_found_by_size_are_those_of_the_batcher(
    sizes: list[int], count: int | None, limit: int, begin: int
) -> None:
    batching = Batching(max_items=count, max_bytes=limit)
    items = ["x" * (size - 2) if size > 1 else 7 for size in sizes]
    exact = [len(dumps(item)) for item in items]
    expected: list[int] = []
    batch: list[Any] = []
    for index, item in enumerate(items):
        if not batch or len(batch) == count or len(dumps(batching.input_of([*batch, item]))) > limit:
            expected.append(index)
            batch = []
        batch.append(item)
    greedy = Greedy(batching)
    assert [index for index, size in enumerate(exact) if greedy.starts_child(size, index, "s")] == expected
    # From any place where a batch begins the same batches are found.
    for start in expected[begin : begin + 1]:
        later = Greedy(batching)
        found = [index for index in range(start, len(exact)) if later.starts_child(exact[index], index, "s")]
        assert found == expected[begin:]


@given(order=st.permutations(list(range(12))), first=st.integers(0, 5))
def test_what_ends_in_any_order_comes_out_in_order(order: list[int], first: int) -> None:
    released: list[int] = []
    queue = InOrder[int](released.append, first)
    for number in order:
        queue.put(first + number, number, 1)
    queue.flush()
    assert released == list(range(12))


@given(order=st.permutations(list(range(12))), most=st.integers(0, 12), size=st.integers(0, 12))
def test_no_more_is_held_back_than_there_is_room_for(order: list[int], most: int, size: int) -> None:
    released: list[int] = []
    queue = InOrder[int](released.append, 0, max_held=most, max_bytes=size)
    for taken, number in enumerate(order, 1):
        queue.put(number, number, 1)
        assert taken - len(released) <= min(most, size)
    queue.flush()
    assert sorted(released) == list(range(12))
