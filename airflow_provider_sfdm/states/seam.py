"""The one seam between the interpreter of the Amazon States Language and the services its tasks reach.

The interpreter evaluates a Task state up to its arguments, hands them to an `Invoke` and takes back JSON; what a
resource is, how it is called and how its errors are named is the business of whoever implements the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .lifetime import Lifetime


class TaskFailed(Exception):
    """A task that ended with an error a state machine can retry or catch.

    :param error: the error name as Step Functions shows it, for example ``Lambda.ResourceNotFoundException``.
    :param cause: the text that goes with it, or None where the service gave none.
    """

    def __init__(self, error: str, cause: str | None = None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause

    def __str__(self) -> str:
        return self.error if self.cause is None else f"{self.error}: {self.cause}"


@dataclass(frozen=True)
class TaskCall:
    """What a task knows about its surroundings.

    :param query_language: ``JSONPath`` or ``JSONata``, the language of the Task state.
    :param context: the context object (``$$`` or ``$states.context``) at the moment of the call.
    :param timeout_seconds: seconds after which the call is a ``States.Timeout``; None where the state names none.
    :param heartbeat_seconds: seconds between two signs of life, after which the call is a ``States.HeartbeatTimeout``;
        None where the state names none.
    :param credentials: the evaluated ``Credentials`` field, or None.
    :param execution_seconds: seconds that the whole execution has left; None where its time has no end.
    :param lifetime: what ends the call early; None where nothing does.
    """

    query_language: str
    context: Mapping[str, Any]
    timeout_seconds: float | None = None
    heartbeat_seconds: float | None = None
    credentials: Any = None
    execution_seconds: float | None = None
    lifetime: Lifetime | None = None


class Invoke(Protocol):
    """Calls one service."""

    def __call__(self, resource: str, arguments: Any, call: TaskCall) -> Any:
        """Call `resource` with the evaluated `arguments` and return its result as JSON values.

        :raises TaskFailed: for every failure a state machine can see.
        :raises airflow_provider_sfdm.states.failures.ExecutionTimedOut: the execution's seconds were over first.
        :raises airflow_provider_sfdm.states.lifetime.Aborted: the lifetime ended first.
        """
        ...
