"""The 18 intrinsic functions of Step Functions, with AWS's limits.

Each takes JSON values and returns one; :class:`Invalid` means arguments that AWS refuses. What is seldom told in AWS's
guide is known from executions: numbers are rounded half up (``-1.5`` to ``-1``), StringSplit splits at each character
of its second argument and drops empty parts, an index out of an array fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...core.json import loads
from .syntax import template_parts
from .text import json_text, to_text

MAX_TEXT = 10_000
"""AWS: "up to 10,000 characters" for Base64Encode, Base64Decode and Hash."""
MAX_RANGE = 1_000
"""AWS: ArrayRange "can contain up to 1000 items"."""
_MIN_INTEGER, _MAX_INTEGER = -(2**31), 2**31 - 1
ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
"""Those of States.Hash and $hash, by AWS's name."""


class Invalid(Exception):
    """Arguments that a function refuses; maybe says why, behind "Invalid arguments in States.X"."""


class Chance(NamedTuple):
    """Where functions get chance from."""

    random: Callable[[], float]
    uuid: Callable[[], str]


class Function(NamedTuple):
    """An intrinsic function and how many arguments it takes (``most`` None: any number)."""

    call: Callable[[Sequence[Any], Chance], Any]
    least: int
    most: int | None


def rounded(value: Any) -> int:
    """A number as Java's ``Math.round`` makes it whole. Raises Invalid for what is no number of 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid
    whole = math.floor(value + 0.5) if isinstance(value, float) else value
    if not _MIN_INTEGER <= whole <= _MAX_INTEGER:
        raise Invalid
    return whole


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, true and 1 are not."""
    return bool(equal_key(one) == equal_key(other))


