"""Child executions: what one is given, how it may end, and what its policy is. Two drivers run them:
:mod:`.one_by_one` in a plain loop, :mod:`.concurrent` many at once on an event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.counters import ChildStatus
from ..core.errors import TIMEOUT, ChildExecutionFailed
from ..core.json import loads
from ..core.names import MapRunName
from ..core.records import Redriven, Resume
from ..core.retry import Retrier
from .per_item import ItemOutcomes
from .stop import StopSignal


@dataclass(slots=True)
class Child:
    """One child execution to run: its index in the map run, its input (also as JSON) and its number of items."""

    index: int
    items: int
    input: Any
    input_json: bytes
    outcomes: ItemOutcomes | None = None  # when the processor reports an outcome an item
    redriven: Redriven | None = None  # who it is, in a redrive; else its index says it
    resume: Resume | None = None  # where it goes on, in a redrive
    failed_at: Resume | None = None  # where another redrive would go on

    def name(self, map_run: MapRunName) -> str:
        """Its name: the same at every attempt, and in every redrive."""
        return map_run.child_name(self.index) if self.redriven is None else self.redriven.name

    def renew(self) -> None:
        """Before another attempt: the function may have changed the input that the last one was given."""
        self.input = loads(self.input_json)
        if self.outcomes is not None:
            self.outcomes.batch = self.input


@dataclass(slots=True)
class Outcome:
    """How a child ended. ``output`` (a value) and ``output_json`` are there when it succeeded."""

    status: ChildStatus
    start: float
    stop: float
    output: Any = None
    output_json: bytes | None = None
    error: str | None = None
    cause: str | None = None


def _input(child: Child) -> Any:
    return child.input if child.outcomes is None else child.outcomes


def whole(child: Child) -> Child:
    """The argument of an ``invoke`` that needs to know which child it runs."""
    return child


@dataclass(frozen=True, slots=True)
class ChildPolicy:
    """Per child: retriers, seconds an attempt may take, the cause that aborted children show, and what ``invoke`` is
    called with.
    """

    retry: tuple[Retrier, ...] = ()
    timeout: float | None = None
    abort_running: bool = True
    abort_cause: str = "The map run which was managing this resource was aborted"
    argument: Callable[[Child], Any] = _input

    def aborts(self, stop: StopSignal) -> bool:
        """Whether children that have begun end now. One that nobody will count need not run to its end."""
        return stop.of_attempt is not None or (self.abort_running and stop.of_map_run is not None)


OnEnd = Callable[[Child, Outcome], None]


def succeeded(start: float, output: Any, output_json: bytes) -> Outcome:
    """A child that ends now, with this output."""
    return Outcome(ChildStatus.SUCCEEDED, start, time.time(), output, output_json)


def failed(start: float, error: str, cause: str, exception: BaseException) -> Outcome:
    """A child that ends now, FAILED or TIMED_OUT by what it raised."""
    in_time = error != TIMEOUT or isinstance(exception, ChildExecutionFailed)
    status = ChildStatus.FAILED if in_time else ChildStatus.TIMED_OUT
    return Outcome(status, start, time.time(), error=error, cause=cause)


def aborted(start: float, policy: ChildPolicy) -> Outcome:
    """A child that ends now because its map run did."""
    return Outcome(ChildStatus.ABORTED, start, time.time(), cause=policy.abort_cause)
