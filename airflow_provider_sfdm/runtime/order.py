"""Puts what ends in any order back into start order, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

# AWS writes records in start order (recorded, not promised). One child that takes an hour must not make us keep
# all results of that hour, so past this many, or this much, the order gives way.
MAX_HELD = 10_000
MAX_HELD_BYTES = 64 * 1024 * 1024


class InOrder(Generic[T]):
    """Releases values by their number, first to last; too many held back are released out of order."""

    def __init__(
        self, release: Callable[[T], None], first: int, max_held: int = MAX_HELD, max_bytes: int = MAX_HELD_BYTES
    ) -> None:
        self._release = release
        self._next = first
        self.missing: set[int] = set()
        """Numbers below ``next`` that have not been released yet: the order gave way before they came."""
        self._held: dict[int, tuple[T, int]] = {}
        self._held_bytes = 0
        self._max_held = max_held
        self._max_bytes = max_bytes

    @property
    def next(self) -> int:
        """The number that is released at once when it comes."""
        return self._next

    def begin_at(self, number: int, missing: Iterable[int]) -> None:
        """Take what is below ``number`` for released, but for those."""
        self._next, self.missing = number, set(missing)

    def is_next(self, number: int) -> bool:
        """Whether value ``number`` would be released at once, so that its size is of no interest."""
        return number == self._next

    def put(self, number: int, value: T, size: int = 0) -> None:
        """Take value ``number``, of about ``size`` bytes."""
        if number == self._next:
            self._release(value)
            self._next += 1
            while self._held and self._next in self._held:
                self._release_held(self._next)
                self._next += 1
        elif number < self._next:
            self.missing.discard(number)
            self._release(value)
        else:
            self._held[number] = value, size
            self._held_bytes += size
            if len(self._held) > self._max_held or self._held_bytes > self._max_bytes:
                self.flush()

    def flush(self) -> None:
        """Release all that is held, in order of number."""
        for number in sorted(self._held):
            self.missing.update(range(self._next, number))
            self._release_held(number)
            self._next = number + 1

    def _release_held(self, number: int) -> None:
        value, size = self._held.pop(number)
        self._held_bytes -= size
        self._release(value)
