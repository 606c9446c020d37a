"""What can be ended before it has come to its end: an execution, a branch or an iteration of one, the call of a task.

AWS aborts the other branches when one fails, the children when their map run fails, everything when an execution is
stopped or out of time. What runs cannot be stopped from outside in Python: it looks at its lifetime between two states,
and is woken by it where it sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any


class Aborted(Exception):
    """What ran was ended from outside. No Retry or Catch answers that."""


class Lifetime:
    """That of something that runs. Ending it ends all that are inside of it; as a context manager it ends with its
    block.

    Threads may share one: a callback is stored before ``ended`` is looked at, which is set before any is called.
    """

    __slots__ = ("_key", "_on_end", "_outer", "ended")

    def __init__(self, outer: Lifetime | None = None) -> None:
        self.ended = False
        self._on_end: dict[object, Callable[[], Any]] = {}
        self._outer = outer
        self._key = None if outer is None else outer.on_end(self.end)

    def __enter__(self) -> Lifetime:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._outer is not None:
            self._outer.forget(self._key)
        self.end()

    def end(self) -> None:
        """End it, from any thread; once is enough."""
        if not self.ended:
            self.ended = True
            with ExitStack() as stack:  # one that raises keeps none of the others from being called
                for callback in tuple(self._on_end.values()):
                    stack.callback(callback)

    def check(self) -> None:
        """Raises Aborted if it has ended."""
        if self.ended:
            raise Aborted

    def on_end(self, callback: Callable[[], Any]) -> object:
        """Call ``callback`` when it ends, at once if it has. Returns what :meth:`forget` takes.

        It may be called twice, by two threads.
        """
        key = object()
        self._on_end[key] = callback
        if self.ended:
            callback()
        return key

    def forget(self, key: object) -> None:
        """Do not call that callback any more."""
        self._on_end.pop(key, None)

    @property
    def busy(self) -> bool:
        """Whether anything still runs inside of it."""
        return bool(self._on_end)
