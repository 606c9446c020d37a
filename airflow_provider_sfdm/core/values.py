"""The kinds of values that the fields of a definition hold, and the checks they share.

A field of a :class:`~.definition.DistributedMap` holds one of

* a literal, checked when the definition is made;
* a Jinja template (``"{{ ds }}"``), rendered before the run (:mod:`.render`) and checked again then;
* a :class:`~.paths.JsonPath` or a ``…_path`` field, taken from the run's input (:mod:`.resolve`), with
  ``QueryLanguage: JSONPath``;
* a JSONata expression (a string that is wholly ``"{% … %}"``), with ``QueryLanguage: JSONata``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, TypeVar

from .errors import InvalidDefinition
from .paths import JsonPath, compile_reference_path


class Intrinsic(JsonPath):
    """An intrinsic function where AWS takes a path: ``Intrinsic("States.Format('{}.csv', $.day)")``.

    It is kept for the Amazon States Language and not looked into before the map runs.
    """

    def __post_init__(self) -> None:
        if not str(self.path).startswith("States."):
            raise InvalidDefinition("JSONPath", f"must be an intrinsic function, got {shown(self.path)}")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A value that came out of an expression: data, in which nothing is an expression."""

    value: Any


Text = str | JsonPath

_Choice = TypeVar("_Choice", bound=StrEnum)
_S3_URL = re.compile(r"(?i:s3)://((?:\{\{.*?\}\}|\{%.*?%\}|[^/])+)(?:/(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Unset(Enum):
    """The type of :data:`UNSET`; an enum, so that the one value survives copying and pickling."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""No value was given, where ``None`` would be one (JSON's null)."""


class QueryLanguage(StrEnum):
    """The language of a state's expressions: AWS's field ``QueryLanguage``."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"


class ExecutionType(StrEnum):
    """The type of the child executions: AWS's field ``ItemProcessor.ProcessorConfig.ExecutionType``."""

    STANDARD = "STANDARD"
    EXPRESS = "EXPRESS"


def is_template(value: object) -> bool:
    """Whether ``value`` is a string with Jinja in it (``{{ … }}`` or ``{% … %}``)."""
    return isinstance(value, str) and not isinstance(value, Enum) and ("{{" in value or "{%" in value)


def is_jsonata(value: object) -> bool:
    """Whether ``value`` is a string that is wholly ``{% … %}``: with ``QueryLanguage: JSONata`` an
    expression.
    """
    return isinstance(value, str) and len(value) >= 4 and value.startswith("{%") and value.endswith("%}")


def is_lone_jsonata(value: object) -> bool:
    """Whether ``value`` is JSONata that can't be meant as Jinja: one ``{% … %}`` and nothing else prints
    nothing in Jinja.
    """
    return isinstance(value, str) and is_jsonata(value) and value.count("{%") == 1 and "{{" not in value


def is_url(value: str) -> bool:
    """Whether ``value`` begins with a scheme, as ``file://`` or ``s3://``."""
    return _SCHEME.match(value) is not None


def split_s3_url(url: str) -> tuple[str, str] | None:
    """``"s3://bucket/a/b"`` → ``("bucket", "a/b")``; None for another scheme.

    A ``/`` inside a template splits nothing. Raises ValueError for an S3 URL without a bucket.
    """
    if not url.lower().startswith("s3://"):
        return None
    match = _S3_URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} names no bucket")
    return match[1], match[2] or ""


