"""The counters of a map run: what DescribeMapRun calls itemCounts and executionCounts.

One ``Counts`` counts items, another counts child executions. Both have AWS's ten counters.
Source: the DescribeMapRun API and recorded map runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum


class MapRunStatus(StrEnum):
    """The status of a map run. There is no TIMED_OUT: a map run whose parent timed out is ABORTED."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


class ChildStatus(StrEnum):
    """How a child execution ended, or PENDING when it never started."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING = "PENDING"


COUNTERS = {
    "pending": "pending",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "timedOut": "timed_out",
    "aborted": "aborted",
    "total": "total",
    "resultsWritten": "results_written",
    "failuresNotRedrivable": "failures_not_redrivable",
    "pendingRedrive": "pending_redrive",
}
"""AWS's name of each counter, and the attribute of :class:`Counts` that has it."""


_SHOWN = ("succeeded", "failed", "timed_out", "aborted", "running", "pending")


@dataclass(slots=True)
class Counts:
    """AWS's ten counters, of items or of child executions. ``total`` is the sum of the first six.

    ``results_written`` is 0 while the map runs; at the end it counts what has a record, pending ones included, which is
    ``total`` unless a source broke off or a partition was lost.
    """

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    total: int = 0
    results_written: int = 0
    failures_not_redrivable: int = 0
    pending_redrive: int = 0

    @property
    def unsuccessful(self) -> int:
        """What counts for the tolerance: failed and timed out, not aborted and not pending."""
        return self.failed + self.timed_out

    @property
    def finished(self) -> int:
        """All that ended, however it ended."""
        return self.succeeded + self.failed + self.timed_out + self.aborted

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def outcome(self, noun: str = "", *, ok: str = "succeeded") -> str:
        """In words, without those that are zero: ``498 succeeded, 2 failed``, or with a noun ``498 items ok, …``."""
        words = {"succeeded": ok, "timed_out": "timed out"}
        numbers = {words.get(name, name): getattr(self, name) for name in _SHOWN if getattr(self, name)}
        parts = [f"{number:,} {word}" for word, number in numbers.items()]
        if parts and noun:
            word, number = next(iter(numbers.items()))
            parts[0] = f"{counted(number, noun)} {word}"
        return ", ".join(parts)

    def copy(self) -> Counts:
        return replace(self)

    def start(self, number: int) -> None:
        """``number`` pending ones are running now."""
        self.pending -= number
        self.running += number

    def end(self, status: ChildStatus, number: int) -> None:
        """``number`` running ones ended with ``status`` (PENDING: they never really started)."""
        self.running -= number
        if status is ChildStatus.SUCCEEDED:
            self.succeeded += number
        elif status is ChildStatus.FAILED:
            self.failed += number
        elif status is ChildStatus.TIMED_OUT:
            self.timed_out += number
        elif status is ChildStatus.ABORTED:
            self.aborted += number
        else:
            self.pending += number

    def resume(self, ended: Counts) -> None:
        """Count what had ended before; all that had not is pending."""
        self.succeeded, self.failed, self.timed_out, self.aborted = (
            ended.succeeded, ended.failed, ended.timed_out, ended.aborted,
        )  # fmt: skip
        self.running, self.pending = 0, self.total - self.finished

    def to_dict(self) -> dict[str, int]:
        """The counters as DescribeMapRun spells them (``timedOut``, ``resultsWritten``, …)."""
        return {camel: getattr(self, name) for camel, name in COUNTERS.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, int]) -> Counts:
        """Read DescribeMapRun's spelling back; counters that are missing are 0."""
        return cls(**{name: int(data.get(camel, 0)) for camel, name in COUNTERS.items()})


def counted(number: int, noun: str) -> str:
    """A number and its noun, for messages: ``1 batch``, ``2,000 batches``."""
    plural = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{plural}"


def in_words(items: Counts, executions: Counts) -> str:
    """Both counters, once where they are the same: without a batcher an item is a child execution.

    ``4 items (3 succeeded, 1 failed); 2 child executions (1 succeeded, 1 failed)``
    """
    counters = (("item", items),) if items == executions else (("item", items), ("child execution", executions))
    told = ((counted(counts.total, noun), counts.outcome()) for noun, counts in counters)
    return "; ".join(f"{number} ({outcome})" if outcome else number for number, outcome in told)
