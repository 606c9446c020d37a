"""Splitting decoded CSV text into records, by the rules AWS documents ("Parsing an input CSV file").

Three ways, from fast to slow, chosen for each block of text; all three agree wherever more than one could be used:

* no quote and no backslash: a line is a record, a delimiter ends a field;
* ``csv.reader``, which differs from AWS's rules in two points only;
* a small parser for blocks with one of those two: a doubled quote in a field that is not quoted stands for one
  quote, and a backslash at the end of a line is dropped (``csv.reader`` would join the next line to it).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from io import StringIO
from itertools import accumulate, repeat

from ..errors import ItemReaderFailed
from .blocks import MAX_RECORD

# A line put after the last one of a block. It comes back as a row of its own unless a quote is still open: then it
# is part of a field, after a line feed.
_SENTINEL = "end"

_LONE_CR = "a carriage return outside quotes that no line feed follows"


@dataclass(slots=True)
class Records:
    """What a block of text holds: rows of any width, blank lines left out."""

    rows: list[list[str]]
    # Lines passed through to the end of each row, counted from the first line of the block; None: one line a row.
    lines: list[int] | None = None
    # Lines at the end of the block that belong to a record whose closing quote is not in the block.
    unfinished: int = 0
    # Raised by the caller after the rows before it have been used.
    error: ItemReaderFailed | None = field(default=None)


class RecordParser:
    """Splits blocks of text, each beginning at a record and ending at the end of a line."""

    def __init__(self, delimiter: str, source: str) -> None:
        self._delimiter = delimiter
        self._source = source
        self._plain = re.compile(rf'[^"\\\r\n{re.escape(delimiter)}]*')
        # The limit is the process's own, so it is only ever raised; the limit of a record is what counts here.
        if csv.field_size_limit() < 2 * MAX_RECORD:
            csv.field_size_limit(2 * MAX_RECORD)

    def parse(self, text: str, first_line: int, *, numbered: bool = False) -> Records:
        """The records of ``text``; with ``numbered`` their line numbers too."""
        if '"' not in text and "\\" not in text and text.count("\r") == text.count("\r\n"):
            return self._parse_plain(text, numbered)
        if "\\\n" in text or "\\\r" in text or text.endswith("\\"):
            return self._parse_slowly(text, first_line)
        return self._parse_quoted(text, first_line, numbered)

    def _parse_plain(self, text: str, numbered: bool) -> Records:
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        numbers = None
        if "" in lines:
            numbers = [number for number, line in enumerate(lines, 1) if line] if numbered else None
            lines = list(filter(None, lines))
        return Records(list(map(str.split, lines, repeat(self._delimiter))), numbers)

    def _parse_quoted(self, text: str, first_line: int, numbered: bool) -> Records:
        lines = list(StringIO(text, newline="\n"))
        count = len(lines)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(_SENTINEL)
        reader = csv.reader(lines, delimiter=self._delimiter, escapechar="\\")
        rows: list[list[str]] = []
        problem: str | None = None
        try:
            # extend keeps what came before an error.
            rows.extend(reader)
        except csv.Error as error:
            problem = _LONE_CR if "new-line" in str(error) else str(error)
        unfinished = 0
        if problem is None:
            last = rows.pop()
            if last != [_SENTINEL]:
                # Every line of the open record but the sentinel left its line feed in the row.
                unfinished = sum(value.count("\n") for value in last)
        if '""' in text and any('""' in value for row in rows for value in row):
            return self._parse_slowly(text, first_line)
        numbers = None
        if len(rows) != count:
            if numbered:
                # A line feed in a value is the end of a line within the record; an empty row is a blank line.
                ends = accumulate(1 + "".join(row).count("\n") for row in rows)
                numbers = [end for end, row in zip(ends, rows, strict=True) if row]
            rows = list(filter(None, rows))
        elif not all(rows):
            numbers = [number for number, row in enumerate(rows, 1) if row] if numbered else None
            rows = list(filter(None, rows))
        failure = None
        if problem is not None:
            failure = ItemReaderFailed(f"{self._source} line {first_line + reader.line_num - 1}: {problem}")
        return Records(rows, numbers, unfinished, failure)

    def _parse_slowly(self, text: str, first_line: int) -> Records:
        records = Records([], [])
        assert records.lines is not None
        position = 0
        line = 0
        while position < len(text):
            try:
                end, row = self._record(text, position)
            except _OpenQuote:
                records.unfinished = text.count("\n", position) + (not text.endswith("\n"))
                break
            except _LoneCarriageReturn as error:
                number = first_line + line + text.count("\n", position, error.position)
                records.error = ItemReaderFailed(f"{self._source} line {number}: {_LONE_CR}")
                break
            line += text.count("\n", position, end) + (not text.endswith("\n", position, end))
            if row:
                records.rows.append(row)
                records.lines.append(line)
            position = end
        return records

    def _record(self, text: str, position: int) -> tuple[int, list[str]]:
        """The end and the fields of the record at ``position``; no fields: a blank line."""
        blank = _LINE_END.match(text, position)
        if blank:
            return blank.end(), []
        row: list[str] = []
        size = len(text)
        while True:
            parts: list[str] = []
            if text.startswith('"', position):
                position = _quoted(text, position + 1, parts)
                if text.startswith("\\", position):
                    # As csv.reader has it: right after a closing quote a backslash is an ordinary character.
                    parts.append("\\")
                    position += 1
            position = self._unquoted(text, position, parts)
            row.append("".join(parts))
            if position < size and text[position] == self._delimiter:
                position += 1
                continue
            if position < size:
                end = _LINE_END.match(text, position)
                if end is None:
                    raise _LoneCarriageReturn(position)
                position = end.end()
            return position, row

    def _unquoted(self, text: str, position: int, parts: list[str]) -> int:
        """Reads to the delimiter, the line end or the end of the text, and returns where that is."""
        size = len(text)
        while True:
            plain = self._plain.match(text, position)
            assert plain is not None
            parts.append(plain.group())
            position = plain.end()
            if position == size:
                return position
            character = text[position]
            if character == '"':
                parts.append('"')
                position += 2 if text.startswith('""', position) else 1
            elif character == "\\":
                position += 1
                if position < size and not _LINE_END.match(text, position):
                    parts.append(text[position])
                    position += 1
            else:
                return position


_LINE_END = re.compile(r"\r*\n|\r+\Z")
_QUOTED = re.compile(r'[^"\\]*')


class _OpenQuote(Exception):
    """A quote that the text does not close."""


class _LoneCarriageReturn(Exception):
    def __init__(self, position: int) -> None:
        self.position = position


def _quoted(text: str, position: int, parts: list[str]) -> int:
    """Reads a quoted field from after its opening quote, and returns the position after its closing quote."""
    while True:
        plain = _QUOTED.match(text, position)
        assert plain is not None
        parts.append(plain.group())
        position = plain.end()
        if position + text.startswith("\\", position) >= len(text):
            raise _OpenQuote
        if text[position] == "\\":
            parts.append(text[position + 1])
            position += 2
        elif text.startswith('""', position):
            parts.append('"')
            position += 2
        else:
            return position + 1
