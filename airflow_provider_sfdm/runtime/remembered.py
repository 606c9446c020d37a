"""Which map run a task has planned last, so that another attempt, or the task when it was cleared, goes on with it."""

from __future__ import annotations

import logging
import time
from hashlib import sha256
from types import CodeType
from typing import Any

from ..core.definition import DistributedMap
from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import dumps, loads
from ..core.names import MapRunName
from ..storage import Connections, open_folder
from ..storage.base import ObjectNotFound
from .ends import latest
from .folder import PLAN, MapRunFolder
from .plan import Plan
from .redrive import NotRedrivable, plan_redrive

log = logging.getLogger(__name__)

_LAST = "last.json"


def fingerprint(*parts: Any) -> str | None:
    """Of JSON values, arrays and sequences member by member: the same for the same content. None where there is
    something else among them: whoever plans the map run says so.
    """
    digest = sha256()
    try:
        for part in parts:
            if part is None or isinstance(part, str | int | float | dict):
                digest.update(dumps(part))
            else:
                for member in part:
                    digest.update(dumps(member) + b",")
            digest.update(b"\n")
    except (TypeError, ValueError):
        return None
    return digest.hexdigest()


def data_of(definition: DistributedMap) -> list[str]:
    """What of a definition decides which children there are, and what they get. All else may change: a redrive is of
    the same children, whatever runs them.
    """
    selector = definition.item_selector
    parts = (definition.item_reader, definition.items_path, definition.item_batcher, definition.query_language)
    return [*map(repr, parts), _code(selector) if callable(selector) else repr(selector)]


def _code(function: Any) -> str:
    """A function's name and what it does, wherever in its file it stands."""
    code: CodeType | None = getattr(function, "__code__", None)
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return name if code is None else f"{name} {_instructions(code)}"


def _instructions(code: CodeType) -> str:
    return f"{code.co_code.hex()} {code.co_names} [{', '.join(map(_constant, code.co_consts))}]"


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _instructions(value)
    # A set has another order in each process.
    return str(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


class LastMapRun:
    """What is remembered in the folder ``url``, which holds the map runs of one task. Raises StorageError."""

    def __init__(self, url: str, connections: Connections) -> None:
        self._url = url
        self._connections = connections
        self._store = open_folder(url, connections)

    def remember(self, map_run: MapRunName, data: str | None) -> None:
        """``data``: the fingerprint of all that decides what the children get. Before anything is read: another attempt
        goes on then.
        """
        self._store.put(_LAST, dumps({"MapRun": map_run.uuid, "Data": data}))

    def unplanned(self, data: str | None) -> str | None:
        """The UUID of a map run that was remembered, for which there is no plan yet."""
        last = self._last()
        if last is None or data is None or last["Data"] != data:
            return None
        uuid: str = last["MapRun"]
        folder = MapRunFolder(open_folder(f"{self._url}/{uuid}", self._connections))
        return uuid if folder.find(PLAN) is None else None

    def _last(self) -> Any:
        try:
            return loads(self._store.read(_LAST))
        except ObjectNotFound:
            return None

    def go_on(
        self, data: str | None, *, partitions: int, at_once: int | None, one_child_each: bool
    ) -> tuple[MapRunFolder, Plan] | None:
        """The map run to go on with: as it was planned where nothing of it has begun, else redriven. None where a new
        one is due: there is none yet, it has succeeded, or it was over other data.
        """
        last = self._last()
        if last is None:
            return None
        folder = MapRunFolder(open_folder(f"{self._url}/{last['MapRun']}", self._connections))
        if folder.find(PLAN) is None:
            log.info("%s has no plan, or is not there any more", folder.url)
            return None
        if data is None or last["Data"] != data:
            log.info("The items or the input are others than those of %s: a new map run", folder.url)
            return None
        try:
            found = latest(folder, self._connections)
            if not found.has_begun():
                return found, Plan.from_dict(found.read(PLAN))
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
        except (ItemReaderFailed, ObjectNotFound, StatesRuntime, ValueError) as lost:
            # Its source, results or plan are not what they were: it would be so at every clear.
            log.warning("A new map run, as %s cannot be redriven: %s", folder.url, lost)
        return None
