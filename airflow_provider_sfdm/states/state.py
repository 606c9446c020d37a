"""What all states have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .io_jsonata import JsonataIO
from .io_jsonpath import JsonPathIO
from .visit import Visit

Following = str | None
"""The name of the state that comes next; None where the run ends."""


class State(Protocol):
    """One compiled state. ``retries`` tells whether it has a ``RetryCount`` in the context object."""

    name: str
    retries: bool

    def run(self, visit: Visit) -> tuple[Any, Following]:
        """The state's output, and what comes next.

        :raises airflow_provider_sfdm.core.errors.StatesError: what the interpreter found wrong; the machine adds where.
        :raises StateFailed: the state failed.
        :raises ExecutionTimedOut: the execution's time is over.
        """
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A state in a definition: its name, its fields, its query language, where it is (``/States/A``).

    ``machine_language`` is the whole machine's: that of states in branches and processors that name none.
    """

    name: str
    fields: Mapping[str, Any]
    jsonata: bool
    machine_language: str
    place: str

    @property
    def following(self) -> Following:
        """Next; None where the state ends the run."""
        return self.fields.get("Next")

    def io(self, parameters: str | None = None) -> JsonPathIO | JsonataIO:
        """Input and output processing in the state's query language. Raises InvalidDefinition."""
        if self.jsonata:
            return JsonataIO(self.fields)
        return JsonPathIO(self.fields, self.place, parameters)
