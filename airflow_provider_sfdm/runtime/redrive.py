"""A redrive: the children of a map run that did not succeed run again, from the inputs that their records hold.

It is the same map run, with the same ARN, the same children by name, and its own folder below the first one's, so that
partitions, journal, stop flag and progress of the one have nothing to do with those of the other. Its result files go
to ``Redrive-<n>/``; what had succeeded before stays where it is, and the new manifest lists both.

Source: the AWS guide's "Redriving Map Runs" and recorded redrives; docs/airflow.md says what differs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..core.counters import MapRunStatus, counted
from ..core.errors import DataLimitExceeded
from ..core.json import dumps, loads
from ..core.manifest import STATUSES, Manifest, ResultFile
from ..core.records import Redriven, timestamp
from ..storage import Connections, open_folder
from ..storage.base import ObjectStore
from .boundaries import Boundaries, Boundary
from .closing import close_partition
from .engine import share_out
from .folder import BEFORE, CHILDREN, PLAN, REDRIVES, SUMMARY, MapRunFolder
from .plan import Plan, Source, SourceKind
from .planning import Layout
from .reading import redriven_children
from .results import MapRunResults

log = logging.getLogger(__name__)

MAX_REDRIVES = 1000
"""AWS: redrives of one map run."""
_BLOCK = 256 * 1024


class NotRedrivable(Exception):
    """The map run has nothing that a redrive could run again; says why."""


def latest(folder: MapRunFolder, connections: Connections) -> MapRunFolder:
    """The folder of the map run's last redrive, or its own where there is none."""
    number = folder.redrives()
    return folder if not number else _folder_of(folder, number, connections)


def _folder_of(folder: MapRunFolder, number: int, connections: Connections) -> MapRunFolder:
    return MapRunFolder(open_folder(f"{folder.url.rstrip('/')}/{REDRIVES}{number}", connections))


def plan_redrive(
    folder: MapRunFolder,
    connections: Connections,
    *,
    partitions: int,
    at_once: int | None = None,
    one_child_each: bool = False,
    now: float,
) -> tuple[MapRunFolder, Plan]:
    """Plan the next redrive of the map run in ``folder``: what did not succeed when it last ended.

    Partitions that left no end (their tasks died for good) are ended first, with what they had recorded. An attempt of
    one that still runs somewhere finds that, and stops. The arguments are those of ``plan_map_run``.

    :raises NotRedrivable: the map run has succeeded, or could not read its items.
    :raises StorageError: a folder could not be reached. Called again it begins anew.
    :raises StatesRuntime: a result file is not what was written.
    """
    last = latest(folder, connections)
    plan = Plan.from_dict(last.read(PLAN))
    summary = last.find(SUMMARY)
    if summary is not None and summary["status"] == MapRunStatus.SUCCEEDED:
        raise NotRedrivable(f"{plan.map_run.arn} has succeeded")
    if summary is not None and summary.get("error") == DataLimitExceeded.error:
        raise NotRedrivable(f"the outputs of {plan.map_run.arn} were too large to be returned, and would be again")
    if plan.redrive_count >= MAX_REDRIVES:
        raise NotRedrivable(f"{plan.map_run.arn} has been redriven {MAX_REDRIVES:,} times, the most that AWS allows")
    ends = []
    for partition in plan.partitions:
        close_partition(last, partition.index, connections)
        ends.append(last.read_partition(partition.index) or {})
    unread = sum(end["items"]["total"] - end["items"]["resultsWritten"] for end in ends)
    if unread:
        raise NotRedrivable(f"{plan.map_run.arn} could not read {counted(unread, 'item')}, which have no record")
    number = plan.redrive_count + 1
    following = _folder_of(folder, number, connections)
    following.write(BEFORE, _before(last, ends))
    results = _results(plan, ends, open_folder(plan.destination.root, connections))
    children = _children(plan, last, ends, results, timestamp(now))
    layout = _spool(children, following.store, batched=plan.batches.batched)
    planned = replace(
        plan,
        source=layout.source,
        children=layout.children,
        partitions=share_out(layout, plan.max_concurrency, partitions, at_once, one_child_each=one_child_each),
        redrive_count=number,
        redrive_date=timestamp(now),
    )
    following.write(PLAN, planned.to_dict())
    log.info("Redrive %d: %s of %s", number, counted(layout.children, "child execution"), plan.map_run.arn)
    return following, planned


