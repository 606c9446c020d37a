"""The limits of a map run while it runs: those that it was planned with, and what has been changed since (AWS:
UpdateMapRun).

Every change is an object of its own, numbered, with all limits as they are from then on. Partitions look for a new one
every two seconds.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from ..core.definition import MAX_CONCURRENCY
from ..core.map_run_updates import MapRunLimits
from ..core.tolerance import FailureTolerance
from .concurrency import Concurrency
from .folder import MapRunFolder
from .plan import Partition, Plan

LOOK_SECONDS = 2.0
# A partition publishes its progress every five seconds: one that has not for so long runs no more, or not for now.
_SILENT_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """MaxConcurrency (0: unset) and the tolerance of a map run. ``number`` counts the changes."""

    max_concurrency: int
    tolerance: FailureTolerance
    number: int = 0

    def changed(self, to: MapRunLimits) -> Limits:
        """These limits with the changes that ``to`` names."""
        count, percentage = to.tolerated_failure_count, to.tolerated_failure_percentage
        tolerance = FailureTolerance(
            self.tolerance.count if count is None else int(count),
            self.tolerance.percentage if percentage is None else float(percentage),
        )
        concurrency = self.max_concurrency if to.max_concurrency is None else int(to.max_concurrency)
        return Limits(concurrency, tolerance, self.number + 1)

    def to_dict(self) -> dict[str, Any]:
        return {
            "maxConcurrency": self.max_concurrency,
            "toleratedFailureCount": self.tolerance.count,
            "toleratedFailurePercentage": self.tolerance.percentage,
        }


def limits_of(folder: MapRunFolder, plan: Plan, seen: Limits | None = None) -> Limits:
    """The limits as they are now; what is newer than ``seen``, if anything is. Raises StorageError."""
    known = seen or Limits(plan.max_concurrency, plan.tolerance)
    number = folder.newest_limits()
    if number <= known.number:
        return known
    found = folder.read_limits(number)
    tolerance = FailureTolerance(found["toleratedFailureCount"], found["toleratedFailurePercentage"])
    return Limits(found["maxConcurrency"], tolerance, number)


def change_limits(folder: MapRunFolder, plan: Plan, to: MapRunLimits) -> Limits:
    """Change the limits of a running map run, and return them all. Of two changes at once none is lost.

    :raises StorageError: the map run's folder could not be reached.
    """
    while True:
        limits = limits_of(folder, plan).changed(to)
        if folder.write_limits(limits.number, limits.to_dict()):
            return limits


class LiveLimits:
    """The limits as a running partition knows them: ``look`` sees whether they have changed.

    As planned, each partition has its share of MaxConcurrency from the beginning. Once that has been changed, those
    that run now share it, in their order: so that it may be less than there are partitions, and those that come later
    still get what the earlier ones leave.
    """

    def __init__(
        self, folder: MapRunFolder, plan: Plan, partition: Partition, concurrency: Concurrency | None = None
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._partition = partition.index
        self._concurrency = concurrency
        self._limits = Limits(plan.max_concurrency, plan.tolerance)
        self._next = 0.0
        self._shares_from: float | None = None

    @property
    def tolerance(self) -> FailureTolerance:
        return self._limits.tolerance

    @property
    def max_concurrency(self) -> int:
        """Of the whole map run; 0: unset."""
        return self._limits.max_concurrency

    def look(self) -> None:
        """Look for changes, if it is time to; tell the partition's ``Concurrency`` what may be in flight.

        :raises StorageError: the map run's folder could not be reached.
        """
        now = time.monotonic()
        if now < self._next:
            return
        first = not self._next
        self._next = now + LOOK_SECONDS
        limits = limits_of(self._folder, self._plan, self._limits)
        if limits != self._limits:
            self._limits = limits
            log.info("The limits of the map run are %s", MapRunLimits(**_arguments(limits)))
        if not limits.number or self._concurrency is None:
            return
        if first:  # it begins with changed limits: the others must have seen that it is there
            self._shares_from = now + 2 * LOOK_SECONDS
        share = 0 if self._shares_from is not None and now < self._shares_from else self._share(limits)
        self._concurrency.set(share)

    def _share(self, limits: Limits) -> int:
        published = self._folder.published()
        newest = max(published.values(), default=0.0)
        running = {number for number, when in published.items() if when > newest - _SILENT_SECONDS}
        running -= self._folder.ended()
        running.add(self._partition)
        limit = min(limits.max_concurrency or MAX_CONCURRENCY, MAX_CONCURRENCY)
        share, rest = divmod(limit, len(running))
        return share + (1 if sorted(running).index(self._partition) < rest else 0)


def _arguments(limits: Limits) -> dict[str, Any]:
    return {
        "max_concurrency": limits.max_concurrency,
        "tolerated_failure_count": limits.tolerance.count,
        "tolerated_failure_percentage": limits.tolerance.percentage,
    }
