"""What evaluating one JSONata expression may take: time, depth, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonata.utils import Utils

from .limits import Limits

# What one expression may build in total, in multiples of the largest single value.
_TOTAL = 16
_BUILDERS = frozenset(("function", "apply", "unary", "binary"))
MEMORY = "Expression evaluation memory limit exceeded"


class OutOfBounds(Exception):
    """An expression took more than it may; says what."""


class Bounds:
    """Counts during one evaluation; the library calls ``entry`` and ``leave`` around each part of the expression."""

    __slots__ = ("_built", "_deadline", "_depth", "_limits", "_monotonic")

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._deadline = monotonic() + limits.jsonata_seconds
        self._depth = 0
        self._built = 0

    def entry(self, expression: Any, data: Any, environment: Any) -> None:
        """Before a part is evaluated. Raises OutOfBounds."""
        self._depth += 1
        if self._depth > self._limits.jsonata_depth:
            hint = "Check for non-terminating recursive function. Consider rewriting as tail-recursive."
            raise OutOfBounds(f"Stack overflow error: {hint} Depth={self._depth} max={self._limits.jsonata_depth}")
        if self._monotonic() > self._deadline:
            seconds = self._limits.jsonata_seconds
            raise OutOfBounds(f"Expression evaluation timeout: {seconds:g} s. Check for infinite loop")

    def leave(self, expression: Any, data: Any, environment: Any, result: Any) -> None:
        """After a part was evaluated to ``result``. Raises OutOfBounds."""
        self._depth -= 1
        kind = type(result)
        if kind is str:
            size = len(result)
        elif kind is list or kind is Utils.JList or kind is Utils.RangeList:
            size = 8 * len(result)
        else:
            return
        if size > 64 and getattr(expression, "type", None) in _BUILDERS:
            self._built += size
        check_bytes(size, self._limits)
        if self._built > _TOTAL * self._limits.jsonata_bytes:
            raise OutOfBounds(MEMORY)


def check_bytes(size: int, limits: Limits) -> None:
    """Refuse a value of that many bytes. Raises OutOfBounds."""
    if size > limits.jsonata_bytes:
        raise OutOfBounds(MEMORY)
