"""A sensor for Map Runs on AWS Step Functions, whoever started them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from ..aws.errors import ServiceError
from ..compat import AirflowException, AirflowFailException, AirflowSkipException, Context, PokeReturnValue, conf
from ..core.arns import ArnKind, StatesArn, arn_of
from ..core.conditions import Conditions, as_conditions
from ..core.errors import InvalidDefinition
from ..core.watching import Judgement, Outcome, WatchOptions
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..links.step_functions import MapRunLink, StateMachineExecutionsDetailsLink
from ..operators.reporting import authored_conditions, message_of, report_on
from ..operators.waiting import Waiter, literal, refused, seconds, watch_failed
from ..stepfunctions.watcher import Look, MapRunWatcher
from ..triggers.map_run import PROGRESS_KEY, MapRunTrigger, has_ended, judgement_of, progress_of


class MapRunSensor(AwsBaseSensor[StepFunctionsDistributedMapHook]):
    """Waits for a Map Run, or an execution with its Map Run, to end, or for a condition on its counters.

    ::

        MapRunSensor(task_id="enough", execution_arn=started.output, succeed_when="succeeded >= 95%", mode="reschedule")

    It succeeds when the execution (or the Map Run) succeeded or a ``succeed_when`` condition is met, and returns the
    summary, as the operator does; it fails when it ended otherwise, or a ``fail_when`` condition is met. It changes and
    stops nothing. ``timeout`` (seconds of wall time), ``poke_interval``, ``mode`` and ``soft_fail`` are those of any
    sensor; with ``deferrable`` the triggerer watches.

    :param execution_arn: the execution to watch (templated): its ARN, or the summary of a map, as the operator returns
        it; or
    :param map_run_arn: the Map Run to watch (templated): its ARN, or the summary of a map.
    :param map_label: the Label of the Map state, where the execution has several; default: the newest Map Run.
    :param succeed_when: conditions for going on (templated), such as ``"succeeded >= 95%"``.
    :param fail_when: conditions for failing (templated), such as ``"failed > 2% after 1000"``.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks of the triggerer; default: adaptive, as for the operator.

    :raises InvalidDefinition: an ARN of another kind; conditions that are none.
    """

    aws_hook_class = StepFunctionsDistributedMapHook
    template_fields: Sequence[str] = aws_template_fields(
        "execution_arn", "map_run_arn", "map_label", "fail_when", "succeed_when"
    )
    operator_extra_links = (StateMachineExecutionsDetailsLink(), MapRunLink())
    ui_color = "#f7e3d5"

    def __init__(
        self,
        *,
        execution_arn: Any = None,
        map_run_arn: Any = None,
        map_label: str | None = None,
        succeed_when: Conditions = None,
        fail_when: Conditions = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (execution_arn is None) == (map_run_arn is None):
            raise TypeError("give execution_arn= or map_run_arn=")
        if map_label is not None and map_run_arn is not None:
            raise TypeError("map_label= chooses among the Map Runs of an execution: a map_run_arn= is one already")
        if literal(execution_arn):
            StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        if literal(map_run_arn):
            StatesArn.parse(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        self.execution_arn = execution_arn
        self.map_run_arn = map_run_arn
        self.map_label = map_label
        self.succeed_when = authored_conditions(succeed_when, "succeed_when")
        self.fail_when = authored_conditions(fail_when, "fail_when")
        self.deferrable = deferrable
        self.poll_interval = seconds(poll_interval, "poll_interval")
        self._watching: MapRunWatcher | None = None

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        look = self._look(context)
        if look.judgement is not None:  # what is over needs no triggerer
            try:
                return self._done(context, look, look.judgement)
            except AirflowFailException as error:
                if self.soft_fail or self.never_fail:
                    raise AirflowSkipException(str(error)) from error
                raise
        self.defer(
            trigger=MapRunTrigger(
                options=self._options().to_dict(),
                hook=self._hook_parameters,
                execution_arn=self._execution_arn,
                map_run_arn=self._map_run_arn,
                timeout=self.timeout,
            ),
            method_name=self.execute_complete.__name__,
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on after the trigger's event."""
        if "failed" in event:
            raise watch_failed(event)
        try:
            look = Waiter().look_at(self._watcher(context), has_ended(event))
        except ServiceError as error:
            raise AirflowException(f"how the map ended could not be read: {error}") from error
        return self._done(context, look, judgement_of(event))

    def poke(self, context: Context) -> PokeReturnValue:
        look = self._look(context)
        if look.judgement is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._done(context, look, look.judgement))

    @property
    def _execution_arn(self) -> str | None:
        if self.execution_arn is None:
            return None
        kinds = (ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        return StatesArn.parse(arn_of(self.execution_arn), "execution_arn", *kinds).text

    @property
    def _map_run_arn(self) -> str | None:
        if self.map_run_arn is None:
            return None
        return StatesArn.parse(arn_of(self.map_run_arn, "mapRunArn"), "map_run_arn", ArnKind.MAP_RUN).text

    def _look(self, context: Context) -> Look:
        try:
            self._watching = self._watching or self._watcher(context)
            look = self._watching.look()
            if self.reschedule and not look.answered:
                # The next poke is a process that knows nothing of this one: what fails twice must fail here.
                look = self._watching.look()
            return look
        except InvalidDefinition as error:
            raise refused(error) from error
        except ServiceError as error:
            raise AirflowException(str(error)) from error

    def _watcher(self, context: Context) -> MapRunWatcher:
        return MapRunWatcher(
            self.hook.polling(),
            self._options(),
            execution_arn=self._execution_arn,
            map_run_arn=self._map_run_arn,
            log=self.log,
            on_progress=lambda map_run: context["ti"].xcom_push(PROGRESS_KEY, progress_of(map_run)),
            renew=lambda: self.hook.renewed().polling(),
        )

    def _options(self) -> WatchOptions:
        return WatchOptions(
            fail_when=as_conditions(self.fail_when, "fail_when"),
            succeed_when=as_conditions(self.succeed_when, "succeed_when"),
            stop_on_fail_when=False,
            label=self.map_label,
            poll_interval=self.poll_interval,
        )

    def _done(self, context: Context, look: Look, judgement: Judgement) -> dict[str, Any]:
        summary = report_on(self, context, self.hook, judgement, look.execution, look.map_run)
        if judgement.outcome not in (Outcome.SUCCEEDED, Outcome.SUCCEED_WHEN):
            raise refused(AirflowException(message_of(summary, judgement)))
        return summary.to_dict()
