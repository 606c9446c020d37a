"""The few rules of a state machine that lead into a Distributed Map and out of it again.

Just enough to run a recorded execution against the engine: Pass, Choice by one number, Succeed, a Lambda function that
returns its event, and Map states, whose children are small machines of the same kind. Not a Step Functions interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.paths import JsonPath, Scope
from airflow_provider_sfdm.core.processors import PythonFunction
from airflow_provider_sfdm.core.selector import compile_template
from airflow_provider_sfdm.runtime.run import run_map
from airflow_provider_sfdm.storage import Connections

STATES = {"Pass", "Choice", "Succeed", "Task", "Map"}


@dataclass(frozen=True)
class Machine:
    """Runs state machines; maps keep their runs in ``storage``. ``lambdas`` says by name what functions do."""

    storage: str
    connections: Connections
    lambdas: Mapping[str, str]

    def run(self, definition: Mapping[str, Any], execution_input: Any) -> Any:
        """The output of an execution; raises StatesError with the error and cause it fails with."""
        state_name, data = definition["StartAt"], execution_input
        variables: dict[str, Any] = {}
        while True:
            state = definition["States"][state_name]
            scope = Scope(data, {"Execution": {"Input": execution_input}}, variables)
            data = self._enter(state_name, state, scope)
            if state["Type"] == "Choice":
                state_name = _choose(state, scope)
                continue
            variables |= state.get("Assign", {})
            if state["Type"] == "Succeed" or state.get("End"):
                return data
            state_name = state["Next"]

    def _enter(self, name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        run: dict[str, Callable[[str, Mapping[str, Any], Scope], Any]] = {
            "Pass": self._pass,
            "Task": self._task,
            "Map": self._map,
        }
        kind = state["Type"]
        return _result_path(state, scope, run[kind](name, state, scope)) if kind in run else scope.input

    def _pass(self, name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        if "Result" in state:
            return state["Result"]
        return _payload(state["Parameters"], scope) if "Parameters" in state else scope.input

    def _task(self, name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        resource = state["Resource"]
        event, function = scope.input, resource.rpartition(":")[2]
        if resource.endswith("lambda:invoke"):
            arguments = _payload(state["Parameters"], scope)
            event, function = arguments["Payload"], arguments["FunctionName"]
        assert self.lambdas[function] == "identity", f"no rule for a function that does {self.lambdas[function]}"
        return {"Payload": event} if resource.endswith("lambda:invoke") else event

    def _map(self, name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        processor = state.get("ItemProcessor") or state["Iterator"]
        definition = DistributedMap.from_asl(state)
        child = PythonFunction(lambda child_input: self.run(processor, child_input))
        # ResultPath and Assign are done here, around the map; the engine takes of them none but InputPath.
        fields = {name: value for name, value in definition.state_fields.items() if name == "InputPath"}
        summary = run_map(
            replace(definition, item_processor=child, state_fields=fields),
            scope.input,
            self.storage,
            name=name,
            connections=self.connections,
            variables=scope.variables,
        )
        return summary.raise_for_status().output


def _choose(state: Mapping[str, Any], scope: Scope) -> str:
    for choice in state["Choices"]:
        if JsonPath(choice["Variable"]).evaluate(scope) == choice["NumericEquals"]:
            return str(choice["Next"])
    return str(state["Default"])


def _payload(template: Any, scope: Scope) -> Any:
    """A payload template; of the intrinsic functions the two that the recorded machines count with."""
    if not isinstance(template, dict):
        return compile_template(template, "Parameters").evaluate(scope)
    plain = {key: value for key, value in template.items() if not str(value).startswith("States.")}
    output = {}
    for key, value in template.items():
        if key not in plain:
            output[key.removesuffix(".$")] = _intrinsic(value, scope)
    nested = {key: _payload(value, scope) for key, value in plain.items() if isinstance(value, dict)}
    rest = {key: value for key, value in plain.items() if key not in nested}
    return output | nested | compile_template(rest, "Parameters").evaluate(scope)


def _intrinsic(call: str, scope: Scope) -> Any:
    name, _, rest = call.partition("(")
    texts = [text.strip() for text in rest.removesuffix(")").split(",")]
    numbers = [JsonPath(text).evaluate(scope) if text.startswith("$") else int(text) for text in texts]
    if name == "States.MathAdd":
        return numbers[0] + numbers[1]
    assert name == "States.ArrayRange", f"no rule for {name}"
    first, last, step = numbers
    return list(range(first, last + 1, step))


def _result_path(state: Mapping[str, Any], scope: Scope, result: Any) -> Any:
    path = state.get("ResultPath", "$")
    if path is None:
        return scope.input
    if path == "$":
        return result
    return {**scope.input, path.removeprefix("$."): result}
