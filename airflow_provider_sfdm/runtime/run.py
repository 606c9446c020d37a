"""``run_map`` and ``redrive_map``: a whole map run in this process, from a script or a test. No Airflow, no account, no
server.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..core.definition import DistributedMap
from ..core.names import MapRunName
from ..core.summary import MapRunSummary
from ..core.values import UNSET
from ..storage import Connections, open_folder
from .engine import plan_map_run
from .finish import write_results
from .folder import MapRunFolder
from .partition import run_partition
from .plan import Plan
from .processors import InvocationFactory, invocation_of
from .redrive import plan_redrive
from .stop import StopSignal


def run_map(
    definition: DistributedMap,
    input: Any = UNSET,
    storage: str | None = None,
    *,
    partitions: int = 1,
    name: str = "map",
    from_results: Any = UNSET,
    variables: Mapping[str, Any] | None = None,
    connections: Connections | None = None,
    map_run: MapRunName | None = None,
    invocation: InvocationFactory | None = None,
    stop: StopSignal | None = None,
) -> MapRunSummary:
    """Run a map to its end and return its summary, whatever the verdict; ``summary.raise_for_status()`` raises it.

    ``input`` is the map's input (default: the definition's, else ``{}``). ``storage`` is the URL of the folder that
    keeps map runs (default: a new temporary folder). ``from_results`` is the summary of an earlier map run, or the URL
    of its manifest.json, this package's or AWS's: then the children are those of its FAILED and PENDING records, with
    the inputs that they had, and reader, items, selector and batcher of the definition are not applied. ``variables``
    are the workflow variables that paths such as ``$maxItems`` refer to. ``map_run`` is who the map run is, where an
    execution says so (default: a new one of that ``name``). ``invocation`` runs the children in the place of the
    definition's processor. The partitions run one after another, each with the whole MaxConcurrency.

    :raises StatesError: the map run could not begin: its data set cannot be read, a value in its input cannot be
        used, its results cannot be written.
    :raises UnsupportedField: this engine cannot honour a field of the definition; or the children are task groups,
        which only a DAG runs.
    :raises airflow_provider_sfdm.storage.StorageError: ``storage`` cannot be written, or the data set or ``storage``
        could not be reached in the middle of the run. A DAG's tasks would be retried; here, run the map again.
    :raises ValueError: ``partitions`` is no number from 1.
    """
    _check_partitions(partitions)
    connections = connections or Connections()
    if storage is None:
        storage = f"file://{tempfile.mkdtemp(prefix='sfdm-')}"
    folder, plan = plan_map_run(
        definition,
        name=name,
        map_run=map_run,
        storage=storage,
        connections=connections,
        run_input=input,
        from_results=from_results,
        variables=variables,
        partitions=partitions,
        at_once=1,
    )
    return _to_the_end(definition, folder, plan, invocation, connections, stop)


def redrive_map(
    definition: DistributedMap,
    summary: MapRunSummary,
    storage: str,
    *,
    partitions: int = 1,
    connections: Connections | None = None,
) -> MapRunSummary:
    """Run again what did not succeed in a map run of ``run_map``: children that failed, timed out, were aborted or
    never started, on the inputs that they had; returns the new summary.

    It is the same map run: what had succeeded counts on. ``definition`` says how children are run (its processor,
    Retry and timeout); all else is as it was planned. ``storage`` is the folder that ``run_map`` was given.

    :raises NotRedrivable: the map run has succeeded, or could not read its items.
    :raises StatesError: the results of the map run cannot be read, or new ones not be written.
    :raises airflow_provider_sfdm.storage.StorageError: ``storage`` could not be reached; call it again.
    :raises ValueError: ``partitions`` is no number from 1.
    """
    _check_partitions(partitions)
    connections = connections or Connections()
    arn = summary.map_run_arn or ""
    folder = MapRunFolder(open_folder(f"{storage.rstrip('/')}/{arn.rpartition(':')[2]}", connections))
    following, plan = plan_redrive(folder, connections, partitions=partitions, at_once=1, now=time.time())
    return _to_the_end(definition, following, plan, None, connections, None)


def _check_partitions(partitions: object) -> None:
    if type(partitions) is not int or partitions < 1:
        raise ValueError(f"partitions must be a whole number from 1, got {partitions!r}")


def _to_the_end(
    definition: DistributedMap,
    folder: MapRunFolder,
    plan: Plan,
    invocation: InvocationFactory | None,
    connections: Connections,
    stop: StopSignal | None,
) -> MapRunSummary:
    invocation = invocation or invocation_factory(definition, connections)
    for partition in plan.partitions:
        run_partition(definition, folder, partition.index, invocation, connections, stop=stop)
    return write_results(folder, connections)


def invocation_factory(definition: DistributedMap, connections: Connections) -> InvocationFactory:
    """What makes the definition's processor ready in this process."""
    return partial(invocation_of, definition, connections)
