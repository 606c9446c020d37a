"""The trigger that watches a map on Step Functions while its task is deferred."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from ..aws.errors import ServiceError, Transient
from ..compat import BaseTrigger, TriggerEvent, XCom, task_state
from ..core.executions import MapRun
from ..core.watching import KILLED, Judgement, Outcome, WatchOptions
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..runtime.noticing import NOTICED_WITHIN
from ..stepfunctions.watcher import MapRunWatcher

MAP_RUN_KEY = "map_run"
"""Key of the XCom that tells from the start which execution a task watches (``executionArn``), and in which attempt."""
PROGRESS_KEY = "progress"
"""Key of the XCom that has a running map's status and counters, as DescribeMapRun spells them."""

log = logging.getLogger(__name__)

# Not asyncio's own threads, of which there are a handful for everything in the triggerer; and a kill must not wait
# behind looks at a service that does not answer.
_LOOKS = ThreadPoolExecutor(32, thread_name_prefix="sfdm-look")
_KILLS = ThreadPoolExecutor(8, thread_name_prefix="sfdm-kill")
_Result = TypeVar("_Result")


class MapRunTrigger(BaseTrigger):
    """Watches an execution with its Map Run, or a Map Run alone, until it ends or a condition is met.

    Its one event is ``{"outcome", "why"}`` (see :class:`~airflow_provider_sfdm.core.watching.Judgement`), or
    ``{"failed"}`` with a message where the watch itself failed. It comes no sooner than Airflow has noticed that the
    task has left its worker. The counters are logged, and pushed as the XCom ``progress``.

    :param options: ``WatchOptions.to_dict()``.
    :param hook: the arguments of the hook: connection, Region, certificates, botocore config.
    :param execution_arn: the execution to watch; or
    :param map_run_arn: the Map Run to watch.
    :param killed: the cause with which the execution is stopped when somebody marks or clears the task; None: it runs
        on then.
    :param timeout: the seconds after which Airflow gives the trigger up, where it does: no event is held back for more
        than half of them.
    """

    def __init__(
        self,
        *,
        options: Mapping[str, Any],
        hook: Mapping[str, Any],
        execution_arn: str | None = None,
        map_run_arn: str | None = None,
        killed: str | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.options = dict(options)
        self.hook = dict(hook)
        self.execution_arn = execution_arn
        self.map_run_arn = map_run_arn
        self.killed = killed
        self.timeout = timeout
        self._has_fired = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("options", "hook", "execution_arn", "map_run_arn", "killed", "timeout")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # boto3 in threads instead of an asynchronous client: a look is a call or three every few seconds, and the
        # Airflow connection must be read outside of the event loop as well.
        event: dict[str, Any]
        began = time.monotonic()
        try:
            watcher = await _in_thread(_LOOKS, self._watcher)
            while (look := await _in_thread(_LOOKS, watcher.look)).judgement is None:
                await asyncio.sleep(look.wait)
            event = event_of(look.judgement)
        except ServiceError as error:
            event = {"failed": str(error), "transient": isinstance(error, Transient)}
        await asyncio.sleep(began + self._earliest() - time.monotonic())
        # Airflow kills a trigger that is still busy when its task goes on: nothing may follow.
        self._has_fired = True
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _earliest(self) -> float:
        """Seconds before which there is no event: Airflow fails a task that goes on before it was noticed to wait."""
        if self.task_instance is None:  # a run of dag.test(), where nobody has to notice
            return 0.0
        return NOTICED_WITHIN if self.timeout is None else min(NOTICED_WITHIN, self.timeout / 2)

    def _watcher(self) -> MapRunWatcher:
        hook = StepFunctionsDistributedMapHook(**self.hook)
        return MapRunWatcher(
            hook.polling(),
            WatchOptions.from_dict(self.options),
            execution_arn=self.execution_arn,
            map_run_arn=self.map_run_arn,
            log=log,
            on_progress=self._push,
            renew=lambda: hook.renewed().polling(),
        )

    def _push(self, map_run: MapRun) -> None:
        task = self.task_instance
        if task is None:  # a run of dag.test()
            return
        XCom.set(
            key=PROGRESS_KEY,
            value=progress_of(map_run),
            dag_id=task.dag_id,
            run_id=task.run_id,
            task_id=task.task_id,
            map_index=task.map_index,
        )

    async def on_kill(self) -> None:
        """Stop the execution, when somebody marked or cleared the task."""
        if self._has_fired or self.killed is None or self.execution_arn is None:
            return
        # Airflow cuts this coroutine off after a second or so; a thread runs to its end.
        await asyncio.shield(_in_thread(_KILLS, self._stop))

    def _stop(self) -> None:
        if self.task_instance is not None and _another_triggerer_has_it(self.task_instance):
            log.info("Another triggerer watches %s now", self.execution_arn)
            return
        hook = StepFunctionsDistributedMapHook(**self.hook)
        stopped = hook.stop(self.execution_arn or "", KILLED, self.killed or "")
        log.info("%s %s: %s", "Stopped" if stopped else "Has ended already:", self.execution_arn, self.killed)


async def _in_thread(threads: Executor, function: Callable[[], _Result]) -> _Result:
    # With the context, by which a triggerer knows whose log a line belongs to.
    return await asyncio.get_running_loop().run_in_executor(threads, contextvars.copy_context().run, function)


def _another_triggerer_has_it(task: Any) -> bool:
    """Whether the task waits as it did: Airflow calls on_kill also when another triggerer takes a trigger over.

    A task that was cleared may be deferred again by now; that is another attempt of it, which the XCom tells.
    """
    where = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "map_index": task.map_index}
    if task_state(**where) != "deferred":
        return False
    map_run = XCom.get_one(key=MAP_RUN_KEY, **where)
    return isinstance(map_run, dict) and map_run.get("attempt") == task.try_number


def event_of(judgement: Judgement) -> dict[str, Any]:
    """A judgement as a trigger's event."""
    return {"outcome": str(judgement.outcome), "why": judgement.why}


def judgement_of(event: Mapping[str, Any]) -> Judgement:
    """The judgement in a trigger's event."""
    return Judgement(Outcome(event["outcome"]), event["why"])


def has_ended(event: Mapping[str, Any]) -> bool:
    """Whether what a trigger's event tells of has ended, and does not run on."""
    return judgement_of(event).outcome in (Outcome.SUCCEEDED, Outcome.FAILED)


def progress_of(map_run: MapRun) -> dict[str, Any]:
    """A running map's status and counters, as DescribeMapRun spells them."""
    return {
        "mapRunArn": map_run.arn,
        "status": str(map_run.status),
        "itemCounts": map_run.item_counts.to_dict(),
        "executionCounts": map_run.execution_counts.to_dict(),
    }
