"""Reading JSON Lines and Parquet against a bare orjson or pyarrow loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from airflow_provider_sfdm import ItemReader, S3JsonLItemReader, S3ParquetItemReader
from airflow_provider_sfdm.runtime.sources import reader_items
from airflow_provider_sfdm.storage import Connections

from .harness import Row, compared, data_file, in_turn, measure


def bare_jsonl(source: str) -> int:
    """All lines, parsed; returns their number."""
    with Path(source).open("rb") as file:
        return sum(1 for line in file if orjson.loads(line))


def bare_parquet(source: str) -> int:
    """All rows as dicts, a batch at a time; returns their number."""
    with pq.ParquetFile(source) as file:
        return sum(1 for batch in file.iter_batches() for row in batch.to_pylist() if row)


def read(source: str) -> int:
    """All items of our reader; returns their number."""
    url = Path(source).as_uri()
    reader: ItemReader = S3ParquetItemReader(url=url) if url.endswith(".parquet") else S3JsonLItemReader(url=url)
    return sum(1 for value, _, _ in reader_items(reader, Connections()) if value)


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    rows = 100_000 if quick else 1_000_000
    found = []
    for name, source, bare in (
        ("JSONL; against a bare orjson loop", data_file("jsonl", rows), bare_jsonl),
        ("Parquet; against a bare pyarrow loop", data_file("parquet", rows), bare_parquet),
    ):
        pairs = in_turn(
            partial(measure, read, source=source),
            partial(measure, bare, source=source),
            3 if quick else 5,
        )
        assert all(sample.result == rows for sample in (*pairs.ours, *pairs.other))
        found.append(compared("reading", f"{rows:,} rows of {name}", pairs, "cpu", 1.5))
    return found
