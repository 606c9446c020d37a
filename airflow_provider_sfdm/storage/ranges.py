"""A seekable file over a store that answers "bytes m to n of this object"."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Small reads (a Parquet footer) are rounded up to this, since a round trip costs more than bytes.
READ_AHEAD = 1 << 20
# Windows kept, so that reading several columns in turn does not fetch anything twice.
WINDOWS = 16
_BUFFER = 8192


def range_file(
    size: int, fetch: Callable[[int, int], bytes], *, read_ahead: int = READ_AHEAD, windows: int = WINDOWS
) -> BinaryIO:
    """Open an object of ``size`` bytes, of which ``fetch(start, stop)`` gets exactly ``stop - start`` bytes.

    At most ``windows`` times ``2 * read_ahead`` bytes are kept in memory. Errors of ``fetch`` pass through.
    """
    return io.BufferedReader(_RangeFile(size, fetch, read_ahead, windows), _BUFFER)


class _RangeFile(io.RawIOBase):
    def __init__(self, size: int, fetch: Callable[[int, int], bytes], read_ahead: int, windows: int) -> None:
        self._size = size
        self._fetch = fetch
        self._read_ahead = read_ahead
        self._position = 0
        self._most_windows = windows
        self._windows: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to {origin + offset}")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as target:
            start = self._position
            stop = min(start + len(target), self._size)
            if stop <= start:
                return 0
            data = self._kept(start, stop)
            if data is None:
                data = self._fetched(start, stop)
            target[: len(data)] = data
            self._position += len(data)
            return len(data)

    def _kept(self, start: int, stop: int) -> memoryview | None:
        for begin, data in self._windows.items():
            if begin <= start < begin + len(data):
                self._windows.move_to_end(begin)
                return memoryview(data)[start - begin : stop - begin]
        return None

    def _fetched(self, start: int, stop: int) -> memoryview:
        # The caller's buffer asks for the tail of a long read next: it comes along instead of being a
        # round trip of its own.
        end = min(max(stop + _BUFFER, start + self._read_ahead), self._size)
        data = self._fetch(start, end)
        if len(data) <= 2 * self._read_ahead:
            self._keep(start, data)
        elif end > stop:
            self._keep(stop, data[stop - start :])
        return memoryview(data)[: stop - start]

    def _keep(self, start: int, data: bytes) -> None:
        self._windows[start] = data
        self._windows.move_to_end(start)
        if len(self._windows) > self._most_windows:
            self._windows.popitem(last=False)
