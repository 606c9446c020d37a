"""A store whose calls are tried again while what is behind it does not answer: with back-off, and a bound."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Self, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from .base import ObjectInfo, ObjectStore, ObjectWriter, Pin, StorageError, StorageUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""How long a call that does not get through is tried again, unless ``Connections.retry_seconds`` says otherwise."""
# A wait is anything up to 0.5, 1, 2, 4, … seconds: partitions that fail together do not come back together.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
# Each step through here costs some microseconds. What is sought in is read in small pieces.
_STREAM_BUFFER, _SEEKABLE_BUFFER = 1 << 18, 8192


class _Patience:
    """Calls a function again that raises ``StorageUnavailable``; other errors pass through.

    It ends ``seconds`` after the call began, and as long after the store has stopped to answer at all: then each call
    is made once, until one is answered. So a task that cannot go on, and cannot clean up either, ends soon.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._silent_since: float | None = None
        self._retrying = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            stop=self._is_over,
            before_sleep=_tell,
            retry_error_callback=self._give_up,
        )

    def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        result: T = self._retrying(self._once, function, *arguments)
        return result

    def _once(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            result = function(*arguments)
        except StorageUnavailable:
            if self._silent_since is None:
                self._silent_since = time.monotonic()
            raise
        except StorageError:
            self._silent_since = None  # no is an answer, too
            raise
        self._silent_since = None
        return result

    def _is_over(self, state: RetryCallState) -> bool:
        return self._tried_for(state) >= self._seconds

    def _tried_for(self, state: RetryCallState) -> float:
        silent_since = self._silent_since
        began = state.start_time if silent_since is None else min(state.start_time, silent_since)
        return time.monotonic() - began

    def _give_up(self, state: RetryCallState) -> NoReturn:
        error = _error_of(state)
        if not self._seconds:
            raise error
        raise StorageUnavailable(error.url, f"{error.reason} (tried for {self._tried_for(state):.0f} s)") from error


def _error_of(state: RetryCallState) -> StorageUnavailable:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, StorageUnavailable), "nothing else is tried again"
    return error


def _tell(state: RetryCallState) -> None:
    log.warning("%s; trying again", _error_of(state))


class RetryingStore:
    """Another store, with each of its calls tried again for up to ``seconds`` where that may help.

    * A stream that breaks off goes on where it was, in the same content: what has no pin gets one. The time is counted
      from the last byte that came; in a listing from the last page.
    * An object that is written as a stream is gone on with where the store can do that; see ``ObjectWriter``.
    * ``put_if_absent`` may say no to what it has written itself, as an answer may be lost.
    """

    def __init__(self, store: ObjectStore, seconds: float = RETRY_SECONDS) -> None:
        self._store = store
        self._again = _Patience(seconds)

    def __repr__(self) -> str:
        return f"RetryingStore({self._store!r})"

    @property
    def root(self) -> str:
        return self._store.root

    def url(self, key: str) -> str:
        return self._store.url(key)

    def shown(self, key: str) -> str:
        return self._store.shown(key)

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        return self._again(self._store.pin, key, version_id)

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        pinned = pin or self.pin(key)

        def open_at(position: int) -> BinaryIO:
            return self._store.open(key, pinned, position)

        return io.BufferedReader(_Stream(open_at, self._again, start), _STREAM_BUFFER)

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        pinned = pin or self.pin(key)

        def open_at(position: int) -> BinaryIO:
            file = self._store.open_seekable(key, pinned)
            file.seek(position)
            return file

        return io.BufferedReader(_Stream(open_at, self._again, 0, pinned.size), _SEEKABLE_BUFFER)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        """As the protocol says. A listing that breaks off goes on after what it has had."""
        return _pages(lambda key: self._store.list(prefix, key), self._again, after)

    def read(self, key: str) -> bytes:
        return self._again(self._store.read, key)

    def put(self, key: str, data: bytes) -> None:
        self._again(self._store.put, key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._again(self._store.put_if_absent, key, data)

    def delete(self, key: str) -> None:
        self._again(self._store.delete, key)

    def create(self, key: str) -> ObjectWriter:
        return _Writer(self._again(self._store.create, key), self._again)


def _pages(
    list_after: Callable[[str], Iterator[list[ObjectInfo]]], again: _Patience, last: str
) -> Iterator[list[ObjectInfo]]:
    pages: Iterator[list[ObjectInfo]] | None = again(list_after, last)

    def following() -> list[ObjectInfo] | None:
        nonlocal pages
        # Taken for broken until its page is there: then another one goes on after what it has had.
        whole, pages = pages, None
        if whole is None:
            whole = list_after(last)
        page = next(whole, None)
        pages = whole
        return page

    def rest() -> Iterator[list[ObjectInfo]]:
        nonlocal last
        while (page := again(following)) is not None:
            last = page[-1].key
            yield page

    return rest()


class _Stream(io.RawIOBase):
    """The bytes of one object, opened anew where it broke off. ``size``: of one that can be sought in."""

    def __init__(
        self, open_at: Callable[[int], BinaryIO], again: _Patience, position: int, size: int | None = None
    ) -> None:
        self._open_at = open_at
        self._again = again
        self._position = position
        self._size = size
        self._file: BinaryIO | None = None  # what cannot be opened is closed all the same
        self._file = again(open_at, position)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._size is not None

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if self._size is None:
            raise io.UnsupportedOperation("seek")
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError(f"cannot seek to {position}")
        if self._file is not None:
            self._file.seek(position)
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._again(self._read, buffer)

    def _read(self, buffer: WriteableBuffer) -> int:
        if self._file is None:
            self._file = self._open_at(self._position)
        try:
            # One step at a time: what several have brought would be lost with the one that fails.
            count: int = self._file.readinto1(buffer)  # type: ignore[attr-defined]  # all of them are buffered readers
        except StorageUnavailable:
            self._drop()
            raise
        self._position += count
        return count

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class _Writer:
    """A stream into one new object; a step that fails is taken again as far as the store can."""

    def __init__(self, writer: ObjectWriter, again: _Patience) -> None:
        self._writer = writer
        self._again = again

    @property
    def size(self) -> int:
        return self._writer.size

    def write(self, data: bytes, /) -> None:
        left = data

        def step() -> None:
            nonlocal left
            given, left = left, b""  # what failed to go on has taken it
            self._writer.write(given)

        self._again(step)

    def close(self) -> None:
        self._again(self._writer.close)

    def abort(self) -> None:
        self._writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise
