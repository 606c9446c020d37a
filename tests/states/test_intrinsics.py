"""The 18 intrinsic functions, value for value, and what they refuse."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.errors import InvalidDefinition, StatesRuntime
from airflow_provider_sfdm.states.intrinsics.functions import FUNCTIONS
from tests.states.helpers import intrinsic

DATA = {"a": [1, 2, 3, 4, 5], "o": {"x": 1}, "p": {"x": 2, "y": 3}, "s": "text", "n": None, "f": 2.5, "e": []}

VALUES: list[tuple[str, Any]] = [
    ("States.Array()", []),
    ("States.Array('a', 1, true, null, $.o)", ["a", 1, True, None, {"x": 1}]),
    ("States.ArrayPartition($.a, 2)", [[1, 2], [3, 4], [5]]),
    ("States.ArrayPartition($.a, 1.5)", [[1, 2], [3, 4], [5]]),
    ("States.ArrayPartition($.e, 3)", []),
    ("States.ArrayContains($.a, 5.0)", True),
    ("States.ArrayContains($.a, '5')", False),
    ("States.ArrayContains(States.Array(1), true)", False),
    ("States.ArrayContains(States.Array($.o), $.o)", True),
    ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
    ("States.ArrayRange(9, 1, -4)", [9, 5, 1]),
    ("States.ArrayRange(0, 999, 1)", list(range(1000))),
    ("States.ArrayGetItem($.a, 0)", 1),
    ("States.ArrayGetItem($.a, 4)", 5),
    ("States.ArrayLength($.a)", 5),
    ("States.ArrayUnique(States.Array(1, 1.0, true, 'a', 'a', null, null))", [1, True, "a", None]),
    ("States.Base64Encode('Grüße')", base64.b64encode("Grüße".encode()).decode()),
    ("States.Base64Decode('R3LDvMOfZQ==')", "Grüße"),
    ("States.Hash('abc', 'MD5')", "900150983cd24fb0d6963f7d28e17f72"),
    ("States.Hash('abc', 'SHA-1')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("States.JsonMerge($.o, $.p, false)", {"x": 2, "y": 3}),
    ("States.StringToJson('{\"a\": [1.5]}')", {"a": [1.5]}),
    ("States.StringToJson('  ')", None),
    ("States.JsonToString($.o)", '{"x":1}'),
    ("States.JsonToString('a')", '"a"'),
    ("States.MathAdd(2, 3)", 5),
    ("States.MathAdd(-0.5, 0)", 0),
    ("States.MathAdd(2.5, -2.5)", 1),
    ("States.MathRandom(1, 11)", 6),
    ("States.StringSplit('a-b_c--d', '-_')", ["a", "b", "c", "d"]),
    ("States.StringSplit('abc', 'x')", ["abc"]),
    ("States.UUID()", "00000000-0000-4000-8000-000000000000"),
    ("States.Format('{} of {}', 1, $.a)", "1 of [1,2,3,4,5]"),
    ("States.Format('{}{}{}{}', true, null, 2.5, 'x')", "truenull2.5x"),
    ("States.Format('\\{{}\\} it\\'s \\\\', 1)", "{1} it's \\"),
    ("States.Format($.s)", "text"),
    ("States.Format('{}', $['a'][0])", "1"),
    ("States.ArrayGetItem($.a, States.MathAdd(States.ArrayLength($.a), -1))", 5),
]
REFUSED = [
    "States.ArrayPartition($.a, 0)",
    "States.ArrayPartition($.s, 1)",
    "States.ArrayContains($.s, 1)",
    "States.ArrayRange(1, 2, 0)",
    "States.ArrayRange(0, 1000, 1)",
    "States.ArrayRange('a', 5, 1)",
    "States.ArrayGetItem($.a, 5)",
    "States.ArrayGetItem($.a, -1)",
    "States.ArrayLength($.o)",
    "States.Base64Encode(1)",
    "States.Base64Decode('%')",
    "States.Hash('a', 'sha-1')",
    "States.JsonMerge($.o, $.p, true)",
    "States.JsonMerge($.o, $.a, false)",
    "States.StringToJson('{')",
    "States.StringToJson(1)",
    "States.MathAdd(2147483647, 1)",
    "States.MathAdd(true, 1)",
    "States.MathRandom(5, 5)",
    "States.MathRandom(1, 10, 'seed')",
    "States.StringSplit(1, ',')",
    "States.Format('{}')",
    "States.Format('{} {}', 1, 2, 3)",
    "States.Format($.n)",
]
MALFORMED = [
    "States.Nothing()",
    "States.Array(",
    "States.Array(1,)",
    "States.Array(x)",
    "States.Array('a)",
    "States.ArrayLength()",
    "States.UUID(1)",
    "States.Format('{')",
    "States.Format('}')",
    "States.Array($.a[)",
    "States.Array($[?(@ =~ /a/)])",
    "States.Array(1e999)",
    "States.Array(-1e999)",
    "States." + "Array(States." * 11 + "UUID()" + ")" * 11,
]


@pytest.mark.parametrize(("call", "wanted"), VALUES)
def test_value(call: str, wanted: Any) -> None:
    value = intrinsic(call, DATA)
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize("call", REFUSED)
def test_refused(call: str) -> None:
    name = call[: call.index("(")]
    with pytest.raises(StatesRuntime) as caught:
        intrinsic(call, DATA)
    assert caught.value.cause.startswith(f"The function '{call}' had the following error: Invalid arguments in {name}")


@pytest.mark.parametrize("call", MALFORMED)
def test_malformed(call: str) -> None:
    with pytest.raises(InvalidDefinition):
        intrinsic(call, DATA)


def test_a_seed_gives_the_same_number_again() -> None:
    assert intrinsic("States.MathRandom(1, 1000000, 42)") == intrinsic("States.MathRandom(1, 1000000, 42)")
    assert 1 <= intrinsic("States.MathRandom(1, 3, -7)") < 3


def test_text_limits() -> None:
    assert len(intrinsic("States.Base64Encode($)", "x" * 10_000)) == 13_336
    for call in ("States.Base64Encode($)", "States.Base64Decode($)", "States.Hash($, 'MD5')"):
        with pytest.raises(StatesRuntime):
            intrinsic(call, "x" * 10_001)


def test_all_of_aws_functions_are_there() -> None:
    assert len(FUNCTIONS) == 18


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
well_formed = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.lists(json_values, max_size=20), st.integers(1, 25))
def test_partitions_are_the_array_again(array: list[Any], size: int) -> None:
    parts = intrinsic("States.ArrayPartition($.a, $.n)", {"a": array, "n": size})
    assert [member for part in parts for member in part] == array
    assert all(len(part) == size for part in parts[:-1])


@given(st.lists(json_values, max_size=10))
def test_unique_members_are_contained_once(array: list[Any]) -> None:
    unique = intrinsic("States.ArrayUnique($)", array)
    assert intrinsic("States.ArrayUnique($)", unique) == unique
    for member in array:
        assert intrinsic("States.ArrayContains($.a, $.m)", {"a": unique, "m": member})


@given(json_values)
def test_json_goes_to_text_and_back(value: Any) -> None:
    text = intrinsic("States.JsonToString($.value)", {"value": value})
    assert intrinsic("States.StringToJson($)", text) == value


@given(well_formed)
def test_base64_goes_there_and_back(text: str) -> None:
    assert intrinsic("States.Base64Decode($)", intrinsic("States.Base64Encode($)", text)) == text


@given(well_formed, well_formed.filter(bool))
def test_split_parts_hold_no_splitter(text: str, splitters: str) -> None:
    parts = intrinsic("States.StringSplit($.t, $.s)", {"t": text, "s": splitters})
    assert "".join(parts) == "".join(character for character in text if character not in splitters)
    assert all(parts)


@given(well_formed)
def test_any_text_can_be_quoted(text: str) -> None:
    quoted = "".join(f"\\{character}" if character in "'\\{}" else character for character in text)
    assert intrinsic(f"States.Array('{quoted}')") == [text]
    assert intrinsic(f"States.Format('{quoted}')") == text


@given(st.text(max_size=60))
def test_whatever_is_written_is_refused_or_evaluated(text: str) -> None:
    for call in (text, f"States.{text}", f"States.Array({text})", f"States.Format('{text}', 1)"):
        try:
            intrinsic(call, DATA)
        except (InvalidDefinition, StatesRuntime):
            continue


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (9999999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (1790204286.0, "1.790204286E9"),
        (-1.5e21, "-1.5E21"),
        (10**21, "1000000000000000000000"),
        (-0.0, "-0.0"),
    ],
)
def test_numbers_are_written_as_java_does(number: float, text: str) -> None:
    assert intrinsic("States.Format('{}', $.n)", {"n": number}) == text
    assert intrinsic("States.JsonToString($)", {"é": [number, 1, None, "1e9"]}) == f'{{"é":[{text},1,null,"1e9"]}}'
