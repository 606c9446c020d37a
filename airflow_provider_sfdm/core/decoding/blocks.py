"""Cutting a byte stream into blocks of whole lines: the unit in which the line formats are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"

# AWS reads an item of up to 8 MB. A file without line ends must not be read into memory as a whole.
MAX_RECORD = 8 * 1024 * 1024

# Decoding rows is fastest when a block's rows stay in the processor's cache; scanning is fastest with few blocks.
ROWS_BLOCK = 32 * 1024
SCAN_BLOCK = 256 * 1024


class LineTooLong(Exception):
    """A line of more than MAX_RECORD bytes; everything before it has been yielded."""


def line_blocks(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """The stream in blocks of about ``size`` bytes, each ending with a line feed (but for the last line of a file
    that has none), and whether the block is the last. Nothing is yielded for an empty stream.
    """
    rest = b""
    block = b""
    while data := stream.read(size):
        end = data.rfind(b"\n") + 1
        if end:
            if block:
                yield block, False
            block = rest + data[:end] if rest else data[:end]
            rest = data[end:]
        else:
            rest += data
            if len(rest) > MAX_RECORD:
                if block:
                    yield block, False
                raise LineTooLong
    if rest:
        if block:
            yield block, False
        block = rest
    if block:
        yield block, True
