"""Input and output processing of states that speak JSONPath.

InputPath, then Parameters, the state's work, ResultSelector, ResultPath, OutputPath.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.paths import CompiledPath, compile_path
from .assign import Assign
from .payloads import bounded
from .result_path import compile_result_path
from .templates import compile_template
from .values import Evaluate
from .visit import Visit


class JsonPathIO:
    """The fields of one state. ``parameters`` names the field that shapes the state's input, None where none does."""

    __slots__ = ("_assign", "_combine", "_input_path", "_output_path", "_parameters", "_replaces", "_selector")

    def __init__(self, state: Mapping[str, Any], place: str, parameters: str | None = None) -> None:
        """Raises InvalidDefinition naming ``place`` and the field."""
        self._input_path = _path(state, "InputPath", place)
        self._output_path = _path(state, "OutputPath", place)
        self._parameters: Evaluate | None = None
        if parameters is not None and parameters in state:
            self._parameters = compile_template(state[parameters], f"{place}.{parameters}")
        self._selector: Evaluate | None = None
        if "ResultSelector" in state:
            self._selector = compile_template(state["ResultSelector"], f"{place}.ResultSelector")
        path = state.get("ResultPath", "$")
        self._replaces = path == "$"
        self._combine = compile_result_path(path, f"{place}.ResultPath")
        self._assign = Assign.of_jsonpath(state, place)

    def effective(self, visit: Visit) -> Visit:
        """The visit with the effective input, after InputPath. Raises StatesRuntime."""
        path = self._input_path
        if path is None:
            return visit
        return visit.with_input({} if isinstance(path, str) else _found(path, visit))

    def arguments(self, effective: Visit) -> Any:
        """What the state works on: the effective input after Parameters. Raises StatesError."""
        return effective.input if self._parameters is None else self._parameters(effective)

    def finish(self, visit: Visit, result: Any) -> Any:
        """The state's output; variables are assigned. Raises StatesError."""
        # AWS's guide: in Assign "$ refers to the API/sub-workflow result", at the same time as in ResultSelector.
        values = self._assign.values(visit.with_input(result)) if self._assign else None
        if self._selector is not None:
            result = self._selector(visit.with_input(result))
        output = result if self._replaces else self._combine(visit.input, result)
        output = self.select_output(visit, output)
        if values:
            visit.run.variables.update(values)
        return output

    def select_output(self, visit: Visit, output: Any) -> Any:
        """``output`` after OutputPath. Raises StatesRuntime."""
        path = self._output_path
        if path is None:
            return output
        return {} if isinstance(path, str) else _found(path, visit.with_input(output))


def _found(path: CompiledPath, visit: Visit) -> Any:
    """A path that may match more than one value may name the same one again and again."""
    found = path.evaluate(visit)
    return found if path.is_definite else bounded(found)


def _path(state: Mapping[str, Any], field: str, place: str) -> CompiledPath | str | None:
    """A compiled path, ``"null"`` for null, None for ``$`` and no path at all."""
    path = state.get(field, "$")
    if path == "$":
        return None
    return "null" if path is None else compile_path(path, f"{place}.{field}")
