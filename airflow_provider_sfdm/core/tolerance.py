"""When a map run has failed: the only place that compares failures with the tolerated ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FailureTolerance:
    """ToleratedFailureCount and ToleratedFailurePercentage, as numbers.

    On AWS 0 means "not set": with a count alone only the count is judged, with neither the first failed item
    fails the map run, with both a breach of *either* does (recorded: count 1, no percentage, 1 of 4 items
    failed: SUCCEEDED). Failed and timed-out items count; aborted and pending ones do not.
    """

    count: int = 0
    percentage: float = 0.0

    def exceeded(self, unsuccessful: int, total: int) -> bool:
        """Tell whether ``unsuccessful`` items of ``total`` are more than is tolerated.

        Both comparisons are strict: exactly the tolerated number or share is tolerated.
        """
        if unsuccessful <= 0:
            return False
        if not self.count and not self.percentage:
            return True
        if self.count and unsuccessful > self.count:
            return True
        return bool(self.percentage) and 100.0 * unsuccessful > self.percentage * total
