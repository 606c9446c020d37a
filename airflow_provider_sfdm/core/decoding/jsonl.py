"""JSON Lines: one JSON value a line, lines ended by LF or CRLF, blank lines skipped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from operator import add, length_hint
from typing import Any, BinaryIO

from ..errors import ItemReaderFailed
from ..json import loads
from .blocks import BOM, MAX_RECORD, ROWS_BLOCK, SCAN_BLOCK, LineTooLong, line_blocks
from .stretch import Stretch

# Every digit becomes 0 and every E becomes e, so that searching for b"0e" finds every exponent.
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_EXPONENT = b"0e"
_LONG_NUMBER = b"0" * 17

# How much longer a number can get when it is read and written again; see scan.
_EXPONENT_GROWTH = 14
_LONG_NUMBER_GROWTH = 3


def values(stream: BinaryIO, source: str, first_line: int, *, block_size: int = ROWS_BLOCK) -> Iterator[Any]:
    """The values from the stream's position, which must be the start of a line, to its end.

    ``first_line`` is the number of the line the stream stands at; at line 1 a byte order mark is skipped. Raises
    ItemReaderFailed naming ``source`` and the line, after the values before it have been yielded.
    """
    for first, _, lines, _ in _blocks(stream, source, first_line, block_size):
        left = iter(lines)
        while True:
            try:
                yield from map(loads, left)
                break
            except ValueError as error:
                position = len(lines) - length_hint(left) - 1
                if lines[position].strip():
                    raise ItemReaderFailed(f"{source} line {first + position}: not a JSON value: {error}") from error


def scan(
    stream: BinaryIO, source: str, first_line: int, offset: int, *, block_size: int = SCAN_BLOCK
) -> Iterator[Stretch]:
    """Find the values without parsing them: stretches that cover every value ``values`` yields from here.

    ``offset`` is the absolute position of the stream. Sizes are upper bounds of the values as compact JSON: the
    line without surrounding white space, plus what numbers can grow by. Nothing else grows: JSON text holds no raw
    control characters, and an escape is never shorter than what is written for it. A number grows only

    * with an exponent: ``1E15`` is written ``1000000000000000.0``, 14 bytes longer. That is the worst case: numbers
      from 1e16 on are written with an exponent, and below it the zeros and ``.0`` replace the exponent;
    * without one, by three bytes at most: from 1e16 on it is rounded to 17 digits and written with a point and an
      exponent (``12345678901234567.0`` is written ``1.2345678901234568e+16``). It has 17 digits in a row or more.

    Only line ends are looked at: a line that is not JSON, or not UTF-8, is found by ``values``.
    """
    position = offset
    for first, data, lines, skipped in _blocks(stream, source, first_line, block_size):
        start = position
        position += skipped + len(data)
        stripped = list(map(bytes.strip, lines))
        growth = _growth(data)
        lengths = list(map(len, lines))
        if lines and not data.endswith(b"\n"):
            lengths[-1] -= 1
        numbers = None
        if b"" in stripped:
            numbers = [number for number, line in enumerate(stripped, 1) if line]
            if growth:
                growth = [extra for extra, line in zip(growth, stripped, strict=False) if line]
            # Blank lines count for the value after them, so that a value's length is where it ends less where the
            # value before it ends; one less for the line end, as everywhere here.
            ends = list(accumulate(map((1).__add__, lengths)))
            edges = [0, *(ends[number - 1] for number in numbers)]
            lengths = [edge - before - 1 for before, edge in pairwise(edges)]
            stripped = list(filter(None, stripped))
        if stripped:
            lengths[0] += skipped
            sizes = map(len, stripped)
            yield Stretch(
                start, first, list(map(add, sizes, growth) if growth else sizes), lengths, line_end=1, lines=numbers
            )


def _growth(data: bytes) -> list[int] | None:
    """For each line of ``data`` the bytes its numbers can grow by; None: no line has such a number."""
    digits = data.translate(_DIGITS)
    if _EXPONENT not in digits and _LONG_NUMBER not in digits:
        return None
    return [
        _EXPONENT_GROWTH * line.count(_EXPONENT) + _LONG_NUMBER_GROWTH * line.count(_LONG_NUMBER)
        for line in digits.split(b"\n")
    ]


def _blocks(
    stream: BinaryIO, source: str, first_line: int, block_size: int
) -> Iterator[tuple[int, bytes, list[bytes], int]]:
    """Blocks of lines: the number of the first, the block, its lines, the bytes of a byte order mark before it."""
    number = first_line
    skipped = 0
    at_start = first_line == 1
    try:
        for data, _ in line_blocks(stream, block_size):
            if at_start and data.startswith(BOM):
                skipped = len(BOM)
                data = data[skipped:]
            at_start = False
            lines = data.split(b"\n")
            if not lines[-1]:
                lines.pop()
            yield number, data, lines, skipped
            number += len(lines)
            skipped = 0
    except LineTooLong:
        raise ItemReaderFailed(f"{source} line {number}: the line is longer than {MAX_RECORD} bytes") from None
