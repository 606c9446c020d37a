"""Runs one partition of a planned map run: the work of one task."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from ..core.counters import ChildStatus, Counts, counted
from ..core.definition import DistributedMap
from ..core.errors import StatesError
from ..core.summary import states_error
from ..local.unfinished import finish
from ..local.waiting import SETTLE_SECONDS, settle
from ..states.lifetime import Lifetime
from ..storage import Connections
from ..storage.base import StorageError
from .children import Child, ChildPolicy, Outcome, whole
from .cleared import Before, partition_of
from .concurrency import Concurrency
from .concurrent import run_concurrently
from .ending import Ending
from .folder import PLAN, MapRunFolder
from .journal import Journal
from .limits import LiveLimits
from .one_by_one import run_one_by_one
from .plan import Partition, Plan
from .processors import Invocation, InvocationFactory
from .reading import partition_children
from .recorder import Recorder
from .stop import StopReason, StopSignal
from .watch import PartitionWatch

log = logging.getLogger(__name__)

OnProgress = Callable[[Counts, Counts], None]
RUN_AGAIN = "clear the group, or some of its partitions, to run again what did not succeed"

# Children that wait (a Lambda function, async def) overlap by default, but not 10,000 in one process.
_DEFAULT_OVERLAP = 100


@dataclass(frozen=True, slots=True)
class PartitionEnd:
    """How a partition ended. ``stopped`` is why it stopped early; ``error`` is set if the reason arose here."""

    partition: Partition
    items: Counts
    executions: Counts
    seconds: float
    stopped: StopReason | None = None
    error: StatesError | None = None


class PartitionStopped(Exception):
    """This attempt of a partition was stopped from outside. It left no results; another attempt goes on."""


def run_partition(
    definition: DistributedMap,
    folder: MapRunFolder,
    index: int,
    invocation: InvocationFactory,
    connections: Connections,
    *,
    stop: StopSignal | None = None,
    on_progress: OnProgress | None = None,
    checkpoint_seconds: float | None = None,
) -> PartitionEnd:
    """Run partition ``index`` of the map run in ``folder`` and write its result files.

    With ``checkpoint_seconds`` what is finished is recorded that often, and an attempt goes on from what those before
    it have recorded; without, it begins at the beginning.

    Failures of items are data: they are recorded and counted. A data set that turns out to be malformed, missing or
    another than was planned stops the whole map run, after what is finished has been written, and is in ``error``.
    A partition that has ended before (its task died after that) is not run again: how it ended is returned.

    :raises PartitionStopped: ``stop`` was set for this attempt alone, or another one has begun.
    :raises ResultWriterFailed: results could not be written; nothing of this partition is visible then.
    :raises StorageError: the map run's folder or the source could not be reached. Nothing of this partition is
        visible then, the other partitions go on, and a retry goes on from what was recorded.
    """
    began = time.monotonic()
    plan = Plan.from_dict(folder.read(PLAN))
    partition, before = partition_of(plan, folder, index)

    if (end := recorded_end(folder, partition)) is not None:
        discard_attempts(folder, index)  # its task may have died before it could
        return end
    stop = stop or StopSignal()
    journal = None if checkpoint_seconds is None else Journal(folder, index, checkpoint_seconds, stop)
    if journal is not None and (end := recorded_end(folder, partition)) is not None:
        # Between the two looks an older attempt has ended it, and has taken its journal away.
        discard_attempts(folder, index)
        return end
    run = _Running(definition, plan, partition, before, folder, connections, stop, on_progress, journal)
    try:
        run.to_its_end(invocation, connections)
    except _TakenOver:
        if (end := recorded_end(folder, partition)) is not None:
            return end
        raise
    if journal is not None:
        discard_attempts(folder, index)
    recorder = run.recorder
    seconds = time.monotonic() - began
    return PartitionEnd(partition, recorder.items, recorder.executions, seconds, stop.of_map_run, run.error)


class _TakenOver(PartitionStopped):
    """Another attempt goes on with the partition, or has ended it."""


def discard_attempts(folder: MapRunFolder, index: int) -> None:
    """Delete what attempts at a partition that has ended have left; never raises."""
    try:
        folder.discard_attempts(index)
    except StorageError as error:
        # The partition has ended, and its results are there; what is left is never looked at again.
        log.warning("The journal of partition %d could not be deleted: %s", index, error)


def _stored_stop(reason: StopReason | None, error: StatesError | None, executions: Counts) -> dict[str, Any]:
    """Why a partition stopped early, as it is stored with its counters: the map run's stop flag may get lost. One whose
    children have all ended by themselves has not.
    """
    if reason is None or (error is None and not executions.pending and not executions.aborted):
        return {}
    return {"stopped": reason.to_dict(), "stoppedHere": error is not None}


def recorded_end(folder: MapRunFolder, partition: Partition) -> PartitionEnd | None:
    """How the partition has ended before; None where it has not. Raises StorageError."""
    if (stored := folder.read_partition(partition.index)) is None:
        return None
    # Its task died after that, or somebody has cleared it and expects more: say what that takes.
    what = f"its results stay and nothing is run; when the map run has ended, {RUN_AGAIN}"
    log.warning("Partition %d has ended before: %s", partition.index, what)
    items, executions = Counts.from_dict(stored["items"]), Counts.from_dict(stored["executions"])
    stopped = StopReason.from_dict(stored["stopped"]) if "stopped" in stored else None
    error = states_error(stopped.error, stopped.cause) if stopped and stored["stoppedHere"] else None
    return PartitionEnd(partition, items, executions, 0.0, stopped, error)


class _Running:
    """One partition while it runs."""

    def __init__(
        self,
        definition: DistributedMap,
        plan: Plan,
        partition: Partition,
        before: Before | None,
        folder: MapRunFolder,
        connections: Connections,
        stop: StopSignal,
        on_progress: OnProgress | None,
        journal: Journal | None,
    ) -> None:
        attempt = 0 if journal is None else journal.attempt
        self._ending = Ending(plan, partition, folder, attempt, connections)
        self.recorder = Recorder(plan, partition, self._ending.files, journal, before=before)
        self._journal = journal
        self.error: StatesError | None = None
        self._definition = definition
        self._plan = plan
        self._partition = partition
        self._folder = folder
        self._stop = stop
        # What the partition may have in flight; how many it has, if nobody has said so, depends on the processor.
        self._share = Concurrency(partition.concurrency)
        self._concurrency = Concurrency(partition.concurrency)
        self._limits = LiveLimits(folder, plan, partition, self._share)
        counts = (self.recorder.items, self.recorder.executions)
        self._watch = PartitionWatch(
            folder, partition.index, counts, self._limits, plan.items, stop, on_progress=on_progress
        )

    def to_its_end(self, invocation: InvocationFactory, connections: Connections) -> None:
        """Run the children and store how the partition ended."""
        # What is finished is stored before the watch exchanges the last progress, which may fail.
        with self._ending, self._watch, self._keeping():
            self._children(invocation, connections)
            self._check()
            if not self._ending.store(self._content):
                raise _TakenOver("another attempt at this partition has ended it")

    def _content(self) -> dict[str, Any]:
        stopped = _stored_stop(self._stop.of_map_run, self.error, self.recorder.executions)
        return self.recorder.content(self._ending.files) | stopped

    def _keeping(self) -> AbstractContextManager[None]:
        return nullcontext() if self._journal is None else self._journal.keeping(self.recorder)

    def _check(self) -> None:
        """Raises PartitionStopped when nobody counts what this attempt has done."""
        superseded = self._journal is not None and not self._journal.is_newest()
        if (reason := self._stop.of_attempt) is not None:
            raise _TakenOver(reason.cause) if superseded else PartitionStopped(reason.cause)

    def _children(self, invocation: InvocationFactory, connections: Connections) -> None:
        with Lifetime() as lifetime:
            ready = invocation(self._partition.concurrency, self._plan, self._folder, lifetime)
            source = partition_children(self._plan, self._partition, self._folder, connections, per_item=ready.per_item)
            children = self._readable(self._unfinished(source))
            policy = self._policy(ready)
            self._stop.on_set(lambda: lifetime.end() if policy.aborts(self._stop) else None)
            try:
                self._run(ready, self._started(children), policy)
            except BaseException:  # the process may be about to end: what children wait for is stopped before
                lifetime.end()
                settle(lifetime, SETTLE_SECONDS)
                raise
        finish()
        self.recorder.flush()
        if self._stop.of_map_run is not None and self._stop.of_attempt is None:
            for child in children:  # what never started is exported as PENDING
                self.recorder.pending(child)

    def _policy(self, ready: Invocation) -> ChildPolicy:
        definition = self._definition
        return ChildPolicy(
            retry=definition.retry,
            timeout=definition.timeout,
            abort_running=not self._plan.express,  # recorded: EXPRESS children cannot be stopped, they run to their end
            abort_cause=(
                f"The map run execution [{self._plan.map_run.arn}] which was managing this resource was aborted"
            ),
            **({"argument": whole} if ready.whole_child else {}),
        )

    def _run(self, ready: Invocation, children: Iterator[Child], policy: ChildPolicy) -> None:
        def set_concurrency() -> None:
            self._concurrency.set(self._in_flight(ready))

        self._share.on_change(set_concurrency)
        set_concurrency()
        common = children, ready.invoke, policy, self._stop, self._ended
        at_once = ready.is_async or policy.timeout is not None
        # The number may change while they run one by one: then those that are left run the other way.
        if at_once or run_one_by_one(*common, self._concurrency):
            run_concurrently(*common, concurrency=self._concurrency, is_async=ready.is_async)

    def _in_flight(self, ready: Invocation) -> int:
        """How many children at once: the partition's share of MaxConcurrency, if somebody has set one.

        Unset means "as many as is sensible": overlapping is no use to a function that computes.
        """
        if self._limits.max_concurrency:
            return self._share.limit
        sensible = _DEFAULT_OVERLAP if ready.is_async or ready.blocks else 1
        return min(sensible, self._share.limit)

    def _unfinished(self, children: Iterator[Child]) -> Iterator[Child]:
        """The children that no earlier attempt has recorded; what it has is counted and written."""
        done = self.recorder.restore(self._journal.recorded()) if self._journal is not None else None
        if done is None:
            return children
        executions = self.recorder.executions
        number = counted(executions.total, "child execution")
        log.info("Going on: %s of %s have ended before", f"{executions.finished:,}", number)
        return (child for child in children if not done(child.index))

    def _readable(self, children: Iterator[Child]) -> Iterator[Child]:
        """The children, up to a place where the data cannot be read: that stops the map run, and is kept."""
        try:
            yield from children
        except StatesError as error:
            self.error = error
            log.error("%s", error)
            self._stop.set(StopReason(error.error, error.cause))

    def _started(self, children: Iterator[Child]) -> Iterator[Child]:
        for child in children:
            self.recorder.started(child)
            yield child

    def _ended(self, child: Child, outcome: Outcome) -> None:
        if outcome.status is ChildStatus.ABORTED and self._stop.of_attempt is not None:
            return  # it is this attempt that ends, not the child: another one runs it
        self.recorder.ended(child, outcome)
        if outcome.error is not None:
            self._watch.failed()
