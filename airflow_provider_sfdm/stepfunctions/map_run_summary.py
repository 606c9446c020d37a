"""The summary of a map that ran on Step Functions: the same value that the airflow engine gives."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..aws.errors import ServiceError, missing_action
from ..aws.step_functions import StepFunctionsCalls
from ..core.arns import ArnKind, StatesArn
from ..core.asl_states import map_states
from ..core.counters import Counts, MapRunStatus
from ..core.errors import DataLimitExceeded, StatesError
from ..core.executions import Execution, ExecutionStatus, MapRun
from ..core.records import timestamp
from ..core.result_location import manifest_in_output, manifest_of
from ..core.summary import MapRunSummary
from ..core.values import UNSET
from ..core.watching import Judgement, Outcome
from ..runtime.results import MapRunResults
from ..storage import Connections, StorageError

log = logging.getLogger(__name__)

RECORDS_LOOKED_AT = 10_000
"""Failed children whose errors are counted from the result files."""
CHILDREN_LOOKED_AT = 25
"""Failed children of each kind that are asked one by one where there are no result files: a call each."""
NAMES_KEPT = 100
_FAILED = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)
# What a child without an error failed with: one that ran out of time, or a Fail state that names none.
_NAMELESS = {ExecutionStatus.FAILED: "FAILED", ExecutionStatus.TIMED_OUT: "States.Timeout"}


def summary_of(
    execution: Execution | None,
    map_run: MapRun | None,
    judgement: Judgement,
    *,
    manifest: str | None = None,
    errors: Mapping[str, int] | None = None,
) -> MapRunSummary:
    """The summary of what the last look found. Without a Map Run (it never began) all counters are 0.

    The status is that of the execution, as its verdict is the one that counts: a later state may have failed, or a
    Catch may have made good for the map. Where a Map Run alone was watched, it is the Map Run's.
    """
    status = execution.status.verdict if execution else map_run.status if map_run else MapRunStatus.RUNNING
    began = map_run.start if map_run else execution.start if execution else 0.0
    stopped = (map_run.stop if map_run else None) or (execution.stop if execution else None)
    error, cause = _why(execution, map_run, status)
    return MapRunSummary(
        map_run_arn=map_run.arn if map_run else None,
        execution_arn=execution.arn if execution else map_run.execution_arn if map_run else None,
        status=status,
        item_counts=map_run.item_counts if map_run else Counts(),
        execution_counts=map_run.execution_counts if map_run else Counts(),
        start_date=timestamp(began),
        stop_date=None if stopped is None else timestamp(stopped),
        max_concurrency=map_run.max_concurrency if map_run else 0,
        tolerated_failure_count=map_run.tolerated_failure_count if map_run else 0,
        tolerated_failure_percentage=map_run.tolerated_failure_percentage if map_run else 0.0,
        redrive_count=map_run.redrive_count if map_run else 0,
        manifest=manifest,
        output=output_of(execution),
        error=error,
        cause=cause,
        errors=errors or {},
        succeed_when=judgement.why if judgement.outcome is Outcome.SUCCEED_WHEN else None,
        fail_when=judgement.why if judgement.outcome is Outcome.FAIL_WHEN else None,
    )


def output_of(execution: Execution | None) -> Any:
    """The output of an execution as a JSON value, None where it has none."""
    if execution is None or execution.status is not ExecutionStatus.SUCCEEDED or execution.output is None:
        return None
    return json.loads(execution.output)


def _why(execution: Execution | None, map_run: MapRun | None, status: MapRunStatus) -> tuple[str | None, str | None]:
    if status in (MapRunStatus.SUCCEEDED, MapRunStatus.RUNNING):
        return None, None
    if execution is None:
        return None, f"{map_run.arn} is {status}: its execution says why" if map_run else None
    error, cause = execution.error, execution.cause
    if execution.status is ExecutionStatus.TIMED_OUT and error is None:
        error, cause = "States.Timeout", cause or "the execution ran longer than TimeoutSeconds of its state machine"
    if error == DataLimitExceeded.error:
        cause = f"{cause}; give the map a ResultWriter, so that its results need not be the output of a state"
    if cause is not None and (action := missing_action(cause)) is not None:
        cause = f"{cause}; the role of the state machine lacks {action}: see policy_statements()"
    return error, cause


def find_manifest(calls: StepFunctionsCalls, execution: Execution | None, map_run: MapRun) -> str | None:
    """The URL of a Map Run's manifest, from the output of its execution or the definition that it runs.

    None where the map exports nothing, or where to is computed by AWS and its execution did not succeed.
    """
    if execution is None:
        execution = calls.get_execution(map_run.execution_arn)
    if (found := manifest_in_output(output_of(execution), map_run.arn)) is not None:
        return found
    arn = StatesArn.parse(map_run.arn, "map_run_arn", ArnKind.MAP_RUN)
    definition = calls.definition_of(execution.arn)
    states = list(map_states(definition.get("States")))
    # A label that AWS made says nothing of the state, so then there must be no other.
    named = [one for one in states if one[1].get("Label") == arn.label] or (
        [one for one in states if "Label" not in one[1]]
    )
    if len(named) != 1:
        return None
    name, state = named[0]
    found = manifest_of(state, arn, map_run.redrive_count)
    if found is None and "ResultWriter" in state:
        text = execution.input if definition.get("StartAt") == name else calls.state_input(execution.arn, name)
        context = {"Id": execution.arn, "Name": execution.arn.rpartition(":")[2]}
        if execution.input is not None:
            context["Input"] = json.loads(execution.input)
        state_input = UNSET if text is None else json.loads(text)
        found = manifest_of(state, arn, map_run.redrive_count, state_input, {"Execution": context})
    return found


def count_errors(
    calls: StepFunctionsCalls, map_run: MapRun, manifest: str | None, connections: Connections
) -> dict[str, int]:
    """How many child executions failed with which error, the most frequent first.

    From the result files (10,000 failed children at most), else from up to 25 failed and 25 timed-out children that
    are asked one by one. Empty where no child failed, and where neither can be read: that is logged, as the map's
    verdict does not hang on it.
    """
    if not map_run.execution_counts.unsuccessful:
        return {}
    errors: Counter[str] = Counter()
    try:
        if manifest is not None:
            failed = MapRunResults.from_manifest(manifest, connections).failed()
            for child in islice(failed, RECORDS_LOOKED_AT):
                if child.status in _FAILED:
                    errors[child.error or _NAMELESS[ExecutionStatus(child.status)]] += 1
            return dict(errors.most_common(NAMES_KEPT))
    except (StatesError, StorageError) as error:
        log.info("The result files cannot be read, so some failed children are asked: %s", error)
        errors.clear()
    try:
        for status in _FAILED:
            for described in islice(calls.list_children(map_run.arn, status, described=True), CHILDREN_LOOKED_AT):
                errors[described.error or _NAMELESS[status]] += 1
    except ServiceError as error:
        log.warning("Which errors the failed children had is not known: %s", error)
    return dict(errors.most_common(NAMES_KEPT))
