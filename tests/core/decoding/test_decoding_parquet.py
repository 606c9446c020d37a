"""Parquet: the mapping of types, ranges of rows over row groups, size bounds, broken files."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_sfdm.core.decoding.parquet import ParquetSource
from airflow_provider_sfdm.core.errors import ItemReaderFailed
from airflow_provider_sfdm.core.json import dumps

SOURCE = "s3://bucket/data.parquet"


def write(table: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    file.seek(0)
    return file


def column(values: list[Any], kind: Any) -> list[Any]:
    source = ParquetSource(write(pa.table({"c": pa.array(values, kind)})), SOURCE)
    rows = list(source.rows(0, len(values)))
    dumps(rows)
    return [row["c"] for row in rows]


MOMENT = dt.datetime(2026, 11, 23, 15, 4, 5, 678000)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.null(), [None], [None]),
        (pa.bool_(), [True, None], [True, None]),
        (pa.int8(), [-128, None], [-128, None]),
        (pa.uint64(), [2**64 - 1], [2**64 - 1]),
        (pa.string(), ["é", "", None], ["é", "", None]),
        (pa.large_string(), ["x"], ["x"]),
        (pa.float64(), [1.5, float("nan"), float("inf"), float("-inf"), None], [1.5, None, None, None, None]),
        (pa.float32(), [0.5, float("nan")], [0.5, None]),
        (pa.float16(), [0.5, float("inf")], [0.5, None]),
        (pa.decimal128(9, 2), [Decimal("1.50"), None], ["1.50", None]),
        (pa.decimal128(38, 12), [Decimal("0.000000000001")], ["0.000000000001"]),
        (pa.decimal256(60, 0), [Decimal(10**50)], ["1" + "0" * 50]),
        (pa.binary(), [b"\x00\xff", b"", None], ["AP8=", "", None]),
        (pa.binary(2), [b"\x00\xff", None], ["AP8=", None]),
        (pa.date32(), [dt.date(2026, 11, 23), None], ["2026-11-23", None]),
        (pa.date64(), [dt.date(1, 1, 1)], ["0001-01-01"]),
        (pa.time32("s"), [dt.time(15, 4, 5)], ["15:04:05.000"]),
        (pa.time64("us"), [dt.time(15, 4, 5, 6), None], ["15:04:05.000006", None]),
        (pa.timestamp("ms"), [MOMENT, None], ["2026-11-23T15:04:05.678", None]),
        (pa.timestamp("us", "UTC"), [MOMENT], ["2026-11-23T15:04:05.678000Z"]),
        (
            pa.timestamp("ms", "Europe/Berlin"),
            [dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC), None],
            ["2026-07-01T12:00:00.000Z", None],
        ),
        (pa.duration("ms"), [dt.timedelta(seconds=90, milliseconds=500), None], [90.5, None]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", "b", "a", None], ["a", "b", "a", None]),
        (pa.list_(pa.int64()), [[1, None], [], None], [[1, None], [], None]),
        (pa.list_(pa.float64()), [None, [1.0, float("nan")], []], [None, [1.0, None], []]),
        (pa.list_(pa.list_(pa.binary())), [[[b"\x00"], None], None], [[["AA=="], None], None]),
        (pa.list_(pa.date32(), 2), [[dt.date(2026, 1, 1), None], None], [["2026-01-01", None], None]),
        (
            pa.struct([("d", pa.date32()), ("s", pa.struct([("t", pa.timestamp("s"))]))]),
            [{"d": dt.date(2026, 1, 1), "s": {"t": dt.datetime(2026, 1, 1)}}, None, {"d": None, "s": None}],
            [{"d": "2026-01-01", "s": {"t": "2026-01-01T00:00:00.000"}}, None, {"d": None, "s": None}],
        ),
        (
            pa.map_(pa.string(), pa.float64()),
            [[("a", float("nan")), ("b", 1.0)], None, []],
            [{"a": None, "b": 1.0}, None, {}],
        ),
        (pa.map_(pa.int32(), pa.list_(pa.binary())), [[(7, [b"\x00"])]], [{"7": ["AA=="]}]),
    ],
)
def test_types(kind: Any, values: list[Any], expected: list[Any]) -> None:
    assert column(values, kind) == expected


@pytest.fixture(scope="module")
def numbers() -> ParquetSource:
    table = pa.table({"n": range(25_000), "l": pa.array([[n / 2] for n in range(25_000)])})
    return ParquetSource(write(table, row_group_size=12_000), SOURCE)


@pytest.mark.parametrize(
    ("start", "count"),
    [
        (0, 25_000),
        (0, 1),
        (11_999, 2),
        (12_000, 12_000),
        (24_999, 10),
        (25_000, 5),
        (10_500, 14_000),
        (3, 0),
        (21_999, 2),
    ],
)
def test_ranges(numbers: ParquetSource, start: int, count: int) -> None:
    assert numbers.row_groups == [12_000, 12_000, 1_000]
    assert list(numbers.rows(start, count)) == [
        {"n": n, "l": [n / 2]} for n in range(start, min(start + count, 25_000))
    ]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_compression(compression: str) -> None:
    source = ParquetSource(write(pa.table({"a": ["x"] * 100}), compression=compression), SOURCE)
    assert list(source.rows(98, 100)) == [{"a": "x"}] * 2


def test_no_rows() -> None:
    source = ParquetSource(write(pa.table({"a": pa.array([], pa.int64())})), SOURCE)
    assert list(source.rows(0, 10)) == []


@pytest.mark.parametrize(
    "table",
    [
        {"a\n": [1, -(2**63)], "b": [True, False], "c": [None, None], "d": [-2.2250738585072014e-308, 0.1]},
        {"a": ["é" * 50, None], "b": ["x", "y" * 49]},
        {"a": ['"\\\x01\x02' * 20, "x"]},
        {"a": [b"\x00" * 31, None], "t": [MOMENT, None], "m": [Decimal("-123.45"), None]},
        {"a": pa.array([], pa.string())},
    ],
)
def test_no_row_is_larger_than_the_bound(table: dict[str, Any]) -> None:
    source = ParquetSource(write(pa.table(table)), SOURCE)
    bounds = [source.max_item_size(group) for group in range(len(source.row_groups))]
    rows = list(source.rows(0, 100))
    largest = max((len(dumps(row)) for row in rows), default=0)
    assert all(bound is not None and bound >= largest for bound in bounds)


def test_the_bound_of_text_is_tight() -> None:
    source = ParquetSource(write(pa.table({"a": ["é" * 50, "x"], "b": ["x", "yy"]})), SOURCE)
    assert source.max_item_size(0) == len(dumps({"a": "é" * 50, "b": "x"}))


def test_the_bound_of_nested_columns_is_not_known(numbers: ParquetSource) -> None:
    assert numbers.max_item_size(0) is None


GOOD = write(pa.table({"a": ["x" * 100] * 1000}), use_dictionary=False, compression="none").getvalue()


@pytest.mark.parametrize("data", [b"", b"id,name\n1,2\n", GOOD[:-5], GOOD[:4], b"PAR1" + b"x" * 100 + b"PAR1"])
def test_not_a_parquet_file(data: bytes) -> None:
    with pytest.raises(ItemReaderFailed, match=r"Failed: s3://bucket/data.parquet: the Parquet file cannot"):
        ParquetSource(io.BytesIO(data), SOURCE)


def test_corrupt_page() -> None:
    data = bytearray(GOOD)
    data[4:40] = b"\xff" * 36
    source = ParquetSource(io.BytesIO(data), SOURCE)
    with pytest.raises(ItemReaderFailed, match=r"data.parquet: the Parquet file cannot be read: "):
        list(source.rows(0, 1000))


@pytest.fixture
def pool() -> Iterator[Any]:
    """Counts what Arrow allocates from now on."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    yield pool
    pa.set_memory_pool(usual)


