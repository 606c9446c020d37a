"""Child executions that run outside this process, one a partition: where each begins, and what became of it."""

from __future__ import annotations

from typing import Any

from ..storage import Connections, open_folder
from .children import Child, Outcome
from .finish import result_folder
from .folder import PLAN, MapRunFolder
from .partition import PartitionEnd
from .plan import Plan
from .reading import partition_children
from .recorder import Recorder
from .result_files import ResultFiles
from .stop import StopSignal
from .watch import PartitionWatch


def child_to_start(folder: MapRunFolder, index: int, connections: Connections) -> Child | None:
    """The child of partition ``index``, or None when none may start: the map run was stopped, or has no items.

    :raises ItemReaderFailed: the source cannot be read, or is no longer what was planned.
    """
    if folder.stop_reason() is not None:
        return None
    plan = Plan.from_dict(folder.read(PLAN))
    return next(partition_children(plan, plan.partitions[index], folder, connections, per_item=False), None)


def record_child(folder: MapRunFolder, index: int, outcome: Outcome | None, connections: Connections) -> PartitionEnd:
    """Write down how the child of partition ``index`` ended (None: it never started), and judge the tolerance.

    :raises ResultWriterFailed: results could not be written.
    :raises StorageError: the map run's folder could not be reached.
    """
    plan = Plan.from_dict(folder.read(PLAN))
    partition = plan.partitions[index]
    destination = open_folder(plan.destination.root, connections)
    files = ResultFiles(destination, result_folder(plan), plan.destination.output_type, index, len(plan.partitions))
    recorder = Recorder(plan, partition, files)
    stop = StopSignal()
    progress = recorder.items, recorder.executions
    try:
        with PartitionWatch(folder, index, progress, plan.tolerance, plan.items, stop):
            for child in partition_children(plan, partition, folder, connections, per_item=False):
                if outcome is None:
                    recorder.pending(child)
                else:
                    recorder.started(child)
                    recorder.ended(child, outcome)
            recorder.flush()
        files.close()
    except BaseException:
        files.abort()
        raise
    folder.write_partition(index, _content(recorder, files))
    return PartitionEnd(partition, recorder.items, recorder.executions, 0.0, stop.reason)


def _content(recorder: Recorder, files: ResultFiles) -> dict[str, Any]:
    return {
        "items": recorder.items.to_dict(),
        "executions": recorder.executions.to_dict(),
        "errors": dict(recorder.errors),
        "files": {status: [file.to_dict() for file in found] for status, found in files.files().items()},
        "output": recorder.output_values(),
    }
