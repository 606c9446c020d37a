"""A Distributed Map on AWS Step Functions, as a task: started, watched, and stopped with the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from ..aws.errors import ExecutionNameTaken, InvalidStateMachine, ServiceError
from ..compat import AirflowException, AirflowFailException, AirflowTaskTimeout, Context, ResolveMixin, conf
from ..core.arns import MAX_NAME, ArnKind, StatesArn, check_name, plain_name, role_account
from ..core.conditions import Conditions, as_conditions
from ..core.definition import DistributedMap
from ..core.errors import InvalidDefinition, StatesError
from ..core.executions import Execution, MapRun
from ..core.map_run_updates import MapRunUpdate, as_updates
from ..core.values import UNSET
from ..core.watching import ATTEMPT_IS_OVER, KILLED, STOP_ERRORS, Judgement, Outcome, WatchOptions
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..links.step_functions import (
    MapRunLink,
    StateMachineDetailsLink,
    StateMachineExecutionsDetailsLink,
    execution_url,
)
from ..stepfunctions.beginning import Beginning, Begun, OnRetry, RedriveRefused, as_on_retry, redrive_earlier
from ..stepfunctions.watcher import MapRunWatcher
from ..triggers.map_run import MAP_RUN_KEY, PROGRESS_KEY, MapRunTrigger, has_ended, judgement_of, progress_of
from .attempts import attempt_of, killed, stop_in_thread, stopped_by_an_earlier_attempt
from .machines import MachineOptions, MachineSource, configured_role, map_run_of, plain_input
from .reporting import authored_conditions, message_of, report_on
from .waiting import Interrupted, Waiter, literal, refused, seconds, watch_failed

# Names of further executions of a task instance end in -2, -3, …
_NAME_LIMIT = MAX_NAME - 4
# How often an attempt goes on with an execution that the kill of an earlier attempt stopped under it.
_ROUNDS = 2


class StepFunctionsDistributedMapOperator(AwsBaseOperator[StepFunctionsDistributedMapHook]):
    """Runs a Distributed Map on AWS Step Functions, and returns the same summary as the airflow engine does.

    ::

        StepFunctionsDistributedMapOperator(
            task_id="delays",
            definition=DistributedMap(
                item_processor=LambdaFunction("flight-delays"),
                item_reader=S3CsvItemReader(bucket="flights", key=JsonPath("$.key")),
                item_batcher=ItemBatcher(max_items_per_batch=500),
                tolerated_failure_percentage=10,
                result_writer=ResultWriter(bucket="processed", prefix="delays"),
            ),
            input={"key": "{{ ds }}.csv"},
            role_arn="arn:aws:iam::123456789012:role/flight-delays",
            fail_when="failed > 2% after 1000",
            deferrable=True,
            retries=2,
        )

    What to run is one of

    :param definition: a ``DistributedMap``, around which a state machine is made; or a whole state machine in the
        Amazon States Language, as a mapping or JSON text (in which no template is rendered);
    :param state_machine_arn: a state machine that is there, or a version or alias of it (templated);
    :param redrive: an execution to redrive instead of starting one: its ARN, or the summary of an earlier map
        (templated).

    The state machine that is made:

    :param state_machine_name: its name (templated); default: of DAG and task.
    :param role_arn: its role (templated); default ``[sfdm] role_arn``. What the role must be allowed to do is
        ``definition.policy_statements(state_machine_arn)``.
    :param publish_version: publish a version of each definition, and start that very version: without it a run that
        starts right after an update may get the definition before.
    :param validate: have the service validate a new definition first.
    :param tags: tags to set on it (templated).
    :param logging_configuration: AWS's ``loggingConfiguration``.

    The execution:

    :param input: its input (``$``), default ``{}``: JSON, which may hold templates and upstream tasks' outputs.
    :param items: the items of a DistributedMap, in place of the definition's.
    :param execution_name: its name (templated); default: of DAG, task, run and map index. An attempt that finds an
        execution of this task instance running watches that, and starts none.
    :param on_retry: what an attempt does that finds it ended without success: ``redrive_or_restart`` (default),
        ``redrive_or_fail`` or ``restart``.

    While it runs:

    :param fail_when: one or several conditions such as ``"failed > 2% after 1000"`` (templated, see
        :class:`~airflow_provider_sfdm.core.conditions.MapRunCondition`): when one is met, the task fails, and is not
        retried.
    :param succeed_when: conditions for going on: when one is met, the task succeeds.
    :param stop_on_fail_when: stop the execution then (default), or let it run on.
    :param stop_on_succeed_when: the same (default: it runs on).
    :param updates: changes of MaxConcurrency and tolerance, by time or condition:
        :class:`~airflow_provider_sfdm.core.map_run_updates.MapRunUpdate`.
    :param map_label: the Label of the Map state to watch, where the state machine has several; default: the newest Map
        Run.
    :param timeout: seconds (or a timedelta) of wall time that the execution has, from its start or last redrive, in
        every mode; then it is stopped (unless ``stop_on_kill=False``) and the task fails. Airflow's
        ``execution_timeout`` is the time that an attempt of the task has; it is kept while the task is deferred, too.
    :param poll_interval: seconds between two looks; default: a twentieth of the time that the map has run, at least 2
        and at most 60.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``.
    :param stop_on_kill: stop the execution when the task is killed (marked, cleared, out of time), default; or let it
        run on.

    Further arguments are those of the amazon provider's operators: ``aws_conn_id``, ``region_name``, ``verify``,
    ``botocore_config``.

    :raises InvalidDefinition: a field cannot be, or not on this engine (UnsupportedField).
    """

    aws_hook_class = StepFunctionsDistributedMapHook
    template_fields: Sequence[str] = aws_template_fields(
        "distributed_map",
        "state_machine_arn",
        "state_machine_name",
        "role_arn",
        "tags",
        "input",
        "execution_name",
        "redrive",
        "fail_when",
        "succeed_when",
        "map_label",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"distributed_map": "json", "input": "json"}
    shallow_copy_attrs: Sequence[str] = ("source",)
    operator_extra_links = (StateMachineDetailsLink(), StateMachineExecutionsDetailsLink(), MapRunLink())
    ui_color = "#f7e3d5"

    def __init__(
        self,
        *,
        definition: Any = None,
        state_machine_arn: str | None = None,
        redrive: Any = None,
        state_machine_name: str | None = None,
        role_arn: str | None = None,
        publish_version: bool = True,
        validate: bool = True,
        tags: Mapping[str, str] | None = None,
        logging_configuration: Mapping[str, Any] | None = None,
        input: Any = UNSET,
        items: Any = UNSET,
        execution_name: str | None = None,
        on_retry: OnRetry | str = OnRetry.REDRIVE_OR_RESTART,
        fail_when: Conditions = None,
        succeed_when: Conditions = None,
        stop_on_fail_when: bool = True,
        stop_on_succeed_when: bool = False,
        updates: MapRunUpdate | Sequence[MapRunUpdate | Mapping[str, Any]] | None = None,
        map_label: str | None = None,
        timeout: float | timedelta | None = None,
        poll_interval: float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        stop_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = None if redrive is not None else MachineSource.of(definition, state_machine_arn, input, items)
        if redrive is not None:
            _check_redrive_alone(redrive, definition, state_machine_arn, input, items)
        authored = self.source.authored if self.source else None
        self.distributed_map = authored.view() if authored else None
        self.state_machine_arn = state_machine_arn
        self.redrive = redrive
        self.state_machine_name = state_machine_name
        self.role_arn = configured_role(role_arn)
        if self.source is not None and self.source.is_made:
            _check_role(self.role_arn)
        for name, field in ((state_machine_name, "state_machine_name"), (execution_name, "execution_name")):
            if literal(name):
                check_name(name, field)
        self.publish_version = publish_version
        self.validate = validate
        self.tags = tags
        self.logging_configuration = logging_configuration
        self.input = _run_input(definition) if input is UNSET else input
        self.execution_name = execution_name
        self.on_retry = as_on_retry(on_retry)
        self.fail_when = authored_conditions(fail_when, "fail_when")
        self.succeed_when = authored_conditions(succeed_when, "succeed_when")
        self.updates = as_updates(updates)
        self.map_label = map_label
        self.timeout = seconds(timeout, "timeout")
        self.poll_interval = seconds(poll_interval, "poll_interval")
        self.deferrable = deferrable
        self.stop_on_kill = stop_on_kill
        self.stop_on_fail_when = stop_on_fail_when
        self.stop_on_succeed_when = stop_on_succeed_when
        if authored is not None:
            authored.set_upstream_of(self)
        self._waiter = Waiter()
        self._to_kill: tuple[StepFunctionsDistributedMapHook, str, str] | None = None

    # The five steps: begin, wait, complete, finish, kill

    def execute(self, context: Context) -> dict[str, Any]:
        options = self._watch_options(context)  # a condition that is none must not start anything
        for _ in range(_ROUNDS):
            begun = self._begin(context)
            options = replace(options, redrive_count=begun.redrive_count)
            if self._waiter.interrupted:  # the kill came while the execution was being started
                self.on_kill()
                raise self._was_killed(begun)
            if self.deferrable:
                self._defer(context, begun, options)
            execution, map_run, judgement = self._watch(context, begun, options)
            if not stopped_by_an_earlier_attempt(execution, context):
                break
        return self._finish(context, judgement, execution, map_run)

    def execute_complete(self, context: Context, event: Mapping[str, Any], execution_arn: str | None = None) -> Any:
        """Go on after the trigger's event."""
        # In dag.test() the arguments of a deferral get lost.
        ti = context["ti"]
        if execution_arn is None:
            pushed = ti.xcom_pull(task_ids=self.task_id, key=MAP_RUN_KEY, map_indexes=ti.map_index)
            execution_arn = str(pushed["executionArn"])
        if "failed" in event:
            raise watch_failed(event)
        watcher = self._watcher(context, Begun(execution_arn), WatchOptions(label=self.map_label, is_known=True))
        try:
            looked = self._waiter.look_at(watcher, has_ended(event))
        except Interrupted:
            raise AirflowException("the task was killed") from None
        except ServiceError as error:
            raise AirflowException(f"how the execution ended could not be read: {error}") from error
        if stopped_by_an_earlier_attempt(looked.execution, context):
            return self.execute(context)
        return self._finish(context, judgement_of(event), looked.execution, looked.map_run)

    def _begin(self, context: Context) -> Begun:
        attempt = attempt_of(context, int(self.retries or 0))
        memory = context["task_state_store"]
        try:
            if self.source is None:
                begun = redrive_earlier(self.hook, self.redrive, attempt, memory)
            else:
                start_arn, execution_input, document = self._machine(context)
                begun = Beginning(
                    calls=self.hook,
                    machine_arn=start_arn,
                    name=self._execution_name(context),
                    execution_input=execution_input,
                    attempt=attempt,
                    on_retry=self.on_retry,
                    memory=memory,
                    definition=document,
                ).begin()
        except (InvalidDefinition, StatesError, InvalidStateMachine, ExecutionNameTaken, RedriveRefused) as error:
            raise refused(error) from error
        except ServiceError as error:
            raise AirflowException(str(error)) from error
        # Made now: at the kill there is no time, and no way to ask Airflow for the connection.
        self._to_kill = (self.hook, begun.execution_arn, killed(context))
        self._show(context, begun.execution_arn)
        return begun

    def _machine(self, context: Context) -> tuple[str, str, Mapping[str, Any] | None]:
        """What to start, with which input, and its definition where it is made here."""
        source = self.source
        assert source is not None
        if source.authored is not None:
            document, text = map_run_of(source.authored, self.distributed_map or {}, self.input, context)
        else:
            document, text = dict(source.document or {}), plain_input(self.input)
        if not source.is_made:
            self.hook.refuse_express(str(self.state_machine_arn))
            return str(self.state_machine_arn), text, None
        if self.state_machine_name:
            check_name(self.state_machine_name, "state_machine_name")
        machine = MachineOptions(
            name=self.state_machine_name or plain_name(self.dag_id, self.task_id),
            role_arn=str(self.role_arn),
            publish=self.publish_version,
            validate=self.validate,
            tags=self.tags,
            logging_configuration=self.logging_configuration,
            partition=self.hook.conn_partition,
        ).bring(self.hook, document)
        self.log.info("State machine %s: %s", machine.change, machine.start_arn)
        return machine.start_arn, text, document

    def _execution_name(self, context: Context) -> str:
        if self.execution_name:
            check_name(self.execution_name, "execution_name")
            return self.execution_name
        ti = context["ti"]
        index = [] if ti.map_index is None or ti.map_index < 0 else [str(ti.map_index)]
        return plain_name(ti.dag_id, ti.task_id, *index, ti.run_id, limit=_NAME_LIMIT)

    def _show(self, context: Context, execution_arn: str) -> None:
        """Links and the execution's ARN, from the start on."""
        execution = StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION)
        ti = context["ti"]
        ti.xcom_push(MAP_RUN_KEY, {"executionArn": execution_arn, "attempt": ti.try_number})
        self._link(context, StateMachineDetailsLink, state_machine_arn=execution.machine_arn)
        self._link(context, StateMachineExecutionsDetailsLink, execution_arn=execution_arn)
        self.log.info("In the AWS console: %s", execution_url(execution_arn))

    def _link(self, context: Context, link: Any, **what: str) -> None:
        where = {"region_name": self.hook.conn_region_name, "aws_partition": self.hook.conn_partition}
        link.persist(context=context, operator=self, **where, **what)

    def _watch_options(self, context: Context) -> WatchOptions:
        deadline = None
        if self.execution_timeout is not None and (started := context["ti"].start_date) is not None:
            deadline = (started + self.execution_timeout).timestamp()
        try:
            return WatchOptions(
                fail_when=as_conditions(self.fail_when, "fail_when"),
                succeed_when=as_conditions(self.succeed_when, "succeed_when"),
                stop_on_fail_when=self.stop_on_fail_when,
                stop_on_succeed_when=self.stop_on_succeed_when,
                stop_on_timeout=self.stop_on_kill,
                timeout=self.timeout,
                deadline=deadline,
                updates=self.updates,
                label=self.map_label,
                poll_interval=self.poll_interval,
                is_known=True,
            )
        except InvalidDefinition as error:
            raise refused(error) from error

    def _defer(self, context: Context, begun: Begun, options: WatchOptions) -> None:
        self.defer(
            trigger=MapRunTrigger(
                options=options.to_dict(),
                hook=self._hook_parameters,
                execution_arn=begun.execution_arn,
                killed=killed(context) if self.stop_on_kill else None,
            ),
            method_name=self.execute_complete.__name__,
            kwargs={"execution_arn": begun.execution_arn},
        )

    def _watcher(self, context: Context, begun: Begun, options: WatchOptions) -> MapRunWatcher:
        return MapRunWatcher(
            self.hook.polling(),
            options,
            execution_arn=begun.execution_arn,
            log=self.log,
            on_progress=lambda map_run: context["ti"].xcom_push(PROGRESS_KEY, progress_of(map_run)),
            renew=lambda: self.hook.renewed().polling(),
        )

    def _watch(
        self, context: Context, begun: Begun, options: WatchOptions
    ) -> tuple[Execution | None, MapRun | None, Judgement]:
        # execution_timeout ends this process by itself, and is then a kill.
        options = replace(options, deadline=None)
        try:
            look = self._waiter.wait_for(self._watcher(context, begun, options))
        except Interrupted:
            raise self._was_killed(begun) from None
        except AirflowTaskTimeout:
            # The same as in the triggerer: a matter of time, not a kill.
            if self.stop_on_kill:
                self._to_kill = None
                stop_in_thread(
                    self.hook, begun.execution_arn, STOP_ERRORS[Outcome.TIMED_OUT], ATTEMPT_IS_OVER, self.log
                )
            raise
        except ServiceError as error:
            raise AirflowException(f"the execution could not be watched: {error}") from error
        self._to_kill = None
        assert look.judgement is not None
        return look.execution, look.map_run, look.judgement

    def _finish(
        self, context: Context, judgement: Judgement, execution: Execution | None, map_run: MapRun | None
    ) -> dict[str, Any]:
        summary = report_on(self, context, self.hook, judgement, execution, map_run)
        if judgement.outcome in (Outcome.SUCCEEDED, Outcome.SUCCEED_WHEN):
            return summary.to_dict()
        message = message_of(summary, judgement)
        if judgement.outcome is Outcome.FAIL_WHEN:
            raise AirflowFailException(message)  # bad data is no better at the next attempt
        raise AirflowException(message)

    def on_kill(self) -> None:
        """Stop the execution: the task was marked or cleared, ran out of time, or its worker is going down."""
        self._waiter.interrupt()
        if self._to_kill is None or not self.stop_on_kill:
            return
        hook, execution_arn, cause = self._to_kill
        stop_in_thread(hook, execution_arn, KILLED, cause, self.log)

    def _was_killed(self, begun: Begun) -> AirflowException:
        what = "is being stopped" if self.stop_on_kill else "runs on"
        return AirflowException(f"the task was killed; {begun.execution_arn} {what}")


def _run_input(definition: Any) -> Any:
    """The input that a definition brings along."""
    given = definition.input if isinstance(definition, DistributedMap) else UNSET
    return {} if given is UNSET else given


def _check_role(role_arn: str | None) -> None:
    if role_arn is None:
        problem = (
            "a state machine needs a role: give role_arn= or [sfdm] role_arn, or a state_machine_arn that is there"
        )
        raise InvalidDefinition("role_arn", problem)
    if literal(role_arn):
        role_account(role_arn)


def _check_redrive_alone(redrive: Any, *others: Any) -> None:
    if any(one is not None and one is not UNSET for one in others):
        raise TypeError("redrive= runs an earlier execution again: give no definition, machine, input or items with it")
    if literal(redrive):
        StatesArn.parse(redrive, "redrive", ArnKind.EXECUTION)
    elif not isinstance(redrive, str | Mapping | ResolveMixin):
        raise InvalidDefinition("redrive", "must be the ARN of an execution or the summary of a map")
