"""How often to look at a running map, so that many maps at once stay inside AWS's quotas.

In an account and Region DescribeMapRun and ListMapRuns each refill one call a second (bucket 200 and 100; half the
bucket in smaller Regions), DescribeExecution at least ten (bucket 250). Source: "Quotas related to API action
throttling" in the AWS Step Functions guide.
"""

from __future__ import annotations

SHORTEST, LONGEST = 2.0, 60.0
"""Seconds between two looks, at the beginning and after 20 minutes."""
SHARE = 20
"""A look comes after a twentieth of the time that the map has run: so late is its end noticed at most."""
LONGEST_BACK_OFF = 600.0
_JITTER = 0.2


class Pace:
    """When to look next. ``interval`` is the author's own, in seconds, in place of the adaptive one.

    Throttling doubles the spacing, each time, up to ten minutes; each call that passes takes a tenth of that back, down
    to what the age of the map asks for: so that maps that share an account settle where the quota lets nearly all of
    them pass.
    """

    def __init__(self, interval: float | None = None) -> None:
        self._interval = interval
        self._spacing = 0.0

    def throttled(self, age: float) -> None:
        """A call for a map that has run for ``age`` seconds was refused, because there were too many."""
        self._spacing = min(2 * max(self._spacing, self._base(age)), LONGEST_BACK_OFF)

    def passed(self) -> None:
        """A call was answered."""
        self._spacing *= 0.9

    def wait(self, age: float, random: float) -> float:
        """Seconds until the next look at a map that has run for ``age`` seconds; ``random`` is in 0 … 1.

        The jitter of 20 % either way keeps maps that began together from asking together.
        """
        return max(self._base(age), self._spacing) * (1 - _JITTER + 2 * _JITTER * random)

    def _base(self, age: float) -> float:
        return self._interval or min(max(age / SHARE, SHORTEST), LONGEST)
