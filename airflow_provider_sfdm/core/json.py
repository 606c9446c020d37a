"""JSON as this package reads and writes it: compact, UTF-8, strict, and fast (orjson).

Strict means that what is not JSON is refused instead of changed: NaN and the infinities (orjson alone would write
``null``), dates, dataclasses, sets, bytes. A Lambda function that returns one of them fails the same way. Two types
are written that a Lambda function fails with: a UUID as its text, and a member of an Enum as its value.
"""

from __future__ import annotations

import json as _stdlib
from enum import Enum
from math import isfinite
from typing import Any

import orjson

_SCALARS = frozenset((bool, int, float, type(None)))
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """The value of one JSON text.

    Integers outside 64 bits become floats. Raises ValueError for anything that is not one JSON text in UTF-8,
    for NaN and Infinity, and for nesting deeper than 1,024.
    """
    return orjson.loads(data)


def dumps(value: Any) -> bytes:
    """``value`` as compact JSON in UTF-8, keys in their own order.

    Raises ValueError for NaN, the infinities, lone surrogates, circular references and nesting too deep to write;
    TypeError for a type JSON cannot carry. Keys that are int, float, bool or None are written as the standard
    library writes them, as text.
    """
    try:
        text = orjson.dumps(value, None, _OPTIONS)
    except TypeError:
        return _dumps_slowly(value)
    # orjson writes a non-finite float as null, so only an output with a null in it can hide one.
    if b"null" in text:
        _refuse_non_finite(value)
    return text


def quote(text: str) -> bytes:
    """A string as JSON: what ``dumps`` gives for it, without the checks that only other values need."""
    return orjson.dumps(text)


def _dumps_slowly(value: Any) -> bytes:
    """What orjson refuses and JSON can carry: integers over 64 bits, keys that are not str, nesting over 254."""
    try:
        text = _stdlib.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except RecursionError:
        raise ValueError("The value is nested too deeply to be written as JSON") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"A string holds a lone surrogate and cannot be written as UTF-8: {error}") from None


def _refuse_non_finite(value: Any) -> None:
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            stack.extend(current.values())
        elif isinstance(current, list | tuple):
            stack.extend(current)
        elif isinstance(current, float):
            if not isfinite(current):
                raise ValueError(f"Out of range float values are not JSON compliant: {current}")
        elif isinstance(current, Enum):
            stack.append(current.value)


def least_bytes(value: Any, enough: int) -> int:
    """The fewest bytes that ``value`` can take as JSON; counting ends once there are more than ``enough``.

    It is for values whose parts are shared: they are small in memory, and may take gigabytes once they are written. No
    part is written or copied here. What is written has at most 24 times as many bytes: a number counts as one, a
    character of a string too, whatever it takes to escape it.
    """
    total = 0
    left = [value]
    for part in left:
        kind = type(part)
        if kind is str:
            total += len(part)
        elif kind not in _SCALARS and isinstance(part, dict):
            total += 4 * len(part) + _characters(part)
            if total <= enough:
                left += part.values()
        elif kind not in _SCALARS and isinstance(part, list | tuple):
            total += len(part)
            if total <= enough:
                left += part
        total += 1
        if total > enough:
            break
    return total


def excerpt(value: Any, characters: int) -> str:
    """The beginning of ``value`` as JSON, however large it is: for messages.

    Raises TypeError and ValueError as :func:`dumps` does.
    """
    if least_bytes(value, characters) <= characters:
        return dumps(value).decode()[:characters]
    parts, length = [], 0
    # Written piece by piece: the rest is never made.
    for part in _stdlib.JSONEncoder(ensure_ascii=False, separators=(",", ":")).iterencode(value):
        parts.append(part)
        length += len(part)
        if length >= characters:
            break
    return "".join(parts)[:characters]


def _characters(names: dict[Any, Any]) -> int:
    try:
        return sum(map(len, names))
    except TypeError:
        return 0  # names that are no text; Python code makes them, and few characters are missed
