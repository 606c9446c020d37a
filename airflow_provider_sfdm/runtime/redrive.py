"""A redrive: the children of a map run that did not succeed run again, from the inputs that their records hold.

It is the same map run, with the same ARN, the same children by name, and its own folder below the first one's, so that
partitions, journal, stop flag and progress of the one have nothing to do with those of the other. Its result files go
to ``Redrive-<n>/``; what had succeeded before stays where it is, and the new manifest lists both.

Source: the AWS guide's "Redriving Map Runs" and recorded redrives; docs/airflow.md says what differs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..core.counters import MapRunStatus, counted
from ..core.errors import DataLimitExceeded
from ..core.json import loads
from ..core.manifest import STATUSES, Manifest, ResultFile
from ..core.records import Redriven, Resume, timestamp
from ..storage import Connections, open_folder
from ..storage.base import ObjectStore
from .children_file import KnownChild, write_children
from .cleared import Before, Cleared
from .ends import End, end_of, ends_of, latest, redrive_folder, root_of
from .engine import share_out
from .finish import outputs_of
from .folder import BEFORE, CHILDREN, PLAN, SUMMARY, MapRunFolder
from .limits import limits_of
from .plan import Plan, Source, SourceKind
from .reading import redriven_children
from .result_files import RESUME
from .results import MapRunResults

log = logging.getLogger(__name__)

MAX_REDRIVES = 1000
"""AWS: redrives of one map run."""


class NotRedrivable(Exception):
    """The map run has nothing that a redrive could run again; says why."""


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
    _check_redrivable(plan, last.find(SUMMARY))
    ends = _known(plan, ends_of(last, plan, connections))
    unread = sum(end.content["items"]["total"] - end.content["items"]["resultsWritten"] for end in ends)
    if unread:
        raise NotRedrivable(f"{plan.map_run.arn} could not read {counted(unread, 'item')}, which have no record")
    number = plan.redrive_count + 1
    following = redrive_folder(folder, number, connections)
    following.write(BEFORE, _before(last, ends))
    children = _children(plan, ends, open_folder(plan.destination.root, connections), timestamp(now))
    layout = write_children(children, following.store, CHILDREN, batched=plan.batches.batched)
    limits = limits_of(last, plan)
    planned = replace(
        plan,
        source=layout.source,
        tolerance=limits.tolerance,
        max_concurrency=limits.max_concurrency,
        children=layout.children,
        partitions=share_out(layout, limits.max_concurrency, partitions, at_once, one_child_each=one_child_each),
        redrive_count=number,
        redrive_date=timestamp(now),
        partial=False,
    )
    following.write(PLAN, planned.to_dict())
    log.info("Redrive %d: %s of %s", number, counted(layout.children, "child execution"), plan.map_run.arn)
    return following, planned


def redrive_partition(folder: MapRunFolder, index: int, connections: Connections, now: float) -> MapRunFolder:
    """Where partition ``index`` runs now: in ``folder``, or, if it is cleared after the map run has ended without
    success, in the folder of a redrive of such partitions alone, where what did not succeed of it runs again.

    The first that comes plans that redrive; the others join it until it has ended.

    :raises StorageError: a folder could not be reached. Called again it goes on.
    :raises StatesError: a result file is not what was written, or cannot be written for a partition that left no end.
    """
    root = root_of(folder, connections)
    last = latest(root, connections)
    plan, summary = Plan.from_dict(last.read(PLAN)), last.find(SUMMARY)
    if summary is not None:
        try:
            _check_redrivable(plan, summary)
            _known(plan, [end_of(last, plan, index, connections)])
        except NotRedrivable as reason:
            log.info("Nothing runs again: %s", reason)
            return last
        number = plan.redrive_count + 1
        following = redrive_folder(root, number, connections)
        following.write(BEFORE, last.find(BEFORE) or _NOTHING_BEFORE)
        source = Source(SourceKind.CHILDREN)
        limits = limits_of(last, plan)
        plan = replace(
            plan,
            source=source,
            tolerance=limits.tolerance,
            max_concurrency=limits.max_concurrency,
            redrive_count=number,
            redrive_date=timestamp(now),
            partial=True,
        )
        if not following.plan_once(plan.to_dict()):
            plan = Plan.from_dict(following.read(PLAN))
        last = following
    if plan.partial and Cleared.of(last, index) is None:
        before = redrive_folder(root, plan.redrive_count - 1, connections)
        _clear(before, last, plan, index, connections)
    return last


def _clear(before: MapRunFolder, folder: MapRunFolder, plan: Plan, index: int, connections: Connections) -> None:
    """Write down in ``folder`` what of partition ``index`` runs again: what had not succeeded in ``before``."""
    earlier = Plan.from_dict(before.read(PLAN))
    (end,) = _known(earlier, [end_of(before, earlier, index, connections)])
    destination = open_folder(plan.destination.root, connections)
    key = f"children-{index:05d}.jsonl"
    children = _children(earlier, [end], destination, plan.redrive_date or "")
    layout = write_children(children, folder.store, key, batched=plan.batches.batched)
    partition = replace(end.partition, items=layout.items, children=layout.children, offset=0, line=1, children_key=key)
    files = end.content["files"]["SUCCEEDED"]
    succeeded = end.content["items"]["succeeded"], end.content["executions"]["succeeded"]
    output = None if plan.destination.exported else outputs_of(files, destination)
    cleared = Cleared(partition, Before(*succeeded, files, output))
    if folder.write_cleared(index, cleared.to_dict()):
        what = counted(layout.children, "child execution")
        log.info("Redrive %d of partition %d alone: %s did not succeed", plan.redrive_count, index, what)


def _check_redrivable(plan: Plan, summary: dict[str, Any] | None) -> None:
    if summary is not None and summary["status"] == MapRunStatus.SUCCEEDED:
        raise NotRedrivable(f"{plan.map_run.arn} has succeeded")
    if summary is not None and summary.get("error") == DataLimitExceeded.error:
        raise NotRedrivable(f"the outputs of {plan.map_run.arn} were too large to be returned, and would be again")
    if plan.redrive_count >= MAX_REDRIVES:
        raise NotRedrivable(f"{plan.map_run.arn} has been redriven {MAX_REDRIVES:,} times, the most that AWS allows")


def _known(plan: Plan, ends: Sequence[End | None]) -> list[End]:
    found = [end for end in ends if end is not None]
    if len(found) < len(ends):
        raise NotRedrivable(f"what {plan.map_run.arn} has not run cannot be read any more")
    return found


_NOTHING_BEFORE: dict[str, Any] = {"items": 0, "executions": 0, "files": []}


def _before(last: MapRunFolder, ends: Iterable[End]) -> dict[str, Any]:
    """What has succeeded up to now: how much of it, and in which files."""
    before = last.find(BEFORE) or _NOTHING_BEFORE
    contents = [end.content for end in ends]
    return {
        "items": before["items"] + sum(content["items"]["succeeded"] for content in contents),
        "executions": before["executions"] + sum(content["executions"]["succeeded"] for content in contents),
        "files": [*before["files"], *(file for content in contents for file in content["files"]["SUCCEEDED"])],
    }


def _children(plan: Plan, ends: Iterable[End], destination: ObjectStore, now: str) -> Iterator[KnownChild]:
    """The children that did not succeed: those that failed, then those that never started."""
    ended = [(end, _results(plan, end, destination)) for end in ends]
    for end, results in ended:
        points = _resume_points(end)
        point = next(points, None)
        for result in results.failed():
            record = result.record or {}
            name, resume = str(record["Name"]), None
            if point is not None and point["Name"] == name:
                resume, point = Resume.from_dict(point), next(points, None)
            # Recorded: a STANDARD child goes on being the one it was, an EXPRESS one starts anew under its name.
            start = None if plan.express else str(record["StartDate"])
            yield KnownChild(record["Input"], Redriven(name, int(record["RedriveCount"]) + 1, now, start), resume)
    for end, results in ended:
        indexes = (index for first, number in end.content["pending"] for index in range(first, first + number))
        if end.redrive:
            yield from _still_pending(end, set(indexes), now)
            continue
        # Their records have no names: these are some that no child of the map run has had.
        for index, result in zip(indexes, results.pending(), strict=True):
            redriven = Redriven(plan.map_run.child_name(plan.items + 1 + index))
            yield KnownChild((result.record or {})["Input"], redriven)


def _resume_points(end: End) -> Iterator[dict[str, Any]]:
    """Where children that are states have failed: those that know, in the order of the FAILED records."""
    for file in end.content["files"].get(RESUME, ()):
        with end.folder.store.open(file["Key"]) as lines:
            yield from map(loads, lines)


def _results(plan: Plan, end: End, destination: ObjectStore) -> MapRunResults:
    files = {
        status: tuple(ResultFile(file["Key"], file["Size"]) for file in end.content["files"][status])
        for status in STATUSES
    }
    return MapRunResults(Manifest(plan.destination.bucket, plan.map_run.arn, files), destination)


def _still_pending(end: End, pending: set[int], now: str) -> Iterator[KnownChild]:
    """Those that a redrive did not come to. Some had failed before it: they are who they were."""
    if not pending:
        return
    for child in redriven_children(end.partition, end.folder):
        if child.index in pending and (known := child.redriven) is not None:
            again = replace(known, date=now) if known.count else known
            yield KnownChild(child.input_json.decode(), again, child.resume)
