"""Branches and iterations of the interpreter at once, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from ..states.services import Thunk

MAX_THREADS = 40
"""As many iterations as AWS runs at once in an inline Map."""
_FREE = threading.BoundedSemaphore(200)
"""The threads of the process for this: without a bound each level of nesting would multiply them."""


def at_once(thunks: Sequence[Thunk], limit: int) -> list[Any]:
    """Run up to ``limit`` at once and return the results in order.

    The first failure is raised when what runs has ended: a thread cannot be stopped, and a service must not be called
    behind the back of a state that has failed. What has not begun by then never does.
    """
    if limit == 1 or len(thunks) < 2:
        return [thunk() for thunk in thunks]
    threads = _take(min(limit, len(thunks), MAX_THREADS))
    if not threads:  # states inside of states: those outside have all of them
        return [thunk() for thunk in thunks]
    try:
        return _in_threads(thunks, threads)
    finally:
        for _ in range(threads):
            _FREE.release()


def _take(wanted: int) -> int:
    """As many threads as are wanted and left."""
    taken = 0
    while taken < wanted and _FREE.acquire(blocking=False):
        taken += 1
    return taken


def _in_threads(thunks: Sequence[Thunk], threads: int) -> list[Any]:
    with ThreadPoolExecutor(threads, thread_name_prefix="states") as pool:
        futures = [pool.submit(copy_context().run, thunk) for thunk in thunks]
        done, others = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future in done and future.exception() is not None]
        if failed:
            for future in others:
                future.cancel()
            failed[0].result()
    return [future.result() for future in futures]
