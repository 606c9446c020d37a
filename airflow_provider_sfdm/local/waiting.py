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


def sleep(seconds: float, lifetime: Lifetime) -> None:
    """Sleep, but not past the end of ``lifetime``."""
    woken = threading.Event()
    key = lifetime.on_end(woken.set)
    try:
        woken.wait(min(seconds, threading.TIMEOUT_MAX))
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
