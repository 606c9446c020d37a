"""The functions that Step Functions adds to JSONata, and those of the library that need a bound.

Undefined is None here and null is the library's own object, as everywhere in the library.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

from ...core.json import loads
from ..intrinsics.functions import ALGORITHMS, equal_key
from ..services import Services
from . import numbers, pictures
from .bounds import MEMORY, OutOfBounds, check_bytes
from .calls import Function, of_library
from .errors import UNDEFINED
from .regex import BoundedPattern

MAX_RANGE = 360_145
"""The most elements that AWS's $range gives, as measured by others."""


def _native(name: str, function: Callable[..., Any], signature: str, count: int) -> Function:
    return Function(name, function, signature, count)


def _whole(number: float) -> int:
    """AWS rounds towards zero here, unlike in its intrinsic functions."""
    if not math.isfinite(number):
        raise JException("D1001", -1, number)
    return math.trunc(number)


def _partition(array: Any, size: Any) -> Any:
    if array is None:
        return None
    if not isinstance(array, list):
        raise JException("T0412", -1, 1, "partition", UNDEFINED)
    if size is None:
        return [array] if array else None
    length = _whole(size)
    if length < 0:
        raise JException("D3137", -1, "Second argument must be zero or greater")
    if not length or not array:
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
    name = ALGORITHMS.get(algorithm)
    if name is None:
        allowed = "must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"
        raise JException("D3137", -1, f"Hash algorithm '{algorithm}' {allowed}")
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _parse(text: Any) -> Any:
    if text is None:
        return None
    try:
        value = loads(text)
        json.loads(text, object_pairs_hook=_refuse_twice)
    except ValueError:
        raise JException("D3137", -1, "Invalid JSON") from None
    return Utils.NULL_VALUE if value is None else value


def _refuse_twice(members: list[tuple[str, Any]]) -> None:
    """AWS's parser takes no object with the same name twice."""
    if len({name for name, _ in members}) < len(members):
        raise ValueError("a name is given twice")


def _distinct(array: Any) -> Any:
    """The library's compares each with each, and there is no limit in its loop."""
    if not isinstance(array, list) or len(array) < 2:
        return array
    found = list({equal_key(member): member for member in reversed(list(array))}.values())[::-1]
    return Utils.create_sequence_from_iter(found) if Utils.is_sequence(array) else found


def _pad(text: Any, width: Any, character: Any) -> Any:
    if isinstance(width, int | float) and not isinstance(width, bool):
        check_bytes(int(min(abs(width), 1e15)))
    return Functions.pad(text, width, character)


def _join(texts: Any, separator: Any) -> Any:
    if isinstance(texts, list):
        between = len(separator) if isinstance(separator, str) else 0
        check_bytes(sum(len(text) + between for text in texts if isinstance(text, str)))
    return Functions.join(texts, separator)


def _replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    if text is None:
        return None
    if pattern == "":
        raise JException("D3010", -1)
    if limit is not None and limit < 0:
        raise JException("D3011", -1)
    if isinstance(pattern, str):
        pattern = BoundedPattern(re.escape(pattern), 0)
    parts: list[str] = []
    end = built = 0
    for count, match in enumerate(_matcher(pattern, "replace").finditer(text)):
        if limit is not None and count >= limit:
            break
        made = _filled(replacement, match) if isinstance(replacement, str) else _made(replacement, match)
        parts += (text[end : match.start()], made)
        end = match.end()
        built += len(parts[-1])
        check_bytes(built)
    return "".join((*parts, text[end:]))


def _made(function: Any, match: Any) -> str:
    made = Functions.func_apply(function, [Functions.to_jsonata_match(match)])
    if not isinstance(made, str):
        raise JException("D3012", -1, made)
    return made


def _filled(template: str, match: Any) -> str:
    """``$0`` is all that matched, ``$1`` a group, ``$$`` a dollar; ``$12`` is group 1 and a 2 where there is no 12."""
    groups = match.re.groups

    def fill(found: re.Match[str]) -> str:
        written = found[1]
        if written == "$":
            return "$"
        for length in range(min(len(written), len(str(groups))), 0, -1):
            number = int(written[:length])
            if number <= groups:
                return (match.group(number) or "") + written[length:]
        # A group that is not there is nothing; its first digit belongs to it.
        return written[1:]

    return _REFERENCE.sub(fill, template)


_REFERENCE = re.compile(r"\$(\$|\d+)", re.ASCII)


def _split(text: Any, pattern: Any, limit: Any) -> Any:
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise JException("D3020", -1)
    parts = list(text) if pattern == "" else _parts(text, pattern)
    return parts if limit is None else parts[: math.ceil(limit)]


def _parts(text: str, pattern: Any) -> list[str]:
    if pattern is None:
        return [text]
    return text.split(pattern) if isinstance(pattern, str) else list(_matcher(pattern, "split").split(text))


def _matcher(pattern: Any, name: str) -> BoundedPattern:
    """A regular expression. A function that is none gives no matches of the kind that is needed."""
    if not isinstance(pattern, BoundedPattern):
        raise JException("T1010", -1, name)
    return pattern


def _match(text: Any, pattern: Any, limit: Any) -> Any:
    return None if text is None else Functions.match_(text, _matcher(pattern, "match"), limit)


