"""Checks of what states hand on: its size and how deep it is nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ..core.errors import DataLimitExceeded, StatesRuntime
from ..core.json import dumps, excerpt, least_bytes
from ..core.limits import MAX_CAUSE, MAX_PAYLOAD_BYTES
from .failures import StateFailed
from .limits import MAX_BUILT_BYTES, MAX_NESTING

if TYPE_CHECKING:
    from .visit import Visit

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_NESTED = (dict, list, tuple)
# These cannot be large or deep; they are most of what is asked about.
_SMALL = frozenset((bool, int, float, type(None)))
_EXCEEDING = "a size exceeding the maximum number of bytes service limit."


def check_payload(value: Any, what: str) -> None:
    """Refuse a payload over 256 KiB; ``what`` returned it, for the cause ("state/task 'X'").

    :raises StateFailed: ``States.DataLimitExceeded``.
    :raises StatesRuntime: it is nested too deep, or is no JSON.
    """
    if type(value) in _SMALL:
        return
    # What is far too large must not be written to find out.
    fits = least_bytes(value, MAX_PAYLOAD_BYTES) <= MAX_PAYLOAD_BYTES
    if not fits or len(_written(value)) > MAX_PAYLOAD_BYTES:
        raise StateFailed(DataLimitExceeded.error, f"The {what} returned a result with {_EXCEEDING}")


def encoded(value: Any) -> bytes:
    """``value`` as JSON.

    Raises DataLimitExceeded when it is far larger than a payload may be, StatesRuntime for nesting too deep and for
    what is no JSON.
    """
    return _written(bounded(value))


def bounded(value: Any) -> Any:
    """``value`` itself. Raises DataLimitExceeded when it is far larger than a payload may be."""
    if type(value) not in _SMALL and least_bytes(value, MAX_BUILT_BYTES) > MAX_BUILT_BYTES:
        raise DataLimitExceeded(f"A value was built with {_EXCEEDING}")
    return value


def shown(value: Any) -> str:
    """``value`` as JSON in a cause, cut to the length that a cause may have."""
    check_nesting(value)
    try:
        return excerpt(value, MAX_CAUSE)
    except (TypeError, ValueError) as error:
        raise StatesRuntime(f"A value is no JSON: {error}") from None


class Budget:
    """What one template may still build for a visit: many parts can copy the same, each of them within its bounds."""

    __slots__ = ("_left", "visit")

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._left = MAX_BUILT_BYTES

    def take(self, value: Any) -> Any:
        """``value`` itself. Raises DataLimitExceeded when there is too much of it."""
        kind = type(value)
        if kind in _SMALL:
            return value
        self._left -= len(value) if kind is str else least_bytes(value, self._left)
        if self._left < 0:
            raise DataLimitExceeded(f"A value was built with {_EXCEEDING}")
        return value


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, None, _OPTIONS)
    except TypeError:
        # Nested deeper than orjson goes (254 levels), or of a type that only the slower way can write.
        check_nesting(value)
    try:
        return dumps(value)
    except (TypeError, ValueError) as error:
        raise StatesRuntime(f"A value is no JSON: {error}") from None


def check_nesting(value: Any) -> None:
    """Refuse JSON that is nested too deep to be handled. Raises StatesRuntime."""
    if nesting(value) > MAX_NESTING:
        raise StatesRuntime(f"The JSON is nested deeper than {MAX_NESTING} levels.")


def nesting(value: Any) -> int:
    """Levels of arrays and objects in ``value``; counting ends a little beyond the limit. It does not recurse."""
    depth, level = 0, [value] if isinstance(value, _NESTED) else []
    while level and depth <= MAX_NESTING:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, _NESTED)
        ]
    return depth
