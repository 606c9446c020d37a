"""How long the call of a task may take, and what ends it sooner.

A call is over when its TimeoutSeconds are, when it gave no sign of life for its HeartbeatSeconds, when the execution's
time is over, or when the execution was ended. Step Functions leaves the state at that moment, and so does this: a call
that cannot be stopped goes on in a thread that nobody waits for, as a Lambda function does.

Source: "Task workflow state" in the AWS Step Functions guide; States.Timeout has neither a cause nor a way back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from ..core.errors import HEARTBEAT, TIMEOUT
from ..states.failures import ExecutionTimedOut
from ..states.lifetime import Lifetime
from ..states.seam import TaskCall, TaskFailed
from . import waiting

log = logging.getLogger(__name__)

MAX_LEFT_BEHIND = 200
"""Calls that are over and still run. The next one waits, within its own bounds, until fewer are left."""
_ROOM_SECONDS = 1.0

_bounds: ContextVar[Bounds | None] = ContextVar("sfdm_task_bounds", default=None)


def send_task_heartbeat() -> None:
    """Tell that the Python function of a Task state is alive: its ``HeartbeatSeconds`` begin anew.

    Outside of such a function, or where the state has no HeartbeatSeconds, it does nothing. The name is that of AWS's
    ``SendTaskHeartbeat``, which activities and callbacks use.
    """
    bounds = _bounds.get()
    if bounds is not None:
        bounds.beat()


class Bounds:
    """Those of one call, from now on.

    :param clock: seconds that only grow. :param sleep: waits that many seconds; None: until the call's lifetime ends.
    """

    def __init__(
        self,
        call: TaskCall,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._lifetime = call.lifetime or Lifetime()
        self._clock = clock
        self._sleep = sleep or partial(waiting.sleep, lifetime=self._lifetime)
        self._began = self._last_beat = clock()
        self._timeout = call.timeout_seconds
        self._heartbeat = call.heartbeat_seconds
        self._execution = call.execution_seconds

    @property
    def seconds(self) -> float | None:
        """The seconds after which nobody waits for an answer any more; None where time does not bound the call."""
        bounds = (self._timeout, self._heartbeat, self._execution)
        return min((seconds for seconds in bounds if seconds is not None), default=None)

    def beat(self) -> None:
        self._last_beat = self._clock()

    def sleep(self, seconds: float) -> None:
        """Wait between two looks at a job.

        :raises TaskFailed: ``States.Timeout`` or ``States.HeartbeatTimeout``.
        :raises ExecutionTimedOut: the execution's time is over.
        :raises Aborted: the call was ended.
        """
        left = self._left()
        self._sleep(seconds if left is None else max(0.0, min(seconds, left)))
        self._check()

    def run(self, function: Callable[[], Any], *, to_its_end: bool = False) -> Any:
        """What ``function`` returns or raises, if it ends within the bounds; raises as :meth:`sleep` does.

        :param to_its_end: an execution that is ended waits for it, so that nothing goes on behind its back.
        """
        if _left_behind.full():
            log.error("%d calls that were given up are still running; waiting for one to end", MAX_LEFT_BEHIND)
        while _left_behind.full():
            self.sleep(_ROOM_SECONDS)
        self._check(lifetime=not to_its_end)
        ended, outcome = threading.Event(), _Outcome()
        context = copy_context()
        context.run(_bounds.set, self)

        def work() -> None:
            try:
                outcome.result = context.run(function)
            except BaseException as error:  # it belongs to the thread that waits
                outcome.error = error
            outcome.ended = True
            ended.set()
            _left_behind.forget(outcome)

        threading.Thread(target=work, name="task", daemon=True).start()
        key = None if to_its_end else self._lifetime.on_end(ended.set)
        try:
            while not outcome.ended:
                waiting.wait(ended, self._left())
                if not outcome.ended:
                    self._check(lifetime=not to_its_end)
        finally:
            if key is not None:
                self._lifetime.forget(key)
            _left_behind.add(outcome)
        if outcome.error is not None:
            if not to_its_end:
                self._lifetime.check()  # a coroutine fails because it is cancelled
            raise outcome.error
        return outcome.result

    def _left(self) -> float | None:
        bounds = [self._began + seconds for seconds in (self._timeout, self._execution) if seconds is not None]
        if self._heartbeat is not None:
            bounds.append(self._last_beat + self._heartbeat)
        return max(0.0, min(bounds) - self._clock()) if bounds else None

    def _check(self, *, lifetime: bool = True) -> None:
        if lifetime:
            self._lifetime.check()
        now = self._clock()
        if self._execution is not None and now - self._began >= self._execution:
            raise ExecutionTimedOut
        if self._timeout is not None and now - self._began >= self._timeout:
            raise TaskFailed(TIMEOUT)
        if self._heartbeat is not None and now - self._last_beat >= self._heartbeat:
            raise TaskFailed(HEARTBEAT)


class _Outcome:
    __slots__ = ("ended", "error", "result")

    def __init__(self) -> None:
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None


class _LeftBehind:
    """The calls of this process that are over and still run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[_Outcome] = set()

    def full(self) -> bool:
        return len(self._calls) >= MAX_LEFT_BEHIND

    def add(self, call: _Outcome) -> None:
        with self._lock:
            if not call.ended:
                self._calls.add(call)

    def forget(self, call: _Outcome) -> None:
        with self._lock:
            self._calls.discard(call)


_left_behind = _LeftBehind()
