"""The Wait state: for Seconds, until a Timestamp, either from the input or by JSONata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import InvalidDefinition, StatesRuntime
from ..core.numbers import integer
from ..core.paths import PathNotFound, compile_path
from .failures import QueryEvaluationError
from .intrinsics.text import to_text
from .io_jsonata import JsonataIO
from .jsonata.expression import expression
from .state import Following, Source
from .state_end import pass_on
from .timestamps import NANOSECONDS, parse
from .values import Evaluate, compile_value
from .visit import Visit

MAX_SECONDS = 99_999_999
Seconds = Callable[[Visit], float]


class Wait:
    """Waits on the execution's own clock, and hands its input on."""

    __slots__ = ("_following", "_io", "_seconds", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries, self._following = source.name, False, source.following
        self._io = source.io()
        self._seconds = _seconds(source)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        io = self._io
        effective = io.effective(visit)
        visit.run.sleep(max(0.0, self._seconds(effective)))
        output = io.shape(visit, visit.input) if isinstance(io, JsonataIO) else pass_on(io, visit)
        return output, self._following


def _seconds(source: Source) -> Seconds:
    state = source.fields
    if not source.jsonata and "SecondsPath" in state:
        return _seconds_path(state["SecondsPath"], source.place)
    if not source.jsonata and "TimestampPath" in state:
        return _timestamp_path(state["TimestampPath"], source.place)
    if "Seconds" in state:
        literal = state["Seconds"]
        return _seconds_jsonata(literal) if source.jsonata and isinstance(literal, str) else lambda visit: literal
    if "Timestamp" not in state:
        raise InvalidDefinition(source.place, "a Wait has Seconds, SecondsPath, Timestamp or TimestampPath")
    if source.jsonata and (compiled := expression(state["Timestamp"], "Timestamp")) is not None:

        def at(visit: Visit) -> float:
            value = compiled.evaluate(visit)
            if not isinstance(value, str):
                raise compiled.unexpected("string", value)
            problem = "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string"
            return _until(visit, value, QueryEvaluationError(f"{problem}: {value}"))

        return at
    moment = parse(state["Timestamp"])
    if moment is None:
        raise InvalidDefinition(f"{source.place}.Timestamp", "must be a time such as 2016-03-14T01:59:00Z")
    return lambda visit: moment / NANOSECONDS - visit.run.execution.services.clock()


def _until(visit: Visit, text: Any, problem: Exception) -> float:
    moment = parse(text)
    if moment is None:
        raise problem
    return moment / NANOSECONDS - visit.run.execution.services.clock()


def _value_at(path: Any, place: str, field: str) -> Evaluate:
    """The value that a ``…Path`` field refers to; where there is none, AWS says so in words of this state's own."""
    if isinstance(path, str) and path.startswith("States."):
        return compile_value(path, f"{place}.{field}", field)
    compiled = compile_path(path, f"{place}.{field}")

    def value_at(visit: Visit) -> Any:
        try:
            return compiled.look_up(visit)
        except PathNotFound:
            raise StatesRuntime(f"The {field} parameter does not reference an input value: {path}") from None

    return value_at


def _seconds_path(path: Any, place: str) -> Seconds:
    value_at = _value_at(path, place, "SecondsPath")

    def seconds(visit: Visit) -> float:
        value = value_at(visit)
        whole, shown = integer(value), f"{path} == {to_text(value)[:1_000]}"
        if whole is None:
            raise StatesRuntime(f"The SecondsPath parameter cannot be parsed as a long value: {shown}")
        if whole < 0:
            raise StatesRuntime(f"The SecondsPath parameter references a negative value: {shown}")
        return min(whole, MAX_SECONDS)

    return seconds


def _timestamp_path(path: Any, place: str) -> Seconds:
    value_at = _value_at(path, place, "TimestampPath")
    problem = "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string"

    def seconds(visit: Visit) -> float:
        value = value_at(visit)
        return _until(visit, value, StatesRuntime(f"{problem}: {path} == {to_text(value)[:1_000]}"))

    return seconds


def _seconds_jsonata(literal: str) -> Seconds:
    compiled = expression(literal, "Seconds")
    if compiled is None:
        raise InvalidDefinition("Seconds", "must be a number or a JSONata expression")

    def seconds(visit: Visit) -> float:
        value = compiled.evaluate(visit)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise compiled.unexpected("number", value)
        if value != int(value):
            raise compiled.unexpected("integer", value)
        if value < 0:
            raise QueryEvaluationError("The Seconds field must not be negative")
        return float(min(value, MAX_SECONDS))

    return seconds
