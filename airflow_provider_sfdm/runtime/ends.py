"""How the partitions of a map run, or of its last redrive, ended."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from ..core.errors import ItemReaderFailed
from ..storage import Connections, open_folder
from .cleared import Cleared
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
    return [end_of(folder, plan, index, connections, close=close) for index in range(len(plan.partitions))]


def end_of(folder: MapRunFolder, plan: Plan, index: int, connections: Connections, *, close: bool = True) -> End | None:
    """The end of one partition; see ``ends_of``."""
    partition = plan.partitions[index]
    if plan.partial:
        cleared = Cleared.of(folder, index)
        if cleared is None:  # it stays as it was before this redrive
            before = redrive_folder(root_of(folder, connections), plan.redrive_count - 1, connections)
            return end_of(before, Plan.from_dict(before.read(PLAN)), index, connections, close=close)
        partition = cleared.partition
    content = folder.read_partition(index)
    if content is None and close:
        try:
            close_partition(folder, index, connections)
        except ItemReaderFailed as error:
            log.warning("What partition %d has recorded is in no result file, as its end is unknown: %s", index, error)
            return None
        content = folder.read_partition(index)
    return None if content is None else End(content, partition, folder, plan.redrive_count)
