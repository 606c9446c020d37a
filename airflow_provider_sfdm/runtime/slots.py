"""MaxConcurrency where children run outside this process: a slot for each child in flight, in the map run's folder.

::

    slots/<slot>               a slot that is taken; its content is the child's index
    claims/<child>/<slot>      the slot that a child has, or is about to take
    reclaims/<child>/<slot>    being freed by another child; its content is that child's index

No process lives as long as such a child, so nothing can be held in memory, and every step may be the last before a
worker dies. Hence the order: a claim is written before its slot and removed after it, so that a child which starts
over, or ends, finds by one short listing what it has.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection

from ..storage.base import ObjectNotFound, ObjectStore
from .folder import MapRunFolder
from .limits import limits_of
from .noticing import NOTICED_WITHIN
from .plan import Plan

MIN_WAIT = NOTICED_WITHIN
MAX_WAIT = 60.0
# Looking costs Airflow the start of a task: those that wait for longest do it together no more often than this.
_LOOKS_A_SECOND = 2
# A slot that nobody has noticed to be free is idle for at most about this part of a child's duration.
_IDLE_SHARE = 0.05
_SLOTS, _CLAIMS, _RECLAIMS = "slots/", "claims/", "reclaims/"

Ended = Callable[[Collection[int]], Collection[int]]
"""Tells which of some children have ended, by their index, whether or not that could be recorded."""


class MustWait(Exception):
    """As many children as MaxConcurrency allows are in flight: look again in so many ``seconds``."""

    def __init__(self, limit: int, before: int, seconds: float) -> None:
        more = f"; {before} more are to start before this one" if before else ""
        super().__init__(f"{limit} child executions are in flight, as many as MaxConcurrency allows{more}")
        self.seconds = seconds


def slot_limit(folder: MapRunFolder, plan: Plan) -> int:
    """How many slots the map run has now; 0 means that there are none, as all children may run at once."""
    limit = limits_of(folder, plan).max_concurrency
    return limit if limit < plan.children else 0


def take_slot(folder: MapRunFolder, plan: Plan, child: int, ended: Ended) -> None:
    """Take a slot for the child, unless it has one already, or the map run needs none.

    Whoever finds no slot free looks whether one was left behind: by a child whose end could not be recorded.

    :raises MustWait: all slots are taken.
    :raises StorageError: the map run's folder could not be reached; a retry finds what was taken.
    """
    limit = slot_limit(folder, plan)
    if not limit:
        return
    slots = Slots(folder.store, limit)
    if slots.take(child):
        return
    left = ended(slots.claimants() - {child})
    for other in left:
        slots.reclaim(other, child)
    if left and slots.take(child):
        return
    finished = len(folder.ended())
    started = finished + limit
    pace = max(0.0, time.time() - plan.start) / started
    before = max(0, child - started)
    seconds = _seconds(before, plan.children - started, limit, pace) * random.uniform(0.8, 1.2)
    raise MustWait(limit, before, seconds)


def free_slot(folder: MapRunFolder, plan: Plan, child: int) -> None:
    """Give the child's slot back, if it has one.

    :raises StorageError: the map run's folder could not be reached; a retry goes on where this one stopped.
    """
    limits = limits_of(folder, plan)
    if limits.max_concurrency or limits.number:  # else there never was a limit
        Slots(folder.store, limits.max_concurrency).free(child)


def _seconds(before: int, waiting: int, limit: int, pace: float) -> float:
    """How long a child waits until it looks again: about until its turn. ``pace`` is seconds for each child started.

    Children thus start about in the order of their indexes, and only the next few look often.
    """
    longest = max(MAX_WAIT, waiting / _LOOKS_A_SECOND)
    return min(longest, max(MIN_WAIT, pace * before, pace * limit * _IDLE_SHARE))


class Slots:
    """The slots of one map run. ``store`` is rooted at the map run's folder. Raises StorageErrors.

    There are never more children than slots as far as the store's ``put_if_absent`` is atomic and no task lives on that
    Airflow has already called ended.
    """

    def __init__(self, store: ObjectStore, limit: int) -> None:
        self._store = store
        self._limit = limit

    def take(self, child: int) -> bool:
        """Take a free slot for the child, or find the one it has; tells whether it has one."""
        if any(self._has(child, slot) for slot in self._claimed(child)):
            return True
        taken = {int(key) for key in self._names(_SLOTS)}
        if len(taken) >= self._limit:  # some may be beyond a limit that was lowered
            return False
        # All that start at the same time begin at different slots, so they seldom want the same one.
        for slot in ((child + number) % self._limit for number in range(self._limit)):
            if slot in taken:
                continue
            self._store.put(_claim(child, slot), b"")
            # Where an answer was lost, the slot may be the child's although it is told that it is not.
            if self._store.put_if_absent(_slot(slot), _name(child)) or self._has(child, slot):
                return True
            self._store.delete(_claim(child, slot))
        return False

    def free(self, child: int) -> None:
        """Give back what the child has. Only the child's own end does this."""
        for slot in self._claimed(child):
            if self._has(child, slot):
                self._store.delete(_slot(slot))
            self._store.delete(_claim(child, slot))
        for key in self._names(_RECLAIMS):  # begun by this child, and never ended
            if self._content(_RECLAIMS + key) == _name(child):
                self._store.delete(_RECLAIMS + key)

    def reclaim(self, child: int, by: int) -> None:
        """Give back what a child has that ended without doing so itself, on behalf of child ``by``.

        Several may try this at once. One that had looked a moment ago would free the slot from under the next child
        that took it; hence only one of them may look and free.
        """
        for slot in self._claimed(child):
            mark = f"{_RECLAIMS}{child:05d}/{slot:05d}"
            if not self._store.put_if_absent(mark, _name(by)) and self._content(mark) != _name(by):
                continue
            if self._has(child, slot):
                self._store.delete(_slot(slot))
            self._store.delete(_claim(child, slot))
            self._store.delete(mark)

    def claimants(self) -> set[int]:
        """The children that have a slot, or are about to take one."""
        return {int(key.partition("/")[0]) for key in self._names(_CLAIMS)}

    def _claimed(self, child: int) -> list[int]:
        return [int(key) for key in self._names(f"{_CLAIMS}{child:05d}/")]

    def _has(self, child: int, slot: int) -> bool:
        return self._content(_slot(slot)) == _name(child)

    def _content(self, key: str) -> bytes | None:
        try:
            return self._store.read(key)
        except ObjectNotFound:
            return None

    def _names(self, prefix: str) -> list[str]:
        return [info.key.removeprefix(prefix) for page in self._store.list(prefix) for info in page]


def _slot(slot: int) -> str:
    return f"{_SLOTS}{slot:05d}"


def _claim(child: int, slot: int) -> str:
    return f"{_CLAIMS}{child:05d}/{slot:05d}"


def _name(child: int) -> bytes:
    return str(child).encode()
