from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition, StatesRuntime, UnsupportedField
from airflow_provider_sfdm.core.paths import JsonPath, Scope
from airflow_provider_sfdm.core.selector import compile_selector, compile_template
from airflow_provider_sfdm.core.values import QueryLanguage

SCOPE = Scope(
    {"run": "r1", "config": {"depth": [1, 2]}},
    {"Execution": {"Id": "arn"}, "State": {"Name": "Map"}},
    {"bucket": "b"},
)


def select(selector: Any, value: Any, index: int = 0, key: str | None = None, source: str | None = None) -> Any:
    return compile_selector(selector).bind(SCOPE).select(index, value, key, source)


def test_only_keys_that_end_in_dot_dollar_are_evaluated() -> None:
    template = {
        "bucket": "$bucket",
        "bucket_value.$": "$bucket",
        "input.$": "$",
        "execution.$": "$$.Execution.Id",
        "row.$": "$$.Map.Item.Value",
        "n.$": "$$.Map.Item.Index",
        "id.$": "$$.Map.Item.Value.id",
        "tags.$": "$$.Map.Item.Value.tags[*].t",
        "source.$": "$$.Map.Item.Source",
        "nested": {"list": [{"id.$": "$$.Map.Item.Value.id"}, "$.run", 5, None]},
    }
    value = {"id": 7, "tags": [{"t": "x"}, {"t": "y"}]}
    assert select(template, value, 3, source="STATE_DATA") == {
        "bucket": "$bucket",
        "bucket_value": "b",
        "input": SCOPE.input,
        "execution": "arn",
        "row": value,
        "n": 3,
        "id": 7,
        "tags": ["x", "y"],
        "source": "STATE_DATA",
        "nested": {"list": [{"id": 7}, "$.run", 5, None]},
    }


def test_keys_keep_their_order() -> None:
    template = {"z.$": "$$.Map.Item.Index", "a": 1, "m.$": "$.run", "b.$": "$$.Map.Item.Value"}
    assert list(select(template, 0)) == ["z", "a", "m", "b"]


def test_the_dollar_is_the_input_of_the_map_not_the_item() -> None:
    with pytest.raises(StatesRuntime) as error:
        compile_selector({"id.$": "$.id"}).bind(SCOPE)
    assert error.value.cause == (
        "The JSONPath '$.id' specified for the field 'id.$' could not be found in the input "
        """'{"run":"r1","config":{"depth":[1,2]}}'"""
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$$.Map.Item", {"Index": 1, "Value": "v", "Key": "k", "Source": "s3://b/k"}),
        ("$$.Map", {"Item": {"Index": 1, "Value": "v", "Key": "k", "Source": "s3://b/k"}}),
        ("$$.Map.Item.Key", "k"),
        ("$$.Map['Item']['Source']", "s3://b/k"),
        ("$$.Map.Item.*", [1, "v", "k", "s3://b/k"]),
        ("$$..Index", [1]),
        ("$$.State.Name", "Map"),
    ],
)
def test_the_context_of_an_item(path: str, expected: Any) -> None:
    assert select({"x.$": path}, "v", 1, "k", "s3://b/k") == {"x": expected}
    context = {**SCOPE.context, "Map": {"Item": {"Index": 1, "Value": "v", "Key": "k", "Source": "s3://b/k"}}}
    evaluated = compile_template({"x.$": path}, "F").evaluate(Scope(SCOPE.input, context, SCOPE.variables))
    assert evaluated == {"x": expected}


def test_the_whole_context_has_the_item() -> None:
    assert select({"x.$": "$$"}, 5) == {"x": {**SCOPE.context, "Map": {"Item": {"Index": 0, "Value": 5}}}}
    assert "Map" not in SCOPE.context


@pytest.mark.parametrize(
    "path",
    [
        "$$.Map.Item.Key",
        "$$.Map.Item.Source",
        "$$.Map.Item.Value.gone",
        "$$.Map.Item.Value[0]",
        "$$.Map.Item.Other",
        "$$.Map.Item.Index.x",
    ],
)
def test_what_an_item_lacks_is_an_error_that_names_the_item(path: str) -> None:
    bound = compile_selector({"a": {"x.$": path}}).bind(SCOPE)
    with pytest.raises(StatesRuntime) as error:
        bound.select(41, {"id": 1}, None, None)
    beginning = f"The JSONPath '{path}' specified for the field 'x.$' could not be found in the input '{{"
    assert error.value.cause.startswith(beginning)
    assert error.value.cause.endswith("(item 41)")


