"""``run_map``: a whole map run in this process, from a script or a test. No Airflow, no account, no server."""

from __future__ import annotations

import tempfile
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
from .partition import run_partition
from .processors import InvocationFactory, invocation_of
from .stop import StopSignal


def run_map(
    definition: DistributedMap,
    input: Any = UNSET,
    storage: str | None = None,
    *,
    partitions: int = 1,
    name: str = "map",
    variables: Mapping[str, Any] | None = None,
    connections: Connections | None = None,
    map_run: MapRunName | None = None,
    invocation: InvocationFactory | None = None,
    stop: StopSignal | None = None,
) -> MapRunSummary:
    """Run a map to its end and return its summary, whatever the verdict; ``summary.raise_for_status()`` raises it.

    ``input`` is the map's input (default: the definition's, else ``{}``). ``storage`` is the URL of the folder that
    keeps map runs (default: a new temporary folder). ``variables`` are the workflow variables that paths such as
    ``$maxItems`` refer to. ``map_run`` is who the map run is, where an execution says so (default: a new one of that
    ``name``). ``invocation`` runs the children in the place of the definition's processor. The partitions run one after
    another, each with the whole MaxConcurrency.

    :raises StatesError: the map run could not begin: its data set cannot be read, a value in its input cannot be
        used, its results cannot be written.
    :raises UnsupportedField: this engine cannot honour a field of the definition; or the children are task groups,
        which only a DAG runs.
    :raises airflow_provider_sfdm.storage.StorageError: ``storage`` cannot be written, or the data set or ``storage``
        could not be reached in the middle of the run. A DAG's tasks would be retried; here, run the map again.
    :raises ValueError: ``partitions`` is no number from 1.
    """
    if type(partitions) is not int or partitions < 1:
        raise ValueError(f"partitions must be a whole number from 1, got {partitions!r}")
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
        variables=variables,
        partitions=partitions,
        at_once=1,
    )
    invocation = invocation or invocation_factory(definition, connections)
    for partition in plan.partitions:
        run_partition(definition, folder, partition.index, invocation, connections, stop=stop)
    return write_results(folder, open_folder(plan.destination.root, connections))


def invocation_factory(definition: DistributedMap, connections: Connections) -> InvocationFactory:
    """What makes the definition's processor ready in this process."""
    return partial(invocation_of, definition, connections)
