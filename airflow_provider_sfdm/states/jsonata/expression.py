"""JSONata expressions: compiled once, evaluated within bounds, their failures in AWS's words.

The language is the library jsonata-python's (docs/adr/0009). What is added and taken away for Step Functions is in
functions; what an evaluation may take is in bounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

from ...core.errors import InvalidDefinition
from ...core.limits import MAX_CAUSE, MAX_PAYLOAD_BYTES
from ...core.values import is_jsonata
from ..failures import QueryEvaluationError
from ..intrinsics.functions import equal_key, same
from ..limits import MAX_NESTING
from ..payloads import shown
from ..visit import MISSING, Visit
from .bounds import MEMORY, Bounds, OutOfBounds, bounded, current
from .calls import Function, checked
from .errors import failure, syntax
from .functions import LATE, STATIC
from .numbers import calculate, plain, text, whole
from .regex import bounded_engine
from .scope import unsupported_references

_MAX_LENGTH = 100_000
_NAME = re.compile(r"\$([^\W\d]\w*)")
# The library keeps its hooks among the variables, under these names; an expression must not reach them.
_HOOKS = "__evaluate_"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Two bytes are the least that an element takes in JSON.
_MAX_NODES = MAX_PAYLOAD_BYTES // 2


class Expression:
    """One compiled ``{% … %}``. ``text`` is what stands inside, as AWS shows it."""

    __slots__ = ("_compiled", "_late", "_names", "_place", "text")

    def __init__(self, source: str, place: str) -> None:
        """:param place: the field as AWS names it, as ``Output/result``. Raises InvalidDefinition."""
        self.text = source[2:-2].strip()
        self._place = place
        if len(self.text) > _MAX_LENGTH:
            raise InvalidDefinition(place, f"the expression is longer than {_MAX_LENGTH} characters")
        if _HOOKS in self.text:
            raise InvalidDefinition(place, f"names with {_HOOKS} are not allowed")
        self._compiled = _compiled(self.text, place)
        used = set(_NAME.findall(self.text))
        self._names = used - {"states"}
        self._late = {name: make for name, make in LATE.items() if name in used}

    def evaluate(self, visit: Visit) -> Any:
        """The expression's value as plain JSON. Raises QueryEvaluationError, also for undefined."""
        services = visit.run.execution.services
        bounds = Bounds(services.limits, services.monotonic, visit.run.execution.left())
        variables = visit.run.variables
        bindings: dict[str, Any] = {
            "states": _states(visit),
            "__evaluate_entry": bounds.entry,
            "__evaluate_exit": bounds.leave,
        }
        for name in self._names:
            if name in variables:
                value = variables[name]
                bindings[name] = Utils.NULL_VALUE if value is None else value
        if self._late:
            instant = math.floor(services.clock() * 1000)
            bindings |= {name: make(services, instant) for name, make in self._late.items()}
        try:
            with bounded(bounds):
                value = _plain(self._compiled.evaluate(None, bindings), [_MAX_NODES], 0)
        except Exception as error:  # whatever the library makes of untrusted text must stay this state's failure
            visit.run.check()  # it may have ended because everything did
            raise self._failed(f"threw an {failure(error)}") from None
        if value is MISSING:
            raise self._failed("returned nothing (undefined).")
        return value

    def unexpected(self, expected: str, value: Any) -> QueryEvaluationError:
        """AWS's failure for a value of another type than the field takes."""
        result = f"Expected '{expected}', but was '{type_name(value)}' for value: {shown(value)}"
        return self._failed(f"returned an unexpected result type. {result}")

    def _failed(self, what: str) -> QueryEvaluationError:
        where = f"The JSONata expression '{self.text}' specified for the field '{self._place}'"
        return QueryEvaluationError(f"{where} {what}"[:MAX_CAUSE])


def expression(value: object, place: str) -> Expression | None:
    """The expression that a field's value is; None for a literal. Raises InvalidDefinition."""
    return Expression(value, place) if isinstance(value, str) and is_jsonata(value) else None


