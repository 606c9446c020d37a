"""Waiting that ends with what waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..states.lifetime import Lifetime

SETTLE_SECONDS = 2.5
"""Airflow gives a task that it ends five seconds; jobs that are waited for are stopped in these."""
LOOK_SECONDS = 0.02
"""What cannot wake anybody is looked at so often."""
TURN_SECONDS = 0.5
"""No thread blocks for longer at a time: see :func:`wait`."""


def wait(event: threading.Event, seconds: float | None = None) -> bool:
    """Wait for ``event``, no longer than that; tells whether it is set.

    In turns: a signal that comes in the moment before a thread blocks is handled only when it does not any more, and
    Ctrl-C or Airflow's end of a task must not wait for an hour.
    """
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        left = TURN_SECONDS if until is None else min(TURN_SECONDS, until - time.monotonic())
        if event.wait(max(0.0, left)):
            return True
        if until is not None and time.monotonic() >= until:
            return False


def sleep(seconds: float, lifetime: Lifetime) -> None:
    """Sleep, but not past the end of ``lifetime``."""
    woken = threading.Event()
    key = lifetime.on_end(woken.set)
    try:
        wait(woken, seconds)
    finally:
        lifetime.forget(key)


def settle(lifetime: Lifetime, seconds: float) -> bool:
    """Wait until nothing runs inside of an ended ``lifetime`` any more; tells whether that came to be in time."""
    return comes_true(lambda: not lifetime.busy, seconds)


def comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Sleep until ``condition`` is true, but no longer than that; tells whether it is."""
    until = time.monotonic() + seconds
    while not condition():
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, LOOK_SECONDS))
    return True
