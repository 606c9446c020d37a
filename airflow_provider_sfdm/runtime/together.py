"""Branches and iterations of the interpreter at once, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from ..states.lifetime import Lifetime
from ..states.services import Thunk

MAX_THREADS = 40
"""As many iterations as AWS runs at once in an inline Map."""
_FREE = threading.BoundedSemaphore(200)
"""The threads of the process for this: without a bound each level of nesting would multiply them."""


def at_once(thunks: Sequence[Thunk], limit: int, lifetime: Lifetime) -> list[Any]:
    """Run up to ``limit`` at once and return the results in order.

    The first failure ends the lifetime, and with it what waits in the others; it is raised when all of them have ended.
    A thread cannot be stopped, and a function must not run on behind the back of a state that has failed. What has not
    begun by then never does.
    """
    if limit == 1 or len(thunks) < 2:
        return [thunk() for thunk in thunks]
    threads = _take(min(limit, len(thunks), MAX_THREADS))
    if not threads:  # states inside of states: those outside have all of them
        return [thunk() for thunk in thunks]
    return _Together(thunks, lifetime, threads).results()


def _take(wanted: int) -> int:
    """As many threads as are wanted and left."""
    taken = 0
    while taken < wanted and _FREE.acquire(blocking=False):
        taken += 1
    return taken


class _Together:
    """The threads are daemons: one that hangs must not keep the process from ending."""

    def __init__(self, thunks: Sequence[Thunk], lifetime: Lifetime, threads: int) -> None:
        self._thunks = thunks
        self._lifetime = lifetime
        self._indexes = iter(range(len(thunks)))
        self._results: list[Any] = [None] * len(thunks)
        self._failure: BaseException | None = None
        self._running = threads
        self._lock = threading.Lock()
        self._all_ended = threading.Event()
        for number in range(threads):
            run = copy_context().run
            threading.Thread(target=run, args=(self._work,), name=f"states-{number}", daemon=True).start()

    def results(self) -> list[Any]:
        try:
            self._all_ended.wait()
        except BaseException:  # Ctrl-C, or Airflow ends the task: what waits must not go on to the next state
            self._lifetime.end()
            raise
        if self._failure is not None:
            raise self._failure
        return self._results

    def _work(self) -> None:
        for index in iter(self._next, None):
            try:
                self._results[index] = self._thunks[index]()
            except BaseException as error:  # it belongs to the thread that waits
                with self._lock:
                    self._failure = self._failure or error
                self._lifetime.end()
        _FREE.release()
        with self._lock:
            self._running -= 1
            last = not self._running
        if last:
            self._all_ended.set()

    def _next(self) -> int | None:
        with self._lock:
            return None if self._lifetime.ended else next(self._indexes, None)
