"""What operator and sensor tell of a map on Step Functions that they have watched to its end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from ..aws.errors import ServiceError
from ..compat import XCOM_RETURN_KEY, Context, ResolveMixin
from ..core.conditions import Conditions, check_conditions
from ..core.counters import MapRunStatus, counted
from ..core.executions import Execution, MapRun
from ..core.summary import MapRunSummary
from ..core.watching import STOP_ERRORS, Judgement, Outcome
from ..hooks.connections import airflow_connections
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..links.step_functions import MapRunLink, execution_url
from ..stepfunctions.map_run_summary import count_errors, find_manifest, summary_of

_ERRORS_TOLD = 5


def report_on(
    task: Any,
    context: Context,
    hook: StepFunctionsDistributedMapHook,
    judgement: Judgement,
    execution: Execution | None,
    map_run: MapRun | None,
) -> MapRunSummary:
    """Make the summary, log it, and link the Map Run. Where the outcome is a failure the summary is pushed at once: for
    a task with ``trigger_rule="all_done"``, as the task fails next.
    """
    manifest, errors = None, {}
    try:
        if map_run is not None:
            if map_run.status is not MapRunStatus.RUNNING:  # it is written at the end
                manifest = find_manifest(hook, execution, map_run)
            errors = count_errors(hook, map_run, manifest, airflow_connections(hook.aws_conn_id))
    except ServiceError as error:
        # The verdict is known without it.
        task.log.warning("Where the results are is not known: %s", error)
    summary = summary_of(execution, map_run, judgement, manifest=manifest, errors=errors)
    _log(task, summary, judgement)
    if map_run is not None:
        where = {"region_name": hook.conn_region_name, "aws_partition": hook.conn_partition}
        MapRunLink.persist(context=context, operator=task, **where, map_run_arn=map_run.arn)
    if judgement.outcome not in (Outcome.SUCCEEDED, Outcome.SUCCEED_WHEN):
        context["ti"].xcom_push(XCOM_RETURN_KEY, summary.to_dict())
    return summary


def message_of(summary: MapRunSummary, judgement: Judgement) -> str:
    """Why a task fails: AWS's error and cause, or the author's condition; the most frequent errors of failed children;
    where to look.
    """
    parts = [": ".join(filter(None, (summary.error, summary.cause)))] if summary.error or summary.cause else []
    if judgement.why is not None and judgement.why != summary.cause:
        parts.insert(0, f"{STOP_ERRORS.get(judgement.outcome, judgement.outcome)}: {judgement.why}")
    parts = parts or [f"the execution is {summary.status}, without an error or a cause"]
    errors = [f"{name} ({number:,})" for name, number in islice(summary.errors.items(), _ERRORS_TOLD)]
    if errors:
        parts.append(f"failed child executions: {', '.join(errors)}")
    if summary.execution_arn is not None:
        parts.append(execution_url(summary.execution_arn))
    return "; ".join(parts)


def authored_conditions(given: Conditions | ResolveMixin, field: str) -> Any:
    """Conditions as Airflow can render and show them, checked as far as they are known when the DAG is parsed.

    :raises InvalidDefinition: one of them is none.
    """
    if given is None or isinstance(given, ResolveMixin):
        return given
    if isinstance(given, str):
        check_conditions(given, field)
        return given
    several = list(given) if isinstance(given, Iterable) else [given]
    check_conditions(several, field)
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        return given  # the very object: Airflow knows by it what came from upstream, and must not be rendered
    return [str(one) for one in several]


def _log(task: Any, summary: MapRunSummary, judgement: Judgement) -> None:
    told = summary.describe()
    task.log.info("%s", told)
    if judgement.why is not None and judgement.why not in told:
        task.log.info("%s: %s", STOP_ERRORS.get(judgement.outcome, judgement.outcome), judgement.why)
    for name, number in islice(summary.errors.items(), _ERRORS_TOLD):
        task.log.info("%s failed with %s", counted(number, "child execution"), name)
    if summary.manifest is not None:
        task.log.info("Results: %s", summary.manifest)
