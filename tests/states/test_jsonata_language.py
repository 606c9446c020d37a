"""JSONata as Step Functions has it: what is added, what is taken away, what is bounded."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.states.failures import QueryEvaluationError
from airflow_provider_sfdm.states.jsonata.expression import Expression
from airflow_provider_sfdm.states.limits import DEFAULT_LIMITS
from tests.states.helpers import World, visit

DATA = {"n": None, "l": [1, 2, 3, 4, 5], "one": [7], "s": "text", "o": {"k": None}, "e": []}
QUICK = replace(DEFAULT_LIMITS, jsonata_seconds=0.3)


def evaluate(expression: str, data: Any = None, **variables: Any) -> Any:
    world = World(limits=QUICK)
    return Expression(f"{{% {expression} %}}", "Output").evaluate(
        visit(DATA if data is None else data, variables, world)
    )


VALUES: list[tuple[str, Any]] = [
    ("$states.input.n", None),
    ("$states.input.o", {"k": None}),
    ("$exists($states.input.n)", True),
    ("$exists($states.input.gone)", False),
    ("$type($states.input.n)", "null"),
    ("[$states.input.n, null]", [None, None]),
    ("$states.input.one", [7]),
    ("$states.input.l[$ > 4]", 5),
    ("$states.input.l[$ > 3]", [4, 5]),
    ("$partition($states.input.l, 2)", [[1, 2], [3, 4], [5]]),
    ("$partition($states.input.l, 2.9)", [[1, 2], [3, 4], [5]]),
    ("$partition([1], 9)", [[1]]),
    ("$range(1, 9, 4)", [1, 5, 9]),
    ("$range(3, -3, -3)", [3, 0, -3]),
    ("$range(-1.7, 1, 1)", [-1, 0, 1]),
    ("$range(2, 2, 1)", 2),
    ("$hash('abc', 'MD5')", "900150983cd24fb0d6963f7d28e17f72"),
    ("$parse('{\"a\":[1,null]}')", {"a": [1, None]}),
    ("$parse('null')", None),
    ("$random()", 0.5),
    ("$random(42)", 0.7275636800328681),
    ("$partition([1, 2])", [[1, 2]]),
    ("$uuid()", "00000000-0000-4000-8000-000000000000"),
    ("$now()", "2023-11-14T22:13:20.000Z"),
    ("$millis()", 1_700_000_000_000),
    ("$contains('a.b', /^a\\.b$/)", True),
    ("$match('ab12', /[a-z]+(\\d+)/).groups", ["12"]),
    ("$replace('abc', /b/i, 'x')", "axc"),
    ("$replace('a.b.c', '.', '-')", "a-b-c"),
    ("$distinct([1, 1.0, '1', true, true])", [1, "1", True]),
    ("$join(['a', 'b'], ', ')", "a, b"),
    ("$pad('a', -3)", "  a"),
    ("$v + 1", 3),
    ("$variable := 1", 1),
    ("($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(20))", 20),
    ("($f := function($n, $a) { $n = 0 ? $a : $f($n - 1, $a + $n) }; $f(300, 0))", 45150),
]


@pytest.mark.parametrize(("expression", "wanted"), VALUES)
def test_value(expression: str, wanted: Any) -> None:
    assert evaluate(expression, v=2) == wanted


@pytest.mark.parametrize(
    "expression",
    [
        "$states.input.gone",
        "$partition([1], 0)",
        "$partition([], 1)",
        "$range(1, 2)",
        "$range(1, 2, -1)",
        "$range(1, 2, 0.9)",
        "$partition([1], -0.5)",
        "$hash('a')",
        "function($x) { $x }",
        "$states.result",
    ],
)
def test_undefined(expression: str) -> None:
    with pytest.raises(QueryEvaluationError, match=r"returned nothing \(undefined\)\.$"):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$eval('1')", "T1006"),
        ("$nothing(1)", "T1006"),
        ("1 / 0 + 1", "D1001"),
        ("'a' + 1", 'T2001: The left side of the "+" operator must evaluate to a number'),
        ("$assert(false, 'no')", "D3141: no"),
    ],
)
def test_error(expression: str, message: str) -> None:
    with pytest.raises(QueryEvaluationError) as caught:
        evaluate(expression)
    assert message in caught.value.cause


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("($f := function() { $f() }; $f())", "timeout"),
        ("($f := function() { 1 + $f() }; $f())", "Stack overflow error"),
        ("+".join("1" * 101), "Stack overflow error"),
        ("[1..873783]", "memory limit"),
        ("[1..1000000000]", "D2014"),
        ("$range(1, 360146, 1)", "memory limit"),
        ("$pad('a', 1000000000)", "memory limit"),
        ("($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $d('x', 60))", "memory limit"),
        ("$map([1..100], function($i) { $append([1..400000], [1..400000]) })", "memory limit"),
        ("[1..873782].[1..873782]", "memory limit"),
        ("$join($map([1..1000], function($i) { $pad('a', 100000) }))", "memory limit"),
        ("$replace($pad('a', 100000, 'a'), 'a', $pad('b', 100000))", "memory limit"),
        ("($x := [1..1000]; $y := [$x,$x,$x]; $z := $map([1..1000], function($i) { [$y] }); $z)", "memory limit"),
        ("$map([1..800000], function($i) { $i * 2 })", "timeout"),
    ],
)
def test_bounds(expression: str, message: str) -> None:
    begun = time.monotonic()
    with pytest.raises(QueryEvaluationError) as caught:
        evaluate(expression)
    # On a busy machine the time may be over first.
    assert message in caught.value.cause or "timeout" in caught.value.cause
    assert time.monotonic() - begun < 30


def test_a_regular_expression_cannot_run_on() -> None:
    begun = time.monotonic()
    text = "a" * 5000 + "!"
    with_limit = "$contains($states.input, /^(([a-z])+.)+[A-Z]([a-z])+$/)"
    try:
        assert evaluate(with_limit, text) is False
    except QueryEvaluationError as error:
        assert "Expression evaluation timeout" in error.cause
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "expression",
    [
        "phone",
        "$$",
        "$$.a",
        "{'a': b}",
        "$map($states.input.l, function($x) { b })",
        "1 +",
        "a[1,2)",
        "/(/",
        "($__evaluate_entry := $gone; 1)",
        "function($__evaluate_exit) { 1 }(1)",
        "(" * 20_000,
        "x" * 100_001,
    ],
)
def test_refused_before_it_runs(expression: str) -> None:
    with pytest.raises(InvalidDefinition):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "$states.input.items[value > 3]",
        "$states.input.items{name: value}",
        "$states.input.items^(>price).sku",
        "$states.input.items.(a + b)",
        "$map($states.input.items, function($x) { $x.a })",
    ],
)
def test_names_behind_the_first_step_are_fine(expression: str) -> None:
    Expression(f"{{% {expression} %}}", "Output")


@pytest.mark.parametrize("name", ["__class__", "__dict__", "keys", "__globals__", "append"])
def test_nothing_of_python_is_reached(name: str) -> None:
    for start in ("$states", "$states.input", "$sum", "$states.input.l", "$states.input.s"):
        with pytest.raises(QueryEvaluationError):
            evaluate(f"{start}.`{name}`")
        with pytest.raises(QueryEvaluationError):
            evaluate(f"$lookup({start}, '{name}')")


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for expression in ("1 (2)", "$v()", "[1]()", "$states.input.s()", "$map([1], 5)"):
        with pytest.raises(QueryEvaluationError):
            evaluate(expression, v=1)
    assert capsys.readouterr().out == ""


def test_evaluating_changes_nothing() -> None:
    data = {"l": [3, 1, 2], "o": {"a": 1}}
    for expression in (
        "$sort($states.input.l)",
        "$append($states.input.l, 4)",
        "$states.input ~> |o|{'a': 2}|",
        "$merge([$states.input.o, {'b': 1}])",
        "$reverse($states.input.l)",
        "$shuffle($states.input.l)",
    ):
        evaluate(expression, data)
    assert data == {"l": [3, 1, 2], "o": {"a": 1}}


@settings(max_examples=300)
@given(st.text(st.sampled_from("$states.input.l[]{}()'\"`,:?+-*/&|~>^%@#= 012abfn\\"), max_size=40))
def test_whatever_is_written_is_refused_or_evaluated(text: str) -> None:
    try:
        evaluate(text)
    except (InvalidDefinition, QueryEvaluationError):
        return


def test_an_expression_is_of_one_instant() -> None:
    world, moments = World(), iter(range(1_000))
    services = replace(world.services, clock=lambda: float(next(moments)))
    world.services = services
    expression = Expression("{% [$millis() = $millis(), $now() = $now(), $toMillis($now()) = $millis()] %}", "Output")
    assert expression.evaluate(visit({}, {}, world)) == [True, True, True]
