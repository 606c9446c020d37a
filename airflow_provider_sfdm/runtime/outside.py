"""Child executions that run outside this process, one a partition: where each begins, and what became of it."""

from __future__ import annotations

from ..core.counters import Counts
from ..storage import Connections
from .children import Child, Outcome
from .cleared import Before, partition_of
from .ending import Ending
from .folder import PLAN, MapRunFolder
from .limits import LiveLimits
from .partition import PartitionEnd, discard_attempts, recorded_end
from .plan import Partition, Plan
from .reading import partition_children
from .recorder import Recorder
from .slots import Ended, free_slot, take_slot
from .stop import StopSignal
from .watch import PartitionWatch


def child_to_start(
    folder: MapRunFolder, index: int, connections: Connections, ended: Ended = lambda _: ()
) -> Child | None:
    """The child of partition ``index``, or None when none may start: it has ended before, the map run was stopped, or
    has no items.

    From now on the child is in flight. ``ended`` tells which other children have ended, so that one whose end could
    not be recorded keeps nobody waiting.

    :raises MustWait: as many children as MaxConcurrency allows are in flight.
    :raises ItemReaderFailed: the source cannot be read, or is no longer what was planned.
    """
    if folder.stop_reason() is not None:
        return None
    plan = Plan.from_dict(folder.read(PLAN))
    partition, _ = partition_of(plan, folder, index)
    if not partition.children or recorded_end(folder, partition) is not None:
        return None
    take_slot(folder, plan, index, ended)
    return next(partition_children(plan, partition, folder, connections, per_item=False), None)


def record_child(folder: MapRunFolder, index: int, outcome: Outcome | None, connections: Connections) -> PartitionEnd:
    """Write down how the child of partition ``index`` ended (None: it never started), and judge the tolerance.

    Only then may another one start in its place. A child whose end is recorded (the task died after that) stays how it
    ended: that is returned.

    :raises ResultWriterFailed: results could not be written.
    :raises StorageError: the map run's folder could not be reached.
    """
    plan = Plan.from_dict(folder.read(PLAN))
    partition, before = partition_of(plan, folder, index)
    # In this order: an end takes the marks of attempts away, so an attempt without an end before it has a new number.
    attempt = folder.begin_attempt(index)
    end = recorded_end(folder, partition)
    if end is None:
        end = _record(folder, plan, partition, before, attempt, outcome, connections)
    discard_attempts(folder, index)
    free_slot(folder, index)
    return end


def _record(
    folder: MapRunFolder,
    plan: Plan,
    partition: Partition,
    before: Before | None,
    attempt: int,
    outcome: Outcome | None,
    connections: Connections,
) -> PartitionEnd:
    ending = Ending(plan, partition, folder, attempt, connections)
    recorder = Recorder(plan, partition, ending.files, before=before)
    stop = StopSignal()
    progress = recorder.items, recorder.executions
    limits = LiveLimits(folder, plan, partition)
    with ending:
        with PartitionWatch(folder, partition.index, progress, limits, plan.items, stop):
            for child in partition_children(plan, partition, folder, connections, per_item=False):
                if outcome is None:
                    recorder.pending(child)
                else:
                    recorder.started(child)
                    recorder.ended(child, outcome)
            recorder.flush()
        stored = ending.store(lambda: recorder.content(ending.files))
    if not stored and (end := recorded_end(folder, partition)) is not None:
        return end
    content = recorder.content(ending.files)
    items, executions = Counts.from_dict(content["items"]), Counts.from_dict(content["executions"])
    return PartitionEnd(partition, items, executions, 0.0, stop.reason)
