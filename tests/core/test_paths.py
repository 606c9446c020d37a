from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core import jsonpath_query
from airflow_provider_sfdm.core.errors import InvalidDefinition, StatesRuntime
from airflow_provider_sfdm.core.paths import (
    JsonPath,
    Scope,
    compile_path,
    compile_reference_path,
    in_state,
    not_found,
)

SCOPE = Scope(
    {
        "shop": {
            "unit-price": 3,
            "a b": {"c": [10, 20, 30]},
            "it's": "quoted",
            "é": "accent",
            'back\\slash\\"': "kept",
        },
        "orders": [{"id": 1, "n": 5}, {"id": 2, "n": 50}, {"no-id": True}],
        "text": "abc",
        "nothing": None,
    },
    {"Execution": {"Id": "arn", "Input": {"k": "v"}}, "State": {"Name": "Map"}},
    {"region": {"code": "eu"}, "list": [7, 8]},
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", SCOPE.input),
        ("$.shop.unit-price", 3),
        ("$['shop']['a b'].c[0]", 10),
        ('$["shop"]["a b"]["c"][-1]', 30),
        (r"$.shop['it\'s']", "quoted"),
        (r"""$.shop['back\slash\"']""", "kept"),
        ('$.shop["é"]', "accent"),
        ("$.shop.é", "accent"),
        ("$.orders[ 1 ].n", 50),
        ("$.nothing", None),
        ("$$", SCOPE.context),
        ("$$.Execution.Id", "arn"),
        ("$$['Execution'].Input.k", "v"),
        ("$region", {"code": "eu"}),
        ("$region.code", "eu"),
        ("$list[1]", 8),
    ],
)
def test_definite_paths(path: str, expected: Any) -> None:
    compiled = compile_path(path, "F")
    assert compiled.is_definite
    assert compiled.evaluate(SCOPE) == expected
    assert JsonPath(path).evaluate(SCOPE) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.orders[*].id", [1, 2]),
        ("$.orders.*.n", [5, 50]),
        ("$..id", [1, 2]),
        ("$..['id']", [1, 2]),
        ("$.orders[0:2].id", [1, 2]),
        ("$.orders[-2:].n", [50]),
        ("$.orders[0,1].id", [1, 2]),
        ("$.orders[?(@.n > 10)].id", [2]),
        ("$.orders[?(@.n > 1 && @.id == 1)].n", [5]),
        ("$.orders[?@['no-id']].no-id", [True]),
        ("$.orders[?(@.x == ']')]", []),
        ("$.shop['a b'].c[*]", [10, 20, 30]),
        ("$.orders[*].missing", []),
        ("$.text[*]", []),
        ("$..nowhere", []),
        ("$.gone[*]", []),
        ("$.gone.deep[1:5].id", []),
        ("$$.Map.Item[*]", []),
        ("$list[*]", [7, 8]),
        ("$$.Execution.*", ["arn", {"k": "v"}]),
    ],
)
def test_indefinite_paths_give_the_list_of_what_matches(path: str, expected: list[Any]) -> None:
    compiled = compile_path(path, "F")
    assert not compiled.is_definite
    assert compiled.evaluate(SCOPE) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("$.gone", "No results for path: $['gone']"),
        ("$.shop.gone", "No results for path: $['shop']['gone']"),
        ("$.gone.deep", "Missing property in path $['gone']"),
        ("$.orders[3]", "No results for path: $['orders'][3]"),
        ("$.orders[-4]", "No results for path: $['orders'][-4]"),
        (
            "$.text.length",
            "Expected to find an object with property ['length'] in path $['text'] but found a string",
        ),
        (
            "$.nothing.x",
            "Expected to find an object with property ['x'] in path $['nothing'] but found null",
        ),
        ("$.text[0]", "Filter: [0] can only be applied to arrays. Current context is: a string"),
        ("$.shop[0]", "Filter: [0] can only be applied to arrays. Current context is: an object"),
        ("$gone.x", "No results for path: $gone"),
        ("$$.Map.Item.Value", "Missing property in path $['Map']"),
    ],
)
def test_definite_path_that_leads_nowhere(path: str, reason: str) -> None:
    with pytest.raises(StatesRuntime) as error:
        JsonPath(path).evaluate(SCOPE)
    assert error.value.cause == f"Invalid path '{path}' : {reason}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "shop",
        ".shop",
        " $",
        "$ .shop",
        "$.",
        "$..",
        "$.a..",
        "$[",
        "$[]",
        "$['a'",
        "$['a",
        "$.a]",
        "$.a b",
        "$.a | $.b",
        "$.a[*] & $.b",
        "$.list.length()",
        "$.a[(@.length-1)]",
        "$..['a','b']",
        "$.a[~]",
        "$[?(#=='x')]",
        "$[?_.x]",
        "$[^.a]",
        "$[?(@.a =~ /(a+)+$/)]",
        "$[?match(@.a, '(a+)+')]",
        "$[?search(@.a, '(a+)+')]",
        "$[?__import__('os')]",
        "States.Format('{}', $.a)",
        "$states.input",
        "$." + "a" * 10_000,
        "$[" + "(" * 5_000 + "]",
        "$[?" + "(" * 5_000 + "@.a" + ")" * 4_900 + "]",
    ],
)
def test_what_is_no_path_is_refused_when_it_is_made(path: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        compile_path(path, "ItemReader.Parameters.Key.$")
    assert error.value.field == "ItemReader.Parameters.Key.$"
    with pytest.raises(InvalidDefinition, match="JSONPath"):
        JsonPath(path)


def test_a_path_must_be_text() -> None:
    with pytest.raises(InvalidDefinition, match="must be a JSONPath, not 3"):
        compile_path(3, "F")


@pytest.mark.parametrize("path", ["$.a[*]", "$..a", "$.a[0:1]", "$.a[0,1]", "$.a[?@.b]", "$.*"])
def test_reference_paths_are_definite(path: str) -> None:
    with pytest.raises(InvalidDefinition, match="reference path") as error:
        compile_reference_path(path, "ItemsPath")
    assert error.value.field == "ItemsPath"
    assert compile_reference_path("$.a[0]['b']", "ItemsPath").segments == ("a", 0, "b")


def test_a_query_over_deep_input_fails_instead_of_overflowing() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(StatesRuntime, match="recursion"):
        JsonPath("$..b").evaluate(Scope(deep))


def test_the_number_of_matches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonpath_query, "_MAX_MATCHES", 10)
    assert len(JsonPath("$[*]").evaluate(Scope(list(range(10))))) == 10
    with pytest.raises(StatesRuntime, match="more than 10 values"):
        JsonPath("$[*]").evaluate(Scope(list(range(11))))


