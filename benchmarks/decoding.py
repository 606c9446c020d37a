"""What decoding costs beside the bare loop it cannot beat: microseconds of CPU an item, best of three.

Run: ``python benchmarks/decoding.py [thousands of items]``
"""

from __future__ import annotations

import csv as stdlib_csv
import io
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import ijson
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_sfdm.core.decoding import csv, json, jsonl
from airflow_provider_sfdm.core.decoding.parquet import ParquetSource

NAMES = ("id", "name", "other", "value", "when")


def cost(make: Callable[[], Iterable[Any]], count: int) -> float:
    """Microseconds an item to go through what ``make`` returns."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        deque(make(), maxlen=0)
        best = min(best, time.process_time() - start)
    return best / count * 1e6


def bare_csv(data: bytes) -> Iterable[Any]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")
    for row in stdlib_csv.reader(text, escapechar="\\"):
        yield dict(zip(NAMES, row, strict=False))


def bare_jsonl(data: bytes) -> Iterable[Any]:
    for line in io.BytesIO(data):
        yield orjson.loads(line)


def bare_parquet(data: bytes) -> Iterable[Any]:
    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(10_000):
        yield from batch.to_pylist()


def main(count: int) -> None:
    rows = [(str(10**9 + n), "abcdefgh", "ijklmnop", f"{n}.678", "2026-11-23T15") for n in range(count)]
    plain = b"".join(",".join(row).encode() + b"\n" for row in rows)
    quoted = b"".join('{},"{}",{},{},{}\n'.format(*row).encode() for row in rows)
    lines = b"".join(orjson.dumps(dict(zip(NAMES, row, strict=True))) + b"\n" for row in rows)
    array = b"[" + lines.strip().replace(b"\n", b",") + b"]"
    text = pa.table({name: [row[n] for row in rows] for n, name in enumerate(NAMES)})
    mixed = pa.table({"id": range(count), "f": [n / 3 for n in range(count)], "name": ["abcdefgh"] * count})
    parquet, numbers = io.BytesIO(), io.BytesIO()
    pq.write_table(text, parquet)
    pq.write_table(mixed, numbers)

    def spans(data: bytes) -> Iterable[Any]:
        return csv.scan(io.BytesIO(data), NAMES, ",", "x", 2, 0)

    def read_parquet(data: bytes) -> Iterable[Any]:
        return ParquetSource(io.BytesIO(data), "x").rows(0, count)

    table: list[tuple[str, Callable[[], Iterable[Any]] | None, Callable[[], Iterable[Any]]]] = [
        ("csv rows", partial(bare_csv, plain), lambda: csv.rows(io.BytesIO(plain), NAMES, ",", "x", 2)),
        ("csv rows, quoted", partial(bare_csv, quoted), lambda: csv.rows(io.BytesIO(quoted), NAMES, ",", "x", 2)),
        ("csv scan", None, partial(spans, plain)),
        ("csv scan, quoted", None, partial(spans, quoted)),
        ("jsonl values", partial(bare_jsonl, lines), lambda: jsonl.values(io.BytesIO(lines), "x", 1)),
        ("jsonl scan", None, lambda: jsonl.scan(io.BytesIO(lines), "x", 1, 0)),
        (
            "json array",
            lambda: ijson.items(io.BytesIO(array), "item", use_float=True),
            lambda: json.items(io.BytesIO(array), "x", None).pairs,
        ),
        ("json array, pointer", None, lambda: json.items(io.BytesIO(b'{"a":' + array + b"}"), "x", "/a").pairs),
        ("parquet text", lambda: bare_parquet(parquet.getvalue()), lambda: read_parquet(parquet.getvalue())),
        (
            "parquet int, float, text",
            lambda: bare_parquet(numbers.getvalue()),
            lambda: read_parquet(numbers.getvalue()),
        ),
    ]
    print(f"{'':28}{'bare':>8}{'here':>8}   µs CPU an item, {count:,} items")
    for name, bare, here in table:
        compared = f"{cost(bare, count):8.3f}" if bare else " " * 8
        print(f"{name:28}{compared}{cost(here, count):8.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else 200_000)
