"""What a partition has durably recorded of its children, so that another attempt goes on from there.

Every few seconds what has ended since is stored as one new object: an object store cannot append, and a row or a
request a child is what makes other ways slow. What a killed process had not stored yet is run again.

Attempts are numbered, and the newest one counts: an attempt that finds a newer one beside it (its worker was taken for
lost, and was not) stops, and stores nothing more. Each attempt says which objects of the one before it goes on from, so
that what that one may still store is of no account.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from ..storage.base import StorageError
from .checkpoint import Checkpoint
from .folder import MapRunFolder, Segment
from .stop import StopReason, StopSignal

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 2.0
# So much may be written before it is stored: then children wait for the storage.
_MAX_BYTES = 32 * 1024 * 1024


class Recording(Protocol):
    """Whose progress is stored."""

    def hand_over(self, to: list[Checkpoint]) -> None:
        """Append what is new since the last call, as a whole or not at all; nothing where nothing is."""
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
        self.superseded = False
        """Whether another attempt has begun, or has ended the partition, as far as is known."""
        self._base: Segment | None = None
        self._waiting: list[Checkpoint] = []
        self._lock = threading.Lock()
        self._recording: Recording | None = None

    def recorded(self) -> Iterator[Checkpoint]:
        """What earlier attempts have stored, in order; this one goes on from there."""
        segments = self._folder.segments(self._partition) if self.attempt else []
        if not segments:
            return
        self._base = segments[-1]
        for segment in _chain(segments[-1], lambda found: self._read(found)[1]):
            yield self._read(segment)[0]

    def _read(self, segment: Segment) -> tuple[Checkpoint, Segment | None]:
        return Checkpoint.decode(self._folder.read_segment(self._partition, segment))

    def store(self) -> None:
        """Store what is new, unless another attempt has begun: that is looked for even if nothing is."""
        with self._lock:
            if self._recording is not None:
                self._recording.hand_over(self._waiting)
            if not self.is_newest():
                return
            while self._waiting:
                # A step that is interrupted is taken again: the same object, with the same content.
                new = self._waiting[0]
                self._folder.write_segment(self._partition, Segment(self.attempt, new.number), new.encode(self._base))
                del self._waiting[0]

    def is_full(self, size: int) -> bool:
        """Whether ``size`` bytes since the last checkpoint, and what has not been stored yet, are too many to go on."""
        return size + sum(waiting.size for waiting in self._waiting) > _MAX_BYTES

    def keeping(self, recording: Recording) -> _Keeping:
        """A context manager that stores the progress of ``recording`` while its block runs."""
        self._recording = recording
        return _Keeping(self, self._seconds)

    def is_newest(self) -> bool:
        """Look whether no other attempt has begun since; else this one is stopped."""
        newest = self._folder.newest_attempt(self._partition)
        # A listing may not show yet what was written last; an object's own name does.
        if newest == self.attempt or (
            (newest is None or newest < self.attempt) and self._folder.has_attempt(self._partition, self.attempt)
        ):
            return True
        if not self.superseded:
            self.superseded = True
            what = "ended it" if newest is None else "begun"  # the end takes the marks of attempts away
            log.warning("Another attempt at partition %d has %s: this one ends", self._partition, what)
            cause = f"another attempt at this partition has {what}"
            self._stop.set(StopReason("States.TaskFailed", cause, local=True))
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
        except Exception as error:  # without this thread nothing would be recorded any more
            log.exception(problem, error)


def _chain(last: Segment, base_of: Callable[[Segment], Segment | None]) -> list[Segment]:
    """The segments that ``last`` goes on from, and itself: of each attempt those up to where the next one began."""
    chain: list[Segment] = []
    found: Segment | None = last
    while found is not None:
        chain[:0] = [Segment(found.attempt, number) for number in range(found.number + 1)]
        found = base_of(found)
    return chain
