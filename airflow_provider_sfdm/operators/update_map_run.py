"""Changes the limits of a running map run from a DAG: by hand, or on a schedule of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from ..aws.errors import ServiceError
from ..compat import AirflowException, Context
from ..core.arns import ArnKind, StatesArn, arn_of
from ..core.counters import MapRunStatus
from ..core.errors import InvalidDefinition
from ..core.map_run_updates import MapRunLimits
from ..core.names import ENGINE_REGION
from ..core.values import is_url, shown
from ..hooks.connections import airflow_connections
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..runtime.catalog import MapRunNotFound
from ..runtime.control import MapRunEnded, update_map_run
from ..storage import StorageError
from .places import storage_url
from .waiting import is_late, literal, refused

_LIMITS = ("max_concurrency", "tolerated_failure_count", "tolerated_failure_percentage")


class UpdateMapRunOperator(AwsBaseOperator[StepFunctionsDistributedMapHook]):
    """Changes MaxConcurrency or the tolerance of map runs that are running, on either engine: AWS's UpdateMapRun.

    ::

        UpdateMapRunOperator(task_id="slow_down", map_run_arn="{{ params.map_run_arn }}", max_concurrency=10)

    Returns the ARNs of the map runs that it changed. One that has ended is left: that is no failure.

    :param map_run_arn: the map run (templated): its ARN, or the summary of a map, or, on the Airflow engine, the URL of
        its folder; or
    :param execution_arn: an execution, whose running Map Runs are all changed (templated): its ARN, or the summary of a
        map.
    :param max_concurrency: the new MaxConcurrency (templated); 0 stands for 10,000.
    :param tolerated_failure_count: the new ToleratedFailureCount (templated).
    :param tolerated_failure_percentage: the new ToleratedFailurePercentage (templated).

    :raises InvalidDefinition: nothing to change, a number that cannot be, an ARN of another kind.
    """

    aws_hook_class = StepFunctionsDistributedMapHook
    template_fields: Sequence[str] = aws_template_fields("map_run_arn", "execution_arn", *_LIMITS)
    ui_color = "#f7e3d5"

    def __init__(
        self,
        *,
        map_run_arn: Any = None,
        execution_arn: Any = None,
        max_concurrency: int | str | None = None,
        tolerated_failure_count: int | str | None = None,
        tolerated_failure_percentage: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (execution_arn is None) == (map_run_arn is None):
            raise TypeError("give execution_arn= or map_run_arn=")
        if literal(execution_arn):
            StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION)
        if literal(map_run_arn) and not is_url(map_run_arn):
            StatesArn.parse(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        self.map_run_arn = map_run_arn
        self.execution_arn = execution_arn
        self.max_concurrency = max_concurrency
        self.tolerated_failure_count = tolerated_failure_count
        self.tolerated_failure_percentage = tolerated_failure_percentage
        given = {name: getattr(self, name) for name in _LIMITS}
        if all(value is None for value in given.values()):
            raise InvalidDefinition("limits", f"give one of {', '.join(_LIMITS)}")
        MapRunLimits(**{name: value for name, value in given.items() if not is_late(value)})

    @property
    def _execution_arn(self) -> str:
        return StatesArn.parse(arn_of(self.execution_arn), "execution_arn", ArnKind.EXECUTION).text

    def execute(self, context: Context) -> list[str]:
        try:
            limits = MapRunLimits(**{name: _number(getattr(self, name), name) for name in _LIMITS})
            if (here := self._on_airflow()) is not None:
                return self._change_here(here, limits)
            found = (
                [StatesArn.parse(arn_of(self.map_run_arn, "mapRunArn"), "map_run_arn", ArnKind.MAP_RUN).text]
                if self.map_run_arn is not None
                else [run.arn for run in self.hook.list_map_runs(self._execution_arn)]
            )
            changed = [arn for arn in found if self._change(arn, limits)]
        except (InvalidDefinition, MapRunNotFound) as error:
            raise refused(error) from error
        except (ServiceError, StorageError) as error:
            raise AirflowException(str(error)) from error
        if not changed:
            self.log.warning("Nothing is running: no limits were changed")
        return changed

    def _on_airflow(self) -> str | None:
        """The map run, if it is one of the Airflow engine."""
        given = arn_of(self.map_run_arn, "mapRunArn")
        if self.map_run_arn is None or not isinstance(given, str):
            return None
        ours = is_url(given) or StatesArn.parse(given, "map_run_arn", ArnKind.MAP_RUN).region == ENGINE_REGION
        return given if ours else None

    def _change_here(self, map_run: str, limits: MapRunLimits) -> list[str]:
        connections = airflow_connections(self.aws_conn_id)
        try:
            summary = update_map_run(map_run, **asdict(limits), storage=storage_url(), connections=connections)
        except MapRunEnded as ended:
            self.log.warning("%s: no limits were changed", ended)
            return []
        self.log.info("Changed %s: %s", summary.map_run_arn, limits)
        return [str(summary.map_run_arn)]

    def _change(self, arn: str, limits: MapRunLimits) -> bool:
        if not self._is_running(arn):
            return False
        try:
            self.hook.update_map_run(arn, limits)
        except ServiceError:
            if self._is_running(arn):
                raise
            return False  # it ended at this moment
        self.log.info("Changed %s: %s", arn, limits)
        return True

    def _is_running(self, arn: str) -> bool:
        return self.hook.get_map_run(arn).status is MapRunStatus.RUNNING


def _number(value: object, name: str) -> Any:
    """What a template has become; the range is checked with the others."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if name == "tolerated_failure_percentage" else int(value)
    except ValueError:
        raise InvalidDefinition(name, f"must be a number, got {shown(value)}") from None
