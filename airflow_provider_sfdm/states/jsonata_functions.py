"""The functions that Step Functions adds to JSONata, and those of the library that need a bound.

Undefined is None here and null is the library's own object, as everywhere in the library.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

from ..core.json import loads
from .intrinsic_functions import equal_key, seeded
from .jsonata_bounds import MEMORY, OutOfBounds, check_bytes
from .limits import DEFAULT_LIMITS
from .services import Services

MAX_RANGE = 360_145
"""The most elements that AWS's $range gives, as measured by others."""
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
# A replacement is not made first and measured then.
_MAX_REPLACED = 64_000_000


class _Native(Jsonata.JFunctionCallable):  # type: ignore[misc]  # the library ships no types
    def __init__(self, function: Callable[..., Any], count: int) -> None:
        self._function = function
        self._count = count

    def call(self, input: Any, args: Any) -> Any:
        given = list(args or ())
        return self._function(*(given + [None] * self._count)[: self._count])


def _native(name: str, function: Callable[..., Any], signature: str, count: int) -> Any:
    made = Jsonata.JFunction(_Native(function, count), signature)
    made.signature.set_function_name(name)
    return made


def _whole(number: float) -> int:
    """AWS rounds towards zero here, unlike in its intrinsic functions."""
    if not math.isfinite(number):
        raise JException("D1001", -1, str(number))
    return math.trunc(number)


def _partition(array: Any, size: Any) -> Any:
    if array is None or size is None:
        return None
    length = _whole(size)
    if length < 1 or not array:
        return None
    members = list(array)
    return [members[at : at + length] for at in range(0, len(members), length)]


def _range(start: Any, end: Any, step: Any) -> Any:
    if start is None or end is None or step is None:
        return None
    first, last, by = _whole(start), _whole(end), _whole(step)
    if by == 0:
        return None
    numbers = range(first, last + (1 if by > 0 else -1), by)
    if len(numbers) > MAX_RANGE:
        raise OutOfBounds(MEMORY)
    return Utils.create_sequence_from_iter(numbers) if numbers else None


def _hash(text: Any, algorithm: Any) -> Any:
    if text is None or algorithm is None:
        return None
    name = _ALGORITHMS.get(algorithm)
    if name is None:
        raise JException(f"The algorithm {algorithm!r} of $hash is none of {', '.join(_ALGORITHMS)}", -1)
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _parse(text: Any) -> Any:
    if text is None:
        return None
    try:
        value = loads(text)
    except ValueError as error:
        raise JException(f"The argument of $parse is no JSON: {error}", -1) from None
    return Utils.NULL_VALUE if value is None else value


def _distinct(array: Any) -> Any:
    """The library's compares each with each, and there is no limit in its loop."""
    if not isinstance(array, list) or len(array) < 2:
        return array
    found = list({equal_key(member): member for member in reversed(list(array))}.values())[::-1]
    return Utils.create_sequence_from_iter(found) if Utils.is_sequence(array) else found


def _pad(text: Any, width: Any, character: Any) -> Any:
    if isinstance(width, int | float) and not isinstance(width, bool):
        check_bytes(int(min(abs(width), 1e15)), DEFAULT_LIMITS)
    return Functions.pad(text, width, character)


def _join(texts: Any, separator: Any) -> Any:
    if isinstance(texts, list):
        between = len(separator) if isinstance(separator, str) else 0
        check_bytes(sum(len(text) + between for text in texts if isinstance(text, str)), DEFAULT_LIMITS)
    return Functions.join(texts, separator)


def _replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    if isinstance(text, str) and isinstance(replacement, str):
        places = text.count(pattern) if isinstance(pattern, str) and pattern else len(text) + 1
        if places * len(replacement) > _MAX_REPLACED:
            raise OutOfBounds(MEMORY)
    return Functions.replace(text, pattern, replacement, limit)


STATIC: Mapping[str, Any] = {
    # AWS has no $eval: to call it is to call something that is no function.
    "eval": None,
    "partition": _native("partition", _partition, "<a?n?:a>", 2),
    "range": _native("range", _range, "<n?n?n?:a>", 3),
    "hash": _native("hash", _hash, "<s?s?:s>", 2),
    "parse": _native("parse", _parse, "<s?:x>", 1),
    "distinct": _native("distinct", _distinct, "<x:x>", 1),
    "pad": _native("pad", _pad, "<s-ns?:s>", 3),
    "join": _native("join", _join, "<a<s>s?:s>", 2),
    "replace": _native("replace", _replace, "<s-(sf)(sf)n?:s>", 4),
}
"""What is the same for every evaluation."""


def _random(services: Services) -> Any:
    def random(seed: Any) -> float:
        return services.random() if seed is None else seeded(_whole(seed))

    return _native("random", random, "<n?:n>", 1)


def _uuid(services: Services) -> Any:
    return _native("uuid", services.uuid, "<:s>", 0)


def _millis(services: Services) -> Any:
    return _native("millis", lambda: math.floor(services.clock() * 1000), "<:n>", 0)


def _now(services: Services) -> Any:
    def now(picture: Any, zone: Any) -> Any:
        return Functions.datetime_from_millis(math.floor(services.clock() * 1000), picture, zone)

    return _native("now", now, "<s?s?:s>", 2)


LATE: Mapping[str, Callable[[Services], Any]] = {"random": _random, "uuid": _uuid, "millis": _millis, "now": _now}
"""What needs the time or chance that an execution is given."""
