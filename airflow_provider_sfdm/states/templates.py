"""JSONPath payload templates: Parameters, ResultSelector, ItemSelector, BatchInput and Assign.

A member whose name ends in ``.$`` holds a path or an intrinsic function; all else is copied as it is, even a text that
looks like a path. Source: "Payload template" in the Amazon States Language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import InvalidDefinition
from .limits import MAX_NESTING
from .payloads import Budget
from .values import Evaluate, compile_value

# Each path and function alone is bounded; so few together are bounded enough, and are not counted while they are built.
_FEW = 8
Part = Callable[[Any], Any]
"""A part of a template as a function of the visit, or of the visit's budget where all parts are counted."""


def compile_template(template: Any, place: str) -> Evaluate:
    """A template as a function of the visit. Raises InvalidDefinition naming ``place`` and the keys down to a problem.

    What the function returns shares its constants with the definition, which nobody changes. It raises
    DataLimitExceeded as soon as far more has been built than any state may hand on.
    """
    count = _count_dynamic(template)
    if count <= _FEW:
        return _compile(template, place, 0, lambda value: value)
    build = _compile(template, place, 0, counted)
    return lambda visit: build(Budget(visit))


def counted(value: Evaluate) -> Part:
    """A part whose value is taken off the budget."""
    return lambda budget: budget.take(value(budget.visit))


def _compile(template: Any, place: str, depth: int, part: Callable[[Evaluate], Part]) -> Part:
    if depth > MAX_NESTING:
        raise InvalidDefinition(place, f"is nested deeper than {MAX_NESTING} levels")
    if not _count_dynamic(template):
        return lambda source: template
    if isinstance(template, Mapping):
        return _object(template, place, depth, part)
    members = [_compile(member, f"{place}[{index}]", depth + 1, part) for index, member in enumerate(template)]
    return lambda source: [member(source) for member in members]


def _object(template: Mapping[str, Any], place: str, depth: int, part: Callable[[Evaluate], Part]) -> Part:
    members: dict[str, Part] = {}
    for key, value in template.items():
        where = f"{place}.{key}"
        name = key.removesuffix(".$")
        if name in members:
            raise InvalidDefinition(where, f"{name!r} is given both as a value and as a path")
        if name != key:
            members[name] = part(compile_value(value, where, key))
        else:
            members[name] = _compile(value, where, depth + 1, part)
    pairs = list(members.items())

    def evaluate(source: Any) -> Any:
        return {name: member(source) for name, member in pairs}

    return evaluate


def _count_dynamic(template: Any) -> int:
    """How often there is a ``.$`` in it. It does not recurse: a definition may be nested deep."""
    count, left = 0, [template]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            count += sum(key.endswith(".$") for key in value)
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return count
