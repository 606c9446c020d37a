"""What holds for every path, template and function, whatever the data. More stands beside the examples of each:
``test_safety`` (templates, ResultPath), ``test_intrinsics`` (inverse pairs), ``test_choice`` and ``test_paths``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.jsonpath_syntax import quote
from airflow_provider_sfdm.core.paths import PathNotFound, compile_path
from airflow_provider_sfdm.states.jsonata.templates import compile_jsonata
from airflow_provider_sfdm.states.result_path import compile_result_path
from airflow_provider_sfdm.states.templates import compile_template
from airflow_provider_sfdm.states.timestamps import NANOSECONDS, parse, render
from tests.states.helpers import intrinsic, visit
from tests.states.test_intrinsics import json_values, well_formed

whole = st.integers(-(2**30), 2**30 - 1)  # their sum has 32 bits, too
arrays = st.lists(json_values, max_size=12)
bounds = st.none() | st.integers(-15, 15)
segments = st.lists(st.text("ab", min_size=1, max_size=2) | st.integers(-2, 2), max_size=3)


def _inside(value: Any) -> Iterator[Any]:
    """Every value in ``value``, itself first."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(inner)


def _steps(parts: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else quote(part) for part in parts)


def _find(path: str, data: Any) -> Any:
    return compile_path(path, "path").find(visit(data))


@given(json_values, segments)
def test_what_a_path_finds_is_a_part_of_the_data(data: Any, parts: list[str | int]) -> None:
    try:
        found = _find(f"${_steps(parts)}", data)
    except PathNotFound:
        return
    assert any(found is inner for inner in _inside(data))


@given(json_values, st.sampled_from(["$..*", "$.*", "$[*]", "$..a", "$..[0]", "$[?(@)]", "$..[?(@.a)]"]))
def test_what_a_query_finds_are_parts_of_the_data(data: Any, path: str) -> None:
    try:
        found = _find(path, data)
    except PathNotFound:
        return
    everything = [repr(inner) for inner in _inside(data)]
    assert all(repr(one) in everything for one in found)


@given(arrays, bounds, bounds)
def test_a_slice_is_that_of_python(array: list[Any], start: int | None, end: int | None) -> None:
    spelled = f"{'' if start is None else start}:{'' if end is None else end}"
    assert _find(f"$[{spelled}]", array) == array[start:end]


@given(st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_everything_below_is_found_once(data: Any) -> None:
    if isinstance(data, list):
        assert sorted(map(repr, _find("$..*", data))) == sorted(map(repr, list(_inside(data))[1:]))


@given(json_values)
def test_a_jsonata_template_without_expressions_is_itself(template: Any) -> None:
    assert compile_jsonata(template, "Output")(visit({})) == template


@given(json_values.filter(lambda data: data is not None))  # no path reads a null input
def test_the_input_as_a_template(data: Any) -> None:
    assert compile_template({"all.$": "$"}, "Parameters")(visit(data)) == {"all": data}


@given(st.dictionaries(st.text("abc", min_size=1), json_values), st.text("abc", min_size=1), json_values, json_values)
def test_a_result_put_again_replaces_the_first(data: dict[str, Any], key: str, first: Any, second: Any) -> None:
    put = compile_result_path(f"$.{key}", "ResultPath")
    assert put(put(data, first), second) == put(data, second) == {**data, key: second}


@given(arrays, st.data())
def test_an_item_is_that_of_the_array(array: list[Any], draw: st.DataObject) -> None:
    assert intrinsic("States.ArrayLength($)", array) == len(array)
    if array:
        index = draw.draw(st.integers(0, len(array) - 1))
        assert intrinsic("States.ArrayGetItem($.a, $.i)", {"a": array, "i": index}) is array[index]


@given(arrays)
def test_unique_members_are_members(array: list[Any]) -> None:
    unique = intrinsic("States.ArrayUnique($)", array)
    assert len(unique) <= len(array)
    assert all(any(member is one for one in array) for member in unique)


@given(st.integers(-500, 500), st.integers(-500, 500), st.integers(-50, 50).filter(bool))
def test_a_range_is_that_of_python_with_its_end(start: int, end: int, step: int) -> None:
    wanted = list(range(start, end + (1 if step > 0 else -1), step))
    if 0 < len(wanted) <= 1000:
        assert intrinsic("States.ArrayRange($[0], $[1], $[2])", [start, end, step]) == wanted


@given(whole, whole)
def test_sums(one: int, other: int) -> None:
    total = intrinsic("States.MathAdd($[0], $[1])", [one, other])
    assert total == intrinsic("States.MathAdd($[1], $[0])", [one, other])
    assert total == one + other


@given(st.dictionaries(st.text(max_size=3), json_values), st.dictionaries(st.text(max_size=3), json_values))
def test_the_second_object_wins_a_merge(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert intrinsic("States.JsonMerge($[0], $[1], false)", [one, other]) == {**one, **other}


@given(well_formed)
def test_a_hash_is_that_of_the_text(text: str) -> None:
    for name in ("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"):
        found = intrinsic("States.Hash($.t, $.n)", {"t": text, "n": name})
        assert found == hashlib.new(name.replace("SHA-", "sha").lower(), text.encode()).hexdigest()


@given(st.lists(well_formed.filter(lambda text: "{" not in text), max_size=4))
def test_format_puts_values_between_texts(texts: list[str]) -> None:
    call = f"States.Format('{'|'.join('{}' for _ in texts)}'{''.join(f', $[{n}]' for n in range(len(texts)))})"
    assert intrinsic(call, texts) == "|".join(texts)


@given(st.integers(0, 253_000_000_000))
def test_times_are_written_and_read(seconds: int) -> None:
    assert parse(render(seconds)) == seconds * NANOSECONDS
