"""MaxConcurrency where children run outside this process: a slot for each child in flight, in the map run's folder.

Without a MaxConcurrency there is a slot for every child: one may be set while they run, and counts them, too.

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

    def __init__(self, limit: int, in_flight: int, before: int, seconds: float) -> None:
        more = f"; {before} more are to start before this one" if before else ""
        super().__init__(f"MaxConcurrency is {limit}, and {in_flight} child executions are in flight{more}")
        self.seconds = seconds


def slot_limit(folder: MapRunFolder, plan: Plan) -> int:
    """How many children of the map run may be in flight now."""
    return limits_of(folder, plan).max_concurrency or plan.children


def take_slot(folder: MapRunFolder, plan: Plan, child: int, ended: Ended) -> None:
    """Take a slot for the child, unless it has one already.

    Whoever finds no slot free looks whether one was left behind: by a child whose end could not be recorded.

    :raises MustWait: all slots are taken.
    :raises StorageError: the map run's folder could not be reached; a retry finds what was taken.
    """
    limit = slot_limit(folder, plan)
    slots = Slots(folder.store, limit)
    if slots.take(child):
        return
    others = slots.claimants() - {child}
    left = ended(others)
    for other in left:
        slots.reclaim(other, child)
    if left and slots.take(child):
        return
    in_flight = max(limit, len(others.difference(left)))  # a limit that was lowered is below it for a while
    started = len(folder.ended()) + in_flight
    pace = max(0.0, time.time() - plan.began) / started
    before = max(0, child - started)
    seconds = _seconds(before, plan.children - started, limit, pace) * random.uniform(0.8, 1.2)
    raise MustWait(limit, in_flight, before, seconds)


def free_slot(folder: MapRunFolder, child: int) -> None:
    """Give the child's slot back, if it has one.

    :raises StorageError: the map run's folder could not be reached; a retry goes on where this one stopped.
    """
    Slots(folder.store).free(child)


def _seconds(before: int, waiting: int, limit: int, pace: float) -> float:
    """How long a child waits until it looks again: about until its turn. ``pace`` is seconds for each child started.

    Children thus start about in the order of their indexes, and only the next few look often.
    """
    longest = max(MAX_WAIT, waiting / _LOOKS_A_SECOND)
    return min(longest, max(MIN_WAIT, pace * before, pace * limit * _IDLE_SHARE))


class Slots:
    """The slots of one map run. ``store`` is rooted at the map run's folder; ``limit`` is how many children may have
    one, which only ``take`` asks for. Raises StorageErrors.

    There are never more children than slots as far as the store's ``put_if_absent`` is atomic and no task lives on that
    Airflow has already called ended.
    """

    def __init__(self, store: ObjectStore, limit: int = 0) -> None:
        self._store = store
        self._limit = limit

    def take(self, child: int) -> bool:
        """Take a free slot for the child, or find the one it has; tells whether it has one."""
        if any(self._has(child, slot) for slot in self._claimed(child)):
            return True
        taken = {int(key) for key in self._names(_SLOTS)}
        usable = _usable(taken, self._limit)
        # All that start at the same time begin at different slots, so they seldom want the same one.
        for slot in ((child + number) % usable for number in range(usable)):
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


def _usable(taken: Collection[int], limit: int) -> int:
    """How many slots may be taken, from the first on: with those that are taken beyond them they are no more than the
    limit.

    Beyond a limit that was lowered nobody takes one any more. So whoever looked earlier uses no more of the first
    slots than whoever looks later, and all that start at the same time keep to the limit together.
    """
    usable = limit
    most = limit + sum(slot >= limit for slot in taken)
    while usable and most > limit:
        usable -= 1
        most -= usable not in taken
    return usable


def _slot(slot: int) -> str:
    return f"{_SLOTS}{slot:05d}"


def _claim(child: int, slot: int) -> str:
    return f"{_CLAIMS}{child:05d}/{slot:05d}"


def _name(child: int) -> bytes:
    return str(child).encode()
