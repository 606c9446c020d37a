"""CSV files as AWS reads them: every row an object of strings.

The rules ("Parsing an input CSV file" in the AWS Step Functions guide, and what AWS was recorded to do):

* header names verbatim; missing trailing columns are ``""``, columns beyond the header are dropped;
* a quoted field may hold delimiters, line ends and doubled quotes; a doubled quote in a field that is not quoted
  stands for one quote as well; a backslash makes the next character an ordinary one and is dropped itself;
* an empty line is no item, a line of white space is one.

AWS does not say, and here it is so: UTF-8 only, a byte order mark is skipped, lines end with LF or CRLF and a lone
CR outside quotes is refused, text after a closing quote belongs to the field, a quote still open at the end of the
file is refused, and a backslash at the end of a line outside quotes is dropped like one before any other character.

``rows`` and ``scan`` agree on what a record is, wherever they begin and however the file is cut into blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise, repeat
from typing import BinaryIO, NamedTuple

import orjson

from ..errors import ItemReaderFailed
from ..json import dumps
from ._csv_records import RecordParser, Records
from .blocks import BOM, MAX_RECORD, ROWS_BLOCK, SCAN_BLOCK, LineTooLong, line_blocks
from .stretch import Stretch

# Every row holds all names as an item, and every line of a quoted header is gone over again with the next one. AWS
# takes 10 KiB.
MAX_HEADER = 256 * 1024
MAX_HEADER_LINES = 1_000

# Bytes that JSON writes longer than they are. A tab is one of them unless it is the delimiter.
_CONTROLS = bytes(set(range(0x20)) - set(b"\r\n"))


class Header(NamedTuple):
    """The header record of a file: its names, and how many bytes and lines (with what is skipped before it) it is."""

    names: tuple[str, ...]
    size: int
    lines: int


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise ItemReaderFailed with AWS's recorded cause if a column name occurs twice."""
    if len(set(names)) != len(names):
        raise ItemReaderFailed("CSV headers cannot contain duplicates.")


def read_header(stream: BinaryIO, delimiter: str, source: str) -> Header:
    """Read the header from the start of a file and leave ``stream`` at the first byte after it.

    Raises ItemReaderFailed for a file without any record, duplicate names, and everything a row can be refused for.
    """
    parser = RecordParser(delimiter, source)
    raw = b""
    size = lines = 0
    first = 1
    while line := stream.readline(MAX_HEADER + 1):
        size += len(line)
        lines += 1
        raw += line.removeprefix(BOM) if lines == 1 else line
        if not raw.strip(b"\r\n"):
            # A blank line before the header, which is not gone over again with the next one.
            raw, first = b"", lines + 1
            continue
        if len(raw) > MAX_HEADER or lines - first >= MAX_HEADER_LINES:
            raise ItemReaderFailed(
                f"{source} line {lines}: the header is longer than {MAX_HEADER} bytes or {MAX_HEADER_LINES} lines"
            )
        text, error = _decode(raw, source, first)
        records = parser.parse(text, first)
        error = error or records.error
        if error:
            raise error
        if records.rows:
            names = tuple(records.rows[0])
            refuse_duplicates(names)
            return Header(names, size, lines)
    if raw:
        raise _open_quote(source, first)
    raise ItemReaderFailed(f"{source}: the file is empty, so it has no header row")


def rows(
    stream: BinaryIO,
    names: Sequence[str],
    delimiter: str,
    source: str,
    first_line: int,
    *,
    block_size: int = ROWS_BLOCK,
) -> Iterator[dict[str, str]]:
    """The rows from the stream's position, which must be the start of a record, to its end.

    ``first_line`` is the number of the line the stream stands at; at line 1 a byte order mark is skipped. Raises
    ItemReaderFailed naming ``source`` and the line, after the rows before it have been yielded.
    """
    # Both chain and map run in C: a row costs no step of a Python generator.
    return chain.from_iterable(_row_blocks(stream, names, delimiter, source, first_line, block_size))


