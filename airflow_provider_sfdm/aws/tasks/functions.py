"""Python callables as tasks: beyond what Step Functions has.

A failure looks as a Lambda function's does, as everywhere in this package: the class name of the exception, and a cause
with errorMessage, errorType and stackTrace. A function that raises ``TaskFailed`` chooses both itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from ...core.errors import ChildFailed
from ...core.json import loads
from ...core.processors import is_async
from ...local.invocation import describe, encode_output, is_failure
from ...states.lifetime import Lifetime
from ...states.seam import TaskFailed
from .arguments import TaskProblem
from .calls import Surroundings

TaskFunction = Callable[[Any], Any]
"""Takes a task's arguments, returns its result; may be ``async def``."""


class PythonTask:
    """A function that the DAG's author registered."""

    def __init__(self, function: TaskFunction) -> None:
        self._function = function
        self._is_async = is_async(function)

    def check(self, arguments: Any) -> list[TaskProblem]:
        return []

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        bounds = surroundings.bounds
        if self._is_async:
            # It can be ended wherever it awaits, and is: by the end of this block, whatever brings it about.
            with Lifetime(surroundings.call.lifetime) as own:
                return bounds.run(partial(self._call, arguments, own))
        if bounds.seconds is not None:
            return bounds.run(partial(self._call, arguments), to_its_end=True)
        return self._call(arguments)

    def _call(self, arguments: Any, lifetime: Lifetime | None = None) -> Any:
        try:
            result = self._function(arguments)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result, lifetime))
        except TaskFailed:
            raise
        except BaseException as exception:
            if not is_failure(exception):
                raise
            # The first frame is this one.
            trace = exception.__traceback__
            error, cause = describe(exception.with_traceback(trace and trace.tb_next))
            raise TaskFailed(error, cause) from exception
        try:
            # Through JSON, so that nobody else holds on to what the state machine goes on with.
            return loads(encode_output(result))
        except ChildFailed as failed:
            raise TaskFailed(failed.error, failed.cause) from failed


async def _awaited(result: Any, lifetime: Lifetime | None) -> Any:
    if lifetime is None:
        return await result
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(result)

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
            loop.call_soon_threadsafe(task.cancel)

    key = lifetime.on_end(cancel)
    try:
        return await task
    finally:
        lifetime.forget(key)
