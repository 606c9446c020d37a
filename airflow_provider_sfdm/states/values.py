"""One value in a JSONPath field: a path or an intrinsic function, compiled to a function of the visit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import InvalidDefinition, StatesRuntime
from ..core.jsonpath_syntax import PathSyntaxError
from ..core.limits import MAX_CAUSE
from ..core.paths import CompiledPath, PathNotFound, compile_path, not_found
from .intrinsics.functions import FUNCTIONS, Chance, Invalid, fill, parts_of
from .intrinsics.syntax import Call, Literal, Path, parse
from .payloads import bounded, shown
from .visit import Visit

Evaluate = Callable[[Visit], Any]


def compile_value(text: object, place: str, key: str) -> Evaluate:
    """The value of a field such as ``"name.$"`` or ``ErrorPath``, which AWS calls ``key`` in its causes.

    What it returns raises StatesRuntime when a path leads nowhere or a function refuses its arguments. Raises
    InvalidDefinition naming ``place``.
    """
    if isinstance(text, str) and text.startswith("States."):
        return compile_intrinsic(text, place)
    path = compile_path(text, place)
    return _template_path(path, key)


def _finder(path: CompiledPath) -> Evaluate:
    """What a path finds. One that may name the same value again and again must not multiply it without end."""
    find = path.look_up
    return find if path.is_definite else lambda visit: bounded(find(visit))


def _template_path(path: CompiledPath, key: str) -> Evaluate:
    find = _finder(path)
    ends_in_index = path.is_definite and path.leading and type(path.leading[-1]) is int

    def evaluate(visit: Visit) -> Any:
        try:
            return find(visit)
        except PathNotFound as reason:
            # Known of AWS: an index behind an array's end is null in a template, and an error in a function.
            if ends_in_index and str(reason).startswith("No results for path"):
                return None
            raise not_found(path.text, key, visit.input) from None

    return evaluate


def compile_intrinsic(text: str, place: str) -> Evaluate:
    """An intrinsic function. Raises InvalidDefinition naming ``place``."""
    try:
        call = parse(text)
        evaluate = _compile_call(call, text, place)
    except PathSyntaxError as error:
        raise InvalidDefinition(place, f"{text!r} is not an intrinsic function: {error}") from None
    return evaluate


def _compile_call(call: Call, whole: str, place: str) -> Evaluate:
    function = FUNCTIONS.get(call.name)
    if function is None:
        raise PathSyntaxError(f"there is no States.{call.name}")
    count = len(call.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        raise PathSyntaxError(f"States.{call.name} does not take {count} arguments")
    arguments = [_compile_argument(argument, whole, place) for argument in call.arguments]
    if call.name == "Format" and isinstance(first := call.arguments[0], Literal) and first.raw is not None:
        return _compile_format(first.raw, arguments[1:], whole)
    invoke = function.call

    def evaluate(visit: Visit) -> Any:
        values = [argument(visit) for argument in arguments]
        services = visit.run.execution.services
        try:
            return bounded(invoke(values, Chance(services.random, services.uuid)))
        except Invalid as reason:
            raise _refused(whole, call.name, reason) from None

    return evaluate


def _compile_format(template: str, arguments: list[Evaluate], whole: str) -> Evaluate:
    try:
        parts = parts_of(template)
    except Invalid as reason:
        raise PathSyntaxError(f"invalid template: {reason}") from None

    def evaluate(visit: Visit) -> Any:
        try:
            return bounded(fill(parts, [argument(visit) for argument in arguments]))
        except Invalid as reason:
            raise _refused(whole, "Format", reason) from None

    return evaluate


def _compile_argument(argument: Any, whole: str, place: str) -> Evaluate:
    if isinstance(argument, Literal):
        value = argument.value
        return lambda visit: value
    if isinstance(argument, Path):
        return _compile_path_argument(compile_path(argument.text, place), whole)
    return _compile_call(argument, whole, place)


def _compile_path_argument(path: CompiledPath, whole: str) -> Evaluate:
    find = _finder(path)

    def evaluate(visit: Visit) -> Any:
        try:
            return find(visit)
        except PathNotFound as reason:
            if str(reason).startswith("Filter:"):
                problem = str(reason)
            else:
                where = f"The JsonPath argument for the field '{path.text}' could not be found in the input"
                problem = f"{where} '{shown(visit.input)}'"
            raise StatesRuntime(f"The function '{whole}' had the following error: {problem}"[:MAX_CAUSE]) from None

    return evaluate


def _refused(whole: str, name: str, reason: Invalid) -> StatesRuntime:
    detail = f": {reason}" if str(reason) else ""
    return StatesRuntime(f"The function '{whole}' had the following error: Invalid arguments in States.{name}{detail}")