def seeded(seed: int) -> float:
    """A number from 0 to below 1 that is always the same for a seed; AWS's own numbers are not known."""
    digest = hashlib.sha256(str(seed).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def equal_key(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, dict):
        return ("object", frozenset((name, equal_key(member)) for name, member in value.items()))
    if isinstance(value, list | tuple):
        return ("array", tuple(equal_key(member) for member in value))
    return value


def _array(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise Invalid
    return value


def _string(value: Any, limit: int | None = None) -> str:
    if not isinstance(value, str) or (limit is not None and len(value) > limit):
        raise Invalid
    return value


def _make_array(arguments: Sequence[Any], chance: Chance) -> Any:
    return list(arguments)


def _array_partition(arguments: Sequence[Any], chance: Chance) -> Any:
    array, size = _array(arguments[0]), rounded(arguments[1])
    if size < 1:
        raise Invalid
    return [list(array[at : at + size]) for at in range(0, len(array), size)]


def _array_contains(arguments: Sequence[Any], chance: Chance) -> Any:
    wanted = equal_key(arguments[1])
    return any(equal_key(member) == wanted for member in _array(arguments[0]))


def _array_range(arguments: Sequence[Any], chance: Chance) -> Any:
    first, last, step = (rounded(argument) for argument in arguments)
    if step == 0:
        raise Invalid
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > MAX_RANGE:
        raise Invalid
    return list(numbers)


def _array_get_item(arguments: Sequence[Any], chance: Chance) -> Any:
    array, index = _array(arguments[0]), rounded(arguments[1])
    if not 0 <= index < len(array):
        raise Invalid
    return array[index]


def _array_length(arguments: Sequence[Any], chance: Chance) -> Any:
    return len(_array(arguments[0]))


def _array_unique(arguments: Sequence[Any], chance: Chance) -> Any:
    return list({equal_key(member): member for member in reversed(_array(arguments[0]))}.values())[::-1]


def _base64_encode(arguments: Sequence[Any], chance: Chance) -> Any:
    return base64.b64encode(_string(arguments[0], MAX_TEXT).encode()).decode()


def _base64_decode(arguments: Sequence[Any], chance: Chance) -> Any:
    try:
        return base64.b64decode(_string(arguments[0], MAX_TEXT), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Invalid from None


def _hash(arguments: Sequence[Any], chance: Chance) -> Any:
    algorithm = ALGORITHMS.get(_string(arguments[1]))
    data = to_text(arguments[0])
    if algorithm is None or len(data) > MAX_TEXT:
        raise Invalid
    return hashlib.new(algorithm, data.encode(), usedforsecurity=False).hexdigest()


def _json_merge(arguments: Sequence[Any], chance: Chance) -> Any:
    one, other, deep = arguments
    # AWS: "currently, Step Functions only supports the shallow merging mode".
    if not isinstance(one, dict) or not isinstance(other, dict) or deep is not False:
        raise Invalid
    return one | other


def _string_to_json(arguments: Sequence[Any], chance: Chance) -> Any:
    text = _string(arguments[0])
    if not text.strip():
        return None  # recorded
    try:
        return loads(text)
    except ValueError:
        raise Invalid from None


def _json_to_string(arguments: Sequence[Any], chance: Chance) -> Any:
    return json_text(arguments[0])


def _math_random(arguments: Sequence[Any], chance: Chance) -> Any:
    start, end = rounded(arguments[0]), rounded(arguments[1])
    if start >= end:
        raise Invalid
    # The end is exclusive. What AWS makes of a seed is its own; here it is always the same number too.
    drawn = seeded(rounded(arguments[2])) if len(arguments) > 2 else chance.random()
    return start + int(drawn * (end - start))


def _math_add(arguments: Sequence[Any], chance: Chance) -> Any:
    return rounded(rounded(arguments[0]) + rounded(arguments[1]))


def _string_split(arguments: Sequence[Any], chance: Chance) -> Any:
    text, splitters = _string(arguments[0]), _string(arguments[1])
    if not splitters:
        return [text] if text else []
    for character in splitters[1:]:
        text = text.replace(character, splitters[0])
    return [part for part in text.split(splitters[0]) if part]


def _uuid(arguments: Sequence[Any], chance: Chance) -> Any:
    return chance.uuid()


def _format(arguments: Sequence[Any], chance: Chance) -> Any:
    return fill(parts_of(_string(arguments[0])), arguments[1:])


def parts_of(template: str) -> list[str]:
    """The parts of a Format template. Raises Invalid."""
    try:
        return template_parts(template)
    except ValueError as error:
        raise Invalid(str(error)) from None


def fill(parts: Sequence[str], values: Sequence[Any]) -> str:
    """A Format template with its values. Raises Invalid when there are more or fewer of them than places."""
    if len(parts) != len(values) + 1:
        raise Invalid("number of arguments do not match the occurrences of {}.")
    texts = [parts[0]]
    for value, part in zip(values, parts[1:], strict=True):
        texts += (to_text(value), part)
    return "".join(texts)


FUNCTIONS = {
    "Array": Function(_make_array, 0, None),
    "ArrayPartition": Function(_array_partition, 2, 2),
    "ArrayContains": Function(_array_contains, 2, 2),
    "ArrayRange": Function(_array_range, 3, 3),
    "ArrayGetItem": Function(_array_get_item, 2, 2),
    "ArrayLength": Function(_array_length, 1, 1),
    "ArrayUnique": Function(_array_unique, 1, 1),
    "Base64Encode": Function(_base64_encode, 1, 1),
    "Base64Decode": Function(_base64_decode, 1, 1),
    "Hash": Function(_hash, 2, 2),
    "JsonMerge": Function(_json_merge, 3, 3),
    "StringToJson": Function(_string_to_json, 1, 1),
    "JsonToString": Function(_json_to_string, 1, 1),
    "MathRandom": Function(_math_random, 2, 3),
    "MathAdd": Function(_math_add, 2, 2),
    "StringSplit": Function(_string_split, 2, 2),
    "UUID": Function(_uuid, 0, 0),
    "Format": Function(_format, 1, None),
}
"""By their names without ``States.``."""
