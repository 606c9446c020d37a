"""Calls what a Task state's Resource names: the `Invoke` of the interpreter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...core.errors import StatesRuntime
from ...local.bounds import Bounds
from ...states.seam import TaskCall
from .arguments import TaskProblem, nested_too_deeply, template
from .calls import Surroundings, Task
from .clients import ClientFactory, Clients, boto3_client
from .functions import PythonTask, TaskFunction
from .lambda_function import FunctionTask, InvokeTask
from .optimized import OptimizedTask
from .resources import FunctionArn, Refused, SdkAction, parse, unknown
from .sdk import SdkTask

_NO_CREDENTIALS = (
    "Credentials are not supported here: tasks call AWS as the Airflow connection does. Give the connection the role."
)
_TOO_DEEP = "The arguments of the task are nested too deeply"


class Tasks:
    """Runs tasks.

        tasks = Tasks(functions={"score": score})
        machine = …                                  # {"Type": "Task", "Resource": "score", …}
        problems = tasks.check("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "…", "MessageBody.$": "$"})

    Threads may share one.

    :param client: makes boto3 clients; by default with boto3's own credentials. In Airflow: from a connection.
    :param functions: Python functions by the Resource that names them. They go before everything else, so that a test
        may put a function in the place of an ARN.
    :param concurrency: how many tasks run at once, for the pools of connections.
    :param sleep: waits between two looks at a job (``.sync``); default: until the task's lifetime ends, at most.
    :param clock: seconds that only grow, for TimeoutSeconds and HeartbeatSeconds.
    """

    def __init__(
        self,
        client: ClientFactory = boto3_client,
        functions: Mapping[str, TaskFunction] | None = None,
        *,
        concurrency: int = 10,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = Clients(client, concurrency)
        self._functions = dict(functions or {})
        self._sleep = sleep
        self._clock = clock
        self._known: dict[str, Task] = {}
        self._lock = threading.Lock()

    def __call__(self, resource: str, arguments: Any, call: TaskCall) -> Any:
        """Run a task.

        :raises TaskFailed: the task failed.
        :raises ExecutionTimedOut, Aborted: it is over before it has ended.
        :raises StatesRuntime: it could not be started, because of its arguments or what it asks for.
        """
        try:
            task = self._task(resource)
        except Refused as refused:
            raise StatesRuntime(str(refused)) from None
        if call.credentials is not None:
            raise StatesRuntime(_NO_CREDENTIALS)
        if nested_too_deeply(arguments):
            raise StatesRuntime(_TOO_DEEP)
        return task.run(arguments, Surroundings(self._clients, call, Bounds(call, self._clock, self._sleep)))

    def check(
        self, resource: str, arguments: Any = None, *, query_language: str = "JSONPath", credentials: Any = None
    ) -> tuple[TaskProblem, ...]:
        """What is wrong with a Task state, before anything runs. No service is called.

        :param arguments: Parameters or Arguments as the definition has them, with paths and expressions; None where it
            has none, so that the state's input is what counts.
        :param credentials: the definition's Credentials.
        """
        problems = [] if credentials is None else [TaskProblem(_NO_CREDENTIALS)]
        try:
            task = self._task(resource)
        except Refused as refused:
            return (TaskProblem(str(refused)), *problems)
        if nested_too_deeply(arguments):
            problems.append(TaskProblem(_TOO_DEEP))
        elif arguments is not None:
            problems += task.check(template(arguments, query_language))
        return tuple(problems)

    def _task(self, resource: str) -> Task:
        with self._lock:
            task = self._known.get(resource)
        if task is None:
            # Outside the lock, as it may read a service's model: two threads at once do no harm.
            task = self._made(resource)
            with self._lock:
                self._known[resource] = task
        return task

    def _made(self, resource: str) -> Task:
        if resource in self._functions:
            return PythonTask(self._functions[resource])
        if not resource.startswith("arn:"):
            names = ", ".join(sorted(self._functions)) or "none"
            raise unknown(resource, f"Python functions that are registered: {names}.")
        parsed = parse(resource)
        if isinstance(parsed, FunctionArn):
            return FunctionTask(parsed)
        if isinstance(parsed, SdkAction):
            return SdkTask(resource, parsed)
        if parsed.service == "lambda":
            return InvokeTask(resource, parsed)
        return OptimizedTask(resource, parsed)
