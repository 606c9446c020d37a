"""How many children of a partition may be in flight: it can change while they run."""

from __future__ import annotations

from collections.abc import Callable


class Concurrency:
    """Read by whoever starts children; ``set`` may be called from another thread. 0: none may start for now."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._callbacks: list[Callable[[], None]] = []

    def set(self, limit: int) -> None:
        """From now on ``limit`` may be in flight; those that are go on."""
        if limit != self.limit:
            self.limit = limit
            for callback in tuple(self._callbacks):
                callback()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called after each change."""
        self._callbacks.append(callback)