def _before(last: MapRunFolder, ends: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What has succeeded up to now: how much of it, and in which files."""
    before = last.find(BEFORE) or {"items": 0, "executions": 0, "files": []}
    for end in ends:
        before["items"] += end["items"]["succeeded"]
        before["executions"] += end["executions"]["succeeded"]
        before["files"] += end["files"]["SUCCEEDED"]
    return before


def _results(plan: Plan, ends: Iterable[dict[str, Any]], destination: ObjectStore) -> MapRunResults:
    files: dict[str, list[ResultFile]] = {status: [] for status in STATUSES}
    for end in ends:
        for status in STATUSES:
            files[status] += [ResultFile(file["Key"], file["Size"]) for file in end["files"][status]]
    listed = {status: tuple(found) for status, found in files.items()}
    return MapRunResults(Manifest(plan.destination.bucket, plan.map_run.arn, listed), destination)


_Again = tuple[str, Redriven]
"""The JSON of a child's input, and who it is."""


def _children(
    plan: Plan, last: MapRunFolder, ends: Iterable[dict[str, Any]], results: MapRunResults, now: str
) -> Iterator[_Again]:
    for result in results.failed():
        record = result.record or {}
        # Recorded: a STANDARD child goes on being the one it was, an EXPRESS one starts anew under its name.
        start = None if plan.express else str(record["StartDate"])
        yield record["Input"], Redriven(str(record["Name"]), int(record["RedriveCount"]) + 1, now, start)
    if plan.redrive_count:
        yield from _still_pending(plan, last, ends, now)
        return
    # Their records have no names: these are some that no child of the map run has had.
    for position, result in enumerate(results.pending(), plan.items + 1):
        yield (result.record or {})["Input"], Redriven(plan.map_run.child_name(position))


def _still_pending(plan: Plan, last: MapRunFolder, ends: Iterable[dict[str, Any]], now: str) -> Iterator[_Again]:
    """Those that a redrive did not come to. Some had failed before it: they are who they were."""
    for partition, end in zip(plan.partitions, ends, strict=True):
        runs = end["pending"]
        if not runs:
            continue
        pending = {index for first, number in runs for index in range(first, first + number)}
        for child in redriven_children(partition, last):
            if child.index in pending and (known := child.redriven) is not None:
                again = replace(known, date=now) if known.count else known
                yield child.input_json.decode(), again


def _spool(children: Iterator[_Again], store: ObjectStore, *, batched: bool) -> Layout:
    """Write the children to the redrive's folder, a line each, and note where partitions may begin."""
    boundaries = Boundaries()
    number = items = offset = 0
    with store.create(CHILDREN) as writer:
        buffer: list[bytes] = []
        buffered = 0
        for number, (text, redriven) in enumerate(children, 1):
            if number - 1 == boundaries.next_child:
                boundaries.add(Boundary(number - 1, items, offset, number))
            size = len(loads(text)["Items"]) if batched else 1
            line = dumps(
                {
                    "Count": redriven.count,
                    "Date": redriven.date,
                    "Input": text,
                    "Items": size,
                    "Name": redriven.name,
                    "Start": redriven.start,
                }
            )
            items += size
            offset += len(line) + 1
            buffer += (line, b"\n")
            buffered += len(line)
            if buffered > _BLOCK:
                writer.write(b"".join(buffer))
                buffer.clear()
                buffered = 0
        writer.write(b"".join(buffer))
    return Layout(Source(SourceKind.CHILDREN), items, number, boundaries)
