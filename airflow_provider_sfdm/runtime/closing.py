"""Ends a partition whose task will not: what its attempts have recorded counts, all other children are PENDING."""

from __future__ import annotations

import logging
import math
from typing import Any

from ..core.counters import counted
from ..storage import Connections
from .cleared import partition_of
from .ending import Ending
from .folder import PLAN, MapRunFolder
from .journal import Journal
from .plan import Plan
from .reading import partition_children
from .recorder import Recorder
from .stop import StopSignal

log = logging.getLogger(__name__)


def close_partition(folder: MapRunFolder, index: int, connections: Connections) -> None:
    """Store an end of partition ``index``, unless it has one. An attempt that still runs somewhere stops when it looks.

    :raises ItemReaderFailed: the children that never ended cannot be read any more.
    :raises ResultWriterFailed: the results could not be written.
    :raises StorageError: the map run's folder or the source could not be reached.
    """
    if folder.read_partition(index) is not None:
        return
    plan = Plan.from_dict(folder.read(PLAN))
    partition, before = partition_of(plan, folder, index)
    journal = Journal(folder, index, math.inf, StopSignal())
    ending = Ending(plan, partition, folder, journal.attempt, connections)
    recorder = Recorder(plan, partition, ending.files, before=before)

    def content() -> dict[str, Any]:
        # One whose task died when all was done has lost nothing.
        return recorder.content(ending.files) | {"lost": recorder.executions.pending > 0}

    with ending:
        done = recorder.restore(journal.recorded()) or (lambda index: False)
        recorder.flush()
        for child in partition_children(plan, partition, folder, connections, per_item=False):
            if not done(child.index):
                recorder.pending(child)
        stored = ending.store(content)
    folder.discard_attempts(index)
    if stored:
        what = counted(recorder.executions.finished, "child execution")
        log.info("Partition %d had left no end: %s had been recorded, the others are pending", index, what)
