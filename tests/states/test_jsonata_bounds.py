"""What one expression may take holds inside of the library's functions too, where nothing is evaluated meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.states.machine import Outcome, compile_machine, execute
from airflow_provider_sfdm.states.seam import TaskCall

SECONDS = 5.0  # for an expression


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    def ring(*_: object) -> None:
        pytest.fail("it runs on")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def evaluated(expression: str) -> Outcome:
    state = {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}
    machine = compile_machine({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state}})
    return execute(machine, {}, local_services())


LONG_PICTURE = "The length of a picture is"
LONG_TEXT = "The length of a text that is read by a picture is"
WIDE = "The width of a component is over 1,000"
MEMORY = "Expression evaluation memory limit exceeded"
UNDEFINED = "returned nothing (undefined)"
TIMEOUT = "Expression evaluation timeout"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("$fromMillis(0, '[Y,200000000]')", WIDE),
        ("$fromMillis(0, '[Y,1-200000000]')", WIDE),
        ("$fromMillis(0, '[M, 200_000_000]')", WIDE),
        ("$now('[f,200000000]')", WIDE),
        ("$toMillis('1', '[Y,200000000]')", WIDE),
        ("$fromMillis(0, '[Y' & $pad('', 300000, ',0') & ']')", LONG_PICTURE),
        ("$formatInteger(1, '1' & $pad('', 300000, ',000'))", LONG_PICTURE),
        ("$formatNumber(1, $pad('', 300000, '0,'))", LONG_PICTURE),
        ("$parseInteger('1', $pad('', 300000, '0,'))", LONG_PICTURE),
        ("$parseInteger($pad('', 300000, 'A'), 'A')", LONG_TEXT),
        ("$parseInteger($pad('', 300000, 'thousand '), 'w')", LONG_TEXT),
        ("$toMillis($pad('', 300000, 'a'), '[YA]')", LONG_TEXT),
        ("$toMillis($pad('', 800, 'and ') & '!', '[Yw][Mw][Dw][dw][ww]')", UNDEFINED),
        ("$toMillis($pad('', 200, '1') & 'x', '[f1][W1][w1][X1][x1][d1][f1][W1][w1]')", UNDEFINED),
        ("$toMillis($pad('', 900, 'and ') & 'a!', $pad('', 900, '[Yw][fw]'))", TIMEOUT),
        ("$reduce([1..200000], $append)", MEMORY),
        ("$map([1..300000], $pad('x', ?))", MEMORY),
        ("($r := [1..360000]; $r@$a.$r#$i.$i)", MEMORY),
        ("($o := [1..800000]; $o@$x.$o@$y.$x)", MEMORY),
        ("($o := [1..800000]; $o.$o)", MEMORY),
        ("$formatNumber(1, '0', {'grouping-separator': 'x](a+)+$['})", "is one character"),
    ],
)
def test_it_is_stopped(expression: str, told: str) -> None:
    began = time.monotonic()
    outcome = evaluated(expression)
    assert (outcome.status, outcome.error) == ("FAILED", "States.QueryEvaluationError")
    assert told in (outcome.cause or "")
    assert time.monotonic() - began < 2 * SECONDS


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$fromMillis(1510067557121, '[Y0001]-[M01]-[D01]T[H01]:[m01]')", "2017-11-07T15:12"),
        ("$fromMillis(1510067557121, '[Y,4]/[M,2]')", "2017/11"),
        ("$toMillis('2017-11-07 15:12', '[Y0001]-[M01]-[D01] [H01]:[m01]')", 1510067520000),
        ("$toMillis('7th November 2017', '[D1o] [MNn] [Y]')", 1510012800000),
        ("$toMillis('two thousand and seventeen', '[Yw]') > 0", True),
        ("$formatInteger(1234567, '#,##0')", "1,234,567"),
        ("$parseInteger('MCMXCIX', 'I')", 1999),
        ("$reduce([1..100], $append) ~> $count()", 100),
        ("[1..300000] in [1..300000]", False),
        ("[1, 2] in [[1, 2]]", True),
        ("2 in [1, 2]", True),
        ("($o := [1..9000]; $count([1..9].$o[$ = 5]))", 9),
        ("($o := $map([1..300], function($n) {{'a': $n}}); $count($o@$x.$o@$y[$x.a = $y.a].$x))", 300),
    ],
)
def test_what_is_of_a_usual_size_is_not(expression: str, value: Any) -> None:
    assert evaluated(expression).output == value


def test_what_stands_between_the_components_of_a_time_is_text() -> None:
    """And no part of the library's regular expression."""
    assert evaluated("$toMillis('(a+)+$2017', '(a+)+$[Y]') > 0").output is True
    assert evaluated("$exists($toMillis('aaaa2017', '(a+)+[Y]'))").output is False


@pytest.mark.parametrize("expression", ['"\\uD83D"', '{"a": ["\\uD83D"]}', '{"\\uD83D": 1}', '$uppercase("\\uD83D")'])
def test_half_a_surrogate_pair_is_no_result(expression: str) -> None:
    outcome = evaluated(expression)
    assert outcome.error == "States.QueryEvaluationError"
    assert "half of a surrogate pair" in (outcome.cause or "")


def test_characters_beyond_the_first_plane_are() -> None:
    assert evaluated('"\\uD83D\\uDE00" & $string({"a": "😀"})').output == '😀{"a":"😀"}'


def test_an_argument_too() -> None:
    def invoke(resource: str, arguments: Any, call: TaskCall) -> Any:
        return arguments

    state = {"Type": "Task", "Resource": "f", "Arguments": {"a": '{% "\\uD83D" %}'}, "End": True}
    machine = compile_machine({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state}})
    assert execute(machine, {}, local_services(invoke)).error == "States.QueryEvaluationError"


def test_the_machines_timeout_ends_an_expression() -> None:
    endless = "($f := function($n) { $n = 0 ? 0 : $f($n + 1) }; $f(1))"
    state = {"Type": "Pass", "Output": f"{{% {endless} %}}", "End": True}
    definition = {"QueryLanguage": "JSONata", "StartAt": "A", "TimeoutSeconds": 1, "States": {"A": state}}
    began = time.monotonic()
    assert execute(compile_machine(definition), {}, local_services()).status == "TIMED_OUT"
    assert time.monotonic() - began < 3


def test_groups_of_a_regular_expression_that_are_repeated_a_million_times() -> None:
    outcome = evaluated("$match($pad('', 6900000, 'a'), /(((a)))*/)")
    assert MEMORY in (outcome.cause or "")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:[a-z]{1,10}[a-z]{1,10}[a-z]{1,10}[a-z]{1,10}[a-z]{1,10}[a-z]{1,10})?x",
        r"(([0-9a-f]{1,4}:){7,7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,7}:|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4})|x",
    ],
)
def test_parts_that_stand_beside_each_other_are_few(pattern: str) -> None:
    assert evaluated(f"$contains('x', /{pattern}/)").output is True
