"""JSON with JSONata in it: Arguments, Output, Assign, Items and ItemSelector of states that speak JSONata.

A text that is wholly ``{% … %}`` is an expression; all else is copied as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import InvalidDefinition
from ..core.values import is_jsonata, strings
from .jsonata import Expression
from .limits import MAX_NESTING
from .payloads import nesting
from .values import Evaluate


def compile_jsonata(template: Any, place: str) -> Evaluate:
    """A template as a function of the visit. Raises InvalidDefinition naming the place down to the expression.

    What the function returns shares its constants with the definition, which nobody changes.
    """
    if nesting(template) > MAX_NESTING:
        raise InvalidDefinition(place, f"is nested deeper than {MAX_NESTING} levels")
    return _compile(template, place)


def _compile(template: Any, place: str) -> Evaluate:
    if isinstance(template, str):
        return Expression(template, place).evaluate if is_jsonata(template) else lambda visit: template
    if not any(is_jsonata(text) for text in strings(template)):
        return lambda visit: template
    if isinstance(template, Mapping):
        members = [(name, _compile(member, f"{place}/{name}")) for name, member in template.items()]
        return lambda visit: {name: member(visit) for name, member in members}
    parts = [_compile(part, f"{place}[{index}]") for index, part in enumerate(template)]
    return lambda visit: [part(visit) for part in parts]
