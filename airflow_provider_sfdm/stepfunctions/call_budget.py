"""How many polling calls this process makes, over all the maps that it watches: a triggerer watches hundreds."""

from __future__ import annotations

import threading

REFILL = 0.5
"""Calls a second for an account and Region: half of what AWS refills, as this is hardly the only process."""
BURST = 50


class CallBudget:
    """Turns for calls, in the order in which they are asked for, by account and Region. Safe to use from threads.

    A token bucket by its virtual schedule: as many calls as the burst at once, and then one every 1/refill seconds.
    """

    def __init__(self, refill: float = REFILL, burst: int = BURST) -> None:
        self._gap = 1 / refill
        self._burst = (burst - 1) * self._gap
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def turn(self, place: str, now: float) -> float:
        """When the call may be made that is asked for now: a moment of the clock, which may be past. It is reserved."""
        with self._lock:
            scheduled = max(self._next.get(place, now), now)
            self._next[place] = scheduled + self._gap
            return scheduled - self._burst


SHARED = CallBudget()
"""That of this process."""
