"""Validation: all problems at once, each with its location."""

from __future__ import annotations

import copy
import pickle
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.validation.machine import check, problems
from airflow_provider_sfdm.states.validation.problems import InvalidMachine
from tests.states.helpers import Service, World, jsonata, machine

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}
CHOICE: dict[str, Any] = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "B"}]}
MAP: dict[str, Any] = {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": PASS}}, "End": True}
PARALLEL = {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": PASS}}], "End": True}


def _without(state: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in names}


def _distributed(**config: Any) -> dict[str, Any]:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", **config}, "StartAt": "B", "States": {"B": PASS}}
    return {**MAP, "ItemProcessor": processor}


FINE: list[dict[str, Any]] = [
    machine(A=PASS),
    machine(A={**PASS, "Comment": "c"}) | {"Comment": "c", "Version": "1.0", "TimeoutSeconds": 9},
    machine(A={"Type": "Pass", "Next": "B", "End": False}, B=PASS),
    machine(A=CHOICE, B=PASS),
    machine(A=MAP),
    machine(A=PARALLEL),
    machine(A=_distributed(ExecutionType="EXPRESS")),
    machine(A={**PASS, "QueryLanguage": "JSONata", "Output": "{% 1 %}"}),
    machine(A={**TASK, "Retry": [{"ErrorEquals": ["States.ALL"], "Comment": "c"}]}),
]

# A machine, and the locations of its problems.
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/States"]),
    ({"StartAt": "A", "States": {}}, ["/States"]),
    ({"StartAt": "B", "States": {"A": PASS}}, ["/StartAt", "/States/A"]),
    (machine(A=PASS) | {"Version": "2.0", "TimeoutSeconds": 0, "X": 1}, ["/TimeoutSeconds", "/Version", ""]),
    (machine(A=PASS) | {"QueryLanguage": "jsonata"}, ["/QueryLanguage"]),
    (machine(A=PASS, B=PASS), ["/States/B"]),
    (machine(A={"Type": "Pass", "Next": "A"}), [""]),
    (machine(A={"Type": "Pass", "Next": "B"}), ["/States/A/Next", ""]),
    (machine(A={"Type": "Pass"}), ["/States/A", ""]),
    (machine(A={**PASS, "Next": "A"}), ["/States/A"]),
    (machine(A={**PASS, "End": "yes"}), ["/States/A/End", "/States/A", ""]),
    (machine(A={"Type": "Nap", "End": True}), ["/States/A/Type"]),
    (machine(**{"x" * 81: PASS}), [f"/States/{'x' * 81}"]),
    (machine(A={**PASS, "Resource": "x"}), ["/States/A"]),
    (machine(A={**PASS, "Output": 1}), ["/States/A"]),
    (jsonata(A={**PASS, "ResultPath": "$"}), ["/States/A"]),
    (jsonata(A={**PASS, "QueryLanguage": "JSONPath"}), ["/States/A"]),
    (machine(A={**PASS, "InputPath": "x", "OutputPath": "$[", "ResultPath": "$.a[*]"}),
     ["/States/A/InputPath", "/States/A/OutputPath", "/States/A/ResultPath"]),
    (machine(A={**PASS, "ResultPath": "$$.a"}), ["/States/A/ResultPath"]),
    (machine(A={**PASS, "Parameters": {"a.$": 1, "l": [{"b.$": "States.No()"}], "c": 1, "c.$": "$"}}),
     ["/States/A/Parameters/a.$", "/States/A/Parameters/l[0]/b.$", "/States/A/Parameters/c.$"]),
    (machine(A={**PASS, "Assign": {"1a": 1}}), ["/States/A/Assign"]),
    (machine(A={**PASS, "Assign": {"states": 1}}), ["/States/A/Assign"]),
    (jsonata(A={**PASS, "Output": {"a": "{% 1 + %}", "b": ["{% phone %}"]}}),
     ["/States/A/Output/a", "/States/A/Output/b[0]"]),
    (machine(A={"Type": "Wait", "End": True}), ["/States/A"]),
    (machine(A={"Type": "Wait", "Seconds": -1, "End": True}), ["/States/A/Seconds"]),
    (machine(A={"Type": "Wait", "Timestamp": "noon", "End": True}), ["/States/A/Timestamp"]),
    (machine(A={"Type": "Wait", "Timestamp": None, "End": True}), ["/States/A/Timestamp"]),
    (machine(A={"Type": "Fail", "Error": 1, "Cause": "c", "CausePath": "$.c"}), ["/States/A", "/States/A/Error"]),
    (machine(A=_without(TASK, "Resource")), ["/States/A/Resource"]),
    (machine(A={**TASK, "TimeoutSeconds": 0, "HeartbeatSeconds": "1"}),
     ["/States/A/HeartbeatSeconds", "/States/A/TimeoutSeconds"]),
    (machine(A={**TASK, "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}]}), ["/States/A/Retry[0]/MaxAttempts"]),
    (machine(A={**TASK, "Retry": [{"ErrorEquals": ["E"], "Max": 1}]}), ["/States/A/Retry[0]/Max"]),
    (machine(A={**TASK, "Catch": [{"ErrorEquals": [], "Next": "A"}]}), ["/States/A/Catch[0]/ErrorEquals"]),
    (machine(A={**TASK, "Catch": [{"ErrorEquals": ["E"]}]}), ["/States/A/Catch[0]/Next"]),
    (machine(A={**TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "Z"}]}), ["/States/A/Catch[0]/Next"]),
    (machine(A={**CHOICE, "Choices": []}), ["/States/A/Choices", ""]),
    (machine(A={**CHOICE, "End": True}, B=PASS), ["/States/A"]),
    (machine(A={"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNul": True, "Next": "B"}]}, B=PASS),
     ["/States/A/Choices[0]/IsNul"]),
    (machine(A={**CHOICE, "Choices": [{"And": [{"Variable": "$.a", "NumericEquals": "1"}], "Next": "B"}]}, B=PASS),
     ["/States/A/Choices[0]/And[0]/NumericEquals"]),
    (jsonata(A={"Type": "Choice", "Choices": [{"Condition": "x", "Next": "B"}]}, B=PASS),
     ["/States/A/Choices[0]/Condition"]),
    (machine(A={**PARALLEL, "Branches": []}), ["/States/A/Branches"]),
    (machine(A={**PARALLEL, "Branches": [{"StartAt": "A", "States": {"A": PASS}}]}),
     ["/States/A/Branches[0]/States/A"]),
    (machine(A=_without(MAP, "ItemProcessor")), ["/States/A/ItemProcessor"]),
    (machine(A={**MAP, "MaxConcurrency": "x", "ToleratedFailurePercentage": 101}),
     ["/States/A/MaxConcurrency", "/States/A/ToleratedFailurePercentage"]),
    (machine(A={**MAP, "ItemReader": {}}), ["/States/A/ItemReader"]),
    (machine(A={**MAP, "ItemProcessor": {**MAP["ItemProcessor"], "ProcessorConfig": "INLINE"}}),
     ["/States/A/ItemProcessor/ProcessorConfig"]),
    (machine(A={**MAP, "ItemsPath": "$.a[*]"}), ["/States/A/ItemsPath"]),
    (machine(A={**MAP, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "C"}}}}),
     ["/States/A/ItemProcessor/States/B/Next", "/States/A/ItemProcessor"]),
    (machine(A=_distributed()), ["/States/A/ItemProcessor/ProcessorConfig/ExecutionType"]),
    (machine(A={**_distributed(ExecutionType="STANDARD"), "Label": "a b"}), ["/States/A/Label"]),
    (machine(A={**_distributed(ExecutionType="STANDARD"),
                "ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"a.$": "$.a b"}}}),
     ["/States/A/ItemBatcher/BatchInput/a.$"]),
    (machine(A={**_distributed(ExecutionType="STANDARD"),
                "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject",
                                 "Parameters": {"Bucket": "b", "Prefix.$": "States.UUID()$"}}}),
     ["/States/A/ResultWriter/Parameters/Prefix.$"]),
    (jsonata(A={**_distributed(ExecutionType="STANDARD"),
                "ItemBatcher": {"MaxItemsPerBatch": "{% 1 + %}"},
                "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
                               "Arguments": {"Bucket": "b", "Key": "{% 1 + %}"}},
                "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": "{% 1 + %}"}}),
     ["/States/A/ItemBatcher/MaxItemsPerBatch", "/States/A/ItemReader/Arguments/Key",
      "/States/A/ResultWriter/Arguments"]),
]  # fmt: skip