def test_text_is_never_read_as_a_document() -> None:
    assert JsonPath("$.text.*").evaluate(Scope({"text": '{"a": 1}'})) == []


def test_jsonpath_is_a_value() -> None:
    path = JsonPath.string_at("$.bucket")
    assert path == JsonPath("$.bucket")
    assert pickle.loads(pickle.dumps(path)) == path
    assert str(path) == "$.bucket"


def test_causes_keep_to_the_length_that_aws_allows() -> None:
    cause = not_found("$.a", "a.$", {"text": "é" * 40_000}).cause
    assert cause.startswith("The JSONPath '$.a' specified for the field 'a.$' could not be found in the input '{")
    assert len(cause) <= 32_768
    assert len(in_state(cause, "Map", 2)) == 32_768
    assert "object" in not_found("$.a", "a.$", {"not": object()}).cause


# A name that ends in a backslash cannot be told from one that goes on behind an escaped quotation mark.
KEYS = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda key: not key.endswith("\\"))


def bracket(part: str | int, mark: str) -> str:
    return f"[{part}]" if isinstance(part, int) else f"[{mark}{part.replace(mark, chr(92) + mark)}{mark}]"


@given(st.lists(KEYS | st.integers(0, 3), min_size=1, max_size=4), st.sampled_from("'\""))
def test_any_key_can_be_reached_in_brackets(segments: list[str | int], mark: str) -> None:
    document: Any = "here"
    for segment in reversed(segments):
        document = {segment: document} if isinstance(segment, str) else [None] * segment + [document]
    path = "".join(bracket(part, mark) for part in segments)
    assert compile_path(f"${path}", "F").evaluate(Scope(document)) == "here"
    # The same name reaches python-jsonpath in its own spelling.
    assert compile_path(f"$[*]{path}", "F").evaluate(Scope([document])) == ["here"]


@given(st.text(st.sampled_from("$.[]'\"*?@()ab0-:, \\=~&|"), max_size=20))
def test_parsing_ends_in_a_path_or_a_refusal(text: str) -> None:
    try:
        path = compile_path("$" + text, "F")
    except InvalidDefinition:
        return
    try:
        found = path.evaluate(Scope({"a": [{"b": 1}]}, {"a": {"b": 1}}, {"a": [1], "b": {"a": 0}}))
    except StatesRuntime:
        return
    assert path.is_definite or isinstance(found, list)
