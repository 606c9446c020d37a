"""Definitions and data from outside: nothing becomes code, nothing recurses or runs without end."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import airflow_provider_sfdm.states
from airflow_provider_sfdm.core.errors import InvalidDefinition, StatesError
from airflow_provider_sfdm.core.json import dumps
from airflow_provider_sfdm.core.paths import compile_path
from airflow_provider_sfdm.states.failures import StateFailed
from airflow_provider_sfdm.states.identity import Identity
from airflow_provider_sfdm.states.io_jsonpath import JsonPathIO
from airflow_provider_sfdm.states.limits import DEFAULT_LIMITS
from airflow_provider_sfdm.states.payloads import check_payload, nesting
from airflow_provider_sfdm.states.result_path import compile_result_path
from airflow_provider_sfdm.states.templates import compile_template
from tests.states.helpers import World, failure, jsonata, machine, output, run, visit
from tests.states.test_intrinsics import json_values

FOLDER = Path(airflow_provider_sfdm.states.__file__).parent
PASS = {"Type": "Pass", "End": True}


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_interpreter_imports_neither_airflow_nor_boto3() -> None:
    code = "import sys, airflow_provider_sfdm.states.machine, airflow_provider_sfdm.states.validation.machine\n"
    code += "print([name for name in ('airflow', 'boto3', 'botocore', 'fsspec') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_ever_compiled_or_evaluated_as_python() -> None:
    calls = {
        node.func.id
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec", "compile", "__import__", "open", "input"}
    assert all(hasattr(builtins, name) for name in ("eval", "exec", "compile"))


@pytest.mark.parametrize("levels", [255, 5_000, 100_000])
def test_deep_input_is_refused(levels: int) -> None:
    outcome = run(machine(A=PASS), _deep(levels))
    assert (outcome.status, outcome.error) == ("FAILED", "States.Runtime")
    assert outcome.cause == "The JSON is nested deeper than 254 levels."


def test_input_that_is_not_too_deep() -> None:
    assert output(machine(A=PASS), _deep(254)) == _deep(254)


def test_output_that_grows_deeper_is_stopped() -> None:
    state = {"Type": "Pass", "Parameters": {"a.$": "$"}, "Next": "B"}
    again = {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "C"}], "Default": "A"}
    error, cause = failure(machine(A=state, B=again, C=PASS), {})
    assert (error, "nested deeper" in cause) == ("States.Runtime", True)


def test_output_that_grows_larger_is_stopped() -> None:
    state = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, "Next": "B"}
    again = {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "C"}], "Default": "A"}
    begun = time.monotonic()
    assert failure(machine(A=state, B=again, C=PASS), {})[0] == "States.DataLimitExceeded"
    assert time.monotonic() - begun < 30


def test_a_variable_that_grows_larger_is_stopped() -> None:
    state = {"Type": "Pass", "Assign": {"v": "{% $v & $v %}"}, "Next": "A"}
    first = {"Type": "Pass", "Assign": {"v": "x"}, "Next": "A"}
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% $v = 'never' %}", "Next": "End"}], "Default": "Grow"}
    states = {"Start": first, "A": choice, "Grow": state, "End": PASS}
    outcome = run({"QueryLanguage": "JSONata", "StartAt": "Start", "States": states})
    assert (outcome.status, outcome.error) == ("FAILED", "States.DataLimitExceeded")


def test_an_endless_expression_is_stopped() -> None:
    world = World(limits=replace(DEFAULT_LIMITS, jsonata_seconds=0.2))
    state = {**PASS, "Output": "{% ($f := function() { $f() }; $f()) %}"}
    begun = time.monotonic()
    assert failure(jsonata(A=state), {}, world)[0] == "States.QueryEvaluationError"
    assert time.monotonic() - begun < 30


def test_an_express_execution_ends_after_five_minutes() -> None:
    express = Identity("arn:aws:states:r:1:stateMachine:m", "arn:aws:states:r:1:express:m:e:i", "r", express=True)
    loop = machine(
        A={"Type": "Wait", "Seconds": 1, "Next": "B"},
        B={"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "C"}], "Default": "A"},
        C=PASS,
    )
    assert run(loop, {}, World(), express).status == "TIMED_OUT"


@pytest.mark.parametrize(
    "path", ["$[?(@.a =~ /x/)]", "$.a.length()", "$[(@.length-1)]", "$.__class__.x()", "$..[?(@)]x("]
)
def test_paths_that_would_be_more_than_paths(path: str) -> None:
    with pytest.raises(InvalidDefinition):
        compile_path(path, "field")


def test_attributes_of_python_are_no_members() -> None:
    for path in ("$.__class__", "$.items", "$.l.append", "$.s.upper", "$['__dict__']"):
        with pytest.raises(StatesError):
            compile_template({"x.$": path}, "Parameters")(visit({"l": [], "s": "t"}))


@given(json_values)
def test_a_template_without_paths_is_itself(template: Any) -> None:
    assume(b'.$":' not in dumps(template))
    assert compile_template(template, "Parameters")(visit({})) == template


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda key: not key.endswith(".$")
)


@given(st.dictionaries(keys, json_values, max_size=5))
def test_a_template_of_paths_builds_its_input_again(data: dict[str, Any]) -> None:
    def quote(key: str) -> str:
        return key.replace("'", "\\'")

    template = {f"{key}.$": f"$['{quote(key)}']" for key in data if "\\" not in key}
    wanted = {key: value for key, value in data.items() if "\\" not in key}
    assert compile_template(template, "Parameters")(visit(data)) == wanted


short = st.text("abc", min_size=1, max_size=2)


@given(
    st.dictionaries(short, st.dictionaries(short, st.integers())),
    st.lists(short, min_size=1, max_size=4),
    json_values,
)
def test_a_result_is_found_where_its_path_says(data: dict[str, Any], segments: list[str], result: Any) -> None:
    path = "$." + ".".join(segments)
    before = repr(data)
    try:
        combined = compile_result_path(path, "ResultPath")(data, result)
    except StatesError as error:
        assert error.error == "States.ResultPathMatchFailure"
        return
    finally:
        assert repr(data) == before
    assert compile_path(path, "path").find(visit(combined)) == result
    assert combined.keys() == data.keys() | {segments[0]}


@given(json_values)
def test_paths_around_a_state_lose_nothing(data: Any) -> None:
    io = JsonPathIO({"InputPath": "$", "OutputPath": "$", "ResultPath": "$"}, "A")
    assert io.finish(visit(data), io.effective(visit(data)).input) == data


@given(st.text(max_size=30), json_values)
def test_any_path_is_refused_or_found_or_missing(path: str, data: Any) -> None:
    for text in (path, f"$.{path}", f"$[{path}]", f"$..{path}", f"$['{path}']"):
        try:
            compile_template({"x.$": text}, "Parameters")(visit(data))
        except (InvalidDefinition, StatesError):
            continue


@given(json_values)
def test_nesting_is_counted(value: Any) -> None:
    def levels(one: Any) -> int:
        if isinstance(one, dict | list):
            return 1 + max(map(levels, one.values() if isinstance(one, dict) else one), default=0)
        return 0

    assert nesting(value) == levels(value)


def test_a_payload_that_is_no_json() -> None:
    for value in ({1, 2}, object(), "\ud800"):
        with pytest.raises((StateFailed, StatesError)):
            check_payload({"x": value}, "task")


@pytest.mark.parametrize(
    "path", ["$.a[?(@9:0.1.c==true|&& && @.b)]", "$..a[1e64x:]", "$[?(@.a==1e999999)]", "$[::0]", "$[?(@.a &/ @(@.b)]"]
)
def test_paths_that_fuzzing_found(path: str) -> None:
    """The library raised whatever it happened to; a path is refused, or it finds something or nothing."""
    try:
        compile_template({"x.$": path}, "Parameters")(visit({"a": [1]}))
    except (InvalidDefinition, StatesError):
        return


@pytest.mark.parametrize(
    "expression",
    [
        "{% $string($reduce([1..60], function($a, $i) {{'a': $a, 'b': $a}}, 1)) %}",
        "{% $string($reduce([1..60], function($a, $i) {[[$a], [$a]]}, 1)) %}",
    ],
)
def test_small_expressions_of_what_is_large_are_stopped(expression: str) -> None:
    started = time.monotonic()
    outcome = run(jsonata(A=PASS | {"Output": expression}), {})
    assert (outcome.status, outcome.error) == ("FAILED", "States.QueryEvaluationError")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("pattern", ["((a{999}){999}){999}", "a{1,200000000000}", "a{200000,}"])
def test_a_pattern_of_too_many_repetitions_is_refused_when_it_is_read(pattern: str) -> None:
    with pytest.raises(InvalidDefinition, match="repeats more than 100,000 times"):
        run(jsonata(A=PASS | {"Output": "{% $match('a', /" + pattern + "/) %}"}), {})


def test_a_pattern_may_count() -> None:
    definition = jsonata(A=PASS | {"Output": "{% $contains('2026-11-25', /^[0-9]{4}(-[0-9]{2}){2}$/) %}"})
    assert output(definition, {}) is True
