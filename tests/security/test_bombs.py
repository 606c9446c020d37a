"""Files made to fill the memory of whoever reads them. Each is read in a process of its own, and refused by name.

Unbounded, each takes a gigabyte or more, or minutes.
"""

from __future__ import annotations

import io
import re
import struct
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from airflow_provider_sfdm.core.decoding import csv, manifests
from airflow_provider_sfdm.core.decoding.parquet import ParquetSource
from airflow_provider_sfdm.core.decoding.parquet_pages import MAX_FOOTER
from airflow_provider_sfdm.core.errors import ItemReaderFailed
from tests.security.attacking import explode
from tests.security.bombs import MIB, gzipped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")

A_GIGABYTE = (b"a" * MIB, 1000)
MANY_NAMES = ",".join(map(str, range(30_000))).encode() + b"\n"

TEXTS: dict[str, tuple[str, bytes, bytes, int, bytes, str]] = {
    "a CSV field": ("csv", b"a,b\n", *A_GIGABYTE, b"", "line 2: the record that begins here is longer than 8388608 b"),
    "a quoted CSV field": (
        "csv",
        b'a\n"',
        b"aaaaaaa\n" * (MIB // 8),
        400,
        b"",
        "line 2: the record that begins here is",
    ),
    "a CSV header": ("csv", b"", *A_GIGABYTE, b"", "line 1: the header is longer than 262144 bytes or 1000 lines"),
    "a CSV header of lines": ("csv", b'"', b"\n" * MIB, 8, b'"\n1\n', "line 1001: the header is longer than 262144 b"),
    "blank lines before a CSV header": ("csv", b"", b"\n" * MIB, 2, b"a\n1\n", "read 1"),
    "a line of JSONL": ("jsonl", b'"', *A_GIGABYTE, b'"', "line 1: the line is longer than 8388608 bytes"),
    "a JSON string": ("json", b'[1,"', *A_GIGABYTE, b'"]', "item 1 does not end within 8388608 bytes"),
    "a JSON number": ("json", b"[1,", b"1" * MIB, 100, b"]", "item 1 does not end within 8388608 bytes"),
    "a JSON array": ("json", b"[1,[", b"[]," * (MIB // 3), 100, b"1]]", "item 1 does not end within 8388608 bytes"),
    "a JSON member": ("json", b'{"a":[', b"[]," * (MIB // 3), 100, b"1]}", "item 0 does not end within 8388608 bytes"),
    "a JSON name": ("json", b'{"', *A_GIGABYTE, b'":1}', "item 0 does not end within 8388608 bytes"),
    "a JSON string before the items": (
        "json pointer",
        b'{"a":"',
        *A_GIGABYTE,
        b'","x":[1]}',
        "a value before the items",
    ),
    "JSON levels": ("json", b"", b"[" * MIB, 1000, b"", "the JSON is nested deeper than 1024 levels"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_gzip_bomb(name: str, tmp_path: Path) -> None:
    kind, head, unit, times, tail, expected = TEXTS[name]
    file = gzipped(tmp_path / f"bomb.{kind.split()[0]}.gz", head, unit, times, tail)
    outcome = explode(kind, file)
    assert expected in outcome.text
    assert expected.startswith("read") or f"ItemReaderFailed: {file.name}" in outcome.text.replace(
        "States.ItemReaderFailed: ", ""
    )
    assert outcome.mib < 400


@pytest.mark.parametrize("kind", ["csv", "csv scan"])
def test_short_rows_below_many_names(kind: str, tmp_path: Path) -> None:
    """A row of two bytes has 30,000 columns; a block of 32 KiB of them would have half a billion."""
    outcome = explode(kind, gzipped(tmp_path / "wide.csv.gz", MANY_NAMES, b'1\n"1"\n', 100))
    assert outcome.text == "read 200"
    assert outcome.mib < 250


def test_what_is_no_item_may_be_of_any_length(tmp_path: Path) -> None:
    file = gzipped(tmp_path / "x.json.gz", b'{"a":[', b'"abcdefghijklmno",' * (MIB // 18), 24, b'1],"x":[1,2]}')
    outcome = explode("json pointer", file)
    assert outcome.text == "read 2"
    assert outcome.mib < 40


def test_a_zstandard_bomb(tmp_path: Path) -> None:
    file = tmp_path / "bomb.jsonl.zst"
    with zstandard.open(file, "wb") as writer:
        for _ in range(A_GIGABYTE[1]):
            writer.write(A_GIGABYTE[0])
    assert file.stat().st_size < MIB
    outcome = explode("jsonl", file)
    assert "line 1: the line is longer than 8388608 bytes" in outcome.text
    assert outcome.mib < 200


def test_a_zstandard_window_of_gigabytes(tmp_path: Path) -> None:
    file = tmp_path / "window.jsonl.zst"
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    file.write_bytes(compressor.compress(b"1\n" * 10) + compressor.flush())
    outcome = explode("jsonl", file)
    assert "window.jsonl.zst: the compressed data is not valid" in outcome.text
    assert outcome.mib < 50


def _column(value: str, rows: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))


def _parquets() -> dict[str, tuple[Any, dict[str, Any], str]]:
    text = pa.array(["x" * 100 * MIB])
    nulls = pa.ListArray.from_arrays(pa.array([0, 20_000_000], pa.int32()), pa.nulls(20_000_000, pa.int32()))
    listed = pa.ListArray.from_arrays(pa.array([0, 2_000], pa.int32()), _column("x" * MIB, 2_000))
    as_text: dict[str, Any] = {"store_schema": False}
    return {
        "a value that every row names": (pa.table({"a": _column("x" * 4 * MIB, 1_000)}), as_text, "read 500"),
        "the same, to be left so": (pa.table({"a": _column("x" * 4 * MIB, 1_000)}), {}, "read 500"),
        "many columns of them": (
            pa.table({f"a{n}": _column("x" * 2 * MIB, 2_000) for n in range(40)}),
            as_text,
            "with it a row may have more than 67,108,864 bytes",
        ),
        "pages": (pa.table({f"a{n}": text for n in range(4)}), {"use_dictionary": False}, "the pages that are read at"),
        "a list of nothing": (
            pa.table({"a": nulls}),
            {},
            "column a.list.element: the pages that are read at once hold",
        ),
        "a list of one value": (pa.table({"a": listed}), {}, "a row has 2,097,152,000 bytes, more than 67,108,864"),
    }


@pytest.mark.parametrize("name", _parquets())
def test_a_parquet_bomb(name: str, tmp_path: Path) -> None:
    table, options, expected = _parquets()[name]
    file = tmp_path / "bomb.parquet"
    pq.write_table(table, file, compression="zstd", **options)
    assert file.stat().st_size < 100_000
    outcome = explode("parquet", file)
    assert expected in outcome.text
    assert expected.startswith("read") or "ItemReaderFailed: bomb.parquet: " in outcome.text
    assert outcome.mib < 600


def _rows(data: bytes) -> int:
    return sum(1 for _ in ParquetSource(io.BytesIO(data), "f.parquet").rows(0, 1_000_000))


def _varint(number: int) -> bytes:
    """An i32 as Thrift's compact protocol writes it."""
    number, out = 2 * number, bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("says", [2**31 - 1, -1])
def test_a_page_that_says_it_is_larger_than_it_is(says: int) -> None:
    """Arrow would make room for what the header says, before it looks at what there is."""
    written = io.BytesIO()
    table = pa.table({"a": ["x" * 1_000] * 140_000})
    one_page: dict[str, Any] = {"use_dictionary": False, "data_page_size": 1 << 30, "max_rows_per_page": 1 << 30}
    pq.write_table(table, written, compression="zstd", write_statistics=False, **one_page)
    data = written.getvalue()
    size = _varint(1_004 * 140_000 + 8)
    assert data[4:].startswith(b"\x15\x00\x15" + size), "the header of the page begins with its type and its size"
    assert _rows(data) == 140_000
    lie = _varint(says) if says > 0 else b"\xff\xff\xff\xff\x0f"
    with pytest.raises(
        ItemReaderFailed, match=r"f.parquet: .* (hold 2,147,483,647 bytes|header of a page is not valid)"
    ):
        _rows(data.replace(size, lie, 1))


def test_a_footer_that_is_too_long() -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), written)
    data = written.getvalue()
    for length, cause in (
        (MAX_FOOTER + 1, "the footer has 16,777,217 bytes"),
        (2**31, "the footer has 2,147,483,648 b"),
    ):
        with pytest.raises(ItemReaderFailed, match=cause):
            _rows(data[:-8] + struct.pack("<I", length) + b"PAR1")
    with pytest.raises(ItemReaderFailed, match="the Parquet file cannot be read"):
        _rows(data[:-8] + struct.pack("<I", MAX_FOOTER) + b"PAR1")


def test_columns_that_are_nested_too_deeply() -> None:
    kind, value = pa.int32(), 1
    for _ in range(200):
        kind, value = pa.struct([("a", kind)]), {"a": value}  # type: ignore[assignment]
    written = io.BytesIO()
    pq.write_table(pa.table({"a": pa.array([value], kind)}), written)
    with pytest.raises(ItemReaderFailed, match="schema too deeply nested"):
        _rows(written.getvalue())


def test_an_ordinary_file_is_read_whatever_wrote_it() -> None:
    """What is refused above are limits, not ways to write a file."""
    rows = [
        {"s": f"v{n % 900}" * 8, "b": None if n % 7 else b"\0\0x" * (n % 50), "l": [str(i) * 30 for i in range(n % 4)]}
        for n in range(3_000)
    ]
    expected = None
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
        for version, page in (("1.0", MIB), ("2.0", 4096)):
            written = io.BytesIO()
            options: dict[str, Any] = {"data_page_version": version, "data_page_size": page, "row_group_size": 700}
            pq.write_table(pa.Table.from_pylist(rows), written, compression=codec, **options)
            read = list(ParquetSource(written, "f").rows(5, 2_900))
            expected = expected or read
            assert read == expected
            assert [row["s"] for row in read] == [row["s"] for row in rows[5:2_905]]


def test_an_inventory_of_many_columns() -> None:
    content = b'{"fileFormat":"CSV","destinationBucket":"b","files":[],"fileSchema":"' + b"a," * csv.MAX_HEADER + b'"}'
    with pytest.raises(
        ItemReaderFailed, match=re.escape("m.json: the inventory's fileSchema is longer than 262144 ch")
    ):
        manifests.inventory(content, "m.json")