def _row_blocks(
    stream: BinaryIO, names: Sequence[str], delimiter: str, source: str, first_line: int, block_size: int
) -> Iterator[Iterator[dict[str, str]]]:
    width = len(names)
    for block in _record_blocks(stream, RecordParser(delimiter, source), source, first_line, block_size, rows=True):
        records = block.records
        if records.rows:
            yield map(dict, map(zip, repeat(names), _filled(records.rows, width)))
        if records.error:
            raise records.error


def scan(
    stream: BinaryIO,
    names: Sequence[str],
    delimiter: str,
    source: str,
    first_line: int,
    offset: int,
    *,
    block_size: int = SCAN_BLOCK,
) -> Iterator[Stretch]:
    """Find the rows without building them: stretches that cover every row ``rows`` yields from the same position.

    ``offset`` is the absolute position of the stream; at 0 a byte order mark is skipped. Sizes are those of the rows
    as compact JSON, exact unless a row has more columns than there are names (then an upper bound). Raises what
    ``rows`` raises.
    """
    parser = RecordParser(delimiter, source)
    sizes = _Sizes(names, delimiter)
    for block in _record_blocks(stream, parser, source, first_line, block_size, rows=False):
        start = offset + block.start
        records = block.records
        if block.lines:
            lengths = list(map(len, block.lines))
            if not block.data.endswith(b"\n"):
                lengths[-1] -= 1
            lengths[0] += block.skipped
            yield Stretch(start, block.line, sizes.of_lines(block.data, block.lines), lengths, line_end=1)
            continue
        if records.rows:
            lengths = _record_lengths(block.data, records)
            lengths[0] += block.skipped
            yield Stretch(start, block.line, sizes.of_rows(records.rows), lengths, lines=records.lines)
        if records.error:
            raise records.error


class _Block(NamedTuple):
    """A block of whole records: the decoded ``records``, or (scan only) the ``lines`` if each of them is a record.

    ``start`` is relative to where the stream stood, ``skipped`` the bytes of a byte order mark before the block.
    """

    start: int
    skipped: int
    line: int
    data: bytes
    records: Records
    lines: list[bytes] | None = None


def _record_blocks(
    stream: BinaryIO, parser: RecordParser, source: str, first_line: int, block_size: int, *, rows: bool
) -> Iterator[_Block]:
    start = skipped = wanted = 0
    line = first_line
    carry = b""
    at_start = first_line == 1
    try:
        for data, last in line_blocks(stream, block_size):
            if at_start and data.startswith(BOM):
                data = data[len(BOM) :]
                skipped = len(BOM)
            at_start = False
            data = carry + data
            if len(data) < wanted and not last:
                carry = data
                continue
            wanted = 0
            text, error = _decode(data, source, line)
            if error:
                data = text.encode()
            lines = None if rows or error else _one_record_a_line(data)
            if lines:
                yield _Block(start, skipped, line, data, _NO_RECORDS, lines)
                start += skipped + len(data)
                line += len(lines)
                skipped, carry = 0, b""
                continue
            records = parser.parse(text, line, numbered=not rows)
            done, carry = data, b""
            if records.unfinished:
                done, carry = _split_lines_off(data, records.unfinished)
                if last and not error:
                    records.error = records.error or _open_quote(source, line + done.count(b"\n"))
                elif len(carry) > MAX_RECORD:
                    raise LineTooLong
                # Not to parse a long record again with every block that is added to it.
                wanted = min(2 * len(carry), MAX_RECORD + 1)
            records.error = records.error or error
            yield _Block(start, skipped, line, done, records)
            if done:
                start += skipped + len(done)
                line += done.count(b"\n")
                skipped = 0
    except LineTooLong:
        raise ItemReaderFailed(
            f"{source} line {line}: the record that begins here is longer than {MAX_RECORD} bytes"
        ) from None


_NO_RECORDS = Records([])