def type_name(value: Any) -> str:
    """A value's type as JSONata calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


class _Reference(Jsonata):  # type: ignore[misc]  # the library ships no types
    """The library, where it differs from the reference: numbers, texts of numbers, which argument is a wrong one.

    It also prints what an expression calls that is no function before it raises.
    """

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        known = isinstance(proc, Jsonata.JFunction | Jsonata.JLambda)
        if not (known or Functions.is_lambda(proc) or Functions.is_regex(proc)):
            raise JException("T1006", -1)
        return super().apply_inner(proc, args, input, environment)

    def validate_arguments(self, signature: Any, args: Any, context: Any) -> Any:
        declared = getattr(signature, "signature", None)
        if declared is None or isinstance(signature, Function):
            return super().validate_arguments(signature, args, context)
        return checked(declared, args, context)

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        return calculate(lhs, rhs, op)

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        return super().evaluate_range_expression(whole(lhs), whole(rhs))

    def evaluate_equality_expression(self, lhs: Any, rhs: Any, op: Any) -> bool:
        # To Python true is 1; undefined is equal to nothing, and different from nothing.
        return lhs is not None and rhs is not None and same(lhs, rhs) is (op == "=")

    def evaluate_includes_expression(self, lhs: Any, rhs: Any) -> bool:
        if lhs is None or rhs is None:
            return False
        key = equal_key(lhs)
        return any(equal_key(member) == key for member in (rhs if isinstance(rhs, list) else [rhs]))

    def evaluate_step(self, expr: Any, input: Any, environment: Any, last_step: bool) -> Any:
        bounds = current()
        if bounds is None or len(input) < 2:
            return super().evaluate_step(expr, input, environment, last_step)
        with bounds.step(expr, bounds.members):
            return super().evaluate_step(expr, input, environment, last_step)

    def evaluate_tuple_step(self, expr: Any, input: Any, tuple_bindings: Any, environment: Any) -> Any:
        bounds = current()
        if bounds is None:
            return super().evaluate_tuple_step(expr, input, tuple_bindings, environment)
        with bounds.step(expr, bounds.tuples):
            return super().evaluate_tuple_step(expr, input, tuple_bindings, environment)

    def evaluate_filter(self, predicate: Any, input: Any, environment: Any) -> Any:
        result = super().evaluate_filter(predicate, input, environment)
        if (bounds := current()) is not None:
            bounds.filtered(predicate, result)
        return result

    def evaluate_string_concat(self, lhs: Any, rhs: Any) -> str:
        return (text(lhs) or "") + (text(rhs) or "")


def _compiled(text: str, place: str) -> Any:
    try:
        compiled = _Reference(text, bounded_engine)
    except Exception as error:  # the library's parser raises what it happens to
        raise InvalidDefinition(place, f"is not a JSONata expression: {syntax(error)}") from None
    if unsupported := unsupported_references(compiled.ast):
        raise InvalidDefinition(place, unsupported[0])
    # Its input is always absent, and what it is bound to has been checked.
    compiled.set_validate_input(False)
    # Null and undefined must not become the same.
    compiled.set_output_convert_nulls(False)
    for name, function in STATIC.items():
        compiled.environment.bind(name, function)
    return compiled


def _states(visit: Visit) -> dict[str, Any]:
    states = {"input": visit.input, "context": visit.context}
    if visit.result is not MISSING:
        states["result"] = visit.result
    if visit.error_output is not MISSING:
        states["errorOutput"] = visit.error_output
    return states


def _text(text: str) -> str:
    """A text whose escapes (``\\uD83D\\uDE00``) made halves of characters, which belong together in JavaScript."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise OutOfBounds("The result has a text with half of a surrogate pair, which is no Unicode") from None


def _plain(value: Any, left: list[int], depth: int) -> Any:
    """A result in plain JSON values. ``left`` counts down, so that shared parts cannot multiply without end."""
    kind = type(value)
    if kind is bool:
        return value
    if kind is str:
        return _text(value)
    if kind is int or kind is float:
        return plain(value)
    if value is None:
        return MISSING if depth == 0 else None
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, list | dict):
        left[0] -= len(value)
        if left[0] < 0:
            raise OutOfBounds(MEMORY)
        if depth > MAX_NESTING:
            raise OutOfBounds(f"The result is nested deeper than {MAX_NESTING} levels")
        if isinstance(value, dict):
            return {_text(str(name)): _plain(member, left, depth + 1) for name, member in value.items()}
        return [_plain(member, left, depth + 1) for member in value]
    # A function: JSONata writes it as an empty text where it is part of something, and it is no result by itself.
    return MISSING if depth == 0 else ""
