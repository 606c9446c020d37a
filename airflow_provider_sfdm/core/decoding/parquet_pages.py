"""Looks at the pages of a Parquet file before Arrow does: a kilobyte of a page may say that it holds gigabytes.

Arrow makes room for what the header of a page says, whatever the footer says, and has no limit. Each column that is
read has one page in memory, and its dictionary; what they hold together is limited here. The headers are read from the
bytes on their way to Arrow, so that nothing is read twice.

A dictionary holds a value once, and each row may name it. Arrow decodes a batch of rows at a time, of which only the
number can be chosen; so the longest value of each dictionary decides how many.

Source: "Parquet.thrift" of the Apache Parquet format (PageHeader), in Thrift's compact protocol.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from struct import Struct
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

# AWS reads row groups of up to 256 MB. Here they may be larger, as long as their pages are not.
MAX_PAGES = 256 * 1024 * 1024
# AWS reads footers of up to 5 MB. What Arrow makes of one takes 35 times its size.
MAX_FOOTER = 16 * 1024 * 1024
# What the rows of a batch may take, decoded. A dictionary smaller than this cannot make the largest batch larger.
DECODED_BYTES = 64 * 1024 * 1024
_SMALL_DICTIONARY = 32 * 1024
# What a value of a list takes in Arrow and as a Python object: a page of nulls has no size.
_VALUE_BYTES = 32
_LENGTH = Struct("<I")
_MAX_HEADER = 1024 * 1024
# What Arrow reads at the end of a file, at first.
_TAIL = 64 * 1024


class BadPages(Exception):
    """The pages, or the footer, hold more than is read, or are none; says what."""


class WideRows(Exception):
    """So many rows at a time are too many; ``rows`` are not."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows


class _Page(NamedTuple):
    """One page: the size of its header, and what that says."""

    header: int
    is_dictionary: bool
    size: int
    compressed: int
    values: int