def _one_record_a_line(data: bytes) -> list[bytes] | None:
    """The lines of ``data`` if each is a record: nothing quoted or escaped, no blank line, no lone CR."""
    if b'"' in data or b"\\" in data:
        return None
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if b"" in lines:
        return None
    if b"\r" in data and (data.count(b"\r") != data.count(b"\r\n") or b"\r" in lines):
        return None
    return lines


def _record_lengths(data: bytes, records: Records) -> list[int]:
    """Bytes of each record, the blank lines before it included."""
    lines = data.split(b"\n")
    lengths = [len(line) + 1 for line in lines]
    lengths[-1] -= 1
    if records.lines is None:
        if not lengths[-1]:
            lengths.pop()
        return lengths
    ends = list(accumulate(lengths, initial=0))
    # Line number n ends where line n + 1 begins.
    edges = [0, *map(ends.__getitem__, records.lines)]
    return [end - start for start, end in pairwise(edges)]


def _split_lines_off(data: bytes, count: int) -> tuple[bytes, bytes]:
    """``data`` without its last ``count`` lines, and these."""
    cut = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(count):
        cut = data.rfind(b"\n", 0, cut)
    return data[: cut + 1], data[cut + 1 :]


def _filled(rows: list[list[str]], width: int) -> Iterable[list[str]]:
    """The rows, none of fewer columns than there are names. A block of short ones is never filled at once: with many
    names it may take a thousand times its size."""
    if min(map(len, rows)) >= width:
        return rows
    return (row if len(row) >= width else [*row, *repeat("", width - len(row))] for row in rows)


def _decode(data: bytes, source: str, first_line: int) -> tuple[str, ItemReaderFailed | None]:
    """``data`` as text, or the lines before the first one that is not UTF-8 and the error for that one."""
    try:
        return data.decode(), None
    except UnicodeDecodeError as error:
        good = data[: data.rfind(b"\n", 0, error.start) + 1]
        line = first_line + good.count(b"\n")
        return good.decode(), ItemReaderFailed(f"{source} line {line}: the text is not UTF-8 ({error.reason})")


def _open_quote(source: str, line: int) -> ItemReaderFailed:
    return ItemReaderFailed(f"{source} line {line}: a quote opened in this record is not closed by the end of the file")


class _Sizes:
    """Computes how many bytes rows have as compact JSON."""

    def __init__(self, names: Sequence[str], delimiter: str) -> None:
        self._width = len(names)
        self._delimiter = delimiter.encode()
        self._controls = _CONTROLS.replace(self._delimiter, b"")
        # Name and colon of each member; the braces and commas are as long as those of the row written as an array.
        self._names = sum(len(dumps(name)) + 1 for name in names)
        self._empty_row = self._names + len(dumps([""] * self._width))

    def of_rows(self, rows: list[list[str]]) -> list[int]:
        if max(map(len, rows)) > self._width:
            rows = [row[: self._width] for row in rows]
        # Nothing but text here, so there is nothing to be strict about.
        return list(map(self._names.__add__, map(len, map(orjson.dumps, _filled(rows, self._width)))))

    def of_lines(self, data: bytes, lines: list[bytes]) -> list[int]:
        """For lines without quotes, backslashes and lone CR: the values are the lines without the delimiters."""
        if b"\r" in data:
            lines = [line.removesuffix(b"\r") for line in lines]
        most = self._width - 1
        counts = list(map(bytes.count, lines, repeat(self._delimiter)))
        if counts.count(most) == len(counts):
            sizes = list(map((self._empty_row - most).__add__, map(len, lines)))
        else:
            sizes = [len(line) + self._empty_row - min(count, most) for line, count in zip(lines, counts, strict=True)]
        if len(data.translate(None, self._controls)) != len(data):
            # A control character is written as at most six bytes.
            sizes = [
                size + 5 * (len(line) - len(line.translate(None, self._controls)))
                for size, line in zip(sizes, lines, strict=True)
            ]
        return sizes
