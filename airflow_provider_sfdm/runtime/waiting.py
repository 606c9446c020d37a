"""Waiting that ends with what waits."""

from __future__ import annotations

import threading
import time

from ..states.lifetime import Lifetime

SETTLE_SECONDS = 2.5
"""Airflow gives a task that it ends five seconds; jobs that are waited for are stopped in these."""
_LOOK_SECONDS = 0.02


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
    until = time.monotonic() + seconds
    while lifetime.busy:
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
