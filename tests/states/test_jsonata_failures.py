"""Every way in which an expression can fail says so in the words of the reference implementation, never in Python's."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition, StatesError
from airflow_provider_sfdm.states.failures import QueryEvaluationError
from tests.states.test_intrinsics import json_values
from tests.states.test_jsonata_language import evaluate

WRONG = 'T0410: Argument {} of function "{}" does not match function signature'
PASSIVE = "passive character that is preceded by an active character and that is followed by another active character"

FAILURES: list[tuple[str, str]] = [
    # Operators.
    ("'a' + 1", 'T2001: The left side of the "+" operator must evaluate to a number'),
    ("1 + {}", 'T2002: The right side of the "+" operator must evaluate to a number'),
    ("true * 1", 'T2001: The left side of the "*" operator must evaluate to a number'),
    ("1 / 0 + 1", "D1001: Number out of range: null"),
    ("-'a'", 'D1002: Cannot negate a non-numeric value: "a"'),
    ("[1.5..3]", "T2003: The left side of the range operator (..) must evaluate to an integer"),
    ("[1..'a']", "T2004: The right side of the range operator (..) must evaluate to an integer"),
    ("1 < 'a'", 'T2009: The values 1 and "a" either side of operator "<" must be of the same data type'),
    ("{1: 2}", "T1003: Key in object structure must evaluate to a string; got: 1"),
    ("{'a': 1, 'a': 2}", 'D1009: Multiple key definitions evaluate to same key: "a"'),
    ("5 ~> 6", "T2006: The right side of the function application operator ~> must be a function"),
    ("[{'a':1},{'a':'x'}]^(a)", 'T2007: Type mismatch when comparing values "x" and 1 in order-by clause'),
    (
        "[{'a':true},{'a':1}]^(a)",
        "T2008: The expressions within an order-by clause must evaluate to numeric or string values",
    ),
    (
        "$states.input ~> |o|5|",
        "T2011: The insert/update clause of the transform expression must evaluate to an object: 5",
    ),
    (
        "$states.input ~> |o|{},5|",
        "T2012: The delete clause of the transform expression must evaluate to a string or array of strings: 5",
    ),
    ("$nothing(1)", "T1006: Attempted to invoke a non-function"),
    ("$eval('1')", "T1006: Attempted to invoke a non-function"),
    ("$nothing(?)", "T1008: Attempted to partially apply a non-function"),
    # Arguments.
    ("$abs('x')", WRONG.format(1, "abs")),
    ("$substring('hello', 'x')", WRONG.format(2, "substring")),
    ("$length('a', 'b')", WRONG.format(2, "length")),
    ("$length(null)", WRONG.format(1, "length")),
    ("$match('abc', 'b')", WRONG.format(2, "match")),
    ("$map([1], 5)", WRONG.format(2, "map")),
    ("$map([1, 2], $uppercase)", WRONG.format(1, "uppercase")),
    ("($f := function($x)<n:n>{$x}; $f('a'))", WRONG.format(1, "f")),
    ("$sum(['a'])", 'T0412: Argument 1 of function "sum" must be an array of "numbers"'),
    ("$join([1])", 'T0412: Argument 1 of function "join" must be an array of "strings"'),
    ("$merge([1])", 'T0412: Argument 1 of function "merge" must be an array of "objects"'),
    # Text.
    ("$string(1/0)", "D3001: Attempting to invoke string function on Infinity or NaN"),
    ("$match('abc', /b/, -1)", "D3040: Third argument of match function must evaluate to a positive number"),
    ("$split('a', ',', -1)", "D3020: Third argument of split function must evaluate to a positive number"),
    ("$replace('a', '', 'x')", "D3010: Second argument of replace function cannot be an empty string"),
    ("$replace('a', 'a', 'x', -1)", "D3011: Fourth argument of replace function must evaluate to a positive number"),
    (
        "$replace('abc', /b/, function($m){1})",
        "D3012: Attempted to replace a matched string with a non-string value",
    ),
    ("$match('abc', /()/)", "D1004: Regular expression matches zero length string"),
    ("$replace('abc', /x*/, '-')", "D1004: Regular expression matches zero length string"),
    *(
        (
            f"{call}, function($s){{5}}{rest})",
            f'T1010: The matcher function argument passed to function "{call[1:-4]}" does not return the correct '
            "object structure",
        )
        for call, rest in (("$match('a'", ""), ("$contains('a'", ""), ("$split('a'", ""), ("$replace('a'", ", ''"))
    ),
    ("$decodeUrl('%ZZ')", 'D3140: Malformed URL passed to $decodeUrl(): "%ZZ"'),
    ("$decodeUrlComponent('%E0%A4')", 'D3140: Malformed URL passed to $decodeUrlComponent(): "%E0%A4"'),
    # Numbers.
    ("$number('x')", 'D3030: Unable to cast value to a number: "x"'),
    ("$number('')", 'D3030: Unable to cast value to a number: ""'),
    ("$number('1_0')", 'D3030: Unable to cast value to a number: "1_0"'),
    ("$number('nan')", 'D3030: Unable to cast value to a number: "nan"'),
    ("$sqrt(-1)", "D3060: The sqrt function cannot be applied to a negative number: -1"),
    (
        "$power(2, 2000)",
        "D3061: The power function has resulted in a value that cannot be represented as a JSON number: "
        "base=2, exponent=2000",
    ),
    ("$formatBase(1, 37)", "D3100: The radix of the formatBase function must be between 2 and 36.  It was given 37"),
    ("$formatNumber(1, 'x')", f"D3086: The sub-picture must not contain a {PASSIVE}"),
    (
        "$formatInteger(1, '#')",
        'D3130: Formatting or parsing an integer as a sequence starting with "#" is not supported '
        "by this implementation",
    ),
    # Arrays.
    (
        "$sort([1, 'a'])",
        "D3070: The single argument form of the sort function can only be applied to an array of strings or an array "
        "of numbers.  Use the second argument to specify a comparison function",
    ),
    (
        "$single([1, 2], function($x){true})",
        "D3138: The $single() function expected exactly 1 matching result.  Instead it matched more.",
    ),
    (
        "$reduce([1, 2], function($a){$a})",
        "D3050: The second argument of reduce function must be a function with at least two arguments",
    ),
    # Time.
    (
        "$toMillis('foo')",
        'D3110: The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given "foo"',
    ),
    ("$fromMillis(0, '[Q]')", 'D3132: Unknown component specifier "Q" in date/time picture string'),
    (
        "$fromMillis(0, '[YN]')",
        'D3133: The "name" modifier can only be applied to months and days in the date/time picture string, not "Y"',
    ),
    (
        "$fromMillis(0, '[Z00000]')",
        "D3134: The timezone integer format specifier cannot have more than four digits",
    ),
    ("$fromMillis(0, '[Y')", 'D3135: No matching closing bracket "]" in date/time picture string'),
    # What AWS adds.
    ("$error('no')", "D3137: no"),
    ("$assert(false, 'no')", "D3141: no"),
    ("$parse('{')", "D3137: Invalid JSON"),
    ("$parse('')", "D3137: Invalid JSON"),
    ('$parse(\'{"a": 1, "a": 2}\')', "D3137: Invalid JSON"),
    ("$parse(null)", WRONG.format(1, "parse")),
    ("$partition(5, 2)", 'T0412: Argument 1 of function "partition" must be an array of undefined'),
    ("$partition([1], -1)", "D3137: Second argument must be zero or greater"),
    ("$range(1)", WRONG.format(2, "range")),
    ("$range('0', 4, 1)", WRONG.format(1, "range")),
    ("$range(0, 4, 1, 2)", WRONG.format(4, "range")),
    ("$hash(5, 'MD5')", WRONG.format(1, "hash")),
    ("$hash('a', 'md5')", "D3137: Hash algorithm 'md5' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"),
    ("$uuid(1)", WRONG.format(1, "uuid")),
]


def cause(expression: str, data: Any = None) -> str:
    with pytest.raises(QueryEvaluationError) as caught:
        evaluate(expression, data)
    return caught.value.cause


@pytest.mark.parametrize(("expression", "message"), FAILURES)
def test_the_code_and_its_text(expression: str, message: str) -> None:
    where = f"The JSONata expression '{expression}' specified for the field 'Output'"
    assert cause(expression) == f"{where} threw an error during evaluation. {message}"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1..900000]", "Expression evaluation memory limit exceeded: Check for excessive memory usage"),
        (
            "+".join("1" * 101),
            "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive",
        ),
        ("($f := function(){$f()}; $f())", "Expression evaluation timeout: Check for infinite loop"),
    ],
)
def test_limits_have_no_code(expression: str, message: str) -> None:
    assert cause(expression).endswith(f"' threw an error during evaluation: {message}")


@pytest.mark.parametrize("expression", ["$base64decode('!!!')", "$fromMillis(0, '[Y]', 'nowhere')"])
def test_what_has_no_code_is_an_internal_error(expression: str) -> None:
    assert cause(expression).endswith("threw an internal error during evaluation.")


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        ("0.0;0.0;0.0", "D3080"),
        ("0.0.0", "D3081"),
        ("0%%", "D3082"),
        ("0\u2030\u2030", "D3083"),
        ("0%\u2030", "D3084"),
        ("", "D3085"),
        ("0,.0", "D3087"),
        ("0,", "D3088"),
        ("0,,0", "D3089"),
        ("0#", "D3090"),
        ("##0.0#0", "D3091"),
        ("0e0%", "D3092"),
        ("#0e", "D3093"),
    ],
)
def test_rules_of_pictures(picture: str, code: str) -> None:
    assert f"evaluation. {code}: " in cause(f"$formatNumber(1, '{picture}')")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("1 / 0", "Infinity"),
        ("[-1 / 0, 0 / 0]", ["-Infinity", "NaN"]),
        ("{'k': 1e308 * 10}", {"k": "Infinity"}),
        ("5.5 % 2", 1.5),
        ("$parseInteger('abc', '0')", "NaN"),
        ("$number('0b11') + $number('0o17') + $number('0x1F')", 49),
        ("true in [1]", False),
        ("[true] = [1]", False),
        ("1 in [1.0]", True),
        ("$floor(1e300)", 1e300),
        ("$string(1e20)", "100000000000000000000"),
        ("$string(-1.5e20)", "-150000000000000000000"),
        ("$string(1e21)", "1e+21"),
        ("$string(1e-6)", "0.000001"),
        ("$string(1e-7)", "1e-7"),
        ("$string(1/3)", "0.333333333333333"),
        ("$string(9223372036854775808)", "9223372036854776000"),
        ("$string($parse('9223372036854775807'))", "9223372036854775807"),
        ("$string([0.1 + 0.2, 'é', null, function($x){1}])", '[0.3,"é",null,""]'),
        ("$string({'a': [1, {}]}, true)", '{\n  "a": [\n    1,\n    {}\n  ]\n}'),
        ("1.10 & ''", "1.1"),
        ("'a' & $sum & $string(/a/)", "a"),
        ("$split('a1b2c', /([0-9])/)", ["a", "b", "c"]),
        ("$split('a,b,c', ',', 1.5)", ["a", "b"]),
        ("$replace('265USD', /([0-9]+)USD/, '$$$1')", "$265"),
        ("$replace('abcabc', /a(b)(c)/, '[$0 $12 $3]', 1)", "[abc b2 ]abc"),
        ("$toMillis('2018-01-02T03:04:05.678+0100')", 1514858645678),
        ("$toMillis('2018')", 1514764800000),
        ("$lowercase('Straße')", "straße"),
        ("($f := $split(?, ','); $f('a,b'))", ["a", "b"]),
        ("$map(['1', '2'], $number)", [1, 2]),
        ("$base64decode('YQ')", "a"),
        ("$split('a', $states.input.gone)", ["a"]),
        ("$zip([1, 2], [3, 4])", [[1, 3], [2, 4]]),
    ],
)
def test_values_of_the_reference(expression: str, wanted: Any) -> None:
    assert json.dumps(evaluate(expression)) == json.dumps(wanted)


names = [
    "sum count max min average string substring substringBefore lowercase length trim pad match contains replace split",
    "join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power boolean not map",
    "zip filter single reduce sift keys lookup append exists spread merge reverse each error assert type sort distinct",
    "base64encode base64decode encodeUrl decodeUrl encodeUrlComponent decodeUrlComponent toMillis fromMillis clone now",
    "partition range hash random uuid parse eval shuffle",
]
functions = st.sampled_from(" ".join(names).split()).map(lambda name: f"${name}")
regexes = st.sampled_from(["/a/", "/[0-9]+/", "/(a)|b/", "/x*/"])
leaves = st.one_of(
    json_values.map(json.dumps), functions, regexes, st.just("$states.input"), st.just("function($x, $i){$x}")
)


def grown(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "%", "&", "=", "!=", "<", ">=", "in", "and", "~>", ".", ".."])
    return st.one_of(
        st.builds(lambda name, values: f"{name}({', '.join(values)})", functions, st.lists(parts, max_size=3)),
        st.builds("({} {} {})".format, parts, operators, parts),
        st.builds("[{}, {}]".format, parts, parts),
        st.builds("{}[{}]".format, parts, parts),
        st.builds("{{'k': {}}}".format, parts),
        st.builds("{}^({})".format, parts, parts),
        parts.map("(-{})".format),
    )


SAID = re.compile(
    r"' (threw an error during evaluation(\. [STD]\d{4}: |: (Expression evaluation|Stack overflow))"
    r"|threw an internal error during evaluation\.|returned nothing \(undefined\)\.)"
)


@settings(max_examples=400, deadline=None)
@given(st.recursive(leaves, grown, max_leaves=6), json_values)
def test_an_expression_is_evaluated_to_json_or_says_why_not(expression: str, data: Any) -> None:
    try:
        value = evaluate(expression, data)
    except InvalidDefinition:
        return
    except StatesError as error:
        assert SAID.search(error.cause.replace(expression, "", 1)), error.cause
    else:
        json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("/* */", "S0207: Unexpected end of expression"),
        ('"\\', "S0207: Unexpected end of expression"),
        ("1 +", "S0207: Unexpected end of expression"),
        ("[1", 'S0203: Expected "]" before end of expression'),
        ("'a", "S0101: String literal must be terminated by a matching quote"),
        ("/a", "S0302: No terminating / in regular expression"),
    ],
)
def test_a_text_that_breaks_off_is_no_expression(text: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        evaluate(text, {})
    assert raised.value.problem == f"is not a JSONata expression: {problem}"
