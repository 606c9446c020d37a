"""Which map run a task has planned last, so that another attempt, or the task when it was cleared, goes on with it."""

from __future__ import annotations

import logging
import time
from hashlib import sha256
from typing import Any

from ..core.json import dumps, loads
from ..storage import Connections, open_folder
from ..storage.base import ObjectNotFound
from .folder import PLAN, MapRunFolder
from .plan import Plan
from .redrive import NotRedrivable, latest, plan_redrive

log = logging.getLogger(__name__)

_LAST = "last.json"


def fingerprint(*parts: Any) -> str | None:
    """Of JSON values, and of sequences that are read piece by piece: the same for the same content. None where there
    is something else among them: whoever plans the map run says so.
    """
    digest = sha256()
    try:
        for part in parts:
            if part is None or isinstance(part, str | int | float | list | tuple | dict):
                digest.update(dumps(part))
            else:
                for member in part:
                    digest.update(dumps(member) + b",")
            digest.update(b"\n")
    except (TypeError, ValueError):
        return None
    return digest.hexdigest()


class LastMapRun:
    """What is remembered in the folder ``url``, which holds the map runs of one task. Raises StorageError."""

    def __init__(self, url: str, connections: Connections) -> None:
        self._url = url
        self._connections = connections
        self._store = open_folder(url, connections)

    def remember(self, plan: Plan, data: str | None) -> None:
        """``data``: the fingerprint of all that decides what the children get."""
        self._store.put(_LAST, dumps({"MapRun": plan.map_run.uuid, "Data": data}))

    def go_on(
        self, data: str | None, *, partitions: int, at_once: int | None, one_child_each: bool
    ) -> tuple[MapRunFolder, Plan] | None:
        """The map run to go on with: as it was planned where nothing of it has begun, else redriven. None where a new
        one is due: there is none yet, it has succeeded, or it was over other data.
        """
        try:
            last = loads(self._store.read(_LAST))
        except ObjectNotFound:
            return None
        folder = MapRunFolder(open_folder(f"{self._url}/{last['MapRun']}", self._connections))
        if folder.find(PLAN) is None:
            log.info("%s is not there any more: a new map run", folder.url)
            return None
        if last["Data"] != data:
            log.info("The items or the input are others than those of %s: a new map run", folder.url)
            return None
        found = latest(folder, self._connections)
        if not found.has_begun():
            return found, Plan.from_dict(found.read(PLAN))
        try:
            return plan_redrive(
                folder,
                self._connections,
                partitions=partitions,
                at_once=at_once,
                one_child_each=one_child_each,
                now=time.time(),
            )
        except NotRedrivable as reason:
            log.info("A new map run: %s", reason)
            return None
