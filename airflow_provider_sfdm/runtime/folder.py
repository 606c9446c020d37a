"""The map run's folder: what the engine keeps while a map run goes on, and after.

::

    <storage>/<map run UUID>/
        plan.json               where every partition begins; written once, before anything runs
        items.jsonl, …          the items, when the source cannot be pinned or sought in
        reading/                how far attempts at reading it have come: see reading_journal.py
        stop.json               there from the moment on which no further child may start, with the reason
        limits/<n>.json         limits that were changed since it began: see limits.py
        progress/<partition>/   one empty object a partition, whose *name* carries its counters
        attempts/<partition>/   one empty object for each attempt at a partition, named with its number
        journal/<partition>/    what a running partition has recorded of its children: see journal.py
        partitions/<n>.json     how partition n ended: counters, result files
        slots/, claims/, …      who is in flight, where children are no tasks of ours: see slots.py
        nested/                 map runs that children began themselves, each a folder like this one
        resume/                 where children that are states, and failed, would go on
        results/                result files and manifest, unless a ResultWriter says where
        summary.json            the map run's summary
        cleared/<n>.json        that partition n, cleared by itself, runs again in this redrive: see cleared.py
        redrives/<n>/           redrive n: a folder like this one, with children.jsonl (those that run again) and
                                before.json (what had succeeded before)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core.counters import Counts
from ..core.json import dumps, loads
from ..storage.base import ObjectNotFound, ObjectStore, StorageError
from .stop import StopReason

PLAN = "plan.json"
SPOOL = "items.jsonl"
CHILDREN = "children.jsonl"
BEFORE = "before.json"
REDRIVES = "redrives/"
SUMMARY = "summary.json"
RESULTS = "results"
NESTED = "nested"
_STOP = "stop.json"
_PROGRESS = "progress/"
_PARTITIONS = "partitions/"
_ATTEMPTS = "attempts/"
_JOURNAL = "journal/"
_CLEARED = "cleared/"
_LIMITS = "limits/"
_READING = "reading/"
# The order in which a progress object's name lists the counters of items, then of executions.
_FIELDS = ("pending", "running", "succeeded", "failed", "timed_out", "aborted")

Progress = tuple[Counts, Counts]
"""Counters of items and of child executions."""


class Segment(NamedTuple):
    """One object of a partition's journal."""

    attempt: int
    number: int


def _attempt_key(partition: int, number: int) -> str:
    return f"{_ATTEMPTS}{partition:05d}/{number:05d}"


def _segment_key(partition: int, segment: Segment) -> str:
    return f"{_JOURNAL}{partition:05d}/{segment.attempt:05d}-{segment.number:08d}"