@pytest.mark.parametrize("definition", FINE)
def test_fine(definition: dict[str, Any]) -> None:
    assert problems(definition) == []
    compile_machine(definition)


@pytest.mark.parametrize(("definition", "locations"), WRONG)
def test_wrong(definition: dict[str, Any], locations: list[str]) -> None:
    assert sorted(problem.location for problem in problems(definition)) == sorted(locations)


def test_messages_of_aws() -> None:
    (problem,) = problems(machine(A={**PASS, "Output": 1}))
    assert str(problem) == (
        "/States/A: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' "
        "QueryLanguage"
    )
    (problem,) = problems(jsonata(A={**PASS, "Output": "{% phone %}"}))
    assert problem.message == "Reference to 'phone' at the top level is not supported."


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidMachine) as caught:
        check(machine(A={"Type": "Pass", "InputPath": "x", "Next": "Z"}))
    assert len(caught.value.problems) == 3
    assert str(caught.value).endswith("(and 2 more)")
    assert caught.value.__notes__ == [str(problem) for problem in caught.value.problems[1:]]
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems


def test_an_item_processor() -> None:
    processor = {"StartAt": "A", "States": {"A": PASS}, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    assert problems(processor, processor=True) == []
    assert [problem.location for problem in problems(processor)] == [""]


@pytest.mark.parametrize("definition", [None, [], "{}", 1])
def test_what_is_no_object(definition: object) -> None:
    assert [problem.location for problem in problems(definition)] == [""]


@pytest.mark.parametrize("value", ["\ud800", "States.Hash('\ud800', 'MD5')", b"x"], ids=ascii)
def test_what_is_no_json(value: object) -> None:
    assert [problem.location for problem in problems(machine(A={**PASS, "Parameters": {"a.$": value}}))] == [""]


def test_a_definition_that_is_too_deep() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert len(problems(machine(A={**PASS, "Result": deep}))) == 1


whole: dict[str, Any] = machine(
    A={**_without(TASK, "End"), "Parameters": {"a.$": "$.a"}, "ResultSelector": {"r.$": "$.r"}, "ResultPath": "$.t",
       "TimeoutSeconds": 9, "Assign": {"v.$": "$.r"}, "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}],
       "Catch": [{"ErrorEquals": ["E"], "ResultPath": "$.e", "Assign": {"v": 1}, "Next": "B"}], "Next": "B"},
    B={**CHOICE, "Choices": [{"Not": {"Variable": "$.a", "IsNull": True}, "Next": "C"}], "Default": "D"},
    C={**_without(MAP, "End"), "ItemsPath": "$.a", "MaxConcurrency": 1, "ItemSelector": {"v.$": "$$.Map.Item.Value"},
       "ItemProcessor": {"StartAt": "E", "States": {"E": PASS}}, "ResultPath": "$.m", "Next": "F"},
    D={**PARALLEL, "Branches": [{"StartAt": "G", "States": {"G": {"Type": "Fail", "ErrorPath": "$.x"}}}]},
    F={"Type": "Wait", "Seconds": 1, "Next": "H"},
    H={"Type": "Map", "QueryLanguage": "JSONata", "Items": "{% $states.input.a %}", "MaxConcurrency": "{% 1 %}",
       "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Succeed", "InputPath": "$"}}},
       "Output": {"all": "{% $states.result %}"}, "Assign": {"w": "{% $v %}"}, "Next": "J"},
    J={"Type": "Choice", "QueryLanguage": "JSONata", "Default": "K",
       "Choices": [{"Condition": "{% $v = 1 %}", "Output": "{% $w %}", "Next": "K"}]},
    K={"Type": "Pass", "Parameters": {"f.$": "States.Format('{}', $v)"}, "OutputPath": "$.f", "End": True},
)  # fmt: skip


