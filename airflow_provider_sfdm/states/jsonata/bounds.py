"""What evaluating one JSONata expression may take: time, depth, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jsonata.utils import Utils

from ..limits import Limits

# What one expression may build in total, in multiples of the largest single value.
_TOTAL = 16
_AFTER_SECONDS = 0.1  # so that the execution's own clock has passed its end by then
_TUPLE_BYTES = 512  # a dict with what each member is bound to
_BUILDERS = frozenset(("function", "apply", "unary", "binary"))
# AWS's words, of executions that others recorded.
MEMORY = "Expression evaluation memory limit exceeded: Check for excessive memory usage"
STACK = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive"
TIMEOUT = "Expression evaluation timeout: Check for infinite loop"


class OutOfBounds(Exception):
    """An expression took more than it may; says what."""


class _Step:
    """One step of a path: how many members it has given."""

    __slots__ = ("_before", "_limit", "expression", "last")

    def __init__(self, expression: Any, limit: int) -> None:
        self.expression = expression
        self._limit = limit
        self._before = 0
        self.last = 0

    def add(self, members: int) -> None:
        self._before += self.last
        self.last = members
        if self._before + members > self._limit:
            raise OutOfBounds(MEMORY)


class Bounds:
    """Counts during one evaluation; the library calls ``entry`` and ``leave`` around each part of the expression, and
    functions ``called`` after each call: those that call others (``$map``, ``$reduce``) do so inside of one part.
    """

    __slots__ = ("_built", "_counted", "_deadline", "_depth", "_limits", "_monotonic", "_sizes", "_steps")

    def __init__(self, limits: Limits, monotonic: Callable[[], float], left: float | None = None) -> None:
        """:param left: seconds that the execution has left; None where it has no end."""
        self._limits = limits
        self._monotonic = monotonic
        seconds = limits.jsonata_seconds if left is None else min(limits.jsonata_seconds, left + _AFTER_SECONDS)
        self._deadline = monotonic() + seconds
        self._depth = 0
        self._built = 0
        self._counted: Any = None
        # Of dicts and lists, as written out: what several parts share counts each time, or a value that doubles with
        # each step would stay small here and never end when it is written. The value is kept, so that its id stays its
        # own; a list may have grown since.
        self._sizes: dict[int, tuple[Any, int, int]] = {}
        self._steps: list[_Step] = []

    def entry(self, expression: Any, data: Any, environment: Any) -> None:
        """Before a part is evaluated. Raises OutOfBounds."""
        self._depth += 1
        if self._depth > self._limits.jsonata_depth:
            raise OutOfBounds(STACK)
        if self._monotonic() > self._deadline:
            raise OutOfBounds(TIMEOUT)

    def leave(self, expression: Any, data: Any, environment: Any, result: Any) -> None:
        """After a part was evaluated to ``result``. Raises OutOfBounds."""
        self._depth -= 1
        kind = type(result)
        if self._steps and self._steps[-1].expression is expression:
            self._steps[-1].add(1 if not isinstance(result, list) else len(result))
        builds = getattr(expression, "type", None) in _BUILDERS
        if kind is str:
            size = len(result)
        elif kind is Utils.RangeList:
            size = 8 * len(result)
        elif kind is list or kind is Utils.JList:
            size = self._written(result) if builds else 8 * len(result)
        elif kind is dict and builds:
            size = self._written(result)
        else:
            return
        if size > 64 and builds and kind is not dict and result is not self._counted:
            self._built += size if kind is str else 8 * len(result)
        self._check(size)

    def called(self, result: Any) -> None:
        """After a function has made ``result``. Raises OutOfBounds."""
        if self._monotonic() > self._deadline:
            raise OutOfBounds(TIMEOUT)
        kind = type(result)
        size = len(result) if kind is str else 8 * len(result) if kind is list or kind is Utils.JList else 0
        if size > 64:
            self._built += size
            self._counted = result
            self._check(size)

    @contextmanager
    def step(self, expression: Any, limit: int) -> Iterator[None]:
        """While the block runs ``expression`` is evaluated once for each member of its input, and all that it gives is
        put together: not more than ``limit`` members. Nothing of the sort is looked at on the way.
        """
        self._steps.append(_Step(expression, limit))
        try:
            yield
        finally:
            self._steps.pop()

    def filtered(self, predicate: Any, result: Any) -> None:
        """A predicate of a step has left this of what the step gave last."""
        if self._steps and any(stage.expr is predicate for stage in self._steps[-1].expression.stages or ()):
            self._steps[-1].last = len(result) if isinstance(result, list) else 1

    @property
    def members(self) -> int:
        """The most members of one array, at eight bytes each."""
        return self._limits.jsonata_bytes // 8

    @property
    def tuples(self) -> int:
        """The most members of a step that keeps where each came from (``@``, ``#``, ``%``)."""
        return _TOTAL * self._limits.jsonata_bytes // _TUPLE_BYTES

    def check(self, size: int) -> None:
        """Before a value of about that many bytes is made. Raises OutOfBounds."""
        if size > self._limits.jsonata_bytes:
            raise OutOfBounds(MEMORY)

    def _check(self, size: int) -> None:
        if size > self._limits.jsonata_bytes or self._built > _TOTAL * self._limits.jsonata_bytes:
            raise OutOfBounds(MEMORY)

    def _written(self, value: Any) -> int:
        """About how many bytes a value has when it is written out."""
        kind = type(value)
        if kind is str:
            return len(value)
        if kind is Utils.RangeList:
            return 8 * len(value)
        if kind is not dict and kind is not list and kind is not Utils.JList:
            return 8
        known = self._sizes.get(id(value))
        if known is not None and known[1] == len(value):
            return known[2]
        if kind is dict:
            size = sum(len(key) + self._written(member) for key, member in value.items()) + 8
        else:
            size = sum(self._written(member) for member in value) + 8
        self._sizes[id(value)] = (value, len(value), size)
        return size


_current: ContextVar[Bounds | None] = ContextVar("sfdm_jsonata_bounds", default=None)


@contextmanager
def bounded(bounds: Bounds) -> Iterator[None]:
    """Functions that are called while the block runs count in ``bounds``."""
    token = _current.set(bounds)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Bounds | None:
    """Those of the evaluation that is under way."""
    return _current.get()


def called(result: Any) -> None:
    """A function of the evaluation that is under way has made ``result``. Raises OutOfBounds."""
    if (bounds := _current.get()) is not None:
        bounds.called(result)


def check_bytes(size: int) -> None:
    """Refuse a value of that many bytes, before it is made. Raises OutOfBounds."""
    if (bounds := _current.get()) is not None:
        bounds.check(size)
