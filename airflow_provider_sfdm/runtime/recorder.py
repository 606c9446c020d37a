"""Keeps the books of one partition: counters, result records, and the outputs that are returned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core.counters import ChildStatus, Counts
from ..core.json import dumps, loads
from ..core.limits import MAX_PAYLOAD_BYTES
from ..core.records import Ended, RecordFormat, result_elements
from ..core.writer import Transformation
from .checkpoint import Checkpoint, Results, Runs, Unstored
from .children import Child, Outcome
from .cleared import Before
from .failure_log import FailureLog
from .journal import Journal
from .order import InOrder
from .plan import Partition, Plan
from .result_files import RESUME, ResultFiles


class Recorder:
    """Called with every child that ended; writes records in start order (see ``InOrder``)."""

    def __init__(
        self,
        plan: Plan,
        partition: Partition,
        files: ResultFiles,
        journal: Journal | None = None,
        *,
        before: Before | None = None,
    ) -> None:
        """:param journal: where every child that ended is told, besides.
        :param before: what had succeeded of the partition before it was cleared.
        """
        self._before = before
        self.items = Counts(pending=partition.items, total=partition.items)
        self.executions = Counts(pending=partition.children, total=partition.children)
        # The state output's elements, as long as they are small enough to be returned; None: they are not, or go
        # to a ResultWriter.
        self.output: list[bytes] | None = None if plan.destination.exported else []
        self._output_bytes = 0
        self._pending_items = self._pending_children = 0  # of those that have a record
        self._pending_runs: list[list[int]] = []  # the first of them and how many in a row
        self._failures = FailureLog()
        self._files = files
        self._journal = journal
        self._transformation = plan.destination.transformation
        self._map_run = plan.map_run
        self._records = RecordFormat(plan.map_run, express=plan.express)
        self._keeps_records = self._transformation is Transformation.NONE
        self._order: InOrder[Results] = InOrder(self._write, partition.first_child)
        # The journal's thread asks for what is new, in the middle of everything else.
        self._lock = threading.Lock()
        self._unstored = Unstored()
        self._checkpoints = 0
        self._full = False
        # False while something is changed, and for ever if that was broken off (by a signal that raises, a storage
        # that refuses): what is half done must never be stored.
        self._whole = True
        if journal is not None:
            files.on_block(self._grown)

    def started(self, child: Child) -> None:
        self.items.start(child.items)
        self.executions.start(1)

    def ended(self, child: Child, outcome: Outcome) -> None:
        """Count a child that ended and write its record."""
        succeeded = child.items if outcome.status is ChildStatus.SUCCEEDED else 0
        if child.outcomes is not None:
            succeeded = len(child.outcomes.outputs)
        entries = self._entries(child, outcome)
        with self._lock:
            whole, self._whole = self._whole, False
            self.executions.end(outcome.status, 1)
            self.items.end(ChildStatus.SUCCEEDED, succeeded)
            if succeeded < child.items:
                self.items.end(outcome.status, child.items - succeeded)
                self._failures.note(child, outcome, self.executions.unsuccessful)
            self._put(child.index, entries)
            self._whole = whole
        if self._full and self._journal is not None:
            self._full = False
            self._journal.store()

    def _put(self, index: int, entries: Results) -> None:
        if self._order.is_next(index):
            self._order.put(index, entries)
            return
        size = _size(entries)
        if self._journal is not None:
            self._unstored.hold(index, entries, size)
        self._order.put(index, entries, size)

    def hand_over(self, to: list[Checkpoint]) -> None:
        """Append what has ended since the last call, and where the partition stands; nothing where nothing has."""
        with self._lock:
            new = self._unstored
            if not self._whole or not new:
                return
            self._whole = False
            order = self._order
            checkpoint = Checkpoint(
                order.next, tuple(order.missing), self.items.copy(), self.executions.copy(),
                dict(self._failures.errors), new.written, new.ahead, self._checkpoints, new.size,
            )  # fmt: skip
            self._checkpoints += 1
            to.append(checkpoint)
            new.clear()
            self._whole = True

    def restore(self, checkpoints: Iterable[Checkpoint]) -> Callable[[int], bool] | None:
        """Write and count what earlier attempts have recorded; returns what tells whether a child is among it."""
        with self._lock:
            whole, self._whole = self._whole, False
            last: Checkpoint | None = None
            ahead: dict[int, Results] = {}
            for last in checkpoints:
                self._write(last.written)
                ahead.update(last.ahead)
                self._unstored.clear()  # it is stored already
            if last is not None:
                self.items.resume(last.items)
                self.executions.resume(last.executions)
                self._failures.errors.update(last.errors)
                below, missing = last.next, frozenset(last.missing)
                self._order.begin_at(below, missing)
                ahead = {index: entries for index, entries in ahead.items() if index >= below or index in missing}
                for index, entries in sorted(ahead.items()):
                    self._order.put(index, entries, _size(entries))
                self._full = False
            self._whole = whole
        return None if last is None else lambda index: (index < below and index not in missing) or index in ahead

    def _grown(self, size: int) -> None:
        self._unstored.size += size
        self._full = self._journal is not None and self._journal.is_full(self._unstored.size)

    def content(self, files: ResultFiles) -> dict[str, Any]:
        """How the partition ended, as it is stored in the map run's folder. ``files`` are closed."""
        self.items.results_written = self.items.finished + self._pending_items
        self.executions.results_written = self.executions.finished + self._pending_children
        content = {
            "items": self.items.to_dict(),
            "executions": self.executions.to_dict(),
            "errors": dict(self._failures.errors),
            "files": {status: [file.to_dict() for file in found] for status, found in files.files().items()},
            # Which children those in the PENDING files are: their records have no names.
            "pending": self._pending_runs,
            # The elements this partition adds to the state output, or None if they are not returned.
            "output": None if self.output is None else [loads(element) for element in self.output],
        }
        return content if self._before is None else self._before.and_then(content)

    def flush(self) -> None:
        """All children have ended: write what was held back for the order's sake."""
        with self._lock:
            whole, self._whole = self._whole, False
            self._order.flush()
            self._whole = whole

    def pending(self, child: Child) -> None:
        """Record a child that never started."""
        self._files.of("PENDING").add((self._records.pending(child.input_json),))
        self._pending_items += child.items
        self._pending_children += 1
        runs = self._pending_runs
        if runs and sum(runs[-1]) == child.index:
            runs[-1][1] += 1
        else:
            runs.append([child.index, 1])

    def _entries(self, child: Child, outcome: Outcome) -> Results:
        """What a child that ended leaves, and where. Encoded at once: what waits for its turn is bytes."""
        if outcome.status is ChildStatus.SUCCEEDED:
            return (self._success(child, child.input_json, outcome, outcome.output_json or b"null"),)
        entries: Results = ()
        input_json = child.input_json
        if child.outcomes is not None and child.outcomes.outputs:
            # Some items of the batch did succeed: they get a record of their own.
            outcomes = child.outcomes
            output = outcomes.output()
            done = Outcome(ChildStatus.SUCCEEDED, outcome.start, outcome.stop, output)
            input_json = _part(child.input_json, outcomes.unfinished())
            part = _part(child.input_json, sorted(outcomes.outputs))
            entries = (self._success(child, part, done, output.to_json()),)
        ended = Ended(
            child.index, outcome.status, input_json, outcome.start, outcome.stop,
            error=outcome.error, cause=outcome.cause, redriven=child.redriven,
        )  # fmt: skip
        # AWS: failed children are always written as NONE records, in the state output too.
        entries = (*entries, ("FAILED", (self._records.record(ended),)))
        if child.failed_at is None:
            return entries
        point = {"Name": child.name(self._map_run), **child.failed_at.to_dict()}
        return (*entries, (RESUME, (dumps(point),)))

    def _success(
        self, child: Child, input_json: bytes, outcome: Outcome, output_json: bytes
    ) -> tuple[str, tuple[bytes, ...]]:
        if self._keeps_records:
            ended = Ended(
                child.index, outcome.status, input_json, outcome.start, outcome.stop, output_json,
                redriven=child.redriven,
            )  # fmt: skip
            elements: tuple[bytes, ...] = (self._records.record(ended),)
        else:
            elements = result_elements(outcome.output, output_json, self._transformation)
        return "SUCCEEDED", elements

    def _write(self, entries: Results | Runs) -> None:
        for status, elements in entries:
            self._files.of(status).add(elements)
            if status != RESUME:
                self._add_to_output(elements)
            if self._journal is not None:
                self._unstored.add(status, elements)

    def _add_to_output(self, elements: Sequence[bytes]) -> None:
        if self.output is None:
            return
        self._output_bytes += sum(map(len, elements)) + len(elements)
        if self._output_bytes > MAX_PAYLOAD_BYTES:
            self.output = None
        else:
            self.output.extend(elements)


def _size(entries: Results) -> int:
    return sum(sum(map(len, elements)) for _, elements in entries)


def _part(batch_json: bytes, indexes: list[int]) -> bytes:
    """A batch with only these items: from its JSON, because the function may have changed the values it was given."""
    batch = loads(batch_json)
    return dumps({**batch, "Items": [batch["Items"][index] for index in indexes]})
