"""The Choice state: the first rule that holds says what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import StatesRuntime
from ..assign import Assign
from ..io_jsonata import JsonataIO
from ..io_jsonpath import JsonPathIO
from ..jsonata.expression import expression
from ..state import Following, Source
from ..visit import Visit
from .rules import Condition, compile_rule

NO_MATCH = "Failed to transition out of the state. The state does not point to a next state."


class JsonPathChoice:
    """Rules with a Variable and an operator. The rule's Assign counts; the state's own is the default's."""

    __slots__ = ("_default", "_default_assign", "_io", "_rules", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries = source.name, False
        fields = {key: value for key, value in source.fields.items() if key != "Assign"}
        self._io = JsonPathIO(fields, source.place)
        self._rules: list[tuple[Condition, str, Assign | None]] = []
        for index, rule in enumerate(source.fields["Choices"]):
            place = f"{source.place}.Choices[{index}]"
            self._rules.append((compile_rule(rule, place), rule["Next"], Assign.of_jsonpath(rule, place)))
        self._default: Following = source.fields.get("Default")
        self._default_assign = Assign.of_jsonpath(source.fields, source.place)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        io = self._io
        effective = io.effective(visit)
        for condition, following, assign in self._rules:
            if condition(effective):
                return self._leave(visit, effective, assign), following
        if self._default is None:
            raise StatesRuntime(NO_MATCH)
        return self._leave(visit, effective, self._default_assign), self._default

    def _leave(self, visit: Visit, effective: Visit, assign: Assign | None) -> Any:
        values = assign.values(effective) if assign else None
        output = self._io.select_output(visit, effective.input)
        if values:
            visit.run.variables.update(values)
        return output


class JsonataChoice:
    """Rules with a Condition, each with an Output and Assign of its own."""

    __slots__ = ("_default", "_default_io", "_rules", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries = source.name, False
        self._rules: list[tuple[Condition, str, JsonataIO]] = []
        for index, rule in enumerate(source.fields["Choices"]):
            prefix = f"Choices[{index}]/"
            self._rules.append((_condition(rule, prefix), rule["Next"], JsonataIO(rule, prefix)))
        self._default: Following = source.fields.get("Default")
        self._default_io = JsonataIO(source.fields)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        for condition, following, io in self._rules:
            if condition(visit):
                return io.shape(visit, visit.input), following
        if self._default is None:
            raise StatesRuntime(NO_MATCH)
        return self._default_io.shape(visit, visit.input), self._default


def _condition(rule: Mapping[str, Any], prefix: str) -> Condition:
    given = rule["Condition"]
    compiled = expression(given, f"{prefix}Condition")
    if compiled is None:
        return lambda visit: given is True

    def condition(visit: Visit) -> bool:
        value = compiled.evaluate(visit)
        if not isinstance(value, bool):
            raise compiled.unexpected("boolean", value)
        return value

    return condition
