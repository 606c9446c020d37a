"""The states that end a run: Succeed and Fail."""

from __future__ import annotations

from typing import Any

from ..core.errors import StatesRuntime
from .failures import StateFailed
from .io_jsonata import JsonataIO
from .io_jsonpath import JsonPathIO
from .jsonata.expression import expression
from .state import Following, Source
from .values import Evaluate, compile_value
from .visit import Visit


class Succeed:
    """Ends the run with its input after InputPath and OutputPath, or with its Output."""

    __slots__ = ("_io", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries = source.name, False
        self._io = source.io()

    def run(self, visit: Visit) -> tuple[Any, Following]:
        io = self._io
        if isinstance(io, JsonataIO):
            return io.shape(visit, visit.input), None
        return pass_on(io, visit), None


def pass_on(io: JsonPathIO, visit: Visit) -> Any:
    """The output of a state without a result: its effective input after OutputPath; variables are assigned."""
    return io.finish(visit, io.effective(visit).input)


class Fail:
    """Ends the run with the error and cause that it names, or that its input holds."""

    __slots__ = ("_cause", "_error", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries = source.name, False
        self._error = _text(source, "Error")
        self._cause = _text(source, "Cause")

    def run(self, visit: Visit) -> tuple[Any, Following]:
        error = None if self._error is None else self._error(visit)
        cause = None if self._cause is None else self._cause(visit)
        raise StateFailed(error, cause)


def _text(source: Source, field: str) -> Evaluate | None:
    """The field, its ``…Path`` or its JSONata as a function of the visit."""
    state, path_field = source.fields, f"{field}Path"
    if source.jsonata and (compiled := expression(state.get(field), field)) is not None:

        def evaluate(visit: Visit) -> str:
            value = compiled.evaluate(visit)
            if not isinstance(value, str):
                raise compiled.unexpected("string", value)
            return value

        return evaluate
    if not source.jsonata and path_field in state:
        return _from_path(state[path_field], source.place, path_field)
    if field not in state:
        return None
    literal = state[field]
    return lambda visit: literal


def _from_path(path: Any, place: str, field: str) -> Evaluate:
    value_at = compile_value(path, f"{place}.{field}", field)

    def evaluate(visit: Visit) -> str:
        value = value_at(visit)
        if not isinstance(value, str):
            raise StatesRuntime(f"The {field} field refers to a value that is not a string: {path}")
        return value

    return evaluate
