"""Numbers as the reference implementation of JSONata has them: those of JavaScript.

They are doubles, so that a sum may become infinite and 0/0 is no number; neither may be computed with. Whole numbers
are kept exact while they fit 64 bits, as on AWS.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

_LARGEST = 2.0**63
# From docs.jsonata.org: "a legal JSON number representation", or 0x, 0o and 0b.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?")
_BASED = re.compile(r"0(?:x[0-9A-Fa-f]+|o[0-7]+|b[01]+)")
_EXPONENT = 21
"""JavaScript writes numbers from 1e21 on with an exponent; $string does so on AWS."""


def plain(value: float) -> Any:
    """A number as it is handed on: whole if it is, as text where JSON has none: AWS writes ``"Infinity"``."""
    if isinstance(value, int) or math.isfinite(value):
        return whole(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def whole(value: Any) -> Any:
    """A number as an int if it is whole and fits 64 bits, else as a float; another value as it is."""
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else float(value)
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST
    return int(value) if is_whole else value


def _operand(value: Any, code: str, operator: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise JException(code, -1, operator, value)
    if math.isinf(value):
        raise JException("D1001", -1)


def calculate(left: Any, right: Any, operator: str) -> Any:
    """``+ - * / %`` of two values. Raises JException for what is no number."""
    if left is not None:
        _operand(left, "T2001", operator)
    if right is not None:
        _operand(right, "T2002", operator)
    if left is None or right is None:
        return None
    return whole(_OPERATORS[operator](float(left), float(right)))


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) * math.copysign(1.0, right) if left else math.nan


_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
    "%": lambda left, right: math.fmod(left, right) if right else math.nan,
}


def number(value: Any) -> Any:
    """$number."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return int(value)
    if _BASED.fullmatch(value):
        return whole(float(int(value, 0)))
    if _NUMBER.fullmatch(value) and math.isfinite(found := float(value)):
        return int(value) if value.lstrip("-").isdigit() and abs(found) < _LARGEST else whole(found)
    raise JException("D3030", -1, value)


def power(base: Any, exponent: Any) -> Any:
    """$power."""
    if base is None or exponent is None:
        return None
    try:
        result = math.pow(base, exponent)
    except (OverflowError, ValueError):
        result = math.inf
    if not math.isfinite(result):
        raise JException("D3061", -1, base, exponent)
    return whole(result)


def rounded(value: Any, precision: Any) -> Any:
    """$round: half to even, as the decimal digits say."""
    if value is None:
        return None
    try:
        return whole(float(round(Decimal(str(value)), int(precision or 0))))
    except (InvalidOperation, OverflowError):
        # More places than a double has digits: nothing is cut off.
        return value


def floor(value: Any) -> Any:
    """$floor."""
    return None if value is None else whole(math.floor(value))


def ceil(value: Any) -> Any:
    """$ceil."""
    return None if value is None else whole(math.ceil(value))


def in_base(value: Any, radix: Any) -> Any:
    """$formatBase."""
    if value is None:
        return None
    base = 10 if radix is None else int(rounded(radix, 0))
    if not 2 <= base <= 36:
        raise JException("D3100", -1, base)
    return Functions.base_repr(int(rounded(value, 0)), base).lower()


def text(value: Any, pretty: Any = None) -> Any:
    """$string, and the operator ``&``."""
    if isinstance(value, Utils.JList) and value.outer_wrapper:
        value = value[0]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise JException("D3001", -1)
    # A function is an empty text, and an empty JSON text inside of something.
    known = value is Utils.NULL_VALUE or isinstance(value, int | float | dict | list)
    return _written(value, "\n" if pretty else None) if known else ""


def _written(value: Any, line: str | None) -> str:
    if value is None or value is Utils.NULL_VALUE:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _digits(value)
    if isinstance(value, dict | list):
        return _structure(value, line)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else '""'


def _structure(value: Any, line: str | None) -> str:
    inner = None if line is None else line + "  "
    if isinstance(value, dict):
        colon = ":" if line is None else ": "
        parts = [json.dumps(name, ensure_ascii=False) + colon + _written(part, inner) for name, part in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_written(part, inner) for part in value]
        opening, closing = "[", "]"
    if line is None or inner is None or not parts:
        return opening + ",".join(parts) + closing
    return opening + inner + f",{inner}".join(parts) + line + closing


def _digits(value: float) -> str:
    """A number as JavaScript writes it, fractions with fifteen digits."""
    value = whole(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "null"
    shortest = value if value.is_integer() else float(f"{value:.15g}")
    sign, digits, exponent = Decimal(repr(shortest)).normalize().as_tuple()
    assert isinstance(exponent, int)
    written = "".join(map(str, digits))
    point = len(written) + exponent
    if -6 < point <= _EXPONENT:
        if exponent >= 0:
            written += "0" * exponent
        elif point > 0:
            written = f"{written[:point]}.{written[point:]}"
        else:
            written = "0." + "0" * -point + written
    else:
        fraction = f".{written[1:]}" if written[1:] else ""
        written = f"{written[0]}{fraction}e{point - 1:+d}"
    return f"-{written}" if sign else written
