"""A Distributed Map in a DAG: ``read_items >> run_partition (mapped) >> write_results``; on Step Functions ``run_map``.

Where a child execution is a task group itself, that group is mapped in place of run_partition: see ``child_group``.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from .child_group import group_function, mapped_children, unsupported_with_a_group
from .compat import BaseOperator, TaskGroup, TriggerRule, conf
from .core.definition import DistributedMap
from .core.engines import Engine, as_engine, refuse_unsupported
from .core.errors import UnsupportedField
from .core.values import UNSET
from .operators.authored import AuthoredMap
from .operators.outputs import MapRunFolderOf, SummaryOf
from .operators.places import SECTION
from .operators.read_items import MAP_RUN_KEY, ReadItemsOperator
from .operators.run_partition import MAP_INDEX_TEMPLATE, RunPartitionOperator
from .operators.write_results import WriteResultsOperator
from .runtime.asl_problems import check_states
from .runtime.evaluation import check_expressions

READ, RUN, WRITE = "read_items", "run_partition", "write_results"
RUN_MAP = "run_map"
"""The one task of a map on Step Functions."""

# Arguments of BaseOperator that mean something for one of the tasks only; all others go to all three.
_FOR_ONE_TASK = {
    "trigger_rule": READ,  # what comes before the group
    "inlets": READ,
    "outlets": WRITE,  # an asset is there when the results are, and once
    "on_success_callback": WRITE,  # of the map run: its partitions succeed whatever their children do
    "map_index_template": RUN,
    "max_active_tis_per_dag": RUN,
    "max_active_tis_per_dagrun": RUN,
}
# Arguments of the task on Step Functions that change how a map ends. The airflow engine has none of them, and must not
# pass over them; what else step_functions= may hold says how Step Functions is reached and watched.
_CHANGE_THE_OUTCOME = ("fail_when", "succeed_when", "updates", "timeout")
# These the group gives the task itself, or has no place for.
_OF_THE_GROUP = frozenset({"aws_conn_id", "definition", "input", "items", "redrive", "state_machine_arn", "task_id"})
# What default_args of a DAG or group must not change: without XCom the tasks cannot hand the map run on.
_FIXED = {"do_xcom_push": True, "multiple_outputs": False}
# Arguments that would break the group, and what to do instead.
_REFUSED = {
    "task_id": "the argument is group_id",
    "task_group": "the argument is parent_group",
    "task_display_name": "use group_display_name",
    "do_xcom_push": "the tasks hand the map run on through XCom",
    "multiple_outputs": "the summary is one XCom",
}


def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters) - {"self", "kwargs"}


_DEFINITION = frozenset(one.name for one in fields(DistributedMap))
_GROUP = _parameters(TaskGroup.__init__) - {"group_id"}
_AWS_ARGUMENTS = frozenset({"region_name", "verify", "botocore_config"})
_OPERATOR = _parameters(BaseOperator.__init__) - _GROUP - _REFUSED.keys()


class DistributedMapTaskGroup(TaskGroup):
    """A task group that runs one Distributed Map.

    ::

        delays = DistributedMapTaskGroup(
            "delays",
            item_processor=delay_statistics,
            item_reader=S3CsvItemReader(url="s3://flights/{{ ds }}.csv"),
            item_batcher=ItemBatcher(max_items_per_batch=500),
            tolerated_failure_percentage=5,
            retries=2,
        )
        delays >> report(delays.output)

    :param group_id: id of the group; the map's name, too.
    :param definition: a ``DistributedMap``; or give its fields as arguments of their own.
    :param items: the items, in place of the definition's: an array or object, or an upstream task's output.
    :param input: the input of the run (``$``), default ``{}``: JSON, which may hold templates and upstream tasks'
        outputs.
    :param from_results: the summary of an earlier map run (a map's output), or the URL of its manifest.json
        (templated), this package's or AWS's: the children are those of its FAILED and PENDING records, with the inputs
        that they had; reader, items, selector and batcher of the definition are not applied. Airflow engine only.
    :param engine: ``airflow`` or ``stepfunctions``; default ``[sfdm] engine``, which is ``airflow`` unless set.
    :param step_functions: on Step Functions, arguments of
        :class:`~airflow_provider_sfdm.operators.step_functions.StepFunctionsDistributedMapOperator`: ``role_arn``,
        ``fail_when``, ``deferrable``, ….
    :param storage: URL of the folder for map runs (templated); default ``[sfdm] storage``. Airflow engine only.
    :param partitions: into how many partitions the children are divided; default ``[sfdm] partitions``. Airflow engine
        only.
    :param aws_conn_id: Airflow connection for S3, Lambda and Step Functions (templated); default ``aws_default``.
    :param kwargs: arguments of TaskGroup, and of BaseOperator for the tasks of the group (``retries``, ``pool``,
        ``queue``, ``executor``, …). ``max_active_tis_per_dagrun`` is how many partitions run at once.

    ``output`` is the summary of the map run (``MapRunSummary.to_dict()``). In a chain it is the group: what comes
    before it comes before read_items.

    :raises InvalidDefinition: the definition cannot be, or not on this engine (UnsupportedField); there are no items.
    :raises TypeError: an argument that nothing knows.
    :raises ValueError: the group stands in a mapped task group, where Airflow cannot map again.
    """

    output: Any  # an XComArg; Airflow's stubs let no XComArg stand for the value that a task takes

    def __init__(
        self,
        group_id: str,
        definition: DistributedMap | None = None,
        *,
        items: Any = UNSET,
        input: Any = UNSET,
        from_results: Any = UNSET,
        engine: Engine | str | None = None,
        step_functions: Mapping[str, Any] | None = None,
        storage: str | None = None,
        partitions: int | None = None,
        aws_conn_id: Any = UNSET,
        **kwargs: Any,
    ) -> None:
        definition_fields, group_args, operator_args = _sort_out(kwargs)
        given: object = definition
        if given is not None and not isinstance(given, DistributedMap):
            raise TypeError(f"the second argument is a DistributedMap, got {given!r}: give item_processor=")
        if definition is None:
            definition = DistributedMap(**_given(items=items, input=input), **definition_fields)
        elif definition_fields:
            raise TypeError(f"give definition= or its fields, not both: {', '.join(sorted(definition_fields))}")
        self.engine = _engine(engine)
        _check_options(step_functions or {})
        operator_args |= _given(aws_conn_id=aws_conn_id) | _FIXED
        if self.engine is Engine.STEPFUNCTIONS:
            if from_results is not UNSET:
                raise UnsupportedField("from_results", "is for the airflow engine: on Step Functions use redrive=")
            self._on_step_functions(
                group_id, definition, group_args, operator_args, step_functions or {}, _given(items=items, input=input)
            )
            return
        _refuse_outcomes(step_functions or {})
        children = group_function(definition)
        refuse_unsupported(definition, unsupported_with_a_group(definition) if children is not None else ())
        check_states(definition)
        check_expressions(definition)
        _check_partitions(partitions, has_group=children is not None)
        active = operator_args.pop("max_active_tis_per_dagrun", None)
        if active is not None:
            _check_number(active, "max_active_tis_per_dagrun")
        authored = AuthoredMap.of(definition, input, items, from_results)
        authored.check_source()
        super().__init__(group_id, **group_args)
        if next(self.iter_mapped_task_groups(), None) is not None:
            raise ValueError(
                f"the Distributed Map {self.group_id!r} is inside a mapped task group, where Airflow cannot map again: "
                "place it outside, or let one map read what the others would"
            )
        active = active or self._active(definition)
        self._warn_if_capped(active)
        with self:
            read = ReadItemsOperator(
                task_id=READ,
                authored=authored,
                group_id=str(self.group_id),
                active=active,
                one_child_each=children is not None,
                **_given(storage=storage, partitions=partitions, unset=None),
                **_of_task(READ, operator_args),
            )
            run: Any
            if children is not None:
                limited = bool(definition.max_concurrency or definition.max_concurrency_path)
                run = mapped_children(children, read.output, _of_task(RUN, operator_args), limited=limited)
            else:
                run = RunPartitionOperator.partial(
                    task_id=RUN,
                    authored=authored,
                    max_active_tis_per_dagrun=active,
                    # Given here because a default_args of the DAG would win over the operator's own default.
                    trigger_rule=TriggerRule.ALL_SUCCESS,
                    **{"map_index_template": MAP_INDEX_TEMPLATE, **_of_task(RUN, operator_args)},
                ).expand(partition=read.output)
            write = WriteResultsOperator(
                task_id=WRITE,
                map_run=MapRunFolderOf(read, MAP_RUN_KEY),
                trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
                **_of_task(WRITE, operator_args),
            )
            run >> write
        self.output = SummaryOf(write)

    def _on_step_functions(
        self,
        group_id: str,
        definition: DistributedMap,
        group_args: dict[str, Any],
        operator_args: dict[str, Any],
        options: Mapping[str, Any],
        given: dict[str, Any],
    ) -> None:
        """One task in the group, which has the definition run and waits for it."""
        # Imported here, as a DAG on the airflow engine needs none of the amazon provider to be parsed.
        from .operators.step_functions import StepFunctionsDistributedMapOperator

        # These are about partitions, of which there are none.
        for name in ("max_active_tis_per_dagrun", "max_active_tis_per_dag", "map_index_template"):
            operator_args.pop(name, None)
        super().__init__(group_id, **group_args)
        with self:
            run = StepFunctionsDistributedMapOperator(
                task_id=RUN_MAP, definition=definition, **given, **{**operator_args, **options}
            )
        self.output = SummaryOf(run)

    def _active(self, definition: DistributedMap) -> int:
        """How many partitions run at once: what Airflow lets, and no more than MaxConcurrency, if that is known now."""
        limits = [self.dag.max_active_tasks, conf.getint("core", "parallelism", fallback=0)]
        if isinstance(definition.max_concurrency, int):
            limits.append(definition.max_concurrency)
        return min((limit for limit in limits if limit), default=1)

    def _warn_if_capped(self, active: int) -> None:
        limit = self.dag.max_active_tasks
        if limit and active > limit:
            warnings.warn(
                f"{self.group_id}: max_active_tis_per_dagrun is {active}, but the DAG runs at most {limit} tasks at "
                f"once, so the map uses less of its MaxConcurrency than it could; raise max_active_tasks of the DAG",
                stacklevel=_stacklevel(),
            )


def _stacklevel() -> int:
    """The stacklevel at which ``warnings.warn``, called by the caller, points at the DAG file."""
    package = f"{Path(__file__).parent}{os.sep}"
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level


def _sort_out(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Divide arguments into those of DistributedMap, of TaskGroup and of BaseOperator."""
    for name in arguments:
        if name in _REFUSED:
            raise TypeError(f"a Distributed Map takes no argument {name!r}: {_REFUSED[name]}")
    unknown = sorted(arguments.keys() - _DEFINITION - _GROUP - _OPERATOR)
    if unknown:
        raise TypeError(
            f"unknown argument{'s' * (len(unknown) > 1)} {', '.join(map(repr, unknown))}: neither a field of "
            "DistributedMap nor an argument of TaskGroup or BaseOperator"
        )

    def those(names: Iterable[str]) -> dict[str, Any]:
        return {name: arguments[name] for name in names if name in arguments}

    return those(_DEFINITION), those(_GROUP), those(_OPERATOR)


def _of_task(task: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that one of the three tasks gets."""
    return {name: value for name, value in arguments.items() if _FOR_ONE_TASK.get(name, task) == task}


def _given(unset: Any = UNSET, **arguments: Any) -> dict[str, Any]:
    """Those arguments that were given: passing the others on would hide default_args."""
    return {name: value for name, value in arguments.items() if value is not unset}


def _engine(given: object) -> Engine:
    return as_engine(given or conf.get(SECTION, "engine", fallback="") or Engine.AIRFLOW)


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse what the operator has no argument for: on either engine, or a slip would show in production first."""
    if not options:
        return
    from .operators.step_functions import StepFunctionsDistributedMapOperator

    allowed = _parameters(StepFunctionsDistributedMapOperator.__init__) | _AWS_ARGUMENTS
    for name in options:
        if name in _OF_THE_GROUP or name not in allowed:
            raise TypeError(f"step_functions takes arguments of the operator's own, not {name!r}")


def _refuse_outcomes(options: Mapping[str, Any]) -> None:
    for name in _CHANGE_THE_OUTCOME:
        if options.get(name) is not None:
            raise UnsupportedField(
                f"step_functions.{name}", "is for Step Functions: the airflow engine has no such rule"
            )


def _check_partitions(partitions: object, *, has_group: bool) -> None:
    if partitions is not None and has_group:
        raise ValueError("partitions: where children are task groups, every child is a partition of its own")
    if partitions is not None:
        _check_number(partitions, "partitions")


def _check_number(value: object, name: str) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be a whole number from 1, got {value!r}")
