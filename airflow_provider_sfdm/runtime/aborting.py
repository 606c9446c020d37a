"""Ends a map run whose DAG run has ended before it (marked, or timed out), so that no task will write its results.

The tasks of its partitions do, as they are killed, in the seconds that they are given.
"""

from __future__ import annotations

import logging
import time

from ..core.summary import MapRunSummary
from ..storage import Connections
from .closing import close_partition
from .finish import write_results
from .folder import PLAN, MapRunFolder
from .plan import Plan

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1


def write_aborted(folder: MapRunFolder, connections: Connections, seconds: float) -> MapRunSummary:
    """Write the results of a map run that has been stopped: what has ended, and what has not.

    Partitions that run end by themselves, now that the map run is stopped; they are waited for, so many seconds at
    most. Those that never began are ended here. Whoever comes last leaves the whole of it.

    :raises StatesError: something could not be read or written.
    :raises StorageError: the map run's folder could not be reached.
    """
    partitions = range(len(Plan.from_dict(folder.read(PLAN)).partitions))
    until = time.monotonic() + seconds
    while (begun := folder.begun()) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    for index in partitions:
        if index not in begun and folder.read_partition(index) is None:
            close_partition(folder, index, connections)
    while True:
        ended = folder.ended()
        summary = write_results(folder, connections, close=False)
        # One that has ended meanwhile may have written its results before these, and is not in them.
        if folder.ended() == ended:
            return summary
