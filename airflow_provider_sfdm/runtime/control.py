"""What can be done with a map run of the Airflow engine from outside, in the words of AWS's API: describe it, update
its limits and stop it while it runs, end it where no task does any more.

Each function takes the URL of the map run's folder, its ARN or its summary; see ``find_map_run``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.counters import Counts, MapRunStatus
from ..core.errors import InvalidDefinition
from ..core.map_run_updates import MapRunLimits
from ..core.records import timestamp
from ..core.summary import MapRunSummary
from ..storage import Connections
from .catalog import find_map_run
from .cleared import Cleared
from .ends import ends_of, latest
from .finish import total, write_results
from .folder import PLAN, SUMMARY, MapRunFolder
from .limits import change_limits, limits_of
from .plan import Plan
from .stop import StopReason

Reference = str | MapRunSummary | Mapping[str, Any]


class MapRunEnded(Exception):
    """The map run has ended: nothing of it can be changed any more."""


def describe_map_run(
    map_run: Reference, *, storage: str | None = None, connections: Connections | None = None
) -> MapRunSummary:
    """A map run as it is now (AWS: DescribeMapRun): its summary if it has ended; else its limits and its counters,
    which are up to five seconds old.

    :raises InvalidDefinition, MapRunNotFound, StorageError: as ``find_map_run`` does.
    """
    folder, plan, connections = _found(map_run, storage, connections)
    if (summary := folder.find(SUMMARY)) is not None:
        return MapRunSummary.from_dict(summary)
    return _running(folder, plan, connections)


def update_map_run(
    map_run: Reference,
    *,
    max_concurrency: int | None = None,
    tolerated_failure_count: int | None = None,
    tolerated_failure_percentage: float | None = None,
    storage: str | None = None,
    connections: Connections | None = None,
) -> MapRunSummary:
    """Change limits of a running map run (AWS: UpdateMapRun) and return it as it is then; None leaves as it is.

    All its partitions, on whichever worker, follow within seconds. Children that run when MaxConcurrency is lowered run
    to their end; a tolerance that is exceeded already fails the map run.

    :raises InvalidDefinition: a limit that cannot be, or none; or as ``find_map_run`` does.
    :raises MapRunEnded: it has ended.
    :raises MapRunNotFound, StorageError: as ``find_map_run`` does.
    """
    limits = MapRunLimits(
        max_concurrency=max_concurrency,
        tolerated_failure_count=tolerated_failure_count,
        tolerated_failure_percentage=tolerated_failure_percentage,
    )
    if not limits:
        raise InvalidDefinition(
            "limits", "give max_concurrency, tolerated_failure_count or tolerated_failure_percentage"
        )
    folder, plan, connections = _found(map_run, storage, connections)
    _refuse_ended(folder, plan)
    change_limits(folder, plan, limits)
    return _running(folder, plan, connections)


def stop_map_run(
    map_run: Reference,
    *,
    error: str = "",
    cause: str = "",
    close: bool = False,
    storage: str | None = None,
    connections: Connections | None = None,
) -> MapRunSummary:
    """Stop a running map run (AWS: StopExecution) and return it as it is then: no further child starts, those that run
    are aborted (EXPRESS ones run to their end), its tasks end within seconds and write the results.

    :param error: an error name for the summary.
    :param cause: the reason, for the summary and the logs.
    :param close: whether no task of the map run will run any more, as its DAG run has ended before it. Then its results
        are written here: what has been recorded, all else PENDING. One that has ended is returned as it is.

    :raises MapRunEnded: it has ended, and ``close`` was not given.
    :raises StatesError: with ``close``, the results could not be written.
    :raises InvalidDefinition, MapRunNotFound, StorageError: as ``find_map_run`` does.
    """
    folder, plan, connections = _found(map_run, storage, connections)
    if not close:
        _refuse_ended(folder, plan)
    if folder.find(SUMMARY) is None:
        folder.stop(StopReason(error, cause or "the map run was stopped by hand", aborted=True))
    return write_results(folder, connections) if close else _running(folder, plan, connections)


def _found(
    map_run: Reference, storage: str | None, connections: Connections | None
) -> tuple[MapRunFolder, Plan, Connections]:
    connections = connections or Connections()
    folder = latest(find_map_run(map_run, storage, connections), connections)
    return folder, Plan.from_dict(folder.read(PLAN)), connections


def _refuse_ended(folder: MapRunFolder, plan: Plan) -> None:
    if (summary := folder.find(SUMMARY)) is not None:
        raise MapRunEnded(f"{plan.map_run.arn} has ended: it is {summary['status']}")


def _running(folder: MapRunFolder, plan: Plan, connections: Connections) -> MapRunSummary:
    limits = limits_of(folder, plan)
    stopped = folder.stop_reason()
    items, executions = _counters(folder, plan, connections)
    return MapRunSummary(
        map_run_arn=plan.map_run.arn,
        execution_arn=plan.map_run.parent_execution_arn,
        status=MapRunStatus.RUNNING,
        item_counts=items,
        execution_counts=executions,
        start_date=timestamp(plan.start),
        stop_date=None,
        max_concurrency=limits.max_concurrency,
        tolerated_failure_count=limits.tolerance.count,
        tolerated_failure_percentage=limits.tolerance.percentage,
        redrive_count=plan.redrive_count,
        redrive_date=plan.redrive_date,
        error=stopped.error if stopped else None,
        cause=stopped.cause if stopped else None,
    )


def _counters(folder: MapRunFolder, plan: Plan, connections: Connections) -> tuple[Counts, Counts]:
    """Of items and of child executions: of each partition those that it ended with, else those that it told last."""
    ends = [end.content if end else None for end in ends_of(folder, plan, connections, close=False)]
    before = plan.before
    told = folder.progress()
    counted: list[dict[str, Any] | None] = []
    for index, end in enumerate(ends):
        if end is None and index in told:
            items, executions = told[index]
            end = {"items": items.to_dict(), "executions": executions.to_dict()}
            if plan.partial and (cleared := Cleared.of(folder, index)) is not None:
                end = cleared.before.counted(end)
        counted.append(end)
    sums = total(plan, counted, "items", before), total(plan, counted, "executions", before)
    for counts in sums:
        counts.results_written = 0  # recorded: as long as it runs
    return sums
