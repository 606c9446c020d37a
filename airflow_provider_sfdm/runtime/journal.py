"""What a partition has durably recorded of its children, so that another attempt goes on from there.

Outcomes are collected and stored every few seconds, each time as one new object: an object store cannot append, and a
row or a request a child is what makes other ways slow. What a killed process had not stored yet is run again.

Attempts are numbered, and the newest one counts: an attempt that finds a newer one beside it (its worker was taken for
lost, and was not) stops, and stores nothing more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from ..core.counters import ChildStatus
from ..core.json import dumps, loads
from ..storage.base import StorageError
from .folder import MapRunFolder
from .stop import StopReason, StopSignal

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 2.0
# What is collected may not grow without end while the storage is slow or away: then children wait for it.
_MAX_BYTES = 32 * 1024 * 1024
_TRIES, _FIRST_WAIT = 6, 0.5
_TAKEN_OVER = StopReason("States.TaskFailed", "another attempt at this partition has begun", local=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A child that ended: what is counted of it, and the elements of result files that it left, by status."""

    index: int
    items: int
    succeeded: int
    status: ChildStatus
    error: str | None
    results: tuple[tuple[str, tuple[bytes, ...]], ...]

    def encode(self) -> bytes:
        """As lines: a head that tells how many elements follow, and the elements, which are compact JSON."""
        sizes = [[status, len(elements)] for status, elements in self.results]
        lines = [dumps([self.index, self.items, self.succeeded, self.status.value, self.error, sizes])]
        for _, elements in self.results:
            lines += elements
        return b"\n".join(lines) + b"\n"


class Journal:
    """The journal of one attempt at a partition. As a context manager it stores what is added, in its own thread.

    Everything raises StorageError.

    :param seconds: how much finished work may be lost.
    :param stop: set when another attempt has begun.
    """

    def __init__(self, folder: MapRunFolder, partition: int, seconds: float, stop: StopSignal) -> None:
        self._folder = folder
        self._partition = partition
        self._seconds = seconds
        self._stop = stop
        self.attempt = folder.begin_attempt(partition)
        self._lines: list[bytes] = []
        self._bytes = 0
        self._stored = 0
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def __enter__(self) -> Journal:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()
        if kind is not None:  # else all of it is in the results
            try:
                self.store()
            except StorageError as failed:
                log.warning("Could not keep what was finished last; it will run again: %s", failed)

    def recorded(self) -> Iterator[Entry]:
        """What earlier attempts have recorded, each child once."""
        if not self.attempt:
            return
        seen: set[int] = set()
        for segment in self._folder.journal(self._partition):
            for entry in _decoded(segment):
                if entry.index not in seen:
                    seen.add(entry.index)
                    yield entry

    def add(self, entry: Entry) -> None:
        """Collect one; waits for the storage when there is too much."""
        lines = entry.encode()
        with self._lock:
            self._lines.append(lines)
            self._bytes += len(lines)
            full = self._bytes > _MAX_BYTES
        if full:
            self._insist()

    def store(self) -> None:
        """Store what is there now, unless another attempt has begun."""
        with self._storing:
            with self._lock:
                lines, self._lines, self._bytes = self._lines, [], 0
            if not lines:
                return
            try:
                if not self._is_newest():
                    return
                self._folder.add_to_journal(self._partition, self.attempt, self._stored, b"".join(lines))
            except BaseException:
                with self._lock:  # for the next time
                    self._lines[:0] = lines
                    self._bytes += sum(map(len, lines))
                raise
            self._stored += 1

    def _is_newest(self) -> bool:
        if self._folder.newest_attempt(self._partition) == self.attempt:
            return True
        if self._stop.set(_TAKEN_OVER):
            log.warning("Another attempt at partition %d has begun: this one ends", self._partition)
        return False

    def _run(self) -> None:
        while True:
            self._wake.wait(self._seconds)
            if self._ended:
                return
            try:
                self.store()
            except StorageError as error:
                log.warning("Could not record what is finished; trying again: %s", error)

    def _insist(self) -> None:
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            try:
                self.store()
                return
            except StorageError:
                if not left or self._stop.wait(wait):
                    raise
                wait *= 2


def _decoded(segment: bytes) -> Iterator[Entry]:
    lines = iter(segment.splitlines())
    for head in lines:
        index, items, succeeded, status, error, sizes = loads(head)
        results = tuple((name, tuple(next(lines) for _ in range(number))) for name, number in sizes)
        yield Entry(index, items, succeeded, ChildStatus(status), error, results)
