"""What must come to its end though nobody waits for it any more: whoever starts a job then stops it.

The owner of a process gives it a moment before it goes on to end.
"""

from __future__ import annotations

import threading
import time

from .waiting import SETTLE_SECONDS, wait

_lock = threading.Lock()
_unfinished: set[threading.Event] = set()


def leave(ended: threading.Event) -> None:
    """``ended`` will be set; nobody waits for it."""
    with _lock:
        _unfinished.add(ended)


def finish(seconds: float = SETTLE_SECONDS) -> None:
    """Wait for all that was left, no longer than that."""
    until = time.monotonic() + seconds
    with _lock:
        left = tuple(_unfinished)
    for ended in left:
        if wait(ended, max(0.0, until - time.monotonic())):
            with _lock:
                _unfinished.discard(ended)