def _contains(text: Any, pattern: Any) -> Any:
    token = pattern if isinstance(pattern, str) else _matcher(pattern, "contains")
    return None if text is None else Functions.contains(text, token)


def _sort(array: Any, comparator: Any) -> Any:
    if comparator is None and isinstance(array, list) and len(array) > 1:
        texts = sum(isinstance(member, str) for member in array)
        digits = sum(isinstance(member, int | float) and not isinstance(member, bool) for member in array)
        if len(array) not in (texts, digits):
            raise JException("D3070", -1)
    return Functions.sort(array, comparator)


def _decoded(text: Any) -> Any:
    """$base64decode. Raises ValueError for what is none, an internal error on AWS too."""
    if text is None:
        return None
    # As JavaScript's atob, which does not ask for the padding.
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()


def _url_decoder(name: str) -> Callable[[Any], Any]:
    def decode(text: Any) -> Any:
        try:
            if text is not None and _MALFORMED.search(text):
                raise ValueError
            return None if text is None else urllib.parse.unquote(text, errors="strict")
        except ValueError:
            raise JException("D3140", -1, name, text) from None

    return decode


_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")


STATIC: Mapping[str, Any] = {
    **of_library(),
    # AWS has no $eval: to call it is to call something that is no function.
    "eval": None,
    "partition": _native("partition", _partition, "<xn?:a>", 2),
    "range": _native("range", _range, "<nnn?:a>", 3),
    "hash": _native("hash", _hash, "<ss?:s>", 2),
    "parse": _native("parse", _parse, "<s?:x>", 1),
    "distinct": _native("distinct", _distinct, "<x:x>", 1),
    "pad": _native("pad", _pad, "<s-ns?:s>", 3),
    "join": _native("join", _join, "<a<s>s?:s>", 2),
    "replace": _native("replace", _replace, "<s-(sf)(sf)n?:s>", 4),
    "match": _native("match", _match, "<s-f<s:o>n?:a<o>>", 3),
    "contains": _native("contains", _contains, "<s-(sf):b>", 2),
    "split": _native("split", _split, "<s-(sf)n?:a<s>>", 3),
    "lowercase": _native("lowercase", lambda text: None if text is None else text.lower(), "<s-:s>", 1),
    "base64decode": _native("base64decode", _decoded, "<s-:s>", 1),
    "decodeUrl": _native("decodeUrl", _url_decoder("decodeUrl"), "<s-:s>", 1),
    "decodeUrlComponent": _native("decodeUrlComponent", _url_decoder("decodeUrlComponent"), "<s-:s>", 1),
    "sort": _native("sort", _sort, "<af?:a>", 2),
    "number": _native("number", numbers.number, "<(nsb)-:n>", 1),
    "string": _native("string", numbers.text, "<x-b?:s>", 2),
    "power": _native("power", numbers.power, "<n-n:n>", 2),
    "round": _native("round", numbers.rounded, "<n-n?:n>", 2),
    "floor": _native("floor", numbers.floor, "<n-:n>", 1),
    "ceil": _native("ceil", numbers.ceil, "<n-:n>", 1),
    "formatBase": _native("formatBase", numbers.in_base, "<n-n?:s>", 2),
    "formatNumber": _native("formatNumber", pictures.format_number, "<n-so?:s>", 3),
    "formatInteger": _native("formatInteger", pictures.format_integer, "<n-s:s>", 2),
    "parseInteger": _native("parseInteger", pictures.read_integer, "<s-s:n>", 2),
    "toMillis": _native("toMillis", pictures.read_time, "<s-s?:n>", 2),
    "fromMillis": _native("fromMillis", pictures.format_time, "<n-s?s?:s>", 3),
}
"""What is the same for every evaluation."""


def seeded(seed: int) -> float:
    """The first number that Java's Random gives for a seed: ``$random(42)`` is 0.7275636800328681 on AWS."""
    state = (seed ^ _MULTIPLIER) & _MASK
    first = state = (state * _MULTIPLIER + 11) & _MASK
    second = (state * _MULTIPLIER + 11) & _MASK
    return ((first >> 22 << 27) + (second >> 21)) / 2**53


_MULTIPLIER, _MASK = 0x5DEECE66D, 2**48 - 1


def _random(services: Services, instant: int) -> Any:
    def random(seed: Any) -> float:
        return services.random() if seed is None else seeded(_whole(seed))

    return _native("random", random, "<n?:n>", 1)


def _uuid(services: Services, instant: int) -> Any:
    return _native("uuid", services.uuid, "<:s>", 0)


def _millis(services: Services, instant: int) -> Any:
    return _native("millis", lambda: instant, "<:n>", 0)


def _now(services: Services, instant: int) -> Any:
    def now(picture: Any, zone: Any) -> Any:
        return pictures.format_time(instant, picture, zone)

    return _native("now", now, "<s?s?:s>", 2)


LATE: Mapping[str, Callable[[Services, int], Any]] = {"random": _random, "uuid": _uuid, "millis": _millis, "now": _now}
"""What needs the chance that an execution is given, or an evaluation's instant in milliseconds: docs.jsonata.org has
all of ``$now()`` and ``$millis()`` in one expression return the same.
"""
