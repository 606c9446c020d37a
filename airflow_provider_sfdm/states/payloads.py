"""Checks of what states hand on: its size and how deep it is nested."""

from __future__ import annotations

from typing import Any

import orjson

from ..core.errors import StatesRuntime
from ..core.json import dumps
from .failures import DATA_LIMIT, StateFailed
from .limits import MAX_NESTING, MAX_PAYLOAD_BYTES

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_NESTED = (dict, list, tuple)
# These cannot be large or deep; they are most of what is asked about.
_SMALL = (bool, int, float, type(None))


def check_payload(value: Any, what: str) -> None:
    """Refuse a payload over 256 KiB; ``what`` returned it, for the cause ("state/task 'X'").

    :raises StateFailed: ``States.DataLimitExceeded``.
    :raises StatesRuntime: it is nested too deep, or is no JSON.
    """
    if isinstance(value, _SMALL):
        return
    if len(encoded(value)) > MAX_PAYLOAD_BYTES:
        limit = "a size exceeding the maximum number of bytes service limit."
        raise StateFailed(DATA_LIMIT, f"The {what} returned a result with {limit}")


def encoded(value: Any) -> bytes:
    """``value`` as JSON. Raises StatesRuntime for nesting too deep, and for what is no JSON."""
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
