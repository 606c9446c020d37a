"""The state of a running execution: the execution, one run of a list of states in it, one visit of a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .failures import ExecutionTimedOut, StateFailed
from .services import Services
from .timestamps import render


class Execution:
    """One execution of a state machine, or one child execution of a Distributed Map."""

    __slots__ = ("deadline", "events", "execution", "express", "max_events", "services", "state_machine")

    def __init__(
        self,
        services: Services,
        execution: Mapping[str, Any],
        state_machine: Mapping[str, Any],
        *,
        express: bool = False,
        timeout: float | None = None,
    ) -> None:
        """
        :param execution: ``$$.Execution``. :param state_machine: ``$$.StateMachine``.
        :param timeout: seconds that the execution may take.
        """
        self.services = services
        self.execution = execution
        self.state_machine = state_machine
        self.express = express
        self.events = 1  # ExecutionStarted
        self.max_events = services.limits.history_events
        limit = services.limits.express_seconds if express else None
        bounds = [seconds for seconds in (timeout, limit) if seconds is not None]
        self.deadline = services.clock() + min(bounds) if bounds else None

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the execution's end. Raises ExecutionTimedOut."""
        if self.deadline is not None:
            left = self.deadline - self.services.clock()
            if seconds >= left:
                self.services.sleep(max(0.0, left))
                raise ExecutionTimedOut
        if seconds > 0:
            self.services.sleep(seconds)

    def check_time(self) -> None:
        """Raises ExecutionTimedOut once the execution has taken too long."""
        if self.deadline is not None and self.services.clock() > self.deadline:
            raise ExecutionTimedOut

    def record(self, events: int) -> None:
        """Count events of the history, of which a STANDARD execution has at most 25,000. Raises StateFailed."""
        self.events += events
        if self.events > self.max_events and not self.express:
            cause = f"The execution reached the maximum number of history events ({self.max_events})."
            raise StateFailed("States.Runtime", cause)


class Run:
    """One run of a list of states: the machine's, a branch's or an iteration's, with the variables of that scope."""

    __slots__ = ("execution", "item", "variables")

    def __init__(self, execution: Execution, variables: dict[str, Any], item: Mapping[str, Any] | None = None) -> None:
        """:param item: ``$$.Map.Item`` inside of an inline Map."""
        self.execution = execution
        self.variables = variables
        self.item = item


class Visit:
    """One visit of a state. It is what paths and expressions look into: input, context object and variables.

    ``entered`` is in seconds since 1970, ``event`` the id of the event the state was entered at.
    """

    __slots__ = ("entered", "error_output", "event", "input", "item", "name", "result", "retry_count", "run", "token")

    def __init__(self, run: Run, name: str, data: Any, retry_count: int | None = None) -> None:
        self.run = run
        self.name = name
        self.input = data
        self.retry_count = retry_count
        self.item = run.item
        self.token: str | None = None
        self.result: Any = MISSING
        self.error_output: Any = MISSING
        execution = run.execution
        self.entered = execution.services.clock()
        self.event = execution.events + 1

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.run.variables

    @property
    def context(self) -> dict[str, Any]:
        """The context object."""
        execution = self.run.execution
        state: dict[str, Any] = {"Name": self.name, "EnteredTime": render(self.entered)}
        if self.retry_count is not None:
            state["RetryCount"] = self.retry_count
        context: dict[str, Any] = {
            "Execution": execution.execution,
            "StateMachine": execution.state_machine,
            "State": state,
        }
        if self.item is not None:
            context["Map"] = {"Item": self.item}
        if self.token is not None:
            context["Task"] = {"Token": self.token}
        return context

    def with_input(self, data: Any) -> Visit:
        """The same visit with another ``$``: for templates whose ``$`` is not the state's input."""
        other = Visit.__new__(Visit)
        for name in Visit.__slots__:
            setattr(other, name, getattr(self, name))
        other.input = data
        return other


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""There is no value, where None would be one (JSON's null)."""
