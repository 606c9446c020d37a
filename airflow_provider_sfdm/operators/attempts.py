"""The attempts of a task instance: which one this is, and what an earlier one left."""

from __future__ import annotations

import threading
from typing import Any

from ..aws.errors import ServiceError
from ..compat import Context
from ..core.executions import Execution
from ..core.watching import KILLED
from ..hooks.step_functions import StepFunctionsDistributedMapHook
from ..stepfunctions.beginning import Attempt

# The kill must not outlast the five seconds that Airflow gives a task to end.
_KILL_SECONDS = 4.0


def attempt_of(context: Context, retries: int) -> Attempt:
    """The attempt that runs."""
    ti = context["ti"]
    # Clearing a task gives it new attempts: Airflow counts on, and raises the number of the last one.
    cleared_before = max(0, int(ti.max_tries or 0) - retries)
    return Attempt(number=ti.try_number, cleared_before=cleared_before, key=_key(context))


def _key(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.dag_id} {ti.run_id} {ti.task_id} {ti.map_index}"


def killed(context: Context) -> str:
    """The cause with which an execution is stopped because this attempt was killed."""
    ti = context["ti"]
    return f"attempt {ti.try_number} of the Airflow task {ti.dag_id}.{ti.task_id} ({ti.run_id}) was killed"


def stopped_by_an_earlier_attempt(execution: Execution | None, context: Context) -> bool:
    """Whether the kill of an earlier attempt was so late that it hit the execution that this one watches."""
    return execution is not None and execution.error == KILLED and execution.cause != killed(context)


def stop_in_thread(hook: StepFunctionsDistributedMapHook, execution_arn: str, error: str, cause: str, log: Any) -> None:
    """Stop an execution, in four seconds at most.

    In a thread, as this runs upon a signal: maybe in the middle of a call of the very same client.
    """

    def stop() -> None:
        try:
            stopped = hook.stop(execution_arn, error, cause)
        except ServiceError as refused:
            log.error("%s could not be stopped: %s", execution_arn, refused)
        else:
            log.info("%s %s", "Stopped" if stopped else "Has ended already:", execution_arn)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    thread.join(_KILL_SECONDS)
