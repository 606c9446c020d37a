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
    ``dag_run_ended``: no task of the map run was to run any more.
    """

    error: str
    cause: str
    aborted: bool = False
    local: bool = False
    dag_run_ended: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As it is stored in a map run's folder; a local one never is."""
        return {"Error": self.error, "Cause": self.cause, "Aborted": self.aborted, "DagRunEnded": self.dag_run_ended}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StopReason:
        return cls(data["Error"], data["Cause"], data["Aborted"], dag_run_ended=data["DagRunEnded"])


class StopSignal:
    """Set from any thread; waits and callbacks wake at once.

    The map run and this attempt may both end, each for its first reason.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        # Airflow's on_kill sets it from a signal's handler, maybe in the middle of another call.
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], None]] = []
        self.of_attempt: StopReason | None = None
        """Why this attempt ends, and nobody counts what it does."""
        self.of_map_run: StopReason | None = None
        """Why the map run ends."""

    @property
    def reason(self) -> StopReason | None:
        """The one that counts here."""
        return self.of_attempt or self.of_map_run

    def set(self, reason: StopReason) -> bool:
        """Stop, for this reason; tells whether it is the first of its kind."""
        with self._lock:
            if (self.of_attempt if reason.local else self.of_map_run) is not None:
                return False
            if reason.local:
                self.of_attempt = reason
            else:
                self.of_map_run = reason
            callbacks = tuple(self._callbacks)
        self._event.set()
        for callback in callbacks:
            callback()
        return True

    def is_set(self) -> bool:
        return self.of_map_run is not None or self.of_attempt is not None

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the stop; tells whether it is set."""
        return self._event.wait(seconds)

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the signal is set, for every reason (at once if it is)."""
        with self._lock:
            self._callbacks.append(callback)
            is_set = self.is_set()
        if is_set:
            callback()