class MapRunFolder:
    """Typed access to one map run's folder. ``store`` is rooted at it. Raises StorageErrors."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @property
    def url(self) -> str:
        return self.store.root

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        self.store.put(key, dumps(content))

    def read(self, key: str) -> dict[str, Any]:
        data = self.store.read(key)
        try:
            content: dict[str, Any] = loads(data)
        except ValueError as error:
            raise StorageError(self.store.shown(key), f"it was not written whole: {error}") from error
        return content

    def find(self, key: str) -> dict[str, Any] | None:
        """The object's content, or None when there is none."""
        try:
            return self.read(key)
        except ObjectNotFound:
            return None

    # -- the stop flag

    def stop(self, reason: StopReason) -> bool:
        """Stop the map run everywhere; the first reason stays. Tells whether this was the first."""
        return self.store.put_if_absent(_STOP, dumps(reason.to_dict()))

    def stop_reason(self) -> StopReason | None:
        content = self.find(_STOP)
        return None if content is None else StopReason.from_dict(content)

    # -- progress: the counters are in the name, so that one listing reads every partition's

    def publish(self, partition: int, progress: Progress, previous: str | None) -> str:
        """Replace a partition's progress; returns the new object's key, to be handed in next time. Even where nothing
        has changed the object is new: that tells that the partition runs.
        """
        numbers = [getattr(counts, name) for counts in progress for name in _FIELDS]
        key = f"{_PROGRESS}{partition:05d}/{'-'.join(map(str, numbers))}"
        self.store.put(key, b"")
        if previous not in (None, key):
            self.store.delete(previous)
        return key

    def published(self) -> dict[int, float]:
        """When every partition that has begun last published its progress, in epoch seconds of the store's clock."""
        found: dict[int, float] = {}
        for page in self.store.list(_PROGRESS):
            for info in page:
                partition = int(info.key.split("/")[1])
                found[partition] = max(info.last_modified, found.get(partition, 0.0))
        return found

    def clear_progress(self, partition: int) -> None:
        """Forget what an attempt that did not end has published: its failures must not count again."""
        for key in list(self._keys(f"{_PROGRESS}{partition:05d}/")):
            self.store.delete(key)

    def progress(self) -> dict[int, Progress]:
        """What every partition that has begun last published, by partition number."""
        found: dict[int, Progress] = {}
        for page in self.store.list(_PROGRESS):
            for info in page:
                partition, _, numbers = info.key.removeprefix(_PROGRESS).partition("/")
                values = [int(number) for number in numbers.split("-")]
                half = len(_FIELDS)
                items, executions = (
                    Counts(**dict(zip(_FIELDS, part, strict=True)), total=sum(part))
                    for part in (values[:half], values[half:])
                )
                # Between the put and the delete there are two: the later one has fewer pending.
                seen = found.get(int(partition))
                if seen is None or (items.pending, -items.finished) < (seen[0].pending, -seen[0].finished):
                    found[int(partition)] = (items, executions)
        return found

    # -- how far the source has been read, before there is a plan

    def begin_reading(self) -> int:
        """Begin the next attempt at reading the source and return its number, from 0."""
        number = 0
        while not self.store.put_if_absent(f"{_READING}{number:05d}", b""):
            number += 1
        return number

    def read_reading(self, attempt: int) -> dict[str, Any] | None:
        return self.find(f"{_READING}{attempt:05d}.json")

    def write_reading(self, attempt: int, content: Mapping[str, Any]) -> None:
        self.write(f"{_READING}{attempt:05d}.json", content)

    # -- attempts at a partition, and what they have recorded so far

    def begin_attempt(self, partition: int) -> int:
        """Begin the next attempt at a partition and return its number, from 0: from now on it is the newest."""
        newest = self.newest_attempt(partition)
        number = 0 if newest is None else newest + 1
        while not self.store.put_if_absent(_attempt_key(partition, number), b""):
            number += 1
        return number

    def has_attempt(self, partition: int, number: int) -> bool:
        """Whether the mark of this attempt is there; the end of the partition takes it away."""
        try:
            self.store.pin(_attempt_key(partition, number))
        except ObjectNotFound:
            return False
        return True

    def newest_attempt(self, partition: int) -> int | None:
        """The number of the newest attempt; None before the first, and after the partition has ended."""
        keys = list(self._keys(f"{_ATTEMPTS}{partition:05d}/"))
        return int(keys[-1].rpartition("/")[2]) if keys else None

    def begun(self) -> set[int]:
        """The partitions that have been attempted, and have not ended."""
        return {int(key.split("/")[1]) for key in self._keys(_ATTEMPTS)}

    def write_segment(self, partition: int, segment: Segment, data: bytes) -> None:
        """Add to a partition's journal."""
        self.store.put(_segment_key(partition, segment), data)

    def read_segment(self, partition: int, segment: Segment) -> bytes:
        return self.store.read(_segment_key(partition, segment))

    def segments(self, partition: int) -> list[Segment]:
        """What a partition's journal has, in order of attempts."""
        names = (key.rpartition("/")[2] for key in self._keys(f"{_JOURNAL}{partition:05d}/"))
        return [Segment(*map(int, name.split("-"))) for name in names]

    def discard_attempts(self, partition: int) -> None:
        """Of a partition that has ended neither is of use any more."""
        for prefix in (_JOURNAL, _ATTEMPTS):
            for key in list(self._keys(f"{prefix}{partition:05d}/")):
                self.store.delete(key)

    def _keys(self, prefix: str) -> Iterator[str]:
        for page in self.store.list(prefix):
            for info in page:
                yield info.key

    # -- how a partition ended

    def write_partition(self, partition: int, content: Mapping[str, Any]) -> bool:
        """Store how a partition ended, once; tells whether it is this that is stored."""
        key, data = f"{_PARTITIONS}{partition:05d}.json", dumps(content)
        # A request whose answer was lost is sent again, and then told that the object is there: it may be its own.
        return self.store.put_if_absent(key, data) or self.store.read(key) == data

    def read_partition(self, partition: int) -> dict[str, Any] | None:
        return self.find(f"{_PARTITIONS}{partition:05d}.json")

    def has_begun(self) -> bool:
        """Whether any child of the map run may have been started."""
        if self.find(SUMMARY) is not None:  # whatever a listing does not show yet
            return True
        prefixes = (_ATTEMPTS, _PARTITIONS, _PROGRESS, "claims/")
        return any(next(self._keys(prefix), None) is not None for prefix in prefixes)

    # -- redrives

    def plan_once(self, content: Mapping[str, Any]) -> bool:
        """Store a plan unless there is one; tells whether it is this that is stored."""
        return self.store.put_if_absent(PLAN, dumps(content))

    def write_cleared(self, partition: int, content: Mapping[str, Any]) -> bool:
        """Note what runs again of a partition that was cleared, once; tells whether it was this that is noted."""
        return self.store.put_if_absent(f"{_CLEARED}{partition:05d}.json", dumps(content))

    def read_cleared(self, partition: int) -> dict[str, Any] | None:
        return self.find(f"{_CLEARED}{partition:05d}.json")

    def redrives(self) -> int:
        """The number of the last redrive that was planned; 0 without any."""
        number = 0
        while self.find(f"{REDRIVES}{number + 1}/{PLAN}") is not None:
            number += 1
        return number

    def ended(self) -> set[int]:
        """The partitions that have ended."""
        return {int(key.removeprefix(_PARTITIONS).removesuffix(".json")) for key in self._keys(_PARTITIONS)}

    # -- limits that were changed while the map run runs

    def newest_limits(self) -> int:
        """The number of the last change of limits; 0 without any."""
        keys = list(self._keys(_LIMITS))
        return int(keys[-1].removeprefix(_LIMITS).removesuffix(".json")) if keys else 0

    def read_limits(self, number: int) -> dict[str, Any]:
        return self.read(f"{_LIMITS}{number:08d}.json")

    def write_limits(self, number: int, content: Mapping[str, Any]) -> bool:
        """Store a change of limits unless there is one of that number; tells whether it is this that is stored."""
        return self.store.put_if_absent(f"{_LIMITS}{number:08d}.json", dumps(content))