def test_the_whole_is_fine() -> None:
    assert problems(whole) == []


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(inner for key, member in children for inner in _places(member, (*place, key)))]


rubbish: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "$", "$.a", "$[", [], [1], {}, {"a": 1}, {"a.$": 1}, "{% 1 %}"]
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_places(whole)[1:]), rubbish)
def test_rubbish_anywhere_is_refused_or_compiles(place: tuple[Any, ...], value: Any) -> None:
    definition = copy.deepcopy(whole)
    holder: Any = definition
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    if not problems(definition):
        world = World(Service({"r": 1}))
        for data in ({}, {"a": [1, {"b": None}], "x": "y"}, [1], None):
            execute(compile_machine(definition), data, world.services)


fields = st.sampled_from([*whole, "Type", "Next", "Choices", "A"])


@given(st.recursive(rubbish, lambda inner: st.dictionaries(fields, inner)))
def test_validation_never_breaks(definition: Any) -> None:
    found = problems(definition)
    if not found:
        compile_machine(definition)


def test_compiling_alone_refuses_what_it_needs() -> None:
    with pytest.raises(InvalidDefinition):
        compile_machine(machine(A={**PASS, "InputPath": "x"}))


LOOP = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
RULE = {"Variable": "$.a", "IsNull": True}

# In the words of AWS, where they are known.
SAID: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    (machine(**LOOP), [("", "Workflow has no terminal state")]),
    (machine(**LOOP, C={"Type": "Pass", "Next": "A"}), [("", "Workflow has no terminal state")]),
    (machine(**LOOP, C=PASS), [("/States/C", 'State "C" is not reachable.')]),
    (machine(A=PASS, B={"Type": "Pass", "Next": "B"}), [("/States/B", 'State "B" is not reachable.')]),
    (
        machine(A={"Type": "Pass", "Next": "NOPE"}),
        [("/States/A/Next", "Missing 'Next' target: NOPE"), ("", "Workflow has no terminal state")],
    ),
    (machine(A={**CHOICE, "Default": "Z"}, B=PASS), [("/States/A/Default", "Missing 'Next' target: Z")]),
    (machine(A={**PASS, "TimeoutSeconds": 1}), [("/States/A", "Field 'TimeoutSeconds' is not supported")]),
    (
        machine(A={**MAP, "ItemProcessor": {**MAP["ItemProcessor"], "QueryLanguage": "JSONata"}}),
        [("/States/A/ItemProcessor", "Field 'QueryLanguage' is not supported")],
    ),
    (
        machine(A={**CHOICE, "Choices": [{**CHOICE["Choices"][0], "Output": 1}]}, B=PASS),
        [
            (
                "/States/A/Choices[0]",
                "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' "
                "QueryLanguage",
            )
        ],
    ),
    (
        jsonata(A={**CHOICE, "Choices": [{"Condition": True, "IsNull": True, "Next": "B"}]}, B=PASS),
        [
            (
                "/States/A/Choices[0]",
                "The QueryLanguage is set to 'JSONata', but field 'IsNull' is only supported for the 'JSONPath' "
                "QueryLanguage",
            )
        ],
    ),
    (
        machine(A={**CHOICE, "Choices": [{"Not": {**RULE, "Next": "B"}, "Next": "B"}]}, B=PASS),
        [("/States/A/Choices[0]/Not", "Field 'Next' is not supported")],
    ),
    (
        machine(A={**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}),
        [("/States/A/HeartbeatSeconds", "must be less than TimeoutSeconds")],
    ),
]


