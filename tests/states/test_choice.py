"""The Choice state: every operator, composed rules, both query languages."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.states.choice.operators import COMPARISONS, matcher
from airflow_provider_sfdm.states.choice.rules import compile_rule
from tests.states.helpers import failure, jsonata, machine, output, visit

WHERE = "An error occurred while executing the state 'A' (entered at the event id #2). "
EARLY, LATE = "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.001Z"

OPERATORS: list[tuple[str, Any, Any, bool]] = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", "1", 1, False),
    ("StringLessThan", "b", "a", True),
    ("StringLessThan", "b", "b", False),
    ("StringLessThanEquals", "b", "b", True),
    ("StringGreaterThan", "a", "ab", True),
    ("StringGreaterThan", "a", None, False),
    ("StringGreaterThanEquals", "a", "a", True),
    ("StringMatches", "a*c", "abbc", True),
    ("StringMatches", "a*c", "ab", False),
    ("StringMatches", "*", "", True),
    ("StringMatches", "a\\*c", "a*c", True),
    ("StringMatches", "a\\*c", "abc", False),
    ("StringMatches", "*a*a*", "a", False),
    ("StringMatches", "plain", "plain", True),
    ("StringMatches", "*", 1, False),
    ("NumericEquals", 1, 1.0, True),
    ("NumericEquals", 1, True, False),
    ("NumericEquals", 1, "1", False),
    ("NumericLessThan", 2, 1.5, True),
    ("NumericLessThanEquals", 2, 2, True),
    ("NumericGreaterThan", 2, 2, False),
    ("NumericGreaterThanEquals", 2, 2.0, True),
    ("BooleanEquals", True, True, True),
    ("BooleanEquals", True, 1, False),
    ("BooleanEquals", False, None, False),
    ("TimestampEquals", EARLY, "2024-02-29T13:00:00+01:00", True),
    ("TimestampEquals", EARLY, "2024-02-29", False),
    ("TimestampEquals", "2024-02-29T12:00:00.000000001Z", "2024-02-29T13:00:00.000000001+01:00", True),
    ("TimestampEquals", "2024-02-29T12:00:00.000000001Z", "2024-02-29T12:00:00.000000002Z", False),
    ("TimestampLessThan", LATE, EARLY, True),
    ("TimestampLessThanEquals", EARLY, EARLY, True),
    ("TimestampGreaterThan", EARLY, LATE, True),
    ("TimestampGreaterThan", EARLY, 1, False),
    ("TimestampGreaterThanEquals", LATE, EARLY, False),
    ("IsNull", True, None, True),
    ("IsNull", True, 0, False),
    ("IsNull", False, "", True),
    ("IsString", True, "", True),
    ("IsString", False, 1, True),
    ("IsNumeric", True, 1.5, True),
    ("IsNumeric", True, False, False),
    ("IsBoolean", True, False, True),
    ("IsTimestamp", True, EARLY, True),
    ("IsTimestamp", True, "2024-02-30T12:00:00Z", False),
    ("IsTimestamp", True, "2024-02-29T12:00:00", False),
    ("IsPresent", True, None, True),
    ("IsPresent", False, None, False),
]


def _holds(rule: dict[str, Any], data: Any) -> bool:
    return compile_rule(rule, "rule")(visit(data))


@pytest.mark.parametrize(("operator", "wanted", "value", "holds"), OPERATORS)
def test_operator(operator: str, wanted: Any, value: Any, holds: bool) -> None:
    assert _holds({"Variable": "$.v", operator: wanted}, {"v": value}) is holds


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"), [case for case in OPERATORS if case[0] in COMPARISONS]
)
def test_operator_with_a_path(operator: str, wanted: Any, value: Any, holds: bool) -> None:
    assert _holds({"Variable": "$.v", f"{operator}Path": "$.w"}, {"v": value, "w": wanted}) is holds
    assert not _holds({"Variable": "$.v", f"{operator}Path": "$.w"}, {"v": value, "w": [wanted]})


def test_every_operator_is_in_the_table() -> None:
    assert {case[0] for case in OPERATORS} >= COMPARISONS.keys()


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "NumericEquals": 1}]}, True),
        ({"And": [{"Variable": "$.x", "IsPresent": True}, {"Variable": "$.x", "NumericEquals": 1}]}, False),
        ({"Or": [{"Variable": "$.a", "NumericEquals": 1}, {"Variable": "$.x", "NumericEquals": 1}]}, True),
        ({"Not": {"Or": [{"Variable": "$.a", "NumericEquals": 2}]}}, True),
        ({"Not": {"Not": {"Variable": "$.a", "NumericEquals": 2}}}, False),
        ({"And": [{"Variable": "$.a", "IsNumeric": True, "Comment": "fine"}]}, True),
    ],
)
def test_composed(rule: dict[str, Any], holds: bool) -> None:
    assert _holds(rule, {"a": 1}) is holds


PASS = {"Type": "Pass", "End": True}


def _choice(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    names = {rule["Next"]: {"Type": "Pass", "Result": rule["Next"], "End": True} for rule in rules}
    if "Default" in fields:
        names["D"] = {"Type": "Pass", "Result": "D", "End": True}
    return machine(A={"Type": "Choice", "Choices": list(rules), **fields}, **names)


def test_the_first_rule_that_holds_counts() -> None:
    rules = [
        {"Variable": "$.n", "NumericLessThan": limit, "Next": name} for limit, name in ((1, "X"), (5, "Y"), (9, "Z"))
    ]
    assert [output(_choice(*rules, Default="D"), {"n": n}) for n in (0, 3, 5, 20)] == ["X", "Y", "Z", "D"]


def test_no_rule_and_no_default() -> None:
    definition = _choice({"Variable": "$.n", "NumericEquals": 1, "Next": "X"})
    problem = "Failed to transition out of the state. The state does not point to a next state."
    assert failure(definition, {"n": 2}) == ("States.Runtime", WHERE + problem)


def test_a_variable_that_leads_nowhere() -> None:
    definition = _choice({"Variable": "$.n", "NumericEquals": 1, "Next": "X"}, Default="D")
    problem = "Invalid path '$.n': The choice state's condition path references an invalid value."
    assert failure(definition, {}) == ("States.Runtime", WHERE + problem)


def test_input_and_output_of_a_choice() -> None:
    rule = {"Variable": "$.b", "NumericEquals": 1, "Next": "B"}
    state = {"Type": "Choice", "InputPath": "$.a", "OutputPath": "$.c", "Choices": [rule]}
    assert output(machine(A=state, B=PASS), {"a": {"b": 1, "c": 2}}) == 2


@pytest.mark.parametrize(("n", "wanted"), [(1, "one"), (2, {"n": 2}), (3, "else")])
def test_choice_in_jsonata(n: int, wanted: Any) -> None:
    rules = [
        {"Condition": "{% $states.input.n = 1 %}", "Output": "one", "Next": "B"},
        {"Condition": "{% $states.input.n in [2, 4] %}", "Next": "B"},
    ]
    state = {"Type": "Choice", "Choices": rules, "Output": "else", "Default": "B"}
    assert output(jsonata(A=state, B=PASS), {"n": n}) == wanted


def test_a_condition_must_be_a_boolean() -> None:
    state = {"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "B"}], "Default": "B"}
    error, cause = failure(jsonata(A=state, B=PASS))
    assert error == "States.QueryEvaluationError"
    assert cause == (
        f"{WHERE}The JSONata expression ''yes'' specified for the field 'Choices[0]/Condition' returned an unexpected "
        "result type. Expected 'boolean', but was 'string' for value: \"yes\""
    )


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_matches_agrees_with_the_shell(pattern: str, text: str) -> None:
    assert matcher(pattern)(text) == fnmatchcase(text, pattern)


@given(st.text("*", max_size=500), st.integers(0, 2000))
def test_matching_takes_linear_time(stars: str, length: int) -> None:
    assert matcher(f"{stars}b")("a" * length) is False


@given(st.floats(allow_nan=False) | st.integers(), st.floats(allow_nan=False) | st.integers())
def test_numbers_are_ordered(one: float, other: float) -> None:
    held = [
        order
        for order in ("LessThan", "Equals", "GreaterThan")
        if _holds({"Variable": "$.a", f"Numeric{order}Path": "$.b"}, {"a": one, "b": other})
    ]
    assert len(held) == 1


moments = st.datetimes(datetime(1971, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))


@given(moments, moments)
def test_timestamps_are_ordered(one: datetime, other: datetime) -> None:
    data = {"a": one.isoformat().replace("+00:00", "Z"), "b": other.isoformat()}
    assert _holds({"Variable": "$.a", "IsTimestamp": True}, data)
    for order, holds in (("LessThan", one < other), ("Equals", one == other), ("GreaterThan", one > other)):
        assert _holds({"Variable": "$.a", f"Timestamp{order}Path": "$.b"}, data) is holds


@given(st.recursive(st.booleans(), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=10))
def test_composition_is_logic(tree: Any) -> None:
    def rule(node: Any) -> dict[str, Any]:
        if isinstance(node, bool):
            return {"Variable": "$.t", "BooleanEquals": node}
        return {"Not": {"And": [rule(part) for part in node]}}

    def holds(node: Any) -> bool:
        return node if isinstance(node, bool) else not all(holds(part) for part in node)

    assert _holds(rule(tree), {"t": True}) is holds(tree)