@pytest.fixture(params=[8_000, 4])
def wide(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One row group of 8,000 rows of 30 KB, 240 MB together; as it is stored 120 KB, if only four differ."""
    texts = [f"{index:4}" + "x" * 30_000 for index in range(request.param)]
    pq.write_table(pa.table({"text": (texts * 8_000)[:8_000]}), tmp_path / "wide", compression="zstd")
    return tmp_path / "wide"


def test_wide_rows_are_read_by_bytes(wide: Path, pool: Any) -> None:
    with wide.open("rb") as file:
        rows = ParquetSource(file, SOURCE).rows(0, 8_000)
        tracemalloc.start()
        try:
            count = sum(1 for _ in rows)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 8_000
    assert peak < 24 << 20
    assert pool.max_memory() < 160 << 20


def test_wide_rows_are_measured_by_bytes(wide: Path, pool: Any) -> None:
    with wide.open("rb") as file:
        assert ParquetSource(file, SOURCE).max_item_size(0) == 30_004 + len('{"text":""}')
    assert pool.max_memory() < 160 << 20


def test_small_row_groups_of_rows_of_different_width() -> None:
    table = pa.table({"text": ["y" * (index % 100) * 100 for index in range(5_000)]})
    source = ParquetSource(write(table, row_group_size=7), SOURCE)
    assert list(source.rows(3, 4_990)) == table.slice(3, 4_990).to_pylist()
