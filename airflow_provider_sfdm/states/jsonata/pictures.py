"""The picture strings of JSONata: of numbers ($formatNumber), of integers and of times.

The library refuses some that the reference takes and takes some that it refuses; and where it refuses one, it seldom
says so with a code. The rules for numbers are those of XPath Functions 3.1, section 4.7.3.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import regex
from jsonata.functions import Functions
from jsonata.jexception import JException

from .bounds import OutOfBounds
from .regex import MAX_SECONDS

MAX_PICTURE = 1_000
"""Characters of a picture, and of a text that is read by one: the library's loops grow with their square, or more."""
MAX_WIDTH = 1_000
"""What a component of a time may be padded to."""

_ISO = re.compile(
    r"(\d{4})(?:-([01]\d))?(?:-([0-3]\d))?(?:T([0-2]\d):([0-5]\d):([0-5]\d))?(?:\.(\d+))?"
    r"(?:Z|([+-])([0-2]\d):?([0-5]\d))?",
    re.ASCII,
)
_NAMED = re.compile(r"\[([A-Za-z])[^]]*?[Nn]")
_COMPONENT = re.compile(r"\[\s*(\w)")
_COMPONENTS = frozenset("YMDdFWwXxHhPmsfZzCE")
# What the library raises, by a part of its text.
_TEXTS = {
    "as a sequence starting with": "D3130",
    "from the same decimal group": "D3131",
    "Unknown component specifier": "D3132",
    "modifier can only be applied": "D3133",
    "more than four digits": "D3134",
    "No matching closing bracket": "D3135",
    "missing specifiers": "D3136",
}


def format_number(value: Any, picture: Any, options: Any) -> Any:
    """$formatNumber."""
    if value is None:
        return None
    _refuse_long(picture, "a picture")
    symbols = {**_SYMBOLS, **(options or {})}
    for name in _SYMBOLS:
        if not isinstance(symbols[name], str) or len(symbols[name]) != 1:
            raise OutOfBounds(f"The {name} of a picture is one character")
    parts = picture.split(symbols["pattern-separator"])
    if len(parts) > 2:
        raise JException("D3080", -1)
    for part in parts:
        if code := _broken_rule(part, symbols):
            raise JException(code, -1)
    return Functions.format_number(value, picture, options)


_SYMBOLS = {
    "decimal-separator": ".",
    "grouping-separator": ",",
    "exponent-separator": "e",
    "percent": "%",
    "per-mille": "\u2030",
    "zero-digit": "0",
    "digit": "#",
    "pattern-separator": ";",
}


def _broken_rule(part: str, symbols: dict[str, str]) -> str | None:
    """The code of the last rule that a sub-picture breaks, as the reference names the last one."""
    point, comma, exponent = (symbols[f"{name}-separator"] for name in ("decimal", "grouping", "exponent"))
    percent, per_mille, optional = symbols["percent"], symbols["per-mille"], symbols["digit"]
    digits = "".join(chr(ord(symbols["zero-digit"]) + number) for number in range(10))
    active = digits + point + exponent + comma + optional + symbols["pattern-separator"]
    # The exponent's separator is a letter: before and behind all others it is text.
    places = [place for place, character in enumerate(part) if character in active and character != exponent]
    used = part[places[0] : places[-1] + 1] if places else part
    if places and part[places[-1] + 1 :].startswith(exponent):
        used += exponent
    mantissa, has_exponent, power = used.partition(exponent)
    whole, has_point, fraction = mantissa.partition(point)
    is_percentage = percent in part or per_mille in part
    broken = {
        "D3081": part.count(point) > 1,
        "D3082": part.count(percent) > 1,
        "D3083": part.count(per_mille) > 1,
        "D3084": percent in part and per_mille in part,
        "D3085": not any(character in digits or character == optional for character in mantissa),
        "D3086": any(character not in active for character in used),
        "D3087": comma + point in part or point + comma in part,
        "D3088": not has_point and whole.endswith(comma),
        "D3089": comma * 2 in part,
        "D3090": optional in whole and any(character in digits for character in whole.partition(optional)[0]),
        "D3091": optional in fraction and any(character in digits for character in fraction.rpartition(optional)[2]),
        "D3092": bool(power) and is_percentage,
        "D3093": bool(has_exponent) and (not power or any(character not in digits for character in power)),
    }
    return next((code for code in reversed(broken) if broken[code]), None)


