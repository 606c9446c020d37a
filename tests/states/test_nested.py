"""Parallel and Map states, inline and distributed, and the variables around and in them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_sfdm.states.lifetime import Lifetime
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.services import Thunk
from tests.states.helpers import Service, World, failing, failure, jsonata, machine, output

PASS = {"Type": "Pass", "End": True}


def _branch(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def _map(processor: dict[str, Any], mode: str = "INLINE", **fields: Any) -> dict[str, Any]:
    config = {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})
    return {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **processor}, "End": True, **fields}


def test_branches_get_the_same_input_and_give_an_array() -> None:
    branches = [_branch(B={**PASS, "Result": 1}), _branch(C={**PASS, "InputPath": "$.x"})]
    state = {"Type": "Parallel", "Branches": branches, "ResultSelector": {"r.$": "$"}, "ResultPath": "$.y", "End": True}
    assert output(machine(A=state), {"x": 2}) == {"x": 2, "y": {"r": [1, 2]}}


def test_branches_with_parameters_and_arguments() -> None:
    state = {"Type": "Parallel", "Branches": [_branch(B=PASS)], "End": True}
    assert output(machine(A={**state, "Parameters": {"n.$": "$.x"}}), {"x": 2}) == [{"n": 2}]
    assert output(jsonata(A={**state, "Arguments": "{% $states.input.x %}"}), {"x": 2}) == [2]


def test_a_branch_that_fails_fails_the_state_with_its_own_error() -> None:
    fails = _branch(C={"Type": "Fail", "Error": "E", "Cause": "C"})
    state = {"Type": "Parallel", "Branches": [_branch(B=PASS), fails], "End": True}
    assert failure(machine(A=state)) == ("E", "C")
    caught = {**state, "Catch": [{"ErrorEquals": ["E"], "Next": "D"}]}
    assert output(machine(A=caught, D=PASS)) == {"Error": "E", "Cause": "C"}


def test_a_whole_parallel_is_tried_again() -> None:
    service = Service(failing(), 1)
    branch = _branch(B={"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True})
    state = {"Type": "Parallel", "Branches": [branch], "Retry": [{"ErrorEquals": ["Boom"]}], "End": True}
    assert output(machine(A=state), {}, World(service)) == [1]


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
class TestBothModes:
    def test_items(self, mode: str) -> None:
        processor = _branch(B=PASS)
        assert output(machine(A=_map(processor, mode)), [1, None, {"a": 1}]) == [1, None, {"a": 1}]
        assert output(machine(A=_map(processor, mode, ItemsPath="$.l", ResultPath="$.r")), {"l": [1]}) == {
            "l": [1],
            "r": [1],
        }
        assert output(machine(A=_map(processor, mode)), []) == []

    def test_item_selector(self, mode: str) -> None:
        selector = {
            "i.$": "$$.Map.Item.Index",
            "v.$": "$$.Map.Item.Value.k",
            "all.$": "States.ArrayLength($.l)",
            "state.$": "$$.State.Name",
        }
        state = _map(_branch(B=PASS), mode, ItemsPath="$.l", ItemSelector=selector)
        assert output(machine(A=state), {"l": [{"k": 5}, {"k": 6}]}) == [
            {"i": 0, "v": 5, "all": 2, "state": "A"},
            {"i": 1, "v": 6, "all": 2, "state": "A"},
        ]

    def test_in_jsonata(self, mode: str) -> None:
        selector = {"v": "{% $states.context.Map.Item.Value * 2 %}", "n": "{% $states.input.n %}"}
        state = _map(_branch(B=PASS), mode, Items="{% $states.input.l %}", ItemSelector=selector)
        state["Output"] = "{% $sum($states.result.v) %}"
        assert output(jsonata(A=state), {"l": [1, 2], "n": "x"}) == 6

    def test_limits_by_path(self, mode: str) -> None:
        state = _map(_branch(B=PASS), mode, ItemsPath="$.l", MaxConcurrencyPath="$.c")
        assert output(machine(A=state), {"l": [1], "c": "2"}) == [1]
        error, cause = failure(machine(A=state), {"l": [1], "c": "two"})
        assert (error, cause) == (
            "States.Runtime",
            "An error occurred while executing the state 'A' (entered at the event id #2). "
            'The MaxConcurrencyPath field refers to value "two" which is not a valid integer: $.c',
        )

    def test_a_query_in_an_item_that_fails(self, mode: str) -> None:
        state = _map(_branch(B=PASS), mode, Items=[1], ItemSelector={"a": "{% $gone %}"})
        error, cause = failure(jsonata(A=state))
        assert error == "States.QueryEvaluationError"
        assert cause == (
            "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression "
            "'$gone' specified for the field 'ItemSelector/a' returned nothing (undefined)."
        )

    def test_nested(self, mode: str) -> None:
        inner = _map(_branch(C=PASS), mode)
        assert output(machine(A=_map(_branch(B=inner), mode)), [[1, 2], [3]]) == [[1, 2], [3]]


def test_an_iteration_that_fails_fails_an_inline_map_with_its_own_error() -> None:
    assert failure(machine(A=_map(_branch(B={"Type": "Fail", "Error": "E"}))), [1]) == ("E", None)


def test_a_child_that_fails_fails_a_distributed_map_by_its_threshold() -> None:
    state = _map(_branch(B={"Type": "Fail", "Error": "E"}), "DISTRIBUTED")
    threshold = "The specified tolerated failure threshold was exceeded"
    assert failure(machine(A=state), [1]) == ("States.ExceedToleratedFailureThreshold", threshold)
    caught = {**state, "Catch": [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "C"}]}
    assert output(machine(A=caught, C=PASS), [1])["Error"] == "States.ExceedToleratedFailureThreshold"


def test_batches_in_jsonata() -> None:
    batcher = {"MaxItemsPerBatch": "{% 1 + 1 %}", "BatchInput": {"k": "{% $states.input.k %}"}}
    state = _map(_branch(B=PASS), "DISTRIBUTED", Items="{% $states.input.l %}", ItemBatcher=batcher)
    assert output(jsonata(A=state), {"l": [1, 2, 3], "k": "v"}) == [
        {"BatchInput": {"k": "v"}, "Items": [1, 2]},
        {"BatchInput": {"k": "v"}, "Items": [3]},
    ]


def test_the_context_of_a_child() -> None:
    child = {"Type": "Pass", "OutputPath": "$$", "End": True}
    ((context),) = output(machine(A=_map(_branch(B=child), "DISTRIBUTED", Label="lab")), ["in"])
    assert context["StateMachine"] == {
        "Id": "arn:aws:states:us-east-1:000000000000:stateMachine:local/lab",
        "Name": "local",
    }
    assert context["Execution"]["Id"].startswith("arn:aws:states:us-east-1:000000000000:execution:local/lab:")
    assert (context["Execution"]["Input"], context["Execution"]["RedriveCount"]) == ("in", 0)
    assert "Map" not in context


def test_items_that_lead_nowhere_or_to_no_array() -> None:
    where = "An error occurred while executing the state 'A' (entered at the event id #2). "
    state = _map(_branch(B=PASS), ItemsPath="$.l")
    assert failure(machine(A=state), {"x": 1}) == (
        "States.ReferencePathConflict",
        f'{where}Unable to apply step "l" to input {{"x":1}}',
    )
    assert failure(machine(A=state), {"l": {}}) == (
        "States.Runtime",
        f'{where}Reference path "$.l" must point to array.',
    )


def test_variables() -> None:
    first = {"Type": "Pass", "Result": {"a": 1}, "Assign": {"v.$": "$.a", "w": "$.a"}, "Next": "B"}
    second = {"Type": "Pass", "Assign": {"v": 2, "old.$": "$v"}, "Next": "C"}
    last = {"Type": "Pass", "Parameters": {"v.$": "$v", "w.$": "$w", "old.$": "$old"}, "End": True}
    assert output(machine(A=first, B=second, C=last)) == {"v": 2, "w": "$.a", "old": 1}


def test_a_state_sees_the_variables_as_they_were() -> None:
    first = {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"}
    second = {"Type": "Pass", "Assign": {"v": 2}, "Output": "{% $v %}", "End": True}
    assert output(jsonata(A=first, B=second)) == 1


def test_variables_of_a_branch_stay_there() -> None:
    first = {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"}
    branch = _branch(C={"Type": "Pass", "Assign": {"w.$": "$v"}, "Next": "D"}, D={**PASS, "InputPath": "$w"})
    parallel = {"Type": "Parallel", "Branches": [branch, _branch(E={**PASS, "InputPath": "$v"})], "Next": "F"}
    last = {"Type": "Pass", "Parameters": {"r.$": "$", "v.$": "$v"}, "End": True}
    definition = machine(A=first, B=parallel, F=last)
    assert output(definition) == {"r": [1, 1], "v": 1}
    last["Parameters"] = {"w.$": "$w"}
    assert failure(definition)[0] == "States.Runtime"


def test_children_of_a_distributed_map_see_no_variables_from_outside() -> None:
    first = {"Type": "Pass", "Assign": {"v": 1}, "Result": [1], "Next": "B"}
    seen = _map(_branch(C={**PASS, "InputPath": "$v"}))
    assert output(machine(A=first, B=seen)) == [1]
    unseen = _map(_branch(C={**PASS, "InputPath": "$v"}), "DISTRIBUTED")
    assert failure(machine(A=first, B=unseen))[0] == "States.ExceedToleratedFailureThreshold"


def test_a_choice_assigns_by_its_rule() -> None:
    rules = [{"Variable": "$.n", "NumericEquals": 1, "Assign": {"v": "one"}, "Next": "B"}]
    state = {"Type": "Choice", "Choices": rules, "Assign": {"v": "else"}, "Default": "B"}
    definition = machine(A=state, B={**PASS, "InputPath": "$v"})
    assert [output(definition, {"n": n}) for n in (1, 2)] == ["one", "else"]


def test_branches_and_iterations_at_once() -> None:
    """Compiled definitions are shared by threads."""
    world = World()

    def together(thunks: Sequence[Thunk], limit: int, lifetime: Lifetime) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return [future.result() for future in [pool.submit(thunk) for thunk in thunks]]

    services = replace(world.services, together=together)
    double = {"Type": "Pass", "Output": "{% $sum([$states.input, $v]) & $uppercase('x') %}", "End": True}
    first = {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"}
    state = _map(_branch(C=double), Items="{% [1..200] %}")
    outcome = execute(compile_machine(jsonata(A=first, B=state)), {}, services)
    assert outcome.output == [f"{n + 1}X" for n in range(1, 201)]
