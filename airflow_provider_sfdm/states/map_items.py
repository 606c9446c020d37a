"""The items of a Map state without an ItemReader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import InvalidDefinition, StatesRuntime
from ..core.limits import MAX_CAUSE
from ..core.paths import PathNotFound, compile_reference_path
from .failures import QueryEvaluationError, ReferencePathConflict
from .jsonata.expression import Expression, expression
from .jsonata.templates import compile_jsonata
from .payloads import shown
from .state import Source
from .visit import Visit

Items = Callable[[Visit], Any]


def compile_items(source: Source, *, objects: bool) -> Items:
    """ItemsPath or Items as a function of the visit with the effective input.

    ``objects``: an object is taken as well, each member an item; recorded, inline Maps refuse them. What is returned
    raises StatesError in AWS's words for anything else. Raises InvalidDefinition.
    """
    return _jsonata(source, objects=objects) if source.jsonata else _jsonpath(source)


def _jsonpath(source: Source) -> Items:
    path = compile_reference_path(source.fields.get("ItemsPath", "$"), f"{source.place}.ItemsPath")

    def items(visit: Visit) -> Any:
        try:
            found = path.find(visit)
        except PathNotFound:
            step = path.leading[0] if path.leading else path.text
            cause = f'Unable to apply step "{step}" to input {shown(visit.input)}'
            raise ReferencePathConflict(cause[:MAX_CAUSE]) from None
        if not isinstance(found, list):
            raise StatesRuntime(f'Reference path "{path.text}" must point to array.')
        return found

    return items


def _jsonata(source: Source, *, objects: bool) -> Items:
    taken = (list, dict) if objects else (list,)
    given = source.fields.get("Items")
    compiled = expression(given, "Items")
    if compiled is not None:
        return _expression(compiled, taken)
    if given is None:

        def from_input(visit: Visit) -> Any:
            if not isinstance(visit.input, list):
                cause = f"Map state input must be an array but was: {shown(visit.input)}"
                raise QueryEvaluationError(cause[:MAX_CAUSE])
            return visit.input

        return from_input
    if not isinstance(given, taken):
        raise InvalidDefinition(f"{source.place}.Items", "must be an array or a JSONata expression")
    return compile_jsonata(given, "Items")


def _expression(compiled: Expression, taken: tuple[type, ...]) -> Items:
    def items(visit: Visit) -> Any:
        found = compiled.evaluate(visit)
        if not isinstance(found, taken):
            raise compiled.unexpected("array", found)
        return found

    return items
