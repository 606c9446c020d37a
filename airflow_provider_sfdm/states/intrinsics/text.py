"""JSON values as text, with numbers as AWS writes them."""

from __future__ import annotations

import json
from decimal import Decimal
from math import inf
from typing import Any

from ..payloads import encoded

# From here on, and below the other one, Java writes a float with an exponent.
_LARGE, _SMALL = 1e7, 1e-3


def to_text(value: Any) -> str:
    """A value in a text, as Format does it: text bare, the rest as JSON."""
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON. Raises StatesRuntime for what is nested too deep.

    Recorded on AWS: a float is written as Java does, ``1.790204286E9``.
    """
    text = encoded(value).decode()
    return _written(value) if _has_exponents(value) else text


def java_text(number: float) -> str:
    """A finite float as Java's ``Double.toString`` writes it: ``0.5``, ``1.0E-7``, ``1.790204286E9``."""
    if not _has_exponent(number):
        return repr(number)
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    first, rest = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{first}.{rest}E{int(exponent) + len(digits) - 1}"


def _has_exponent(number: float) -> bool:
    size = abs(number)
    return 0 < size < _SMALL or _LARGE <= size < inf


def _has_exponents(value: Any) -> bool:
    """Whether a float in ``value`` is written otherwise than Python does. Its nesting has been checked."""
    if isinstance(value, float):
        return _has_exponent(value)
    if isinstance(value, dict):
        return any(map(_has_exponents, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_exponents, value))


def _written(value: Any) -> str:
    if isinstance(value, float):
        return java_text(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{_written(member)}" for name, member in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    return encoded(value).decode()
