"""The data that the benchmarks run on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.data import BLOCK_ROWS, FIELDS, write_csv, write_jsonl, write_parquet


@pytest.mark.parametrize("rows", [0, 1, BLOCK_ROWS, BLOCK_ROWS + 3])
def test_all_formats_have_the_same_rows(tmp_path: Path, rows: int) -> None:
    with write_csv(tmp_path / "a.csv", rows).open(newline="") as file:
        from_csv = [{**row, "amount": float(row["amount"])} for row in csv.DictReader(file)]
    with write_jsonl(tmp_path / "a.jsonl", rows).open() as file:
        from_jsonl = [json.loads(line) for line in file]
    from_parquet = pq.read_table(write_parquet(tmp_path / "a.parquet", rows)).to_pylist()
    assert len(from_csv) == rows
    assert from_csv == from_jsonl == from_parquet
    assert [row["id"] for row in from_csv] == [f"{n:010d}" for n in range(rows)]
    assert all(tuple(row) == FIELDS for row in from_jsonl)


def test_a_row_has_51_bytes_and_a_longer_file_begins_like_a_shorter(tmp_path: Path) -> None:
    short = write_csv(tmp_path / "short.csv", 70_000).read_bytes()
    long = write_csv(tmp_path / "long.csv", 2 * BLOCK_ROWS).read_bytes()
    assert long.startswith(short)
    assert len(long) / (2 * BLOCK_ROWS) == pytest.approx(51, abs=0.5)


def test_more_rows_than_identifiers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows must be"):
        write_csv(tmp_path / "a.csv", 100_000 * BLOCK_ROWS + 1)
