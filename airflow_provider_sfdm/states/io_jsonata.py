"""Input and output processing of states that speak JSONata: Arguments, Output, Assign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .assign import Assign
from .jsonata.templates import compile_jsonata
from .values import Evaluate
from .visit import Visit


class JsonataIO:
    """The fields of one state, choice rule or catcher. ``prefix`` is where they are, as ``Catch[0]/``."""

    __slots__ = ("_arguments", "_assign", "_output")

    def __init__(self, state: Mapping[str, Any], prefix: str = "") -> None:
        """Raises InvalidDefinition naming the field as AWS does."""
        self._arguments: Evaluate | None = None
        if "Arguments" in state:
            self._arguments = compile_jsonata(state["Arguments"], f"{prefix}Arguments")
        self._output: Evaluate | None = None
        if "Output" in state:
            self._output = compile_jsonata(state["Output"], f"{prefix}Output")
        self._assign = Assign.of_jsonata(state, f"{prefix}Assign")

    def effective(self, visit: Visit) -> Visit:
        """There is no InputPath in JSONata."""
        return visit

    def arguments(self, visit: Visit) -> Any:
        """What a task or the branches of a Parallel get. Raises QueryEvaluationError."""
        return visit.input if self._arguments is None else self._arguments(visit)

    def finish(self, visit: Visit, result: Any) -> Any:
        """The output of a state whose result is ``$states.result``; variables are assigned. Raises StatesError."""
        visit.result = result
        return self.shape(visit, result)

    def shape(self, visit: Visit, otherwise: Any) -> Any:
        """The output, which is ``otherwise`` where the state says nothing of it; variables are assigned."""
        output = otherwise if self._output is None else self._output(visit)
        if self._assign is not None:
            visit.run.variables.update(self._assign.values(visit))
        return output
