"""Finds the folder of a map run: by its URL, or by its ARN in the storage of map runs.

::

    <storage>/~map-runs/<UUID>      where the map run of that UUID is, and which task of which DAG run has planned it

No DAG can have that name. Map runs of a script are right below their storage, and have no such object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from ..core.arns import ArnKind, StatesArn
from ..core.errors import InvalidDefinition
from ..core.json import dumps, loads
from ..core.names import ENGINE_REGION
from ..core.summary import MapRunSummary
from ..storage import Connections, open_folder
from ..storage.base import ObjectNotFound, ObjectStore, StorageError
from .ends import root_of
from .folder import PLAN, MapRunFolder

_CATALOG = "~map-runs/"
_OWNER = "owner.json"


class MapRunNotFound(Exception):
    """There is no such map run in the storage; says where was looked."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a map run is: that of the task of a DAG run that has planned it."""

    dag_id: str
    run_id: str
    task_id: str


def enter(storage: ObjectStore, folder: MapRunFolder, uuid: str, owner: Owner) -> None:
    """Note where a map run is, and whose it is. ``storage`` is what holds its folder. Raises StorageError."""
    folder.write(_OWNER, asdict(owner))
    path = folder.url.removeprefix(storage.root).strip("/")
    storage.put(f"{_CATALOG}{uuid}", dumps({"path": path}))


def owner_of(folder: MapRunFolder) -> Owner | None:
    """Whose a map run is; None where no DAG has begun it. Raises StorageError."""
    found = folder.find(_OWNER)
    try:
        return None if found is None else Owner(**found)
    except TypeError as error:
        raise StorageError(folder.store.shown(_OWNER), f"it is not what was written: {error}") from None


def find_map_run(
    map_run: str | MapRunSummary | Mapping[str, Any], storage: str | None = None, connections: Connections | None = None
) -> MapRunFolder:
    """The folder of a map run of the Airflow engine, that of its first run.

    :param map_run: the URL of its folder (as the log of read_items has it), its ARN, or its summary.
    :param storage: URL of the storage of map runs, for an ARN or a summary.

    :raises InvalidDefinition: this is the ARN of something else, or of a map run on Step Functions.
    :raises MapRunNotFound: there is none.
    :raises StorageError: the storage could not be reached.
    """
    if isinstance(map_run, MapRunSummary):
        map_run = map_run.to_dict()
    reference = map_run.get("mapRunArn") if isinstance(map_run, Mapping) else map_run
    connections = connections or Connections()
    if isinstance(reference, str) and "://" in reference:
        folder = root_of(MapRunFolder(open_folder(reference, connections)), connections)
        if folder.find(PLAN) is None:
            raise MapRunNotFound(f"there is no map run in {folder.url}")
        return folder
    arn = StatesArn.parse(reference, "map_run", ArnKind.MAP_RUN)
    if arn.region != ENGINE_REGION:
        raise InvalidDefinition(
            "map_run", f"{arn.text} is on AWS: there UpdateMapRunOperator, or the AWS command line, does this"
        )
    if not storage:
        problem = "an ARN alone does not say where the map run is: name the storage, too (--storage)"
        raise InvalidDefinition("storage", problem)
    return _in_storage(str(arn.name), open_folder(storage, connections), connections)


def _in_storage(uuid: str, store: ObjectStore, connections: Connections) -> MapRunFolder:
    if "/" in uuid or uuid.startswith("."):
        raise InvalidDefinition("map_run", f"{uuid!r} is not a UUID")
    path = _path_of(uuid, store)
    if any(part in ("", ".", "..") for part in unquote(path).split("/")):
        raise MapRunNotFound(f"what {store.root} has of map run {uuid} leads out of it: {path!r}")
    folder = MapRunFolder(open_folder(f"{store.root}/{path}", connections))
    if folder.find(PLAN) is None:
        raise MapRunNotFound(
            f"there is no map run {uuid} in {store.root}; of a map with a storage= of its own give the folder's URL"
        )
    return folder


def _path_of(uuid: str, store: ObjectStore) -> str:
    """Where a map run is, relative to ``store``."""
    entry = f"{_CATALOG}{uuid}"
    try:
        path = loads(store.read(entry))["path"]
    except ObjectNotFound:
        return uuid  # one of a script is in no catalog
    except (ValueError, KeyError, TypeError) as error:
        raise MapRunNotFound(f"{store.shown(entry)} is not what was written: {error!r}") from None
    if not isinstance(path, str):
        raise MapRunNotFound(f"{store.shown(entry)} is not what was written: {path!r} is no path")
    return path
