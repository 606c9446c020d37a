"""Runs child executions: one after another in a plain loop, or many at once on an event loop.

Both drivers share the attempts, retries and outcomes; they differ in how they wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..core.counters import ChildStatus
from ..core.json import loads
from ..core.retry import Retrier
from .invocation import TIMEOUT_ERROR, Invoke, describe, encode_output
from .per_item import ItemOutcomes
from .stop import StopSignal
from .threads import DaemonThreads


@dataclass(slots=True)
class Child:
    """One child execution to run: its index in the map run, its input (also as JSON) and its number of items."""

    index: int
    items: int
    input: Any
    input_json: bytes
    outcomes: ItemOutcomes | None = None  # when the processor reports an outcome an item

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


@dataclass(frozen=True, slots=True)
class ChildPolicy:
    """Per child: retriers, seconds an attempt may take, and the cause that aborted children show."""

    retry: tuple[Retrier, ...] = ()
    timeout: float | None = None
    abort_running: bool = True
    abort_cause: str = "The map run which was managing this resource was aborted"


OnEnd = Callable[[Child, Outcome], None]


class _Retries:
    """What is left of the retriers of one child. Every retrier counts its own attempts, as on AWS."""

    def __init__(self, retriers: tuple[Retrier, ...]) -> None:
        self._retriers = retriers
        self._used = [0] * len(retriers)

    def delay(self, error: str) -> float | None:
        """Seconds to wait before the next attempt, or None if this error is final. The first match decides."""
        for number, retrier in enumerate(self._retriers):
            if retrier.matches(error):
                if self._used[number] >= retrier.max_attempts:
                    return None
                self._used[number] += 1
                return retrier.delay(self._used[number], random.random())
        return None


def _succeeded(start: float, output: Any, output_json: bytes) -> Outcome:
    return Outcome(ChildStatus.SUCCEEDED, start, time.time(), output, output_json)


def _failed(start: float, error: str, cause: str) -> Outcome:
    status = ChildStatus.TIMED_OUT if error == TIMEOUT_ERROR else ChildStatus.FAILED
    return Outcome(status, start, time.time(), error=error, cause=cause)


def run_one_by_one(
    children: Iterator[Child], invoke: Invoke, policy: ChildPolicy, stop: StopSignal, on_end: OnEnd
) -> None:
    """Run children in this thread, in order, until there are no more or ``stop`` is set.

    The fastest way for a function that computes; an attempt cannot be timed out here.
    """
    retriers = policy.retry
    while not stop.is_set():
        child = next(children, None)
        if child is None:
            return
        start = time.time()
        retries = _Retries(retriers) if retriers else None
        while True:
            try:
                output = invoke(child.input if child.outcomes is None else child.outcomes)
                outcome = _succeeded(start, output, encode_output(output))
            except (Exception, SystemExit) as exception:
                # KeyboardInterrupt and Airflow's own task timeout are not the child's failures: they pass.
                error, cause = describe(exception)
                delay = retries.delay(error) if retries else None
                if delay is None:
                    outcome = _failed(start, error, cause)
                elif stop.wait(delay):
                    outcome = Outcome(ChildStatus.ABORTED, start, time.time(), cause=policy.abort_cause)
                else:
                    child.renew()
                    continue
            break
        on_end(child, outcome)


def run_concurrently(
    children: Iterator[Child],
    invoke: Invoke,
    policy: ChildPolicy,
    stop: StopSignal,
    on_end: OnEnd,
    *,
    concurrency: int,
    is_async: bool,
) -> None:
    """Run up to ``concurrency`` children at once: tasks of an event loop if ``is_async``, else threads.

    Ends when there are no more children, or when ``stop`` is set and the running ones have ended: waiting tasks are
    aborted if the policy says so; a thread cannot be stopped from outside and runs to its end.
    """
    runner = _Concurrent(children, invoke, policy, stop, on_end, concurrency, is_async)
    asyncio.run(runner.run())


class _Concurrent:
    def __init__(
        self,
        children: Iterator[Child],
        invoke: Invoke,
        policy: ChildPolicy,
        stop: StopSignal,
        on_end: OnEnd,
        concurrency: int,
        is_async: bool,
    ) -> None:
        self._children = children
        self._invoke = invoke
        self._policy = policy
        self._stop = stop
        self._on_end = on_end
        self._concurrency = concurrency
        self._threads = None if is_async else DaemonThreads()
        self._running: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def run(self) -> None:
        self._slots = asyncio.Semaphore(self._concurrency)
        self._stopped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(self._on_stop)

        self._stop.on_set(wake)
        try:
            while not self._stop.is_set() and self._error is None:
                await self._slots.acquire()
                if self._stop.is_set() or self._error is not None:
                    break
                child = next(self._children, None)
                if child is None:
                    break
                task = asyncio.create_task(self._run(child))
                self._running.add(task)
                task.add_done_callback(self._done)
            while self._running:
                await asyncio.wait(self._running)
        finally:
            for task in self._running:
                task.cancel()
            if self._threads is not None:
                self._threads.close()
        if self._error is not None:
            raise self._error

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None and self._error is None:
            self._error = task.exception()

    def _on_stop(self) -> None:
        self._stopped.set()
        if self._policy.abort_running and self._threads is None:
            # Not at once: a task that has not begun yet would end without a trace of its child.
            asyncio.get_running_loop().call_soon(self._cancel_running)

    def _cancel_running(self) -> None:
        for task in self._running:
            task.cancel()

    async def _run(self, child: Child) -> None:
        start = time.time()
        try:
            outcome = await self._attempts(child, start)
        except asyncio.CancelledError:
            outcome = Outcome(ChildStatus.ABORTED, start, time.time(), cause=self._policy.abort_cause)
        self._on_end(child, outcome)

    async def _attempts(self, child: Child, start: float) -> Outcome:
        retries = _Retries(self._policy.retry)
        while True:
            timeout = asyncio.timeout(self._policy.timeout)
            try:
                async with timeout:
                    output = await self._call(child)
                return _succeeded(start, output, encode_output(output))
            except asyncio.CancelledError:
                if self._stop.is_set():
                    raise
                error, cause = "CancelledError", "the function cancelled itself"
            except (Exception, SystemExit) as exception:
                error, cause = describe(exception)
                if timeout.expired() and isinstance(exception, TimeoutError):
                    error = TIMEOUT_ERROR
                    cause = f"the child execution did not end within {self._policy.timeout:g} seconds"
                    self._close_items(child, error, cause)
            delay = retries.delay(error)
            if delay is None:
                return _failed(start, error, cause)
            if await self._stopped_within(delay):
                return Outcome(ChildStatus.ABORTED, start, time.time(), cause=self._policy.abort_cause)
            child.renew()

    def _close_items(self, child: Child, error: str, cause: str) -> None:
        """After a timeout a thread may still be writing outcomes: from here on it writes into a copy nobody reads."""
        if child.outcomes is not None:
            child.outcomes = child.outcomes.detached()
            child.outcomes.fail_unfinished(error, cause)

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        return self._stop.is_set()

    async def _call(self, child: Child) -> Any:
        argument = child.input if child.outcomes is None else child.outcomes
        if self._threads is not None:
            return await self._threads.call(self._invoke, argument)
        result = self._invoke(argument)
        return await result if inspect.isawaitable(result) else result
