"""Child executions that run outside this process, one a partition: where each begins, and what became of it."""

from __future__ import annotations

from ..storage import Connections, open_folder
from .children import Child, Outcome
from .cleared import partition_of
from .folder import PLAN, MapRunFolder
from .limits import LiveLimits
from .partition import PartitionEnd
from .plan import Plan
from .reading import partition_children
from .recorder import Recorder
from .result_files import ResultFiles
from .slots import Ended, free_slot, take_slot
from .stop import StopSignal
from .watch import PartitionWatch


def child_to_start(
    folder: MapRunFolder, index: int, connections: Connections, ended: Ended = lambda _: ()
) -> Child | None:
    """The child of partition ``index``, or None when none may start: the map run was stopped, or has no items.

    From now on the child is in flight. ``ended`` tells which other children have ended, so that one whose end could
    not be recorded keeps nobody waiting.

    :raises MustWait: as many children as MaxConcurrency allows are in flight.
    :raises ItemReaderFailed: the source cannot be read, or is no longer what was planned.
    """
    if folder.stop_reason() is not None:
        return None
    plan = Plan.from_dict(folder.read(PLAN))
    take_slot(folder, plan, index, ended)
    partition, _ = partition_of(plan, folder, index)
    return next(partition_children(plan, partition, folder, connections, per_item=False), None)


def record_child(folder: MapRunFolder, index: int, outcome: Outcome | None, connections: Connections) -> PartitionEnd:
    """Write down how the child of partition ``index`` ended (None: it never started), and judge the tolerance.

    Only then may another one start in its place.

    :raises ResultWriterFailed: results could not be written.
    :raises StorageError: the map run's folder could not be reached.
    """
    plan = Plan.from_dict(folder.read(PLAN))
    partition, before = partition_of(plan, folder, index)
    destination = open_folder(plan.destination.root, connections)
    files = ResultFiles(destination, plan.result_folder, plan.destination.output_type, index, len(plan.partitions))
    recorder = Recorder(plan, partition, files, before=before)
    stop = StopSignal()
    progress = recorder.items, recorder.executions
    try:
        with PartitionWatch(folder, index, progress, LiveLimits(folder, plan, partition), plan.items, stop):
            for child in partition_children(plan, partition, folder, connections, per_item=False):
                if outcome is None:
                    recorder.pending(child)
                else:
                    recorder.started(child)
                    recorder.ended(child, outcome)
            recorder.flush()
        files.close()
    except BaseException:
        files.discard()
        raise
    folder.write_partition(index, recorder.content(files))
    free_slot(folder, plan, index)
    return PartitionEnd(partition, recorder.items, recorder.executions, 0.0, stop.reason)
