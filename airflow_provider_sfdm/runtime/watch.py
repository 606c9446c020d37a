"""Watches a running partition: publishes its counters, judges the tolerance over the whole map run, and sees when
another partition has stopped it.

All of it happens in a thread of its own, twice a second, so that slow storage never slows a child; and costs one
small read a tick, plus a write and a listing when failures have been added or a progress line is due, and a listing
every two seconds that sees whether limits were changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from ..core.counters import Counts, counted
from ..core.errors import ExceedToleratedFailureThreshold
from ..core.tolerance import FailureTolerance
from ..storage.base import StorageError
from .folder import MapRunFolder, Progress
from .limits import LiveLimits
from .stop import StopReason, StopSignal

# A breach anywhere must stop new children everywhere within 2 s: one tick to see it, one to spread it.
TICK_SECONDS = 0.5
LOG_SECONDS = 5.0
BREACHED = StopReason(ExceedToleratedFailureThreshold.error, ExceedToleratedFailureThreshold.CAUSE)

log = logging.getLogger(__name__)


class PartitionWatch:
    """A context manager around the running of one partition. Call ``failed`` after a child that failed."""

    def __init__(
        self,
        folder: MapRunFolder,
        partition: int,
        counts: Progress,
        limits: LiveLimits,
        total_items: int,
        stop: StopSignal,
        *,
        on_progress: Callable[[Counts, Counts], None] | None = None,
    ) -> None:
        self._folder = folder
        self._partition = partition
        self._items, self._executions = counts
        self._limits = limits
        self._total = total_items
        self._stop = stop
        self._on_progress = on_progress
        self._others = 0  # unsuccessful items of the other partitions, as last seen
        self._published: str | None = None
        self._published_failures = 0
        self._flagged = False
        self._wake = threading.Event()
        self._ended = False
        self._next_log = time.monotonic() + LOG_SECONDS
        self._thread = threading.Thread(target=self._run, name="partition-watch", daemon=True)

    def __enter__(self) -> PartitionWatch:
        self._folder.clear_progress(self._partition)
        self._look()
        self._limits.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()
        if kind is None:
            # The partition's work is done: none of this may undo it. Write_results judges the totals anyway.
            self._try(self._flag)
            self._try(self._publish)
            if self._items.unsuccessful:
                self._try(self._judge)

    def _try(self, step: Callable[[], None]) -> None:
        """Take a last step, and never raise."""
        try:
            step()
        except StorageError as error:
            log.warning("Could not tell the other partitions how this one ended: %s", error)
        except Exception:
            log.exception("Could not tell the other partitions how this one ended")

    def failed(self) -> None:
        """Judge the tolerance now, with what is known of the other partitions. Called by the one that counts."""
        if self._breached():
            self._wake.set()  # the flag is for the others: write it at once

    def _run(self) -> None:
        while True:
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            if self._ended:
                return
            try:
                self._tick()
            except StorageError as error:
                # The next tick tries again; what must not be lost is written by the partition itself.
                log.warning("Could not exchange progress with the other partitions: %s", error)
            except Exception:
                # The caller's on_progress, say: without this thread nobody would see another partition's breach.
                log.exception("Could not watch the map run; trying again")

    def _tick(self) -> None:
        self._flag()
        due = time.monotonic() >= self._next_log
        # At the first tick: that this partition runs is what the others share MaxConcurrency by.
        if due or self._published is None or self._items.unsuccessful != self._published_failures:
            self._publish()
            self._judge()
        if due:
            self._next_log = time.monotonic() + LOG_SECONDS
            if self._on_progress is not None:
                self._on_progress(self._items.copy(), self._executions.copy())
        self._look()
        self._limits.look()
        if self._breached():
            self._flag()

    def _look(self) -> None:
        if not self._stop.is_set() and (reason := self._folder.stop_reason()) is not None:
            self._flagged = True
            if self._stop.set(reason):
                log.warning("The map run was stopped: %s", ": ".join(filter(None, (reason.error, reason.cause))))

    def _flag(self) -> None:
        reason = self._stop.of_map_run
        if reason is not None and not self._flagged:
            self._folder.stop(reason)
            self._flagged = True

    def _publish(self) -> None:
        failures = self._items.unsuccessful
        self._published = self._folder.publish(
            self._partition, (self._items.copy(), self._executions.copy()), self._published
        )
        self._published_failures = failures

    def _judge(self) -> None:
        progress = self._folder.progress()
        self._others = sum(items.unsuccessful for number, (items, _) in progress.items() if number != self._partition)
        if self._breached():
            self._flag()

    def _breached(self) -> bool:
        """Judge what is known of all partitions; a breach stops the map run, and the first to see it says so."""
        unsuccessful = self._items.unsuccessful + self._others
        tolerance = self._limits.tolerance
        if not tolerance.exceeded(unsuccessful, self._total):
            return False
        if self._stop.set(BREACHED):
            log.warning(
                "Tolerance exceeded: %s of %s failed, %s tolerated; no further child execution starts",
                f"{unsuccessful:,}",
                counted(self._total, "item"),
                _tolerated(tolerance),
            )
        return True


def _tolerated(tolerance: FailureTolerance) -> str:
    """``3``, ``5 %``, ``3 or 5 %`` (either is a limit), ``none``."""
    limits = [f"{tolerance.count:,}"] if tolerance.count else []
    limits += [f"{tolerance.percentage:g} %"] if tolerance.percentage else []
    return " or ".join(limits) or "none"
