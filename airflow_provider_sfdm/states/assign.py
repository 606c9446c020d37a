"""Assign: a state's workflow variables.

All values are evaluated before any is set, so that they see the variables as they were. Limits are AWS's: a name has at
most 80 characters, a value at most 256 KiB, and so have all values of one Assign together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import InvalidDefinition
from .jsonata.templates import compile_jsonata
from .payloads import check_payload
from .templates import compile_template
from .values import Evaluate
from .visit import Visit

_NAME = re.compile(r"[^\W\d]\w*")
MAX_NAME_LENGTH = 80


class Assign:
    """The field ``Assign`` of a state, a choice rule or a catcher."""

    __slots__ = ("_evaluate",)

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate

    @classmethod
    def of_jsonpath(cls, holder: Mapping[str, Any], place: str) -> Assign | None:
        """None where nothing is assigned. Raises InvalidDefinition."""
        if not holder.get("Assign"):
            return None
        where = f"{place}.Assign"
        _check(holder["Assign"], where, ".$")
        return cls(compile_template(holder["Assign"], where))

    @classmethod
    def of_jsonata(cls, holder: Mapping[str, Any], where: str = "Assign") -> Assign | None:
        """The same for JSONata; ``where`` is the field as AWS names it."""
        if not holder.get("Assign"):
            return None
        if isinstance(holder["Assign"], Mapping):
            _check(holder["Assign"], where, "")
        return cls(compile_jsonata(holder["Assign"], where))

    def values(self, visit: Visit) -> dict[str, Any]:
        """The new values of the variables. Raises StatesError and StateFailed."""
        values: dict[str, Any] = self._evaluate(visit)
        for name, value in values.items():
            check_payload(value, f"variable '{name}'")
        if len(values) > 1:
            check_payload(list(values.values()), "field 'Assign'")
        return values


def _check(assign: object, place: str, suffix: str) -> None:
    if not isinstance(assign, Mapping):
        raise InvalidDefinition(place, "must be an object")
    for key in assign:
        name = key.removesuffix(suffix) if suffix else key
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            problem = f"a variable has a name of letters, digits and _, at most {MAX_NAME_LENGTH}, got {name!r}"
            raise InvalidDefinition(f"{place}.{key}", problem)
        if name == "states":
            raise InvalidDefinition(f"{place}.{key}", "the name 'states' is reserved")
