"""How many polling calls this process makes, over all the maps that it watches: a triggerer watches hundreds."""

from __future__ import annotations

import threading

REFILL = 0.5
"""Calls a second for an account and Region: half of what AWS refills, as this is hardly the only process."""
BURST = 50


class CallBudget:
    """A token bucket for each account and Region. Safe to use from threads."""

    def __init__(self, refill: float = REFILL, burst: int = BURST) -> None:
        self._refill = refill
        self._burst = burst
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, place: str, now: float) -> bool:
        """Take one call, if there is one left."""
        with self._lock:
            left, then = self._left.get(place, (float(self._burst), now))
            left = min(self._burst, left + max(0.0, now - then) * self._refill)
            taken = left >= 1
            self._left[place] = (left - taken, now)
            return taken


SHARED = CallBudget()
"""That of this process."""
