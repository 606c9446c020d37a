"""The comparisons of a JSONPath choice rule.

A value of another type than the operator compares is no match, never an error. Source: "Data-test expressions" in the
Amazon States Language.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from ..timestamps import parse

Compare = Callable[[Any, Any], bool]
Test = Callable[[Any], bool]


class Kind(NamedTuple):
    """A type of values that can be compared: ``read`` gives what is compared, None for what is of another type."""

    read: Callable[[Any], Any]
    what: str


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_KINDS = {
    "String": Kind(_text, "a string"),
    "Numeric": Kind(_number, "a number"),
    "Boolean": Kind(_boolean, "a boolean"),
    "Timestamp": Kind(parse, "a timestamp"),
}
_ORDERS: dict[str, Compare] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


class Comparison(NamedTuple):
    """An operator that compares a variable with a value."""

    kind: Kind
    compare: Compare

    def test(self, wanted: Any) -> Test:
        """Whether a value compares so with ``wanted``, which is read once."""
        read, compare = self.kind.read, self.compare
        other = read(wanted)

        def test(value: Any) -> bool:
            found = read(value)
            return found is not None and other is not None and compare(found, other)

        return test


COMPARISONS = {
    f"{kind}{order}": Comparison(_KINDS[kind], compare)
    for kind in _KINDS
    for order, compare in _ORDERS.items()
    if kind != "Boolean" or order == "Equals"
}
"""By name; all of them exist with ``Path`` behind the name as well."""

TYPE_TESTS: dict[str, Test] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: parse(value) is not None,
}
"""All but IsPresent, which does not need a value."""


def matcher(pattern: str) -> Test:
    """StringMatches: ``*`` stands for any text, ``\\*`` for a star, ``\\\\`` for a backslash. It takes linear time."""
    parts, current, at = [], "", 0
    while at < len(pattern):
        if pattern[at] == "\\" and pattern[at + 1 : at + 2] in ("*", "\\"):
            current += pattern[at + 1]
            at += 2
            continue
        if pattern[at] == "*":
            parts.append(current)
            current = ""
        else:
            current += pattern[at]
        at += 1
    first, *middle, last = [*parts, current] if parts else [current, ""]
    if not parts:
        return lambda value: value == first and isinstance(value, str)

    def test(value: Any) -> bool:
        if not isinstance(value, str) or len(value) < len(first) + len(last):
            return False
        if not value.startswith(first) or not value.endswith(last):
            return False
        place, end = len(first), len(value) - len(last)
        for part in middle:
            found = value.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True

    return test
