"""Decompression by file name, as AWS does it: ``.gz`` is GZIP, ``.zst`` and ``.zstd`` are ZSTD, the rest is plain."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

import zstandard

from ..errors import ItemReaderFailed

_BUFFER = 256 * 1024

# Zstandard lets a file ask for gigabytes of memory; the command line tool stops at this window as well.
_MAX_WINDOW = 128 * 1024 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_compressed(name: str) -> bool:
    """Whether a file of this name is decompressed, so that it cannot be read from the middle."""
    return _opener(name) is not None


def decompress(stream: BinaryIO, name: str) -> BinaryIO:
    """``stream`` as it is, or what decompressing it yields, judged by the end of ``name`` (a key or a URL; of a URL of
    the web, where a query may follow, by the end of its path).

    Nothing is read before the result is. Files that hold several compressed members are read as one. Reading raises
    ItemReaderFailed naming ``name`` if the data is not what the name says, corrupt, or cut off.
    """
    opener = _opener(name)
    if opener is None:
        return stream
    return io.BufferedReader(_Decompressed(opener, stream, name), _BUFFER)


def _opener(name: str) -> Callable[[BinaryIO], _Readable] | None:
    name = name.lower()
    if name.startswith(("http://", "https://")):
        name = name.partition("#")[0].partition("?")[0]
    if name.endswith(".gz"):
        return _gzip
    if name.endswith((".zst", ".zstd")):
        return _zstd
    return None


def _gzip(stream: BinaryIO) -> _Readable:
    return gzip.GzipFile(fileobj=stream, mode="rb")


def _zstd(stream: BinaryIO) -> _Readable:
    return _ZstdFrames(stream)


class _ZstdFrames:
    """Reads Zstandard frames one after the other.

    The library's own reader takes a file that is cut off for one that ended, so this uses its decompression objects,
    which know. They decompress all they are handed at once, hence the small pieces: 1 KiB is 32 MiB at the worst.
    """

    _PIECE = 1024

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._input = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """The next decompressed bytes, at least ``size`` unless the end is near; b"" at the end."""
        output: list[bytes] = []
        missing = size
        while missing > 0:
            if not self._input:
                self._input = memoryview(self._stream.read(_BUFFER))
                if not self._input:
                    if self._frame is not None:
                        raise EOFError("the file ended before the end of a frame")
                    break
            if self._frame is None:
                self._frame = self._decompressor.decompressobj()
            data = self._frame.decompress(self._input[: self._PIECE])
            unused = len(self._frame.unused_data) if self._frame.eof else 0
            self._input = self._input[min(self._PIECE, len(self._input)) - unused :]
            if self._frame.eof:
                self._frame = None
            if data:  # a file may hold any number of empty frames
                output.append(data)
                missing -= len(data)
        return b"".join(output)


class _Decompressed(io.RawIOBase):
    """Decompresses while it is read and tells what is wrong with the data in one sentence."""

    def __init__(self, opener: Callable[[BinaryIO], _Readable], stream: BinaryIO, name: str) -> None:
        self._opener = opener
        self._stream = stream
        self._name = name
        self._reader: _Readable | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        size = len(buffer)
        if not self._left:
            self._left = memoryview(self._read(size))
        data = self._left[:size]
        self._left = self._left[size:]
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            if self._reader is None:
                self._reader = self._opener(self._stream)
            return self._reader.read(size)
        except EOFError as error:
            raise ItemReaderFailed(f"{self._name}: the compressed data is cut off: {error}") from error
        except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
            raise ItemReaderFailed(f"{self._name}: the compressed data is not valid: {error}") from error

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
