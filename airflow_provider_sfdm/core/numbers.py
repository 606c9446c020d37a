"""Numbers as Step Functions reads them where a path refers to one: JSON numbers or text."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MIN, _MAX = -(2**63), 2**63 - 1


def integer(value: Any) -> int | None:
    """``value`` as a 64-bit integer, or None: 2 and "2" are integers; 2.0, "2.0", true and "" are not."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and _MIN <= value <= _MAX:
        return value
    return None


def decimal(value: Any) -> float | None:
    """``value`` as a finite number, or None; an int stays one. Text is read as well: "0.5"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= 100 and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and isfinite(value) else None
