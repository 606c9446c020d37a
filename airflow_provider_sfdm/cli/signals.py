"""Signals that end a command: as Ctrl-C they end what is under way, so that jobs that it waits for are stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
_TOLD = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hangup"}
# What is under way is ended in the meantime. Signals come in twos: to the process and to its group, TERM and then HUP.
_DEAF_SECONDS = 4.0


class Ended(KeyboardInterrupt):
    """One of these signals came; ``code`` is the exit code."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(_TOLD[number])
        self.code = 128 + number


class _Handler:
    def __init__(self) -> None:
        self._deaf_until = 0.0
        self.has_ended = False

    def __call__(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if now >= self._deaf_until:
            self._deaf_until = now + _DEAF_SECONDS
            self.has_ended = True
            raise Ended(signal.Signals(number))


@contextmanager
def ended_by_signals(*, as_process: bool = False) -> Iterator[None]:
    """While the block runs Ctrl-C, SIGTERM and SIGHUP raise Ended, unless they are ignored (nohup). More of them do
    nothing for as long as it takes to end what is under way; then they do again.

    :param as_process: whether the process ends with the block. Then one more of them, as it ends, does not take the
        exit code of the first away.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in _TOLD}
    handler = _Handler()
    for number, former in before.items():
        if former is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            # None: not set by Python
            restored = signal.SIG_DFL if former is None else former
            signal.signal(number, signal.SIG_IGN if as_process and handler.has_ended else restored)
