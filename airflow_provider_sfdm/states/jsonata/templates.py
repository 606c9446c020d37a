"""JSON with JSONata in it: Arguments, Output, Assign, Items and ItemSelector of states that speak JSONata.

A text that is wholly ``{% … %}`` is an expression; all else is copied as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import InvalidDefinition
from ...core.values import is_jsonata, strings
from ..limits import MAX_NESTING
from ..payloads import Budget, nesting
from ..templates import Part, counted
from ..values import Evaluate
from .expression import Expression


def compile_jsonata(template: Any, place: str) -> Evaluate:
    """A template as a function of the visit. Raises InvalidDefinition naming the place down to the expression.

    What the function returns shares its constants with the definition, which nobody changes. It raises
    DataLimitExceeded as soon as far more has been built than any state may hand on.
    """
    if nesting(template) > MAX_NESTING:
        raise InvalidDefinition(place, f"is nested deeper than {MAX_NESTING} levels")
    if isinstance(template, str) and is_jsonata(template):
        # One expression alone is bounded.
        return Expression(template, place).evaluate
    build = _compile(template, place)
    return lambda visit: build(Budget(visit))


def _compile(template: Any, place: str) -> Part:
    if isinstance(template, str) and is_jsonata(template):
        return counted(Expression(template, place).evaluate)
    if not any(is_jsonata(text) for text in strings(template)):
        return lambda source: template
    if isinstance(template, Mapping):
        members = [(name, _compile(member, f"{place}/{name}")) for name, member in template.items()]
        return lambda source: {name: member(source) for name, member in members}
    parts = [_compile(part, f"{place}[{index}]") for index, part in enumerate(template)]
    return lambda source: [part(source) for part in parts]
