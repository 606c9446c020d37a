"""Runs child executions many at once: as tasks of an event loop, or in threads that one awaits."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..core.errors import TIMEOUT, ChildAborted, StatesRuntime
from ..local.invocation import Invoke, describe, encode_output, is_failure
from ..local.waiting import LOOK_SECONDS, TURN_SECONDS, wait
from .children import Child, ChildPolicy, OnEnd, Outcome, aborted, failed, succeeded
from .concurrency import Concurrency
from .retries import Retries
from .stop import StopReason, StopSignal
from .threads import DaemonThreads, NotJoined

log = logging.getLogger(__name__)

# A thread whose call timed out goes on. So many may (or as many as children run at once), then the next child waits
# for one of them to end; if none does for so long, they are taken to hang for ever.
_MAX_ABANDONED = 64
_MIN_GIVE_UP_SECONDS = 5.0


def run_concurrently(
    children: Iterator[Child],
    invoke: Invoke,
    policy: ChildPolicy,
    stop: StopSignal,
    on_end: OnEnd,
    *,
    concurrency: Concurrency,
    is_async: bool,
) -> None:
    """Run as many children at once as ``concurrency`` says: tasks of an event loop if ``is_async``, else threads.

    Ends when there are no more children, or when ``stop`` is set and the running ones have ended: waiting tasks are
    aborted if the policy says so; a thread cannot be stopped from outside and runs to its end (or to where it looks
    whether it should: ChildAborted). When an event loop runs in this thread already (a notebook's), the children run in
    another one while this thread waits.

    Calls of ``invoke`` that timed out and do not end set ``stop`` once there are too many of them.
    """
    runner = _Concurrent(children, invoke, policy, stop, on_end, concurrency, is_async)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run(runner)
    else:
        _run_in_thread(runner, stop)


def _run(runner: _Concurrent) -> None:
    with asyncio.Runner() as loop:
        try:
            loop.run(runner.run())
        except BaseException:
            # A signal (Airflow's execution_timeout, SIGTERM) may raise between two tasks. All of them are cancelled
            # next, and that is not how their children ended.
            runner.leave()
            raise


def _run_in_thread(runner: _Concurrent, stop: StopSignal) -> None:
    context = contextvars.copy_context()
    raised: list[BaseException] = []
    ended = threading.Event()  # a join that was interrupted cannot be repeated before Python 3.13

    def work() -> None:
        try:
            context.run(_run, runner)
        except BaseException as error:  # it belongs to the thread that waits
            raised.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, name="children", daemon=True).start()
    try:
        wait(ended)
    except BaseException:  # Ctrl-C: nothing may go on behind the caller's back
        stop.set(StopReason("States.TaskFailed", "the caller was interrupted", local=True))
        wait(ended)
        raise
    if raised:
        raise raised[0]


async def _turns() -> None:
    """Keeps the event loop from blocking for long: see :func:`..local.waiting.wait`."""
    while True:
        await asyncio.sleep(TURN_SECONDS)


class _Concurrent:
    def __init__(
        self,
        children: Iterator[Child],
        invoke: Invoke,
        policy: ChildPolicy,
        stop: StopSignal,
        on_end: OnEnd,
        concurrency: Concurrency,
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
        self._cancelled = False
        self._ended = False

    async def run(self) -> None:
        self._freed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._settled = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(NotJoined())

        def from_another_thread(callback: Callable[[], object]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(callback)

        self._stop.on_set(lambda: from_another_thread(self._on_stop))
        self._concurrency.on_change(lambda: from_another_thread(self._freed.set))
        turns = asyncio.create_task(_turns())
        try:
            while not self._stop.is_set() and self._error is None:
                await self._slot()
                await self._room()
                if self._stop.is_set() or self._error is not None:
                    break
                # Reading is not awaited: a thread's round trip a child costs more than reading it.
                child = next(self._children, None)
                if child is None:
                    break
                task = asyncio.create_task(self._run(child))
                self._running.add(task)
                task.add_done_callback(self._done)
            if self._running and self._error is None:
                self._settled.clear()
                await self._settled.wait()
        finally:
            turns.cancel()
            self._ended = True
            self._cancel_running()
            if self._threads is not None:
                self._threads.close()
        if self._error is not None:
            raise self._error

    async def _slot(self) -> None:
        """Wait until another child may be in flight, or none starts any more."""
        while len(self._running) >= self._concurrency.limit and not self._stop.is_set() and self._error is None:
            self._freed.clear()
            await self._freed.wait()

    def leave(self) -> None:
        """Whatever becomes of the tasks from now on is of no account."""
        self._ended = self._cancelled = True

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._freed.set()
        if not task.cancelled() and task.exception() is not None and self._error is None:
            self._error = task.exception()
        if not self._running or self._error is not None:
            self._settled.set()
            if self._threads is not None:
                self._threads.changed.set()

    def _on_stop(self) -> None:
        self._stopped.set()
        self._freed.set()
        if self._threads is not None:
            self._threads.changed.set()
        elif self._policy.aborts(self._stop):
            # Not at once: a task that has not begun yet would end without a trace of its child.
            asyncio.get_running_loop().call_soon(self._cancel_running)

    def _cancel_running(self) -> None:
        self._cancelled = True
        for task in self._running:
            task.cancel()

    async def _run(self, child: Child) -> None:
        start = time.time()
        try:
            try:
                outcome = await self._attempts(child, start)
            except asyncio.CancelledError:
                outcome = aborted(start, self._policy)
            if not self._ended:
                self._on_end(child, outcome)
        except BaseException:
            # It may leave the event loop at once (KeyboardInterrupt does), and that cancels all the others. Where it
            # was raised while this child was being recorded, no other may be.
            self.leave()
            raise

    async def _attempts(self, child: Child, start: float) -> Outcome:
        if self._policy.aborts(self._stop):  # it was set before this task had its first turn
            return aborted(start, self._policy)
        retries = Retries(self._policy.retry)
        while True:
            timeout = asyncio.timeout(self._policy.timeout)
            try:
                async with timeout:
                    output = await self._call(child)
                return succeeded(start, output, encode_output(output))
            except ChildAborted:
                return aborted(start, self._policy)
            except BaseException as exception:
                if not is_failure(exception) or (self._cancelled and isinstance(exception, asyncio.CancelledError)):
                    raise
                if self._cancelled and not timeout.expired():
                    return aborted(start, self._policy)
                failure, (error, cause) = exception, describe(exception)
                if timeout.expired():  # whatever the function made of its cancellation
                    error = TIMEOUT
                    cause = f"the child execution did not end within {self._policy.timeout:g} seconds"
                    self._close_items(child, error, cause)
                    if child.outcomes is not None and not child.outcomes.unfinished():  # it ended in that very moment
                        done = child.outcomes.output()
                        return succeeded(start, done, done.to_json())
            delay = retries.delay(child.outcomes, error, cause)
            if delay is None:
                return failed(start, error, cause, failure)
            await self._wait(delay)
            room = await self._room()
            if self._policy.aborts(self._stop):
                return aborted(start, self._policy)
            if not room:
                return failed(start, error, cause, failure)
            child.renew()

    def _close_items(self, child: Child, error: str, cause: str) -> None:
        """After a timeout a thread may still be writing outcomes: from here on it writes into a copy nobody reads."""
        if child.outcomes is not None:
            child.outcomes = child.outcomes.detached()
            child.outcomes.fail_unfinished(error, cause)

    async def _wait(self, seconds: float) -> None:
        """Sleep before another attempt, but not past a stop that aborts the child."""
        until = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        while self._stop.is_set() and not self._policy.aborts(self._stop) and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))

    async def _room(self) -> bool:
        """Wait until few enough abandoned calls are left for another one; False if the stop came first."""
        threads = self._threads
        while threads is not None and threads.abandoned > max(_MAX_ABANDONED, self._concurrency.limit):
            if self._stop.is_set() or self._error is not None:
                return False
            seconds = max(2 * (self._policy.timeout or 0.0), _MIN_GIVE_UP_SECONDS)
            threads.changed.clear()
            try:
                await asyncio.wait_for(threads.changed.wait(), seconds)
            except TimeoutError:
                cause = f"{threads.abandoned} calls that timed out are still running; none ended in {seconds:g} seconds"
                if self._stop.set(StopReason(StatesRuntime.error, cause)):
                    log.error("%s: %s", StatesRuntime.error, cause)
        return True

    async def _call(self, child: Child) -> Any:
        argument = self._policy.argument(child)
        if self._threads is not None:
            return await self._threads.call(self._invoke, argument)
        result = self._invoke(argument)
        return await result if inspect.isawaitable(result) else result
