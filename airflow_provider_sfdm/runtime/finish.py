"""Ends a map run: manifest over the partitions' result files, counters, verdict, summary."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from ..core.counters import Counts, MapRunStatus, counted
from ..core.errors import DataLimitExceeded, ExceedToleratedFailureThreshold, ResultWriterFailed
from ..core.json import dumps, loads
from ..core.limits import MAX_PAYLOAD_BYTES
from ..core.manifest import STATUSES, Manifest, ResultFile
from ..core.records import timestamp
from ..core.summary import MapRunSummary
from ..core.tolerance import FailureTolerance
from ..storage import Connections, open_folder
from ..storage.base import ObjectStore, StorageError
from .ends import ends_of
from .folder import PLAN, SUMMARY, MapRunFolder
from .limits import limits_of
from .plan import Plan
from .stop import StopReason

log = logging.getLogger(__name__)

_FILE_OVERHEAD = 2  # the brackets of each


def write_results(folder: MapRunFolder, connections: Connections, *, close: bool = True) -> MapRunSummary:
    """Write manifest.json and say how the map run ended.

    Touches no result file, but those of partitions that left no end, as their tasks died for good: what these have
    recorded is written, the rest of their children are PENDING. Running it again gives the same answer.

    :param close: whether no task will end a partition any more; else those without an end count as pending.
    :raises ResultWriterFailed: the manifest, or such a result file, could not be written.
    :raises StorageError: the map run's folder could not be reached.
    """
    plan = Plan.from_dict(folder.read(PLAN))
    destination = open_folder(plan.destination.root, connections)
    found = ends_of(folder, plan, connections, close=close)
    ends = [end.content if end else None for end in found]
    before = plan.before
    items, executions = total(plan, ends, "items", before), total(plan, ends, "executions", before)
    limits = limits_of(folder, plan)
    not_cleared = {number for number, end in enumerate(found) if end is not None and end.redrive < plan.redrive_count}
    error = _verdict(limits.tolerance, folder.stop_reason(), ends, items, not_cleared)
    manifest_key = _write_manifest(plan, ends, before, destination)
    output: Any = None
    if plan.destination.exported:
        details = {"Bucket": plan.destination.bucket, "Key": manifest_key}
        output = {"MapRunArn": plan.map_run.arn, "ResultWriterDetails": details}
    elif error is None:
        earlier = outputs_of(before["files"], destination) if before is not None else []
        output, error = _state_output(ends, earlier, destination.url(manifest_key))
    status = MapRunStatus.SUCCEEDED
    if error is not None:
        status = MapRunStatus.ABORTED if error.aborted else MapRunStatus.FAILED
    errors: Counter[str] = Counter()
    for end in ends:
        errors.update(end["errors"] if end else {})
    summary = MapRunSummary(
        map_run_arn=plan.map_run.arn,
        execution_arn=plan.map_run.parent_execution_arn,
        status=status,
        item_counts=items,
        execution_counts=executions,
        start_date=timestamp(plan.start),
        stop_date=timestamp(time.time()),
        max_concurrency=limits.max_concurrency,
        tolerated_failure_count=limits.tolerance.count,
        tolerated_failure_percentage=limits.tolerance.percentage,
        redrive_count=plan.redrive_count,
        redrive_date=plan.redrive_date,
        manifest=destination.url(manifest_key),
        output=output if status is MapRunStatus.SUCCEEDED else None,
        error=error.error if error else None,
        cause=error.cause if error else None,
        errors=dict(errors.most_common()),
    )
    if (previous := folder.find(SUMMARY)) is not None and previous | {"stopDate": ""} == summary.to_dict() | {
        "stopDate": ""
    }:
        return MapRunSummary.from_dict(previous)  # it had ended before
    folder.write(SUMMARY, summary.to_dict())
    return summary


def total(plan: Plan, ends: Iterable[dict[str, Any] | None], what: str, before: Mapping[str, Any] | None) -> Counts:
    """The counters of a map run; ``what``: "items" or "executions". ``before``: what had succeeded before a redrive."""
    number = before[what] if before is not None else 0
    counts = Counts(succeeded=number, total=number, results_written=number)
    for partition, end in zip(plan.partitions, ends, strict=True):
        if end is not None:
            # Recorded: results_written is at the end the total, pending ones included, even without a ResultWriter.
            # Here it leaves out what never got a record, because the source could not be read that far.
            counts += Counts.from_dict(end[what])
        else:  # it left nothing: none of its children has a result
            number = partition.items if what == "items" else partition.children
            counts += Counts(pending=number, total=number)
    return counts


def _verdict(
    tolerance: FailureTolerance,
    stopped: StopReason | None,
    ends: list[dict[str, Any] | None],
    items: Counts,
    not_cleared: Container[int],
) -> StopReason | None:
    """Why the map run did not succeed, or None."""
    if stopped is not None:
        return stopped
    for number, end in enumerate(ends):  # a partition could store its end, but then not the flag
        if end is not None and "stopped" in end:
            reason = StopReason.from_dict(end["stopped"])
            if number not in not_cleared:
                return reason
            pending = counted(end["executions"]["pending"] + end["executions"]["aborted"], "child execution")
            cause = f"{reason.cause} before, and partition {number}, of which {pending} did not run, was not cleared"
            return StopReason(reason.error, cause, reason.aborted)
    if tolerance.exceeded(items.unsuccessful, items.total):
        return StopReason(ExceedToleratedFailureThreshold.error, ExceedToleratedFailureThreshold.CAUSE)
    lost = [str(number) for number, end in enumerate(ends) if end is None or end.get("lost")]
    if lost:
        return StopReason(
            "States.TaskFailed",
            f"partition {', '.join(lost)} of {len(ends)} was not run to its end: see the log of its task",
        )
    return None


def _write_manifest(
    plan: Plan,
    ends: Iterable[dict[str, Any] | None],
    before: Mapping[str, Any] | None,
    destination: ObjectStore,
) -> str:
    files: dict[str, list[ResultFile]] = {status: [] for status in STATUSES}
    # Recorded: after a redrive SUCCEEDED lists earlier files as well, FAILED and PENDING the new ones only.
    files["SUCCEEDED"] += [ResultFile(file["Key"], file["Size"]) for file in (before or {"files": []})["files"]]
    for end in ends:
        for status in STATUSES:
            files[status] += [ResultFile(f["Key"], f["Size"]) for f in (end["files"][status] if end else ())]
    manifest = Manifest(plan.destination.bucket, plan.map_run.arn, {s: tuple(f) for s, f in files.items()})
    key = f"{plan.result_folder}/manifest.json"
    try:
        destination.put(key, manifest.to_json())
    except StorageError as error:
        raise ResultWriterFailed(str(error)) from error
    return key


def outputs_of(files: Sequence[Mapping[str, Any]], destination: ObjectStore) -> list[Any] | None:
    """The elements of result files, as they are returned; None: they are too large for that."""
    if sum(file["Size"] for file in files) > MAX_PAYLOAD_BYTES + len(files) * _FILE_OVERHEAD:
        return None
    elements: list[Any] = []
    for file in files:
        data = destination.read(file["Key"])
        elements += map(loads, data.splitlines()) if file["Key"].endswith(".jsonl") else loads(data)
    return elements


def _state_output(
    ends: Iterable[dict[str, Any] | None], before: list[Any] | None, manifest_url: str
) -> tuple[Any, StopReason | None]:
    """The array of outputs, or why it cannot be returned (AWS: States.DataLimitExceeded over 256 KiB).

    Those of a redrive come after those from before.
    """
    elements: list[Any] = list(before or ())
    if before is None:
        ends = [None]
    for end in ends:
        if end is None or end["output"] is None:
            break
        elements += end["output"]
    else:
        if len(dumps(elements)) <= MAX_PAYLOAD_BYTES:
            return elements, None
    cause = (
        f"the outputs of the child executions are larger than {MAX_PAYLOAD_BYTES:,} bytes and cannot be returned; "
        f"give the map a ResultWriter. They are kept: {manifest_url}"
    )
    return None, StopReason(DataLimitExceeded.error, cause)
