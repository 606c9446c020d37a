"""The signal that no further child execution may start in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a map run stops early: AWS's error name and cause. ``aborted`` is a stop by hand, not a failure.

    ``local`` stops this attempt of this partition only: the others go on, and another attempt may start it over.
    """

    error: str
    cause: str
    aborted: bool = False
    local: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As it is stored in a map run's folder; a local one never is."""
        return {"Error": self.error, "Cause": self.cause, "Aborted": self.aborted}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StopReason:
        return cls(data["Error"], data["Cause"], data["Aborted"])


class StopSignal:
    """Set once, from any thread; waits and callbacks wake at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.reason: StopReason | None = None

    def set(self, reason: StopReason) -> bool:
        """Stop, for this reason; tells whether this call was the first."""
        with self._lock:
            if self.reason is not None:
                return False
            self.reason = reason
            callbacks = tuple(self._callbacks)
        self._event.set()
        for callback in callbacks:
            callback()
        return True

    def is_set(self) -> bool:
        return self.reason is not None

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the stop; tells whether it is set."""
        return self._event.wait(seconds)

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the signal is set (at once if it is)."""
        with self._lock:
            if self.reason is None:
                self._callbacks.append(callback)
                return
        callback()
