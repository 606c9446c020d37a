"""What is mutated: valid examples of each language, and its words."""

from __future__ import annotations

from typing import Any

PATHS = (
    "$", "$.a", "$.a.b[0]", "$['a']['b c']", "$.a[-1]", "$.list[0:2]", "$.list[::2]", "$.list[0,1]", "$..a", "$.*",
    "$.list[*].n", "$.list[?(@.n > 1)].n", "$.list[?(@.n == 1 && @.s != 'x')]", "$.list[?(!@.s)]", "$$.Execution.Id",
    "$v.a", "$.list.length()", "$.list[?(@.s =~ /a.*/i)]", "$.list[?(@.n in [1, 2])]", "$$.Map.Item.Value",
    "$[?(@['a'] <= 1 || @.b)]", "$.e.\u00e9",
)  # fmt: skip
PATH_WORDS = (
    "$", "$$", "@", ".", "..", "*", "[", "]", "[*]", "['", "']", '["', "[?(", ")]", "(", ")", "&&", "||", "!", "==",
    "!=", "<=", ">", "=~", "/a/", " in ", "nin", "length()", "min()", "0", "-1", ":", ",", "99999999999999999999",
    "\\", "\\u0041", "a", "list", "n", "1e5", "true", "null",
)  # fmt: skip

INTRINSICS = (
    "States.Array($.a, 1, 'x', null, true)", "States.ArrayPartition($.list, 2)", "States.ArrayContains($.list, 1)",
    "States.ArrayRange(1, 9, 2)", "States.ArrayGetItem($.list, 0)", "States.ArrayLength($.list)",
    "States.ArrayUnique($.list)", "States.Base64Encode($.s)", "States.Base64Decode('YQ==')",
    "States.Hash($.s, 'SHA-256')", "States.Hash('a', 'MD5')", "States.JsonMerge($.a, $.e, false)",
    "States.StringToJson('{\"a\": 1}')", "States.JsonToString($)", "States.MathRandom(1, 9)",
    "States.MathRandom(1, 9, 5)", "States.MathAdd($.n, -1)", "States.StringSplit($.s, ',;')", "States.UUID()",
    "States.Format('{} is {}', $.s, $.n)", "States.Format('\\'\\{\\}\\\\')",
    "States.Array(States.Format('{}', $.n), States.UUID())",
)  # fmt: skip
INTRINSIC_WORDS = (
    *(text.partition("(")[0] for text in INTRINSICS), *PATH_WORDS, "(", ")", ",", "'", "\\'", "{}", "{", "}", "\\{",
    "States.", "null", "1.5", "-0", "1e999", "'SHA-512'", "$.list", "$.s", "$.n", "$.a", "$", " ",
)  # fmt: skip

JSONATA = (
    "$states.input.a", "$states.input.list[n > 1].n", "$sum($states.input.list.n)",
    "$map($states.input.list, function($x, $i) { $x.n + $i })", "$states.input.list^(>n, s)",
    "$states.input.list{s: $sum(n)}", "$merge([{'a': 1}, $states.input.a])", "$partition([1..9], 4)",
    "$range(1, 9, 2)", "$hash('a', 'SHA-1')", "$random(5)", "$uuid()", "$parse('[1]')",
    "$replace('abc', /b(.)/, '$1')", "$match('abab', /ab/)", "$split('a,b', ',')",
    "($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(9))", "$now()", "$toMillis('2026-01-01T00:00:00Z')",
    "$fromMillis(0, '[Y]-[M01]', '+0100')", "$formatNumber(12345.6, '#,##0.00')", "$formatInteger(12, 'w')",
    "$parseInteger('twelve', 'w')", "$states.input ~> |a|{'b': 2}|", "**.n", "$states.input.*", "%.a",
    "$reduce([1..5], function($a, $b) { $a * $b })", "$sift({'a': 1}, function($v) { $v > 0 })",
    "$each({'a': 1}, $string)", "$substringBefore('a-b', '-')", "$pad('a', -5, '#')", "$base64decode('YQ==')",
    "$number('0x1F')", "$type(null)", "[1..3] ~> $sum()", "$exists($states.input.a) and $not($boolean([]))",
    "$zip([1, 2], ['a'])", "$spread({'a': 1})", "$distinct([1, 1, {'a': 1}])", "$shuffle([1])",
    "$lookup({'a': 1}, 'a')", "$assert(true, 'm')", "$error('m')", "`a b`.c", "$.a#$i[$i = 0]@$x.n",
)  # fmt: skip
JSONATA_WORDS = (
    "$", "$$", "$states", ".input", ".context", "[", "]", "{", "}", "(", ")", "function($x) {", "λ($x){", ":=", "~>",
    "|", "^(", "@$i", "#$i", "%", "*", "**", "..", "?", ":", ";", ",", "&", "/(a+)+b/", "/a|b/i", "'", '"', "`", "\\",
    "1", "1e308", "0", "-1", "[1..999]", "[1..1e9]", " and ", " or ", " in ", "=", "!=", "<=", "$f(", "$x",
    "$string(", "$map(", "$filter(", "$sort(", "$eval(", "null", "true", "$power(10, 400)", "$pad('a', 1e9)", "/*",
    "*/", "\\u0041", "-", "$formatNumber(1, '", "$fromMillis(1e15, '[", "$join(", "$replace('aaaa', ",
)  # fmt: skip

