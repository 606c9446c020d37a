"""How the partitions of a map run, or of its last redrive, ended."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from ..core.errors import ItemReaderFailed
from ..storage import Connections, open_folder
from .cleared import partition_of
from .closing import close_partition
from .folder import PLAN, REDRIVES, MapRunFolder
from .plan import Partition, Plan

log = logging.getLogger(__name__)


class End(NamedTuple):
    """How a partition ended: ``content`` as it is stored; where it ran, and in which redrive (0: the first run)."""

    content: dict[str, Any]
    partition: Partition
    folder: MapRunFolder
    redrive: int


def root_of(folder: MapRunFolder, connections: Connections) -> MapRunFolder:
    """The map run's own folder, of that of one of its redrives."""
    root, separator, number = folder.url.rstrip("/").rpartition(f"/{REDRIVES}")
    return MapRunFolder(open_folder(root, connections)) if separator and number.isdecimal() else folder


def redrive_folder(root: MapRunFolder, number: int, connections: Connections) -> MapRunFolder:
    """The folder of redrive ``number``; 0 is the map run's own."""
    return MapRunFolder(open_folder(f"{root.url.rstrip('/')}/{REDRIVES}{number}", connections)) if number else root


def latest(root: MapRunFolder, connections: Connections) -> MapRunFolder:
    """The folder of the map run's last redrive, or its own where there is none."""
    return redrive_folder(root, root.redrives(), connections)


def ends_of(folder: MapRunFolder, plan: Plan, connections: Connections, *, close: bool = True) -> list[End | None]:
    """The ends of all partitions, by index. Those that left none (their tasks died for good) are ended first, with what
    they had recorded; None is one whose children cannot be read any more.

    :param close: whether no task will end a partition any more; else None is one that has not ended.

    :raises ResultWriterFailed: the results of such a partition could not be written.
    :raises StorageError: a folder could not be reached.
    """
    runs = _Runs(folder, plan, connections)
    return [runs.end_of(index, close) for index in range(len(plan.partitions))]


def end_of(folder: MapRunFolder, plan: Plan, index: int, connections: Connections, *, close: bool = True) -> End | None:
    """The end of one partition; see ``ends_of``."""
    return _Runs(folder, plan, connections).end_of(index, close)


class _Runs:
    """A redrive of some partitions, and where the others have ended; any other run has ended all of them itself."""

    def __init__(self, folder: MapRunFolder, plan: Plan, connections: Connections) -> None:
        self._connections = connections
        self._number = plan.redrive_count
        self._elsewhere = plan.ended_in
        self._cleared = folder.cleared() if plan.partial else None
        self._known = {plan.redrive_count: (folder, plan)}

    def end_of(self, index: int, close: bool) -> End | None:
        here = self._cleared is None or index in self._cleared
        number = self._number if here else self._elsewhere[index]
        folder, plan = self._run(number)
        content = folder.read_partition(index)
        if content is None and close:
            try:
                close_partition(folder, index, self._connections)
            except ItemReaderFailed as error:
                log.warning(
                    "What partition %d has recorded is in no result file, as its end is unknown: %s", index, error
                )
                return None
            content = folder.read_partition(index)
        if content is None:
            return None
        partition, _ = partition_of(plan, folder, index)
        return End(content, partition, folder, number)

    def _run(self, number: int) -> tuple[MapRunFolder, Plan]:
        if number not in self._known:
            root = root_of(self._known[self._number][0], self._connections)
            folder = redrive_folder(root, number, self._connections)
            self._known[number] = folder, Plan.from_dict(folder.read(PLAN))
        return self._known[number]
