"""What a partition has durably recorded of its children, so that another attempt goes on from there.

Every few seconds what has ended since is stored as one new object: an object store cannot append, and a row or a
request a child is what makes other ways slow. What a killed process had not stored yet is run again.

Attempts are numbered, and the newest one counts: an attempt that finds a newer one beside it (its worker was taken for
lost, and was not) stops, and stores nothing more. Each attempt says which objects of the one before it goes on from, so
that what that one may still store is of no account.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from ..core.counters import Counts
from ..core.json import dumps, loads
from ..storage.base import StorageError
from .folder import MapRunFolder, Segment
from .stop import StopReason, StopSignal

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 2.0
# So much may be written before it is stored: then children wait for the storage.
_MAX_BYTES = 32 * 1024 * 1024
_TRIES, _FIRST_WAIT = 6, 0.5
_TAKEN_OVER = StopReason("States.TaskFailed", "another attempt at this partition has begun", local=True)

Results = tuple[tuple[str, tuple[bytes, ...]], ...]
"""What a child left in result files: the status that a file is of, and elements in compact JSON."""
Runs = list[tuple[str, list[bytes]]]
"""What many children left, in their order: those in a row of the same status together, so that mostly there is one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a partition has done since the last checkpoint, and where it stands.

    Children below ``next`` have ended, but those in ``missing``; so have those in ``ahead``. ``written`` are the
    results of the former, in the order of the result files, ``ahead`` those that wait for their turn.
    """

    next: int
    missing: tuple[int, ...]
    items: Counts
    executions: Counts
    errors: Mapping[str, int]
    written: Runs = field(default_factory=list)
    ahead: list[tuple[int, Results]] = field(default_factory=list)

    def encode(self, base: Segment | None) -> bytes:
        """As lines: a head that tells what follows, then the elements. ``base``: where the attempt went on from."""
        head = {
            "base": base and [base.attempt, base.number],
            "next": self.next,
            "missing": self.missing,
            "items": self.items.to_dict(),
            "executions": self.executions.to_dict(),
            "errors": self.errors,
            "written": [[status, len(elements)] for status, elements in self.written],
            "ahead": [[index, [[status, len(elements)] for status, elements in parts]] for index, parts in self.ahead],
        }
        parts: Iterator[tuple[str, Iterable[bytes]]] = itertools.chain(
            self.written, *(results for _, results in self.ahead)
        )
        return b"\n".join([dumps(head), *itertools.chain.from_iterable(elements for _, elements in parts), b""])

    @classmethod
    def decode(cls, data: bytes) -> tuple[Checkpoint, Segment | None]:
        lines = iter(data.splitlines())
        head = loads(next(lines))

        def parts(sizes: list[tuple[str, int]]) -> Iterator[tuple[str, list[bytes]]]:
            return ((status, list(itertools.islice(lines, number))) for status, number in sizes)

        written = list(parts(head["written"]))
        ahead = [
            (index, tuple((status, tuple(found)) for status, found in parts(sizes))) for index, sizes in head["ahead"]
        ]
        checkpoint = cls(
            head["next"],
            tuple(head["missing"]),
            Counts.from_dict(head["items"]),
            Counts.from_dict(head["executions"]),
            head["errors"],
            written,
            ahead,
        )
        return checkpoint, Segment(*head["base"]) if head["base"] else None


class Recording(Protocol):
    """Whose progress is stored."""

    def checkpoint(self) -> Checkpoint | None:
        """What is new since the last call; None where nothing is."""
        ...


class Journal:
    """The journal of one attempt at a partition. Everything raises StorageError.

    :param seconds: how much finished work may be lost.
    :param stop: set when another attempt has begun.
    """

    def __init__(self, folder: MapRunFolder, partition: int, seconds: float, stop: StopSignal) -> None:
        self._folder = folder
        self._partition = partition
        self._seconds = seconds
        self._stop = stop
        self.attempt = folder.begin_attempt(partition)
        self._base: Segment | None = None
        self._stored = 0
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()
        self._recording: Recording | None = None

    def recorded(self) -> Iterator[Checkpoint]:
        """What earlier attempts have stored, in order; this one goes on from there."""
        segments = self._folder.segments(self._partition) if self.attempt else []
        if not segments:
            return
        self._base = segments[-1]
        for segment in _chain(segments, lambda found: self._read(found)[1]):
            yield self._read(segment)[0]

    def _read(self, segment: Segment) -> tuple[Checkpoint, Segment | None]:
        return Checkpoint.decode(self._folder.read_segment(self._partition, segment))

    def store(self) -> None:
        """Store what is new, unless another attempt has begun."""
        with self._lock:
            new = self._recording.checkpoint() if self._recording is not None else None
            if new is not None:
                self._waiting.append(new.encode(self._base))
            while self._waiting:
                if not self._is_newest():
                    return
                segment = Segment(self.attempt, self._stored)
                self._folder.write_segment(self._partition, segment, self._waiting[0])
                self._stored += 1
                del self._waiting[0]

    def is_full(self, size: int) -> bool:
        """Whether ``size`` bytes since the last checkpoint, and what has not been stored yet, are too many to go on."""
        return size + sum(map(len, self._waiting)) > _MAX_BYTES

    def insist(self) -> None:
        """Store what is new, more than once if the storage fails."""
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            try:
                self.store()
                return
            except StorageError:
                if not left or self._stop.wait(wait):
                    raise
                wait *= 2

    def keeping(self, recording: Recording) -> _Keeping:
        """A context manager that stores the progress of ``recording`` while its block runs."""
        self._recording = recording
        return _Keeping(self, self._seconds)

    def _is_newest(self) -> bool:
        if self._folder.newest_attempt(self._partition) == self.attempt:
            return True
        if self._stop.set(_TAKEN_OVER):
            log.warning("Another attempt at partition %d has begun: this one ends", self._partition)
        return False


class _Keeping:
    def __init__(self, journal: Journal, seconds: float) -> None:
        self._journal = journal
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is not None:  # else all of it is in the results
            self._store("Could not keep what was finished last; it will run again: %s")

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self._store("Could not record what is finished; trying again: %s")

    def _store(self, problem: str) -> None:
        try:
            self._journal.store()
        except StorageError as error:
            log.warning(problem, error)


def _chain(segments: list[Segment], base_of: Any) -> list[Segment]:
    """The segments that the last one goes on from, and itself: of each attempt those up to where the next one began."""
    chain: list[Segment] = []
    last: Segment | None = segments[-1]
    while last is not None:
        chain[:0] = [Segment(last.attempt, number) for number in range(last.number + 1)]
        last = base_of(Segment(last.attempt, 0))
    return chain
