"""Number fields that are a literal, a path (``SecondsPath``) or JSONata: one way to read them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import StatesRuntime
from ..core.numbers import decimal, integer
from .intrinsics.text import to_text
from .jsonata.expression import expression
from .state import Source
from .values import compile_value
from .visit import Visit

Number = Callable[[Visit], Any]


def compile_number(source: Source, field: str, *, is_float: bool = False) -> Number | None:
    """``field`` or ``fieldPath`` of a state; None where the state has neither.

    What is returned raises StatesRuntime in AWS's words for a value at the path that is no such number, and
    QueryEvaluationError for a JSONata result of another type. Raises InvalidDefinition.
    """
    state, path_field = source.fields, f"{field}Path"
    if not source.jsonata and path_field in state:
        return _from_path(state[path_field], source.place, path_field, is_float=is_float)
    if field not in state:
        return None
    literal = state[field]
    compiled = expression(literal, field) if source.jsonata else None
    if compiled is None:
        return lambda visit: literal

    def evaluate(visit: Visit) -> Any:
        value = compiled.evaluate(visit)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise compiled.unexpected("number", value)
        if not is_float and value != int(value):
            raise compiled.unexpected("integer", value)
        return value if is_float else int(value)

    return evaluate


def _from_path(path: Any, place: str, path_field: str, *, is_float: bool) -> Number:
    value_at = compile_value(path, f"{place}.{path_field}", path_field)
    read, kind = (decimal, "float") if is_float else (integer, "integer")

    def evaluate(visit: Visit) -> Any:
        value = value_at(visit)
        number = read(value)
        if number is None:
            shown = to_text(value)[:1_000]
            raise StatesRuntime(f'The {path_field} field refers to value "{shown}" which is not a valid {kind}: {path}')
        return number

    return evaluate
