"""Branches and iterations of the interpreter at once, each in a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from ..local.waiting import SETTLE_SECONDS, wait
from ..states.lifetime import Aborted, Lifetime
from ..states.services import Thunk

log = logging.getLogger(__name__)

MAX_THREADS = 40
"""As many iterations as AWS runs at once in an inline Map."""
_FREE = threading.BoundedSemaphore(200)
"""The threads of the process for this: without a bound each level of nesting would multiply them."""
_NO_RESULT = object()


def at_once(thunks: Sequence[Thunk], limit: int, lifetime: Lifetime) -> list[Any]:
    """Run up to ``limit`` at once and return the results in order.

    The first failure ends the lifetime, and with it what waits in the others; it is raised when all of them have ended.
    A thread cannot be stopped, and a function must not run on behind the back of a state that has failed. What has not
    begun by then never does.

    :raises Aborted: the lifetime ended before all had begun, and none has failed.
    """
    if limit == 1 or len(thunks) < 2:
        return _in_turn(thunks)
    # None: no thread is left, because states that these are inside of have all of them
    results = _Together(thunks, lifetime).results(min(limit, len(thunks), MAX_THREADS))
    return _in_turn(thunks) if results is None else results


def _in_turn(thunks: Sequence[Thunk]) -> list[Any]:
    return [thunk() for thunk in thunks]


class _Together:
    """The threads are daemons: one that hangs must not keep the process from ending."""

    def __init__(self, thunks: Sequence[Thunk], lifetime: Lifetime) -> None:
        self._thunks = thunks
        self._lifetime = lifetime
        self._indexes = iter(range(len(thunks)))
        self._results: list[Any] = [_NO_RESULT] * len(thunks)
        self._failure: BaseException | None = None
        self._running = 0
        self._lock = threading.Lock()
        self._all_ended = threading.Event()

    def results(self, threads: int) -> list[Any] | None:
        """Run all in up to so many threads; None where there is not one."""
        try:
            if not self._start(threads):
                return None
            wait(self._all_ended)
        except BaseException:  # Ctrl-C, or Airflow ends the task: what waits must not go on to the next state
            self._lifetime.end()
            if self._running:
                wait(self._all_ended, SETTLE_SECONDS)
            raise
        if self._failure is not None:
            raise self._failure
        if any(result is _NO_RESULT for result in self._results):
            raise Aborted
        return self._results

    def _start(self, threads: int) -> int:
        """Start as many threads as are wanted, and left in the process; tells how many that are."""
        started = 0
        while started < threads and self._start_one(started):
            started += 1
        return started

    def _start_one(self, number: int) -> bool:
        if not _FREE.acquire(blocking=False):
            return False
        thread = None
        try:
            with self._lock:
                self._running += 1
            run = copy_context().run
            thread = threading.Thread(target=run, args=(self._work,), name=f"states-{number}", daemon=True)
            thread.start()
        except RuntimeError as error:  # the system has no more of them
            self._leave()
            log.warning("Branches and iterations go on in %d threads: %s", number, error)
            return False
        except BaseException:  # a signal: the thread may have begun all the same
            if thread is None or thread.ident is None:
                self._leave()
            raise
        return True

    def _work(self) -> None:
        try:
            for index in iter(self._next, None):
                try:
                    self._results[index] = self._thunks[index]()
                except BaseException as error:  # it belongs to the thread that waits
                    with self._lock:
                        self._failure = self._failure or error
                    self._lifetime.end()
        finally:
            self._leave()

    def _leave(self) -> None:
        _FREE.release()
        with self._lock:
            self._running -= 1
            last = not self._running
        if last:
            self._all_ended.set()

    def _next(self) -> int | None:
        with self._lock:
            return None if self._lifetime.ended else next(self._indexes, None)