def coded(function: Callable[..., Any], check: Callable[[Any, str], None]) -> Callable[..., Any]:
    """A function of a value and a picture whose failures have the reference's codes.

    :param check: raises OutOfBounds for what would take too long.
    """

    def call(value: Any, picture: Any, *others: Any) -> Any:
        try:
            if isinstance(picture, str):
                _refuse_long(picture, "a picture")
                check(value, picture)
            return function(value, picture, *others)
        except KeyError as error:
            # Of its table of components, or of the words of a number.
            if unknown := _unknown_component(picture):
                raise JException("D3132", -1, unknown) from None
            raise error
        except RuntimeError as error:
            for text, code in _TEXTS.items():
                if text in str(error):
                    raise JException(code, -1, _value(code, picture)) from None
            raise

    return call


def _unknown_component(picture: Any) -> str | None:
    found = _COMPONENT.findall(picture.replace("[[", "")) if isinstance(picture, str) else []
    return next((component for component in found if component not in _COMPONENTS), None)


def _value(code: str, picture: str) -> str | None:
    if code == "D3130":
        return picture.partition(";")[0]
    if code == "D3132":
        return _unknown_component(picture)
    return next((component for component in _NAMED.findall(picture) if component not in "MxF"), None)


def _read_integer(value: Any, picture: Any) -> Any:
    if value is None or picture is None:
        return None
    try:
        return Functions.parse_integer(value, picture)
    except (KeyError, ValueError):
        # Recorded by others: what the picture cannot read is no number, and no error.
        return math.nan


def _read_time(value: Any, picture: Any) -> Any:
    if value is None:
        return None
    if picture is not None:
        return _Times.parse_datetime(value, picture)
    match = _ISO.fullmatch(value)
    if match is None:
        raise JException("D3110", -1, value)
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset) if sign else UTC
        date = (int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))
        moment = datetime(*date, tzinfo=zone)
    except ValueError:
        # A month 13: JavaScript's Date is then no number.
        return math.nan
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * 1000 + int(
        (fraction or "").ljust(3, "0")[:3]
    )


def _refuse_long(text: str, what: str) -> None:
    if len(text) > MAX_PICTURE:
        raise OutOfBounds(f"The length of {what} is {len(text):,} characters, the maximum is {MAX_PICTURE:,}")


def _check_nothing(value: Any, picture: str) -> None:
    """A number has no length."""


def _check_text(value: Any, picture: str) -> None:
    if isinstance(value, str):
        _refuse_long(value, "a text that is read by a picture")


def _check_widths(value: Any, picture: str) -> None:
    for part in _Times._analyse_datetime_picture(picture).parts:
        if any(abs(width) > MAX_WIDTH for width in part.width or () if width is not None):
            raise OutOfBounds(f"The width of a component is over {MAX_WIDTH:,}: {picture[:80]}")


def _check_time(value: Any, picture: str) -> None:
    _check_text(value, picture)
    _check_widths(value, picture)


class _BoundedRe:
    """What the library uses of ``re`` for times. Its pattern of a picture may have any number of components in a
    row that match the same letters, so that matching needs a limit; and what stands between components is text.
    """

    IGNORECASE = regex.IGNORECASE
    split = staticmethod(re.split)

    @staticmethod
    def compile(pattern: str, flags: int = 0) -> Any:
        compiled = regex.compile(pattern, flags)
        return SimpleNamespace(search=lambda text: compiled.search(text, timeout=MAX_SECONDS))

    @staticmethod
    def sub(pattern: Any, replacement: str, text: str) -> str:
        return re.escape(text)


def _times() -> Any:
    """The library's module of times, in a copy of our own: nobody else's may change."""
    spec = importlib.util.find_spec("jsonata.datetimeutils")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.re = _BoundedRe  # type: ignore[attr-defined]
    return module.DateTimeUtils


_Times = _times()

read_integer = coded(_read_integer, _check_text)
"""$parseInteger."""
read_time = coded(_read_time, _check_time)
"""$toMillis."""
format_integer = coded(Functions.format_integer, _check_nothing)
"""$formatInteger."""
format_time = coded(Functions.datetime_from_millis, _check_widths)
"""$fromMillis."""
