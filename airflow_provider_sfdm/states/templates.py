"""JSONPath payload templates: Parameters, ResultSelector, ItemSelector, BatchInput and Assign.

A member whose name ends in ``.$`` holds a path or an intrinsic function; all else is copied as it is, even a text that
looks like a path. Source: "Payload template" in the Amazon States Language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import InvalidDefinition
from .limits import MAX_NESTING
from .values import Evaluate, compile_value
from .visit import Visit


def compile_template(template: Any, place: str) -> Evaluate:
    """A template as a function of the visit. Raises InvalidDefinition naming ``place`` and the keys down to a problem.

    What the function returns shares its constants with the definition, which nobody changes.
    """
    return _compile(template, place, 0)


def _compile(template: Any, place: str, depth: int) -> Evaluate:
    if depth > MAX_NESTING:
        raise InvalidDefinition(place, f"is nested deeper than {MAX_NESTING} levels")
    if not _is_dynamic(template):
        return lambda visit: template
    if isinstance(template, Mapping):
        return _object(template, place, depth)
    parts = [_compile(part, f"{place}[{index}]", depth + 1) for index, part in enumerate(template)]
    return lambda visit: [part(visit) for part in parts]


def _object(template: Mapping[str, Any], place: str, depth: int) -> Evaluate:
    members: dict[str, Evaluate] = {}
    for key, value in template.items():
        where = f"{place}.{key}"
        name = key.removesuffix(".$")
        if name in members:
            raise InvalidDefinition(where, f"{name!r} is given both as a value and as a path")
        members[name] = compile_value(value, where, key) if name != key else _compile(value, where, depth + 1)
    pairs = list(members.items())

    def evaluate(visit: Visit) -> Any:
        return {name: member(visit) for name, member in pairs}

    return evaluate


def _is_dynamic(template: Any) -> bool:
    """Whether there is a ``.$`` anywhere in it. It does not recurse: a definition may be nested deep."""
    left = [template]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            if any(key.endswith(".$") for key in value):
                return True
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return False
