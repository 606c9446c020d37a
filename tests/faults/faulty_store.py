"""A store around another one that fails as a schedule says: which call, and how."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar

from airflow_provider_sfdm.storage.base import ObjectInfo, ObjectStore, ObjectWriter, Pin, StorageUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

_PARTS = (
    "attempts/", "journal/", "partitions/", "progress/", "reclaims/", "claims/", "slots/", "stop.json", "plan.json",
    "summary.json", "last.json", "children-", "manifest.json", "items.jsonl", "items-",
    "reading/", "results/",
)  # fmt: skip


class Fault(StrEnum):
    """What becomes of one call."""

    REFUSED = "refused"  # it has no effect
    LOST = "lost"  # it has, and the answer is an error
    SLOW = "slow"
    CRASH = "crash"  # the process ends before it
    CRASH_AFTER = "crash after"  # the process ends when it has had its effect


class Crash(BaseException):
    """The process is gone: nothing that it would still do has any effect."""


class Schedule:
    """What all stores of a test follow: each call has a number, from 1.

    :param faults: which calls fail, and how.
    :param aimed: the same by what is called, on what, and for which time.
    :param outages: from which call on so many are refused.
    :param stale: for how many calls a listing misses what is new.
    :param chunk: how many bytes one read of a stream brings.
    """

    def __init__(
        self,
        faults: Mapping[int, Fault] | None = None,
        outages: Mapping[int, int] | None = None,
        aimed: Mapping[tuple[str, int], Fault] | None = None,
        stale: int = 0,
        chunk: int = 1 << 20,
    ) -> None:
        self._faults = dict(faults or {})
        self._outages = dict(outages or {})
        self._aimed = dict(aimed or {})
        self.places: Counter[str] = Counter()
        """How often what was called: ``put plan.json``."""
        self._refused_until = 0
        self._lock = threading.Lock()
        self._new: dict[str, int] = {}
        self.stale = stale
        self.chunk = chunk
        self.calls = 0
        self.struck: list[Fault] = []
        self._processes = itertools.count()
        self._here = threading.local()
        self._dead: set[int] = set()

    @contextmanager
    def process(self) -> Iterator[None]:
        """What is opened in this block, in this thread, is of one process, which has ended after it."""
        self._here.process = next(self._processes)
        try:
            yield
        finally:
            self._dead.add(self._here.process)

    @property
    def here(self) -> int:
        """The process of this thread."""
        return getattr(self._here, "process", -1)

    def kill(self, process: int) -> None:
        """Nothing that it still does has any effect."""
        self._dead.add(process)

    def is_alive(self, process: int) -> bool:
        return process not in self._dead

    def call(self, process: int, method: str, url: str, effect: Callable[[], T]) -> T:
        with self._lock:
            if not self.is_alive(process):
                raise Crash
            self.calls += 1
            place = f"{method} {next((part for part in _PARTS if part in url), '')}"
            self.places[place] += 1
            fault = self._faults.pop(self.calls, None) or self._aimed.get((place, self.places[place]))
            self._refused_until = max(self._refused_until, self.calls + self._outages.pop(self.calls, 0))
            if fault is None and self.calls < self._refused_until:
                fault = Fault.REFUSED
            if fault is not None:
                self.struck.append(fault)
            if fault is Fault.CRASH:
                self._dead.add(process)
                raise Crash
        if fault is Fault.REFUSED:
            raise StorageUnavailable(url, "Slow Down")
        if fault is Fault.SLOW:
            time.sleep(0.003)
        result = effect()
        if fault is Fault.LOST:
            raise StorageUnavailable(url, "the answer was lost")
        if fault is Fault.CRASH_AFTER:
            self._dead.add(process)
            raise Crash
        return result

    def note(self, url: str) -> None:
        """An object was written."""
        self._new.setdefault(url, self.calls)

    def is_listed(self, url: str) -> bool:
        return self._new.get(url, -self.stale) + self.stale <= self.calls


class FaultyStore:
    """``store``, as the process sees it that opens it."""

    def __init__(self, store: ObjectStore, schedule: Schedule) -> None:
        self._store = store
        self._schedule = schedule
        self._process = schedule.here

    @property
    def root(self) -> str:
        return self._store.root

    def url(self, key: str) -> str:
        return self._store.url(key)

    def shown(self, key: str) -> str:
        return self._store.shown(key)

    def call(self, method: str, key: str, effect: Callable[[], T]) -> T:
        return self._schedule.call(self._process, method, self.url(key), effect)

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        return self.call("pin", key, lambda: self._store.pin(key, version_id))

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        return self._stream(key, self.call("open", key, lambda: self._store.open(key, pin, start)))

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        return self._stream(key, self.call("open_seekable", key, lambda: self._store.open_seekable(key, pin)))

    def _stream(self, key: str, file: BinaryIO) -> BinaryIO:
        return io.BufferedReader(_Stream(self, key, file, self._schedule.chunk), self._schedule.chunk)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        pages = self._store.list(prefix, after)
        while (page := self.call("list", prefix, lambda: next(pages, None))) is not None:
            if listed := [info for info in page if self._schedule.is_listed(self.url(info.key))]:
                yield listed

    def read(self, key: str) -> bytes:
        return self.call("read", key, lambda: self._store.read(key))

    def put(self, key: str, data: bytes) -> None:
        self.call("put", key, lambda: self._store.put(key, data))
        self._schedule.note(self.url(key))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        written = self.call("put_if_absent", key, lambda: self._store.put_if_absent(key, data))
        self._schedule.note(self.url(key))
        return written

    def delete(self, key: str) -> None:
        self.call("delete", key, lambda: self._store.delete(key))

    def create(self, key: str) -> ObjectWriter:
        return _Writer(self, key, self.call("create", key, lambda: self._store.create(key)))


class _Stream(io.RawIOBase):
    """A few bytes a step, each of which may fail."""

    def __init__(self, store: FaultyStore, key: str, file: BinaryIO, chunk: int) -> None:
        self._store = store
        self._key = key
        self._file = file
        self._chunk = chunk

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as target:
            data = self._store.call("stream", self._key, lambda: self._file.read(min(len(target), self._chunk)))
            target[: len(data)] = data
            return len(data)


class _Writer:
    """What a step is given is taken also where it fails, as the protocol says."""

    def __init__(self, store: FaultyStore, key: str, writer: ObjectWriter) -> None:
        self._store = store
        self._key = key
        self._writer = writer

    @property
    def size(self) -> int:
        return self._writer.size

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)
        self._store.call("write", self._key, lambda: None)

    def close(self) -> None:
        self._store.call("close", self._key, self._writer.close)

    def abort(self) -> None:
        self._writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