class CheckedFile:
    """A Parquet file whose pages are checked while they are read; what else there is passes through.

    For Arrow, which reads a range at a time, of one thread at a time.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._starts: list[int] = []
        self._chunks: list[_Chunk] = []
        self._held = self._rows = 0
        self._widest = {False: 0, True: 0}
        self.closed = False
        self._check_footer()

    def watch(self, metadata: Any, groups: Iterable[int], rows: int) -> None:
        """From now on these row groups are read, so many rows at a time. Reading raises WideRows when it is too many.

        :raises BadPages: their columns overlap, as in no file that a writer has made.
        """
        chunks = sorted(_chunks(metadata, groups), key=lambda chunk: chunk.next)
        for chunk, following in pairwise(chunks):
            if chunk.end > following.next:
                raise BadPages("two columns are in the same place of the file")
        self._chunks = chunks
        self._held, self._rows = 0, rows
        # What the longest values take in a row: those of lists, of which a row has any number, and others.
        self._widest = {False: 0, True: 0}
        self._starts = [chunk.next for chunk in chunks]

    def read(self, size: int = -1, /) -> bytes:
        self._file.seek(self._position)
        data = self._file.read(size)
        start, stop = self._position, self._position + len(data)
        self._position = stop
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self._chunks) and self._starts[index] < stop:
            self._look(self._chunks[index], start, data)
            index += 1
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._file.seek(self._position)
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        """Not here: whoever has opened the file closes it."""

    def _look(self, chunk: _Chunk, start: int, data: bytes) -> None:
        """Check the pages of a column that begin in ``data``, and any before it that have not been read."""
        while chunk.next < min(start + len(data), chunk.end):
            page = _page(data, chunk.next - start) if chunk.next >= start else None
            page = page or self._page_at(chunk.next)
            self._held += chunk.add(page)
            if self._held > MAX_PAGES:
                raise BadPages(
                    f"column {chunk.name}: the pages that are read at once hold {self._held:,} bytes with one of it, "
                    f"more than {MAX_PAGES:,}"
                )
            if page.is_dictionary and page.size > _SMALL_DICTIONARY and chunk.text:
                self._check_dictionary(chunk, page)

    def _check_dictionary(self, chunk: _Chunk, page: _Page) -> None:
        self._file.seek(chunk.next - page.compressed)
        longest = _longest(self._file.read(page.compressed), page, chunk.codec)
        self._widest[chunk.repeated] += longest * chunk.values_of_row
        if self._widest[False] > DECODED_BYTES:
            raise BadPages(f"column {chunk.name}: with it a row may have more than {DECODED_BYTES:,} bytes")
        rows = max(DECODED_BYTES // (sum(self._widest.values()) or 1), 1)
        if rows < self._rows:
            raise WideRows(rows)

    def _page_at(self, position: int) -> _Page:
        for size in (_TAIL, _MAX_HEADER):
            self._file.seek(position)
            if (page := _page(self._file.read(size), 0)) is not None:
                return page
        raise BadPages(f"there is no page at byte {position}, where one should be")

    def _check_footer(self) -> None:
        size = self._file.seek(0, 2)
        self._file.seek(max(size - _TAIL, 0))
        tail = self._file.read(_TAIL)
        footer = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] == b"PAR1" and footer > MAX_FOOTER:
            raise BadPages(f"the footer has {footer:,} bytes, more than {MAX_FOOTER:,}")


class _Chunk:
    """A column of a row group: how far its pages have been checked, and what it holds of them."""

    __slots__ = ("_dictionary", "_largest", "codec", "end", "name", "next", "repeated", "text", "values_of_row")

    def __init__(self, column: Any, start: int, chunk: Any, rows: int) -> None:
        self.name = column.path
        self.next = start
        self.end = start + chunk.total_compressed_size
        self.codec = chunk.compression
        self.repeated = column.max_repetition_level > 0
        # On average. Where one row has most of them, Arrow stops at 2 GiB.
        self.values_of_row = -(-chunk.num_values // max(rows, 1)) if self.repeated else 1
        self.text = is_text(column)
        self._dictionary = self._largest = 0

    def add(self, page: _Page) -> int:
        """Go on to the next page; how much more is in memory with this one."""
        self.next += page.header + page.compressed
        before = self._dictionary + self._largest
        if page.is_dictionary:
            self._dictionary = max(self._dictionary, page.size)
        else:
            size = page.size + page.values * _VALUE_BYTES if self.repeated else page.size
            self._largest = max(self._largest, size)
        return self._dictionary + self._largest - before


def _chunks(metadata: Any, groups: Iterable[int]) -> Iterable[_Chunk]:
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    for group in groups:
        row_group = metadata.row_group(group)
        for number, column in enumerate(columns):
            chunk = row_group.column(number)
            if not chunk.num_values:
                continue  # no page is read of it, and its place may be any
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            yield _Chunk(column, start, chunk, row_group.num_rows)


def is_text(column: Any) -> bool:
    """Whether a column holds values of any length: text or bytes."""
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL")


def _longest(data: bytes, page: _Page, codec: str) -> int:
    """No value of a dictionary of text is longer than this; where that cannot be told, the size of the dictionary."""
    try:
        values = (
            data if codec == "UNCOMPRESSED" else pa.Codec(_CODECS.get(codec, codec.lower())).decompress(data, page.size)
        )
    except (pa.ArrowException, OSError, ValueError):
        return page.size  # Arrow will say so
    if page.size <= _ORDINARY_DICTIONARY and (bound := _bound_of_short(bytes(values), page.values)):
        return bound
    longest = position = 0
    while position + 4 <= len(values):
        (length,) = _LENGTH.unpack_from(values, position)
        longest = max(longest, length)
        position += 4 + length
    return min(longest, page.size)


def _bound_of_short(values: bytes, number: int) -> int | None:
    """No value is longer than this, told without looking at each; None if they have to be looked at.

    Before each value stands its length in four bytes, the last two of which are zeros for one below 64 KiB. Others may
    be in the values themselves, as many as there are pairs of zeros too many. If every block has a pair, then what
    has no length in it, the middle of a long value, has one of those in each block.
    """
    spare = max(values.count(_ZEROS) - number, 0)
    if spare > _MOST_SPARE:
        return None
    if any(values.find(_ZEROS, start, start + _BLOCK) < 0 for start in range(0, len(values) - _BLOCK, _BLOCK)):
        return None
    return (spare + 3) * _BLOCK


_CODECS = {"LZ4": "lz4_raw"}
_ORDINARY_DICTIONARY = 4 * 1024 * 1024
_ZEROS = b"\0\0"
_BLOCK = 512
# One of 64 KiB, whose length has no such pair, would need more of them for its blocks.
_MOST_SPARE = 64


# Field numbers of PageHeader, and of the headers of the kinds of pages in it.
_SIZE, _COMPRESSED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_VALUES = 1
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12


def _page(data: bytes, start: int) -> _Page | None:
    """The page whose header begins at ``start``; None if ``data`` ends before the header does.

    :raises BadPages: it is no header of a page.
    """
    thrift = _Thrift(data, start)
    try:
        fields = thrift.struct()
    except IndexError:
        if len(data) - start >= _MAX_HEADER:
            raise BadPages("the header of a page is too long") from None
        return None
    size: Any = fields.get(_SIZE)
    compressed: Any = fields.get(_COMPRESSED)
    kind: Any = next((fields[number] for number in (_DATA, _DATA_V2, _DICTIONARY) if number in fields), {})
    values: Any = kind.get(_VALUES, 0) if isinstance(kind, dict) else None
    for number in (size, compressed, values):
        if not isinstance(number, int) or number < 0:
            raise BadPages("the header of a page is not valid")
    return _Page(thrift.position - start, _DICTIONARY in fields, size, compressed, values)


class _Thrift:
    """Reads a struct of Thrift's compact protocol as a dict by field number. Raises IndexError at the end of data."""

    _DEEPEST = 8

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > self._DEEPEST:
            raise BadPages("the header of a page is not valid")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            kind = head & 0x0F
            if kind == _STOP:
                return fields
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BYTE:
            return self._byte()
        if kind < _DOUBLE:
            return self._integer()
        if kind == _DOUBLE:
            return self._past(8)
        if kind == _BINARY:
            return self._past(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        # Lists, sets and maps are in no header of a page.
        raise BadPages("the header of a page is not valid")

    def _past(self, size: int) -> None:
        self.position += size
        if self.position > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise BadPages("the header of a page is not valid")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
