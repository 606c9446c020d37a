"""The first and the last task of a child that is a task group: one gives it its input, one records its end."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ..compat import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    BaseOperator,
    Context,
    TriggerRule,
    XComArg,
    XComNotFound,
    is_dag_test,
)
from ..core.counters import ChildStatus, in_words
from ..hooks.connections import AWS_CONN_ID, airflow_connections
from ..local.invocation import ChildFailed, encode_output
from ..runtime.children import Outcome
from ..runtime.folder import MapRunFolder
from ..runtime.outside import child_to_start, record_child
from ..runtime.redrive import NotRedrivable, redrive_partition
from ..runtime.slots import MustWait
from ..storage import Connections, open_folder

STARTED_KEY = "started"
_FAILED = frozenset({"failed", "upstream_failed"})
_ENDED = _FAILED | {"success", "skipped", "removed"}


def _folder(partition: Any, connections: Connections) -> MapRunFolder:
    """Where the child runs: where the map run was planned, or, after its end, a redrive of what was cleared."""
    folder = MapRunFolder(open_folder(partition["map_run"], connections))
    try:
        return redrive_partition(folder, partition["index"], connections, time.time())
    except NotRedrivable as reason:
        raise AirflowFailException(str(reason)) from None


class StartChildOperator(BaseOperator):
    """Returns the child's input; skips the child when the map run has been stopped.

    While as many children as MaxConcurrency allows are in flight it reschedules itself, which holds no worker slot
    and is no retry.

    :param partition: one element of what read_items returned: the group is mapped over them.
    :param aws_conn_id: Airflow connection for S3 (templated).
    """

    # ``partition`` is resolved as a template field, which is how a mapped group hands out its argument; what comes out
    # of XCom is not rendered.
    template_fields: Sequence[str] = ("partition", "aws_conn_id")
    ui_color = "#bfdcf3"

    last_task: str
    """Task id of the child's EndChildOperator: set when there is one, which is after this one was made."""

    def __init__(self, *, partition: Any, aws_conn_id: str | None = AWS_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.partition = partition
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Context) -> Any:
        connections = airflow_connections(self.aws_conn_id)
        folder = _folder(self.partition, connections)
        try:
            child = child_to_start(folder, self.partition["index"], connections, partial(self._ended, context))
        except MustWait as wait:
            # dag.test() has no scheduler that must keep up, and a person who waits.
            seconds = 1.0 if is_dag_test(context) else wait.seconds
            self.log.info("%s: %s; looking again in %.0f s", self.partition["label"], wait, seconds)
            again = datetime.now(UTC) + timedelta(seconds=seconds)
            raise AirflowRescheduleException(again) from None  # type: ignore[no-untyped-call]  # Airflow's
        if child is None:
            raise AirflowSkipException("this child execution has ended, or the map run starts no further ones")
        context["ti"].xcom_push(STARTED_KEY, time.time())
        return child.input

    def _ended(self, context: Context, children: Collection[int]) -> set[int]:
        """Those of the children whose last task will not run any more, whatever became of it."""
        if not children:
            return set()
        ti, run_id = context["ti"], context["run_id"]
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[self.last_task], run_ids=[run_id]).get(run_id, {})
        # The group is mapped over the partitions in their order, so a child's index is its map index.
        return {child for child in children if str(found.get(f"{self.last_task}_{child}")) in _ENDED}


class EndChildOperator(BaseOperator):
    """Records how the child execution ended: it failed if one of its last tasks did.

    :param partition: as in ``StartChildOperator``.
    :param output: the child's output, of a task of the group; without it the output is null.
    :param first_task: task id of the child's first task.
    :param last_tasks: task ids of the child's last tasks.
    :param aws_conn_id: Airflow connection for S3 (templated).
    """

    template_fields: Sequence[str] = ("partition", "aws_conn_id")
    ui_color = "#bfdcf3"

    def __init__(
        self,
        *,
        partition: Any,
        output: XComArg | None,
        first_task: str,
        last_tasks: Sequence[str],
        aws_conn_id: str | None = AWS_CONN_ID,
        trigger_rule: str = TriggerRule.ALL_DONE,  # failed and skipped children are recorded as well
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.partition = partition
        self.output_of_child = output
        self.first_task = first_task
        self.last_tasks = tuple(last_tasks)
        self.aws_conn_id = aws_conn_id
        XComArg.apply_upstream_relationship(self, output)

    def execute(self, context: Context) -> dict[str, Any]:
        outcome = self._outcome(context)
        connections = airflow_connections(self.aws_conn_id)
        folder = _folder(self.partition, connections)
        end = record_child(folder, self.partition["index"], outcome, connections)
        self.log.info("%s: %s", self.partition["label"], in_words(end.items, end.executions))
        return {"items": end.items.to_dict(), "executions": end.executions.to_dict()}

    def _outcome(self, context: Context) -> Outcome | None:
        """How the child ended, or None if it was not started."""
        ti = context["ti"]
        states = self._states(context)
        # Its own index, which is -1 only outside of a mapped group.
        started = ti.xcom_pull(task_ids=self.first_task, key=STARTED_KEY, map_indexes=ti.map_index)
        if started is None and states.get(self.first_task) not in _FAILED:
            return None
        begin = float(started or time.time())
        failed = sorted(task for task, state in states.items() if state in _FAILED)
        if failed:
            return _failure(begin, "States.TaskFailed", f"failed: {', '.join(failed)}; see the logs of these tasks")
        output = self._output(context)
        try:
            output_json = encode_output(output)
        except ChildFailed as error:
            return _failure(begin, error.error, error.cause)
        return Outcome(ChildStatus.SUCCEEDED, begin, time.time(), output, output_json)

    def _states(self, context: Context) -> dict[str, str]:
        """The states of the child's first and last tasks, by task id."""
        ti, run_id = context["ti"], context["run_id"]
        wanted = [self.first_task, *self.last_tasks]
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=wanted, run_ids=[run_id], map_index=ti.map_index).get(
            run_id, {}
        )
        # Of mapped tasks Airflow answers "<task id>_<map index>".
        return {name.removesuffix(f"_{ti.map_index}"): str(state) for name, state in found.items()}

    def _output(self, context: Context) -> Any:
        if self.output_of_child is None:
            return None
        try:
            return self.output_of_child.resolve(context)
        except XComNotFound:  # the task that gives the output was skipped
            return None


def _failure(begin: float, error: str, cause: str) -> Outcome:
    return Outcome(ChildStatus.FAILED, begin, time.time(), error=error, cause=cause)
