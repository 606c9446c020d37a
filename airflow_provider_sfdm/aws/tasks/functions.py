"""Python callables as tasks: beyond what Step Functions has.

A failure looks as a Lambda function's does, as everywhere in this package: the class name of the exception, and a cause
with errorMessage, errorType and stackTrace. A function that raises ``TaskFailed`` chooses both itself.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from ...core.errors import ChildFailed
from ...core.json import loads
from ...runtime.invocation import describe, encode_output, is_failure
from ...states.seam import TaskFailed
from .arguments import TaskProblem
from .calls import Surroundings

TaskFunction = Callable[[Any], Any]
"""Takes a task's arguments, returns its result; may be ``async def``."""


class PythonTask:
    """A function that the DAG's author registered."""

    def __init__(self, function: TaskFunction) -> None:
        self._function = function

    def check(self, arguments: Any) -> list[TaskProblem]:
        return []

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        try:
            result = self._function(arguments)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
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


async def _awaited(result: Any) -> Any:
    return await result
