"""How an expression that failed reads in a cause: ``T2001: The left side of …``, or AWS's words for its own limits.

AWS runs the reference implementation, whose codes and texts are given back here from what the library made of them.
Where nothing has a code, AWS speaks of an internal error; what Python calls it says nothing to an expression's author.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from jsonata.jexception import JException

from .bounds import STACK, TIMEOUT, OutOfBounds

_PLACEHOLDER = re.compile(r"\{\{(\{?)\w+\}?\}\}")
# In its texts the library says Object where the reference says function.
TEXTS = {code: text.replace("Object", "function") for code, text in JException.error_codes.items()}
_CODES = {text: code for code, text in TEXTS.items()}
# "an array of …" in T0412, from the letters of a signature.
_TYPES = {"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings"}
UNDEFINED = object()
"""What the reference writes as ``undefined`` in its texts."""


def failure(error: BaseException) -> str:
    """What is behind "threw an" in AWS's cause."""
    if isinstance(error, OutOfBounds):
        return f"error during evaluation: {error}"
    if isinstance(error, RecursionError):
        return f"error during evaluation: {STACK}"
    if isinstance(error, TimeoutError):
        return f"error during evaluation: {TIMEOUT}"
    if isinstance(error, JException) and (text := _coded(error)):
        return f"error during evaluation. {text}"
    if isinstance(error, OverflowError | ZeroDivisionError):
        return f"error during evaluation. D1001: {_filled('D1001', (None,))}"
    return "internal error during evaluation."


def syntax(error: BaseException) -> str:
    """Why a text is no expression."""
    if isinstance(error, JException):
        return _coded(error) or str(error.error)
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    # The library's reader runs over the end of a text that breaks off; what Python says of that helps nobody.
    if isinstance(error, IndexError):
        return f"S0207: {_filled('S0207', ())}"
    return str(error) or type(error).__name__


def _coded(error: JException) -> str | None:
    code = error.error if error.error in TEXTS else _CODES.get(error.error)
    if code is None:
        return None
    values = [error.current, error.expected, error.extra]
    if code == "T0412":
        values[2] = _TYPES.get(error.extra, error.extra)
    if code == "D1002":
        # The library puts the operator in front of the value.
        values[0] = error.expected
    return f"{code}: {_filled(code, values)}"


def _filled(code: str, values: Any) -> str:
    left = iter(values)

    def fill(match: re.Match[str]) -> str:
        value = next(left, None)
        if value is UNDEFINED:
            return "undefined"
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        return str(value) if match[1] else json.dumps(value, default=_shown, ensure_ascii=False, separators=(",", ":"))

    return _PLACEHOLDER.sub(fill, TEXTS[code])


def _shown(value: Any) -> Any:
    """A null of the library's, or a function, which the reference leaves out of its texts."""
    return None
