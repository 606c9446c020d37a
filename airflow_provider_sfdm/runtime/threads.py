"""Threads for functions that block, awaited from an event loop.

Not ``concurrent.futures``: its threads are joined when the process ends, so that one function that hangs would keep
a task alive for ever. These are daemons, and one whose result is no longer awaited is simply left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class NotJoined(ThreadPoolExecutor):
    """For ``asyncio.to_thread`` in a child: the end of the event loop does not wait for a call that was abandoned."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class DaemonThreads:
    """As many threads as calls are under way at once; idle ones are used again."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = 0
        self._threads = 0
        self._lock = threading.Lock()
        self.abandoned = 0
        """Calls still under way that nobody awaits any more (theirs timed out). Changes in the event loop only."""
        self.changed = asyncio.Event()
        """Set when an abandoned call has ended."""

    async def call(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Run ``function(argument)`` in a thread, with this task's context variables, and wait for it.

        Cancelling the wait (a timeout) does not end the thread; what it returns then is dropped.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._start()
        self._jobs.put((lambda: context.run(function, argument), loop, future))
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():  # else the function raised it
                self.abandoned += 1
            raise

    def _start(self) -> None:
        threading.Thread(target=self._work, name=f"child-{self._threads}", daemon=True).start()
        self._threads += 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, loop, future = job
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:  # it belongs to whoever awaits the call
                error = raised
            with self._lock:
                self._idle += 1
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, future, result, error)
            del function, job, result, error, future

    def close(self) -> None:
        """Let idle threads end; busy ones end after their call."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _resolve(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        if future.done():  # cancelled
            self.abandoned -= 1
            self.changed.set()
        elif error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # a future refuses to carry it
            future.set_exception(RuntimeError(f"StopIteration: {error}"))
        else:
            future.set_exception(error)
