"""What every kind of task has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ...core.errors import StatesRuntime
from ...core.json import dumps
from ...local.bounds import Bounds
from ...states.seam import TaskCall
from .arguments import TaskProblem
from .clients import Clients


@dataclass(frozen=True)
class Surroundings:
    """What a task is called with, besides its arguments."""

    clients: Clients
    call: TaskCall
    bounds: Bounds


class Task(Protocol):
    """One resource, ready to be checked and called."""

    def check(self, arguments: Any) -> list[TaskProblem]:
        """What is wrong with arguments; those of a definition hold ``DYNAMIC`` for what is not known yet."""
        ...

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        """Call the service.

        :raises TaskFailed: the call failed.
        :raises ExecutionTimedOut, Aborted: it is over before it has ended.
        :raises StatesRuntime: the arguments cannot be used.
        """
        ...


def refuse_arguments(arguments: Any, problems: list[TaskProblem], call: TaskCall) -> None:
    """Fail as Step Functions does when evaluated arguments turn out to be unusable: nothing is called."""
    if not problems:
        return
    field = "Arguments" if call.query_language == "JSONata" else "Parameters"
    found = ", ".join(problem.message for problem in problems)
    shown = dumps(arguments).decode()
    raise StatesRuntime(f"The {field} '{shown}' could not be used to start the Task: [{found}]")