def test_null_is_a_value() -> None:
    assert select({"x.$": "$$.Map.Item.Value", "y.$": "$$.Map.Item.Value"}, None) == {"x": None, "y": None}
    assert select({"x.$": "$$.Map.Item.Value.n"}, {"n": None}) == {"x": None}


@pytest.mark.parametrize("template", [{"c.$": "$.config", "i.$": "$$.Map.Item.Index"}, {"c": {"depth": [1, 2]}}])
def test_items_share_nothing_that_can_change(template: dict[str, Any]) -> None:
    select_item = compile_selector(template).bind(SCOPE).select
    first = select_item(0, 0, None, None)
    first["c"]["depth"].append(3)
    assert select_item(1, 1, None, None)["c"] == {"depth": [1, 2]}
    assert SCOPE.input["config"] == {"depth": [1, 2]}


def test_jsonpath_objects_are_paths() -> None:
    template = {"row": JsonPath("$$.Map.Item.Value"), "all": [JsonPath("$.run"), 1], "b.$": JsonPath("$bucket")}
    assert select(template, "v") == {"row": "v", "all": ["r1", 1], "b": "b"}


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"a": {"x.$": "no path"}}, "ItemSelector.a.x.$"),
        ({"a": [1, {"x.$": 5}]}, "ItemSelector.a[1].x.$"),
        ({"x.$": "States.Format('{}', $.run)"}, "ItemSelector.x.$"),
        ({"x.$": "$.a["}, "ItemSelector.x.$"),
        ({"x": 1, "x.$": "$.run"}, "ItemSelector.x.$"),
        ({"a": {1: "x"}}, "ItemSelector.a"),
        ("{% $states.input %}", "ItemSelector"),
        (5, "ItemSelector"),
    ],
)
def test_a_wrong_template_is_refused_naming_the_place(template: Any, field: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        compile_selector(template)
    assert error.value.field == field


def test_jsonata_has_no_special_keys_and_its_expressions_are_refused() -> None:
    constant = {"x.$": "$.run", "deep": [{"y": "text"}]}
    bound = compile_selector(constant, query_language=QueryLanguage.JSONATA).bind(SCOPE)
    assert bound.select(0, 1, None, None) == constant
    with pytest.raises(UnsupportedField) as error:
        compile_selector({"deep": [{"y": "{% $states.input %}"}]}, query_language=QueryLanguage.JSONATA)
    assert error.value.field == "ItemSelector"


def test_without_a_selector_the_item_is_the_raw_value() -> None:
    value = {"id": 1}
    assert select(None, value) is value
    assert select(None, 5, key="k") == {"Key": "k", "Value": 5}


def test_a_function_gets_the_value_and_may_ask_for_the_context() -> None:
    assert select(lambda value: value * 2, 4) == 8
    assert select(lambda value, context: [value, context], 4, 2) == [4, {"Index": 2, "Value": 4}]
    assert select(lambda value, context=None: context["Source"], 4, 2, source="STATE_DATA") == "STATE_DATA"
    assert select(lambda *both: both[0], 4) == 4
    assert select(lambda value, factor=10: value * factor, 4) == 40
    assert select(operator.itemgetter("a"), {"a": 3}) == 3
    assert select(str, 3) == "3"
    assert select(int, "3") == 3


def test_a_function_that_fails_names_the_item() -> None:
    with pytest.raises(StatesRuntime) as error:
        select(lambda value: value["gone"], {}, 17)
    assert error.value.cause == "The ItemSelector function failed for item 17: KeyError: 'gone'"
    assert isinstance(error.value.__cause__, KeyError)


async def _coroutine(value: Any) -> Any:
    return value


@pytest.mark.parametrize("function", [lambda: 1, lambda a, b, c: 1, _coroutine])
def test_functions_of_another_shape_are_refused(function: Any) -> None:
    with pytest.raises(InvalidDefinition) as error:
        compile_selector(function)
    assert error.value.field == "ItemSelector"


PATHS = st.sampled_from(
    [
        "$",
        "$.run",
        "$.config.depth[1]",
        "$$.Execution.Id",
        "$bucket",
        "$$.Map.Item",
        "$$.Map.Item.Value",
        "$$.Map.Item.Value.id",
        "$$.Map.Item.Value.*",
        "$$.Map.Item.Index",
        "$$.Map.Item.Source",
    ]
)
LEAVES = st.none() | st.integers(0, 9) | st.sampled_from(["$.run", "x"])
PLAIN = st.tuples(st.sampled_from(["a", "b", "c"]), LEAVES)
MEMBERS = PLAIN | st.tuples(st.sampled_from(["d.$", "e.$", "f.$"]), PATHS)
OBJECTS = st.lists(MEMBERS, max_size=3).map(dict)
INNER = st.lists(OBJECTS | LEAVES, max_size=2) | OBJECTS
NESTED = st.lists(st.tuples(st.sampled_from(["g", "h"]), INNER), max_size=2)
TEMPLATES = st.builds(lambda flat, nested: {**flat, **dict(nested)}, OBJECTS, NESTED)


@given(TEMPLATES, st.integers(0, 5))
def test_a_bound_template_gives_what_evaluating_it_gives(template: dict[str, Any], index: int) -> None:
    value = {"id": index, "more": ["x"]}
    item = {"Index": index, "Value": value, "Source": "STATE_DATA"}
    scope = Scope(SCOPE.input, {**SCOPE.context, "Map": {"Item": item}}, SCOPE.variables)
    compiled = compile_template(template, "ItemSelector")
    assert compiled.bind(SCOPE).select(index, value, None, "STATE_DATA") == compiled.evaluate(scope)


@pytest.mark.parametrize(
    "template",
    [
        {"a.$": "$$.Map.Item.Value", "b.$": "$$.Map.Item.Value"},
        {"a.$": "$$.Map.Item.Value.v", "b.$": "$$.Map.Item.Value.v"},
        {"a.$": "$$.Map.Item.Value", "b.$": "$$.Map.Item.Value.v"},
        {"a.$": "$$.Map.Item.Value.v.w", "b": {"c.$": "$$.Map.Item.Value"}},
        {"a.$": "$$.Map.Item", "b": [JsonPath("$$.Map.Item.Value")]},
        {"a.$": "$$.Map.Item.Value.v[*]", "b.$": "$$.Map.Item.Value.v"},
        {"a.$": "$$..w"},
        {"a.$": "$$..w", "b.$": "$$.Map.Item.Value.v.w"},
    ],
)
def test_members_of_one_selected_item_share_nothing(template: dict[str, Any]) -> None:
    selected = select(template, {"v": {"w": [1], "x": {}}})
    containers: list[Any] = [selected]
    for container in containers:
        inner = container.values() if isinstance(container, dict) else container
        containers.extend(part for part in inner if isinstance(part, dict | list))
    assert len({id(container) for container in containers}) == len(containers)


def test_what_is_taken_once_is_not_copied() -> None:
    value = {"v": {"w": [1]}, "x": [2]}
    selected = select({"a.$": "$$.Map.Item.Value.v", "b.$": "$$.Map.Item.Value.x"}, value)
    assert selected["a"] is value["v"]
    assert selected["b"] is value["x"]


@pytest.mark.parametrize("value", [{"b": 1}, {}, [1], "text", None, 5])
def test_the_first_path_that_leads_nowhere_is_told(value: Any) -> None:
    with pytest.raises(
        StatesRuntime, match=r"'\$\$\.Map\.Item\.Value\.a\.x' specified for the field 'first\.\$'.*item 3"
    ):
        select(
            {"first.$": "$$.Map.Item.Value.a.x", "then.$": "$$.Map.Item.Value.c", "last.$": "$$.Map.Item.Source"},
            value,
            3,
        )
    with pytest.raises(StatesRuntime, match=r"'\$\$\.Map\.Item\.Value\.c'.*item 3"):
        select({"only.$": "$$.Map.Item.Value.c"}, value, 3)