@pytest.mark.parametrize(("definition", "said"), SAID)
def test_what_is_said(definition: dict[str, Any], said: list[tuple[str, str]]) -> None:
    assert [tuple(problem) for problem in problems(definition)] == said


def _assigning(**values: Any) -> dict[str, Any]:
    return {"StartAt": "B", "States": {"B": {**PASS, "Assign": values}}}


def test_inner_scopes_leave_outer_variables_alone() -> None:
    outer = {"Type": "Pass", "Assign": {"a.$": "$.a"}, "Next": "M"}
    taken = machine(A=outer, M={**PARALLEL, "Branches": [_assigning(a=1, b=2)]})
    (problem,) = problems(taken)
    assert problem.location == "/States/M/Branches[0]/States/B/Assign"
    assert problem.message.startswith("the variable 'a' belongs to a scope around")
    assert problems(machine(A=outer, M={**MAP, "ItemProcessor": _assigning(b=1)})) == []
    distributed = _assigning(a=1) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    assert problems(machine(A=outer, M={**MAP, "ItemProcessor": distributed})) == []


def test_a_catcher_and_a_rule_assign_in_the_scope_of_their_state() -> None:
    inside = _assigning(**{"c.$": "$.c"})
    catch = [{"ErrorEquals": ["E"], "Assign": {"c": 1}, "Next": "Z"}]
    assert [
        one.location for one in problems(machine(A={**PARALLEL, "Branches": [inside], "Catch": catch}, Z=PASS))
    ] == ["/States/A/Branches[0]/States/B/Assign"]
    twice = [_assigning(x=1), {"StartAt": "C", "States": {"C": {**PASS, "Assign": {"x": 2}}}}]
    assert problems(machine(A={**PARALLEL, "Branches": twice})) == []