# Calls whose pictures, texts and functions decide how long they take.
CALLS = (
    "$fromMillis(1510067557121, '[Y0001]-[M01,2]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]', '+0100')",
    "$fromMillis($states.input.n, '[FNn], [D1o] [MNn,3-4] [Yw] [w] [x] [X] [W] [h]:[m][P] [z]')",
    "$toMillis('2026-11-25 10:11:12', '[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]')",
    "$toMillis($states.input.s & ' and thirty one', '[Yw] [Mw] [dw]')",
    "$parseInteger('twelve thousand and one', 'w') + $parseInteger('XIV', 'I') + $parseInteger('abc', 'a')",
    "$parseInteger('1,234,567', '#,##0') & $formatInteger(1234567, '#,##0;o') & $formatInteger(2789, 'Ww')",
    "$formatNumber(-1234.5678, '#,##0.00;(#,##0.00)') & $formatNumber(0.00012, '00.000e0')",
    "$formatNumber(0.14, '01%', {'percent': 'p', 'zero-digit': '\u2460', 'grouping-separator': '.'})",
    "$map([1..300], $pad(?, 20)) ~> $join(',') ~> $split(/,/) ~> $reduce($append) ~> $distinct()",
    "$sort($zip([1..9], [9..1]), function($a, $b) { $a[0] < $b[0] }) in [[1..9], $states.input.list]",
    "$reduce([1..200], function($a, $b) { $a & $formatBase($b, 36) }) ~> $replace(/(a+)b/, '$1$0')",
    "$merge($map([1..99], function($x) {{ $string($x): $x }})) ~> $spread() ~> $each(function($v, $k) { $k })",
)
CALL_WORDS = (
    "$pad('', 300000, 'a')", "$pad('', 300000, '0,')", "$pad('', 999, '[')", " & ", "[1..300000]", "[1..9999999]",
    ",200000000", ",1-200000000", ",*-999", "[Yw]", "[Mw]", "[f1]", "[W1]", "[d1]", "[", "[[", "]]", ";o", "#", "0",
    "e0", "\u0660", "$append", "$reduce(", "$map(", "$string", "$pad(?, 100000)", "1e300", "1e-300", "-0", "'A'", "'w'",
    "'I'", "'grouping-separator': '](a+)+$['", "(a+)+$", "thousand ", "and ", " in ", "\uD83D",
)  # fmt: skip

TIMESTAMPS = (
    "2026-03-14T01:59:00Z", "2026-03-14T01:59Z", "2026-03-14T01:59:00.123456789+05:30", "0001-01-01T00:00:00+18:00",
    "9999-12-31T23:59:59-18:00", "2024-02-29T00:00:00.5-00:00:01", "2026-03-14t01:59:00z",
)  # fmt: skip
TIMESTAMP_WORDS = ("Z", "T", "+", "-", ":", ".", "0", "9", "60", "24", "0000", "99", "٣", "+18:00", "-18:00:01")

TEMPLATES: tuple[Any, ...] = (
    {"a.$": "$.a", "b": 1, "c": {"d.$": "States.Format('{}', $.n)", "e": [{"f.$": "$$.Execution.Id"}]}},
    {"v.$": "$v", "list.$": "$.list[*].n", "uuid.$": "States.UUID()", "same": "$.a"},
    [{"a.$": "$.list[?(@.n > 1)]"}],
    {"a.$": "$..n", "b": {"c": {"d": {"e.$": "$.a.b[9]"}}}},
)  # fmt: skip
TEMPLATE_WORDS = (*PATHS, *INTRINSICS, "a.$", ".$", "b.$", "a", "$", "")

RULES: tuple[Any, ...] = (
    {"Variable": "$.n", "NumericGreaterThan": 1},
    {"And": [{"Variable": "$.s", "StringMatches": "a*b\\*"}, {"Not": {"Variable": "$.a", "IsPresent": True}}]},
    {
        "Or": [
            {"Variable": "$.t", "TimestampLessThan": "2026-01-01T00:00:00Z"},
            {"Variable": "$.t", "IsTimestamp": True},
        ]
    },
    {"Variable": "$.n", "NumericEqualsPath": "$.list[0].n"},
    {"Variable": "$.s", "StringLessThanEqualsPath": "$.t", "Next": "B"},
    {"Variable": "$.yes", "BooleanEquals": True},
    {"Variable": "$.list[*].n", "IsNull": False},
)
RULE_WORDS = (
    "Variable", "And", "Or", "Not", "IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp",
    "StringMatches", "StringEquals", "StringEqualsPath", "NumericLessThan", "NumericLessThanPath", "TimestampEquals",
    "TimestampGreaterThanPath", "BooleanEqualsPath", "Next", "Comment", *PATHS, *TIMESTAMPS,
)  # fmt: skip
