"""Synthetic data for the benchmarks: the same rows as CSV, JSON Lines and Parquet, the same bytes each time.

A row has five fields and 51 bytes on average as CSV: an identifier, a carrier, a city, an amount and a time. Every
file of N rows begins with the rows of every shorter one. All but the first five digits of the identifier repeats
after BLOCK_ROWS rows, so a block is one `join` with these digits: 10,000,000 rows of CSV take about a second.

Usage: python -m benchmarks.data FOLDER [ROWS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIELDS = ("id", "carrier", "city", "amount", "time")
CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
CITIES = ("Barcelona", "Chicago", "Dortmund", "Edinburgh", "Frankfurt", "Grenoble", "Hamburg", "Istanbul")
BLOCK_ROWS = 100_000
MAX_ROWS = 100_000 * BLOCK_ROWS


@dataclass(frozen=True)
class Row:
    """A row but for the first five digits of its identifier, which are the number of its block."""

    id_end: str
    carrier: str
    city: str
    amount: float
    time: str


def _row(n: int) -> Row:
    """Row `n` of any block."""
    return Row(
        id_end=f"{n:05d}",
        carrier=CARRIERS[n * 7 % len(CARRIERS)],
        city=CITIES[n // 8 * 11 % len(CITIES)],
        amount=n * 37 % BLOCK_ROWS / 100,
        time=f"2026-01-{n // 86_400 + 1:02d}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z",
    )


def _blocks(rows: int) -> Iterator[tuple[str, int]]:
    """The first five digits of the identifiers, and the number of rows, of every block."""
    if not 0 <= rows <= MAX_ROWS:
        raise ValueError(f"rows must be 0 to {MAX_ROWS:,}, not {rows:,}")
    for block, first in enumerate(range(0, rows, BLOCK_ROWS)):
        yield f"{block:05d}", min(BLOCK_ROWS, rows - first)


def _write_lines(path: Path, rows: int, head: str, before_id: str, ends: list[str]) -> Path:
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(head)
        for digits, count in _blocks(rows):
            begin = before_id + digits
            file.write(begin)
            file.write(begin.join(ends if count == BLOCK_ROWS else ends[:count]))
    return path


def write_csv(path: Path, rows: int) -> Path:
    """Write a CSV file with a header line and `rows` rows."""
    ends = [
        f"{row.id_end},{row.carrier},{row.city},{row.amount:.2f},{row.time}\n"
        for row in map(_row, range(min(rows, BLOCK_ROWS)))
    ]
    return _write_lines(path, rows, ",".join(FIELDS) + "\n", "", ends)


def write_jsonl(path: Path, rows: int) -> Path:
    """Write the rows as JSON objects, one a line; the amount is a number."""
    ends = [
        f'{row.id_end}","carrier":"{row.carrier}","city":"{row.city}","amount":{row.amount},"time":"{row.time}"}}\n'
        for row in map(_row, range(min(rows, BLOCK_ROWS)))
    ]
    return _write_lines(path, rows, "", '{"id":"', ends)


def write_parquet(path: Path, rows: int) -> Path:
    """Write the rows as Parquet, in row groups of BLOCK_ROWS; the amount is a double."""
    block = [_row(n) for n in range(min(rows, BLOCK_ROWS))]
    id_ends = pa.array([row.id_end for row in block], pa.string())
    others = {name: pa.array([getattr(row, name) for row in block]) for name in FIELDS[1:]}
    schema = pa.schema([(name, pa.float64() if name == "amount" else pa.string()) for name in FIELDS])
    with pq.ParquetWriter(path, schema) as writer:
        for digits, count in _blocks(rows):
            ids = pc.binary_join_element_wise(digits, id_ends, "")
            table = pa.table({"id": ids, **others}, schema=schema)
            writer.write_table(table.slice(0, count), row_group_size=BLOCK_ROWS)
    return path


WRITERS: dict[str, Callable[[Path, int], Path]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def main(folder: str, rows: str = "1000000") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for suffix, write in WRITERS.items():
        began = time.perf_counter()
        path = write(Path(folder) / f"rows-{int(rows)}.{suffix}", int(rows))
        print(f"{path}: {path.stat().st_size:,} bytes in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
