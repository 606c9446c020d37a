"""The state of a running execution: the execution, one run of a list of states in it, one visit of a state."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from .failures import ExecutionTimedOut, StateFailed
from .lifetime import Lifetime
from .services import Services
from .timestamps import render


class Execution:
    """One execution of a state machine, or one child execution of a Distributed Map. Its branches may be threads."""

    __slots__ = ("_deadline", "_events", "_max_events", "execution", "express", "lifetime", "services", "state_machine")

    def __init__(
        self,
        services: Services,
        execution: Mapping[str, Any],
        state_machine: Mapping[str, Any],
        *,
        lifetime: Lifetime | None = None,
        express: bool = False,
        timeout: float | None = None,
    ) -> None:
        """
        :param execution: ``$$.Execution``. :param state_machine: ``$$.StateMachine``.
        :param lifetime: what ends the execution early.
        :param timeout: seconds that the execution may take.
        """
        self.services = services
        self.execution = execution
        self.state_machine = state_machine
        self.lifetime = lifetime or Lifetime()
        self.express = express
        self._events = itertools.count(2)  # 1 is ExecutionStarted
        self._max_events = None if express else services.limits.history_events
        limit = services.limits.express_seconds if express else None
        bounds = [seconds for seconds in (timeout, limit) if seconds is not None]
        self._deadline = services.clock() + min(bounds) if bounds else None

    def left(self) -> float | None:
        """Seconds until the execution's time is over; None where it has no end."""
        return None if self._deadline is None else self._deadline - self.services.clock()

    def check_time(self) -> None:
        """Raises ExecutionTimedOut once the execution has taken too long."""
        if self._deadline is not None and self.services.clock() > self._deadline:
            raise ExecutionTimedOut

    def record(self, events: int = 1) -> int:
        """Count events of the history, of which a STANDARD execution has at most 25,000; returns the last one's id.

        :raises StateFailed: there are too many.
        """
        for _ in range(events):
            last = next(self._events)
        if self._max_events is not None and last > self._max_events:
            cause = f"The execution reached the maximum number of history events ({self._max_events})."
            raise StateFailed("States.Runtime", cause)
        return last


class Run:
    """One run of a list of states: the machine's, a branch's or an iteration's, with the variables of that scope."""

    __slots__ = ("at", "execution", "item", "lifetime", "variables")

    def __init__(
        self,
        execution: Execution,
        variables: dict[str, Any],
        item: Mapping[str, Any] | None = None,
        lifetime: Lifetime | None = None,
    ) -> None:
        """
        :param item: ``$$.Map.Item`` inside of an inline Map. :param lifetime: what ends it; default: the execution's.
        """
        self.execution = execution
        self.variables = variables
        self.item = item
        self.lifetime = lifetime or execution.lifetime
        self.at: tuple[str, Any] | None = None
        """The state that was entered last, and its input."""

    def check(self) -> None:
        """Raises Aborted or ExecutionTimedOut when no further state may begin."""
        self.lifetime.check()
        self.execution.check_time()

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end of what waits. Raises Aborted and ExecutionTimedOut."""
        left = self.execution.left()
        out_of_time = left is not None and seconds >= left
        seconds = max(0.0, left) if left is not None and out_of_time else seconds
        if seconds > 0:
            self.execution.services.sleep(seconds, self.lifetime)
            self.lifetime.check()
        if out_of_time:
            raise ExecutionTimedOut


class Visit:
    """One visit of a state. It is what paths and expressions look into: input, context object and variables.

    ``entered`` is in seconds since 1970, ``event`` the id of the event the state was entered at.
    """

    __slots__ = ("entered", "error_output", "event", "input", "item", "name", "result", "retry_count", "run", "token")

    def __init__(self, run: Run, name: str, data: Any, retry_count: int | None = None) -> None:
        """It is entered: that is an event. Raises StateFailed where that is one too many."""
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
        self.event = execution.record()

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
