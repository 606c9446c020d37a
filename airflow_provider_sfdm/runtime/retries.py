"""When a child execution that failed is tried again."""

from __future__ import annotations

import random

from ..core.retry import Retrier
from .per_item import ItemOutcomes


class Retries:
    """What is left of the retriers of one child, or of each of its items that have an outcome of their own.

    Every retrier counts its own attempts, as on AWS.
    """

    def __init__(self, retriers: tuple[Retrier, ...]) -> None:
        self._retriers = retriers
        self._used: dict[int | None, list[int]] = {}

    def delay(self, outcomes: ItemOutcomes | None, error: str, cause: str) -> float | None:
        """Seconds to wait before the next attempt, or None if what failed is final."""
        if outcomes is None:
            return self._delay(None, error)
        outcomes.fail_unfinished(error, cause)
        delays: list[float] = []
        for index, (item_error, _) in outcomes.failures.items():
            if index in outcomes.final:
                continue
            delay = self._delay(index, item_error)
            if delay is None:
                outcomes.final.add(index)
            else:
                delays.append(delay)
        return max(delays, default=None)

    def _delay(self, item: int | None, error: str) -> float | None:
        used = self._used.setdefault(item, [0] * len(self._retriers))
        for number, retrier in enumerate(self._retriers):
            if retrier.matches(error):  # the first match decides
                if used[number] >= retrier.max_attempts:
                    return None
                used[number] += 1
                return retrier.delay(used[number], random.random())
        return None