def shown(value: object) -> str:
    """``value`` for an error message: its repr, cut when it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def check_text(value: object, field: str, *, required: bool = False) -> None:
    """Refuse what is neither a non-empty string nor a JsonPath (nor, unless ``required``, None)."""
    if isinstance(value, JsonPath) or (value is None and not required):
        return
    if not isinstance(value, str):
        raise InvalidDefinition(field, f"must be a string or JsonPath.string_at(…), got {shown(value)}")
    if not value:
        raise InvalidDefinition(field, "must not be empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidDefinition(field, f"must be text that UTF-8 can write, got {value!a}") from None


def check_string(value: object, field: str, what: str) -> None:
    """Refuse what is not a non-empty string; ``what`` says what it should be."""
    if not isinstance(value, str) or not value:
        raise InvalidDefinition(field, f"must be {what}, got {shown(value)}")


def check_comment(value: object, field: str) -> None:
    """Refuse what is neither a string nor None."""
    if value is not None and not isinstance(value, str):
        raise InvalidDefinition(field, f"must be a string, got {shown(value)}")


def check_integer(value: object, field: str, minimum: int, maximum: int | None = None) -> None:
    """Refuse what is not an integer in the range, None, a Jinja template or a JSONata expression."""
    if value is None or _is_expression(value):
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidDefinition(field, f"must be an integer, got {shown(value)}{_hint(value)}")
    _check_range(value, field, minimum, maximum)


def check_number(value: object, field: str, minimum: float, maximum: float | None = None) -> None:
    """Refuse what is not a finite number in the range, None, a Jinja template or a JSONata expression."""
    if value is None or _is_expression(value):
        return
    # Compared, not math.isfinite: that can't take an integer beyond the floats.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise InvalidDefinition(field, f"must be a number, got {shown(value)}{_hint(value)}")
    _check_range(value, field, minimum, maximum)


def check_path(path: object, field: str) -> None:
    """Refuse what is neither a reference path, a Jinja template nor None."""
    if path is None or is_template(path):
        return
    if not isinstance(path, str) or not path.startswith("$"):
        raise InvalidDefinition(field, f'must be a path such as "$.value", got {shown(path)}')
    compile_reference_path(path, field)


def check_one(value: object, path: object, field: str, name: str) -> None:
    """Refuse a literal and a path for the same field."""
    if value is not None and path is not None:
        raise InvalidDefinition(field, f"give {name} or {name}_path, not both")


def choice(kind: type[_Choice], value: object, field: str) -> _Choice:
    """``value`` as a member of ``kind``; its plain string is taken too."""
    if isinstance(value, str) and value in list(kind):
        return kind(value)
    raise InvalidDefinition(field, f"must be one of {', '.join(kind)}; got {shown(value)}")


def json_copy(value: object, field: str) -> Any:
    """A deep copy of a JSON value in plain dicts and lists, so that a definition can't change under its
    owner.

    Raises :class:`InvalidDefinition` for what JSON can't carry: NaN, other types, keys that aren't strings.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidDefinition(field, f"{value} is not a JSON number")
        return value
    if isinstance(value, Mapping):
        copy = {}
        for key, member in value.items():
            if not isinstance(key, str):
                raise InvalidDefinition(field, f"keys must be strings, got {shown(key)}")
            copy[key] = json_copy(member, f"{field}.{key}")
        return copy
    if isinstance(value, list | tuple):
        return [json_copy(member, f"{field}[{index}]") for index, member in enumerate(value)]
    raise InvalidDefinition(field, f"must be JSON, got {shown(value)} ({type(value).__name__})")


def check_payload_template(template: object, field: str) -> None:
    """Check the keys that end in ``.$`` in a JSONPath payload template: they must hold a path or an intrinsic
    function.
    """
    if isinstance(template, list):
        for index, member in enumerate(template):
            check_payload_template(member, f"{field}[{index}]")
    if not isinstance(template, Mapping):
        return
    for key, member in template.items():
        if not key.endswith(".$"):
            check_payload_template(member, f"{field}.{key}")
            continue
        if key[:-2] in template:
            raise InvalidDefinition(f"{field}.{key}", f"{key[:-2]!r} is given both as a value and as a path")
        if is_template(member):
            continue
        if not isinstance(member, str) or not member.startswith(("$", "States.")):
            raise InvalidDefinition(
                f"{field}.{key}",
                f'must be a path ("$.…", "$$.…", "$variable") or an intrinsic function, got {shown(member)}',
            )


def strings(value: object) -> Iterable[str]:
    """Every string in a JSON value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from strings(member)


def _is_expression(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or is_jsonata(value))


def _hint(value: object) -> str:
    if isinstance(value, str):
        return ': a string is taken only as a Jinja template ("{{ … }}") or a JSONata expression ("{% … %}")'
    return ""


def _check_range(value: float, field: str, minimum: float, maximum: float | None) -> None:
    if value < minimum or (maximum is not None and value > maximum):
        allowed = f"at least {minimum:,}" if maximum is None else f"from {minimum:,} to {maximum:,}"
        raise InvalidDefinition(field, f"must be {allowed}, got {value}")
