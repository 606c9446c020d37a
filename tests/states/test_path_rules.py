"""JSONPath in the fields of states, where Step Functions has rules of its own."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.paths import NULL_INPUT
from airflow_provider_sfdm.states.validation.machine import problems
from tests.states.helpers import failure, machine, output, run

WHERE = "An error occurred while executing the state 'A' (entered at the event id #2). "
DATA: dict[str, Any] = {
    "a b": {"é": [10, 20]},
    "list": [{"n": 1, "on": True}, {"n": 5, "on": False}, {"n": None}, {}, 7, "text", [1]],
    "numbers": [1, 5],
    "one": {"n": 5, "inner": {"n": 1}},
    "d": {"x": {"a": [1, 2]}},
}

FOUND: list[tuple[str, Any]] = [
    # A dot before brackets says nothing.
    ("$.['a b'].['é'].[1]", 20),
    ("$.numbers.[0]", 1),
    # A filter selects objects only, and "exists" is not "is true".
    ("$.list[?(@.on)].n", [1, 5]),
    ("$.list[?(@.on == true)].n", [1]),
    ("$.list[?(@.n > 1)]", [{"n": 5, "on": False}]),
    ("$.list[?(@.n == null)]", [{"n": None}]),
    ("$.list[?(@.n != 1)]", [{"n": 5, "on": False}, {"n": None}, {}]),
    ("$.list[?(!@.n)]", [{}]),
    ("$.numbers[?(@ > 1)]", []),
    # Behind an object it tests that object.
    ("$.one[?(@.n == 5)].inner", [{"n": 1}]),
    ("$.one[?(@.n == 1)]", []),
    ("$.one..[?(@.n == 1)]", [{"n": 1}]),
    ("$.gone[?(@.n == 1)]", []),
    ("$.d..a", [[1, 2]]),
    ("$.d..a[*]", [1, 2]),
    # A union of names is one object of those that there are, or one for each match.
    ("$.one['n', 'inner']", {"n": 5, "inner": {"n": 1}}),
    ('$.one["n","gone"]', {"n": 5}),
    ("$.list[0:2]['n','on']", [{"n": 1, "on": True}, {"n": 5, "on": False}]),
    ("$.list[*]['n','gone']", [{"n": 1}, {"n": 5}, {"n": None}, {}]),
    ("$$.Execution['Name', 'RedriveCount']", {"Name": "local", "RedriveCount": 0}),
]


@pytest.mark.parametrize(("path", "expected"), FOUND)
def test_a_path_finds(path: str, expected: Any) -> None:
    assert output(machine(A={"Type": "Pass", "Parameters": {"x.$": path}, "End": True}), DATA) == {"x": expected}
    assert output(machine(A={"Type": "Pass", "InputPath": path, "End": True}), DATA) == expected
    assert output(machine(A={"Type": "Pass", "OutputPath": path, "End": True}), DATA) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("$['one', 'd'].n", "Multi properties can only be used as path leafs: $['one', 'd']"),
        ("$.gone['a','b']", "No results for path: $['gone']"),
    ],
)
def test_a_union_that_finds_nothing(path: str, reason: str) -> None:
    caused = failure(machine(A={"Type": "Pass", "InputPath": path, "End": True}), DATA)
    assert caused == ("States.Runtime", f"{WHERE}Invalid path '{path}' : {reason}")


@pytest.mark.parametrize("field", ["ResultPath", "ItemsPath"])
def test_a_union_is_no_reference_path(field: str) -> None:
    processor = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}
    state = {"Type": "Map", "ItemProcessor": processor, "End": True, field: "$['a','b']"}
    assert [problem.location for problem in problems(machine(A=state))] == [f"/States/A/{field}"]


NULL = {"Type": "Pass", "Result": None, "Next": "A"}
NULL_READERS: list[dict[str, Any]] = [
    {"Type": "Pass", "Parameters": {"x.$": "$"}, "End": True},
    {"Type": "Pass", "Parameters": {"x.$": "$.a"}, "End": True},
    {"Type": "Pass", "Parameters": {"x.$": "States.Format('{}', $)"}, "End": True},
    {"Type": "Pass", "InputPath": "$.a", "End": True},
    {"Type": "Pass", "OutputPath": "$.a", "End": True},
    {"Type": "Pass", "Assign": {"x.$": "$"}, "End": True},
    {"Type": "Wait", "SecondsPath": "$", "End": True},
    {"Type": "Fail", "ErrorPath": "$"},
    {"Type": "Choice", "Choices": [{"Variable": "$", "IsString": True, "Next": "B"}], "Default": "B"},
]


@pytest.mark.parametrize("state", NULL_READERS)
def test_no_path_reads_a_null_input(state: dict[str, Any]) -> None:
    more = {"B": {"Type": "Succeed"}} if state["Type"] == "Choice" else {}
    caused = failure(machine(Null=NULL, A=state, **more))
    assert caused == ("States.Runtime", f"{WHERE.replace('#2', '#4')}{NULL_INPUT}")


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "End": True},
        {"Type": "Pass", "Parameters": {"x.$": "$$.Execution.Name"}, "ResultPath": None, "End": True},
        {"Type": "Succeed"},
    ],
)
def test_a_null_input_is_handed_on(state: dict[str, Any]) -> None:
    assert output(machine(Null=NULL, A=state)) is None


@pytest.mark.parametrize("field", ["SecondsPath", "TimestampPath"])
@pytest.mark.parametrize("path", ["$.gone", "$.gone.deep", "$.numbers[9]", "$$.Map.Item.Index", "$unset"])
def test_a_wait_for_what_is_not_there(field: str, path: str) -> None:
    caused = failure(machine(A={"Type": "Wait", field: path, "End": True}), DATA)
    assert caused == ("States.Runtime", f"{WHERE}The {field} parameter does not reference an input value: {path}")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.new[0]", {"new": ["R"]}),
        ("$.a.b[0].c", {"a": {"b": [{"c": "R"}]}}),
        ("$.new[0][0]", {"new": [["R"]]}),
    ],
)
def test_result_path_makes_what_is_not_there(path: str, expected: Any) -> None:
    assert output(machine(A={"Type": "Pass", "Result": "R", "ResultPath": path, "End": True}), {}) == expected


@pytest.mark.parametrize(
    ("path", "step", "shown"), [("$.new[1]", 1, "{}"), ("$.l[1]", 1, "[5]"), ("$.l.x", "x", "[5]")]
)
def test_result_path_that_cannot_be_applied(path: str, step: object, shown: str) -> None:
    caused = failure(machine(A={"Type": "Pass", "Result": "R", "ResultPath": path, "End": True}), {"l": [5]})
    assert caused == ("States.ResultPathMatchFailure", f'{WHERE}Unable to apply step "{step}" to input {shown}')


WIDE = {"a": [{"b": number} for number in range(5_000)]}
DEEP: Any = {"b": 1}
for _ in range(200):
    DEEP = {"c": DEEP}


@pytest.mark.parametrize(
    "path",
    [
        "$.a[?($.a[?(@.b == -1)])]",
        "$.a[?($.a[?($.a[?(@.b == -1)])])]",
        "$.a[?($..nothing)]",
        "$.a[?(" + "!" * 3_000 + "@.b)]",
    ],
)
def test_filters_that_look_at_too_many_values(path: str) -> None:
    """What they find counts for nothing: they may find nothing at all."""
    began = time.monotonic()
    outcome = run(machine(A={"Type": "Pass", "InputPath": path, "End": True}), WIDE)
    assert (outcome.status, outcome.error) == ("FAILED", "States.Runtime")
    assert "too many values" in (outcome.cause or "")
    assert time.monotonic() - began < 5


def test_descendants_of_descendants() -> None:
    """Each ".." looks at all below each of the last one's; what it selects may be nothing."""
    began = time.monotonic()
    for path in ("$..*..*..*..nothing", "$..*..*..*[?(@..*..*)]"):
        outcome = run(machine(A={"Type": "Pass", "InputPath": path, "End": True}), DEEP)
        assert (outcome.status, outcome.error) == ("FAILED", "States.Runtime")
        assert "too many values" in (outcome.cause or "")
    assert time.monotonic() - began < 5
    assert run(machine(A={"Type": "Pass", "InputPath": "$..c..b", "End": True}), {"c": {"c": {"b": 1}}}).output == [
        1,
        1,
    ]


@pytest.mark.parametrize("path", ["$.a[?(@.b == 4999)]", "$.a[?(@.b > $.a[4998].b && !(@.c))]"])
def test_filters_of_a_usual_size(path: str) -> None:
    assert run(machine(A={"Type": "Pass", "InputPath": path, "End": True}), WIDE).output == [{"b": 4999}]


def test_descendants_of_a_deep_payload() -> None:
    assert run(machine(A={"Type": "Pass", "InputPath": "$..b", "End": True}), DEEP).output == [1]


@pytest.mark.parametrize(
    "path", ["$.a[?(@.b == 1e999)]", f"$.a[{'9' * 5000}]", f"$.a[0:{'9' * 5000}]", f"$.a[{'*,' * 101}*]"]
)
def test_what_is_refused_is_told_in_words_of_json(path: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        run(machine(A={"Type": "Pass", "InputPath": path, "End": True}), WIDE)
    assert "sys." not in str(refused.value) and "infinity to integer" not in str(refused.value)