def test_the_error_output_is_there_in_a_catcher_alone() -> None:
    read = {"e": ["{% $states.errorOutput.Cause %}"]}
    catch = {"ErrorEquals": ["E"], "Output": read, "Assign": read, "Next": "B"}
    fine = {**TASK, "Arguments": {}, "Output": "{% 'not $states.errorOutput' %}", "Catch": [catch]}
    assert problems(jsonata(A=fine, B=PASS)) == []
    for field in ("Arguments", "Output", "Assign"):
        (problem,) = problems(jsonata(A={**fine, field: read}, B=PASS))
        assert problem == (f"/States/A/{field}/e[0]", "Field '$states.errorOutput' does not exist.")
    (problem,) = problems(jsonata(A={"Type": "Fail", "Cause": "{% $states . errorOutput %}"}))
    assert problem.location == "/States/A/Cause"


def test_max_items_of_the_context_object() -> None:
    """Recorded by others: AWS allows ``$$`` in no MaxItemsPath."""
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": "b", "Key": "k.csv"},
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItemsPath": "$$.Execution.Input.n"},
    }
    (problem,) = problems(machine(A={**_distributed(ExecutionType="STANDARD"), "ItemReader": reader}))
    assert problem.location == "/States/A/ItemReader/ReaderConfig/MaxItemsPath"
    assert "refers to the context object" in problem.message


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Task", "Resource": "", "HeartbeatSeconds": -1, "TimeoutSeconds": "x", "Comment": 1, "End": True},
        {
            **_without(MAP, "End"),
            "ToleratedFailurePercentage": -1,
            "Label": 1,
            "MaxConcurrency": "x",
            "ToleratedFailureCount": -1,
            "ItemBatcher": {},
            "ResultWriter": {},
            "ItemSelector": {"a.$": "b"},
            "ResultSelector": {"a.$": "b"},
            "Next": "A",
        },
    ],
)
def test_problems_are_in_the_order_of_the_definition(state: dict[str, Any]) -> None:
    """However names hash in this process: a set of them has another order in the next one."""
    found = [[str(problem) for problem in problems(machine(A=order))] for order in (state, _reversed(state))]
    own = [[place for problem in each if (place := _field(problem)) in state] for each in found]
    for fields in (
        ("HeartbeatSeconds", "TimeoutSeconds"),
        ("ToleratedFailurePercentage", "MaxConcurrency", "ToleratedFailureCount"),
        ("ItemSelector", "ResultSelector"),
        ("ItemBatcher", "ResultWriter", "Label"),
    ):
        forth, back = ([field for field in each if field in fields] for each in own)
        assert forth == back[::-1]


def _reversed(state: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(state.items()))


def _field(problem: str) -> str:
    return problem.partition(":")[0].split("/")[3] if problem.count("/") > 2 else ""


@pytest.mark.parametrize("field", ["MaxItemsPerBatch", "MaxInputBytesPerBatch"])
def test_a_template_that_nobody_renders(field: str) -> None:
    """It is one of a DAG's definition; as a state machine it runs nowhere."""
    state = {**_distributed(ExecutionType="STANDARD"), "ItemBatcher": {field: "{{ params.n }}"}}
    (problem,) = problems(machine(A=state))
    assert problem.location == f"/States/A/ItemBatcher/{field}"
    assert "has not been rendered" in problem.message


def test_what_an_express_child_cannot_do() -> None:
    job = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Next": "N"}
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    nested = {**MAP, "ItemProcessor": {"ProcessorConfig": config, "StartAt": "B", "States": {"B": PASS}}}
    states = {"J": job, "N": nested}
    for kind, places in (
        ("EXPRESS", ["/J/Resource", "/N/ItemProcessor/ProcessorConfig/Mode"]),
        ("STANDARD", []),
    ):
        processor = {"ProcessorConfig": {**config, "ExecutionType": kind}, "StartAt": "J", "States": states}
        found = problems(machine(A={"Type": "Map", "ItemProcessor": processor, "End": True}))
        assert [problem.location.removeprefix("/States/A/ItemProcessor/States") for problem in found] == places


def test_a_problem_is_told_once() -> None:
    state = {**_distributed(ExecutionType="STANDARD"), "ItemsPath": "$.l[*]"}
    assert len(problems(machine(A=state))) == 1


def test_many_problems_are_told_in_a_moment() -> None:
    """As many as a definition of a megabyte may have."""
    states = {f"s{number}": {"Type": "Pass", "No": 1, "Nor": 2} for number in range(20_000)}
    began = time.monotonic()
    assert len(problems({"StartAt": "s0", "States": states})) > 40_000
    assert time.monotonic() - began < 10


def test_the_processor_of_express_children() -> None:
    job = {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "End": True}
    definition = {"StartAt": "J", "States": {"J": job}}
    assert problems(definition, processor=True) == []
    (problem,) = problems(definition, processor=True, express=True)
    assert problem.location == "/States/J/Resource"
