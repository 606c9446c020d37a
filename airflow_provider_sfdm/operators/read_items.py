"""The first task of a map run: plan it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

from ..compat import AirflowFailException, BaseOperator, Context, XComArg
from ..core.counters import counted
from ..core.errors import InvalidDefinition, StatesError
from ..core.names import MapRunName
from ..core.values import UNSET, is_template
from ..hooks.connections import AWS_CONN_ID, airflow_connections
from ..runtime.catalog import Owner, enter
from ..runtime.ends import root_of
from ..runtime.engine import plan_map_run
from ..runtime.folder import MapRunFolder
from ..runtime.plan import Partition, Plan, SourceKind
from ..runtime.remembered import LastMapRun, data_of, fingerprint
from ..runtime.sources import STATE_DATA
from ..runtime.watch import LOG_SECONDS
from ..storage import StorageError, open_folder
from .authored import AuthoredMap
from .places import (
    check_storage,
    checkpoint_seconds,
    map_runs_url,
    max_map_length,
    number_of_partitions,
    storage_url,
    warn_if_out_of_reach,
)

MAP_RUN_KEY = "map_run"
"""XCom key of the map run's folder."""


class ReadItemsOperator(BaseOperator):
    """Reads the items once, stores the plan of the map run, and returns the partitions to map over.

    :param authored: the definition and the run's input.
    :param group_id: names the map within the DAG.
    :param storage: URL of the folder for map runs (templated); default ``[sfdm] storage``.
    :param partitions: into how many partitions; default ``[sfdm] partitions``.
    :param one_child_each: a partition for every child, however many.
    :param active: how many partitions may run at once.
    :param aws_conn_id: Airflow connection for S3 (templated).
    """

    template_fields: Sequence[str] = ("distributed_map", "storage", "aws_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"distributed_map": "json"}
    shallow_copy_attrs: Sequence[str] = ("authored",)
    ui_color = "#d5e8f7"

    def __init__(
        self,
        *,
        authored: AuthoredMap,
        group_id: str,
        active: int,
        storage: str | None = None,
        partitions: int | None = None,
        one_child_each: bool = False,
        aws_conn_id: str | None = AWS_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (storage is None or is_template(storage) or isinstance(storage, XComArg)):
            check_storage(storage)
        self.authored = authored
        self.distributed_map = authored.view()
        self.group_id = group_id
        self.active = active
        self.storage = storage
        self.partitions = partitions
        self.one_child_each = one_child_each
        self.aws_conn_id = aws_conn_id
        authored.set_upstream_of(self)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        try:
            folder, plan = self._plan(context)
        except (StatesError, InvalidDefinition) as error:
            if isinstance(error.__cause__, StorageError):
                raise  # the store may answer next time: Airflow's retries decide
            raise AirflowFailException(str(error)) from error
        if self.one_child_each and plan.children > len(plan.partitions):
            raise AirflowFailException(
                f"there are {plan.children:,} child executions, and Airflow maps a task group over at most "
                f"{len(plan.partitions):,} ([core] max_map_length): put more items into a batch"
            )
        _log_plan(self, plan, folder.url)
        context["ti"].xcom_push(MAP_RUN_KEY, folder.url)
        return [
            {"map_run": folder.url, "index": partition.index, "label": partition_label(plan, partition)}
            for partition in plan.partitions
        ]

    def _plan(self, context: Context) -> tuple[MapRunFolder, Plan]:
        """The map run that this task has planned before, when it did not succeed, and that a retry or a clear goes on
        with; else a new one.
        """
        url = map_runs_url(self.storage, context, self.group_id)
        warn_if_out_of_reach(url, self.executor)
        connections = airflow_connections(self.aws_conn_id)
        definition = self.authored.rendered(self.distributed_map)
        run_input = self.authored.run_input(self.distributed_map, context)
        items = self.authored.items(context)
        from_results = self.authored.earlier_results(self.distributed_map, context)
        last = LastMapRun(url, connections)
        given = (None if one is UNSET else one for one in (items, from_results))
        data = fingerprint(data_of(definition), run_input, *given)
        shares: dict[str, Any] = {
            "partitions": max_map_length() if self.one_child_each else number_of_partitions(self.partitions),
            "at_once": self.active,
            "one_child_each": self.one_child_each,
        }
        storage = open_folder(storage_url(self.storage), connections)
        run = context["dag_run"]
        owner = Owner(run.dag_id, run.run_id, self.task_id)
        if (found := last.go_on(data, **shares)) is not None:
            folder, plan = found
            # Again: with another prefix_group_id this task has another id, and an entry may have been removed.
            enter(storage, root_of(folder, connections), plan.map_run.uuid, owner)
            return found
        name = f"{self.dag_id}.{self.group_id}"
        begun = last.unplanned(data)  # an attempt that died while it read
        map_run = MapRunName.new(name, definition.label, uuid4() if begun is None else UUID(begun))
        # Before it is remembered: what another attempt goes on with can be found from outside, wherever this one dies.
        enter(storage, MapRunFolder(open_folder(f"{url}/{map_run.uuid}", connections)), map_run.uuid, owner)
        last.remember(map_run, data)
        return plan_map_run(
            definition,
            name=name,
            map_run=map_run,
            storage=url,
            connections=connections,
            run_input=run_input,
            items=items,
            from_results=from_results,
            on_read=_ReadProgress(self.log),
            checkpoint_seconds=checkpoint_seconds(),
            **shares,
        )


def partition_label(plan: Plan, partition: Partition) -> str:
    """What a partition is called in the UI: "batches" and their range, or "items" without a batcher."""
    one, many = ("batch", "batches") if plan.batches.batched else ("item", "items")
    if not partition.children:
        return f"no {many}"
    if partition.children == 1:
        return f"{one} {partition.first_child:,}"
    return f"{many} {partition.first_child:,}–{partition.last_child:,}"  # noqa: RUF001  # a range


class _ReadProgress:
    """Logs how many items have been read, about every 5 seconds."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._next = time.monotonic() + LOG_SECONDS

    def __call__(self, items: int) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + LOG_SECONDS
            self._log.info("%s items read so far", f"{items:,}")


def _log_plan(task: ReadItemsOperator, plan: Plan, folder: str) -> None:
    if plan.redrive_count:
        what = counted(plan.children, "child execution")
        task.log.info("Redrive %d of %s: %s did not succeed", plan.redrive_count, plan.map_run.arn, what)
        task.log.info("They run again in %s", folder)
        return
    batches = f"{counted(plan.children, 'batch')} in " if plan.batches.batched else ""
    partitions = len(plan.partitions)
    task.log.info(
        "Read %s from %s: %s%s, at most %s at once; MaxConcurrency %s; tolerating %s",
        counted(plan.items, "item"),
        _source(plan),
        batches,
        counted(partitions, "partition"),
        f"{min(task.active, partitions):,}",
        f"{plan.max_concurrency:,}" if plan.max_concurrency else "not set",
        _tolerance(plan),
    )
    task.log.info("Map run %s in %s", plan.map_run.arn, folder)


def _source(plan: Plan) -> str:
    if plan.source.kind is SourceKind.CHILDREN:
        return "the FAILED and PENDING records of an earlier map run"
    return plan.source.label if plan.source.label not in ("", STATE_DATA) else "an array or object"


def _tolerance(plan: Plan) -> str:
    tolerance = plan.tolerance
    limits = [counted(tolerance.count, "failed item")] if tolerance.count else []
    limits += [f"{tolerance.percentage:g} % of the items"] if tolerance.percentage else []
    return " and ".join(limits) or "no failed item"
