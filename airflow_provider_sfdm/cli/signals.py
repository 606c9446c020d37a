"""Signals that end a command: as Ctrl-C they end what is under way, so that jobs that it waits for are stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

INTERRUPTED = 130
_TOLD = {signal.SIGTERM: "terminated", signal.SIGHUP: "hangup"}


class Ended(KeyboardInterrupt):
    """One of these signals came; ``code`` is the exit code."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(_TOLD[number])
        self.code = 128 + number


def _end(number: int, frame: object) -> NoReturn:
    raise Ended(signal.Signals(number))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While the block runs SIGTERM and SIGHUP raise Ended, unless they are ignored (nohup)."""
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in _TOLD}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: not set by Python
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
