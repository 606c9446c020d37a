"""The Parallel state: all its branches on the same input, their outputs as an array."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .lifetime import Lifetime
from .payloads import check_payload
from .recovery import Recovery
from .state import Following, Source
from .visit import Run, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .machine import Machine


class Parallel:
    """A branch that fails fails the state, with its own error, and aborts the others.

    Branches see variables and set only their own.
    """

    __slots__ = ("_at_once", "_branches", "_io", "_recovery", "name", "retries")

    def __init__(self, source: Source, branches: Sequence[Machine], *, overlap: bool) -> None:
        """``overlap``: whether the branches wait for something, and so gain by running at once."""
        self.name, self.retries = source.name, True
        self._io = source.io("Parameters")
        self._branches = branches
        self._at_once = len(branches) if overlap else 1
        self._recovery = Recovery(source)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        return self._recovery.run(visit, self._attempt)

    def _attempt(self, visit: Visit) -> Any:
        execution, run = visit.run.execution, visit.run
        arguments = self._io.arguments(self._io.effective(visit))
        execution.record()
        with Lifetime(run.lifetime) as lifetime:
            branches = [
                partial(branch.run, Run(execution, dict(run.variables), run.item, lifetime), arguments)
                for branch in self._branches
            ]
            outputs = execution.services.together(branches, self._at_once, lifetime)
        execution.record()
        check_payload(outputs, f"state/task '{self.name}'")
        return self._io.finish(visit, outputs)
