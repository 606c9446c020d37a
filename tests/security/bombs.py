"""Small files that are large when they are read, and how they are read."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from airflow_provider_sfdm.core.decoding import csv, json, jsonl
from airflow_provider_sfdm.core.decoding.compression import decompress
from airflow_provider_sfdm.core.decoding.parquet import ParquetSource

MIB = 1 << 20


def gzipped(path: Path, head: bytes, unit: bytes, times: int, tail: bytes = b"") -> Path:
    """A file of ``head``, ``unit`` a number of times, and ``tail``, which is never in memory as a whole."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(times):
            file.write(unit)
        file.write(tail)
    return path


def _count(items: Iterable[Any]) -> int:
    return sum(1 for _ in items)


def _csv(path: Path) -> int:
    with path.open("rb") as raw:
        stream = decompress(raw, path.name)
        header = csv.read_header(stream, ",", path.name)
        return _count(csv.rows(stream, header.names, ",", path.name, 1 + header.lines))


def _csv_scan(path: Path) -> int:
    with path.open("rb") as raw:
        stream = decompress(raw, path.name)
        header = csv.read_header(stream, ",", path.name)
        return sum(map(len, csv.scan(stream, header.names, ",", path.name, 1 + header.lines, header.size)))


def _jsonl(path: Path) -> int:
    with path.open("rb") as raw:
        return _count(jsonl.values(decompress(raw, path.name), path.name, 1))


def _json(path: Path, pointer: str | None = None) -> int:
    with path.open("rb") as raw:
        return _count(json.items(decompress(raw, path.name), path.name, pointer).pairs)


def _json_pointer(path: Path) -> int:
    return _json(path, "/x")


def _parquet(path: Path) -> int:
    with path.open("rb") as file:
        source = ParquetSource(file, path.name)
        return _count(row for row, _ in zip(source.rows(0, sum(source.row_groups)), range(500), strict=False))


EXPLODE: dict[str, Callable[[Path], int]] = {
    "csv": _csv,
    "csv scan": _csv_scan,
    "json": _json,
    "json pointer": _json_pointer,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
