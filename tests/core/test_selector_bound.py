"""How large a selected item can become, without selecting it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.json import dumps
from airflow_provider_sfdm.core.paths import JsonPath, Scope
from airflow_provider_sfdm.core.selector import compile_selector
from airflow_provider_sfdm.core.selector_bound import SelectorBound, selector_bound

SCOPE = Scope({"day": "2026-11-23", "deep": {"list": [1, 2, 3]}}, {"Execution": {"Id": "x"}}, {"limit": {"a": 1}})
TEMPLATES: list[Any] = [
    {"item.$": "$$.Map.Item.Value"},
    {"a.$": "$$.Map.Item.Value", "b.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "s.$": "$$.Map.Item.Source"},
    {"day.$": "$.day", "all.$": "$", "variable.$": "$limit", "nested": {"list": [{"x.$": "$$.Map.Item.Value.v"}, 1]}},
    {"id.$": "$$.Execution.Id", "literal": "x" * 100},
    {"path": JsonPath("$.day")},
    {"item.$": "$$.Map.Item", "all.$": "$$.Map", "i.$": "$$.Map.Item.Index"},
    {},
]


def test_without_a_template_an_item_is_as_large_as_it_is() -> None:
    assert selector_bound(None, SCOPE) == SelectorBound(0, 1)
    assert SelectorBound(10, 2).of(7) == 24


@pytest.mark.parametrize("template", TEMPLATES)
@given(value=st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner)))
def test_no_selected_item_is_larger_than_its_bound(template: Any, value: Any) -> None:
    item = {"v": value}
    bound = selector_bound(template, SCOPE)
    assert bound is not None
    selected = compile_selector(template).bind(SCOPE).select(12_345, item, None, "s3://bucket/" + "\x01" * 900)
    assert len(dumps(selected)) <= bound.of(len(dumps(item)))


def test_a_bound_is_so_tight_that_batches_can_be_counted() -> None:
    # 500 items a batch are read in place only if 500 times the bound is under 256 KiB.
    template = {"a.$": "$$.Map.Item.Value.a", "i.$": "$$.Map.Item.Index", "s.$": "$$.Map.Item.Source", "x.$": "$.day"}
    bound = selector_bound(template, SCOPE, "s3://bucket/key")
    assert bound is not None
    assert bound.copies == 1
    assert 500 * (bound.of(200) + 1) < 262_144


def test_a_path_that_may_match_many_times_has_no_bound() -> None:
    assert selector_bound({"all.$": "$.deep.list[*]"}, SCOPE) is None
    assert selector_bound({"deep": [{"all.$": "$..day"}]}, SCOPE) is None
