"""JSON files: arrays, objects, pointers, AWS's recorded causes, malformed and hostile documents."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.decoding.json import items
from airflow_provider_sfdm.core.errors import ItemReaderFailed
from airflow_provider_sfdm.core.json import dumps

SOURCE = "s3://bucket/data.json"
DOCUMENT = b'{"a":{"b":[1,{"c":2}],"":[3]},"a.b":[4],"item":[[5],[6]],"x/y":{"k":1,"l":[]},"m~n":[7],"s":1,"01":[8]}'


class Trickle(io.BytesIO):
    """A stream that hands out one byte at a time, as a slow connection may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1) if size and size > 0 else size)


def read(data: bytes, pointer: str | None = None) -> tuple[bool, list[tuple[str | None, Any]]]:
    results = []
    for stream in (io.BytesIO(data), Trickle(data)):
        found = items(stream, SOURCE, pointer)
        results.append((found.keyed, list(found.pairs)))
    assert results[0] == results[1]
    return results[0]


def values(data: bytes, pointer: str | None = None) -> list[Any]:
    keyed, pairs = read(data, pointer)
    assert not keyed and all(key is None for key, _ in pairs)
    return [value for _, value in pairs]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'[1,"x",null,true,[2,[3]],{"a":{"b":[]}},1.5,1E2]',
            [1, "x", None, True, [2, [3]], {"a": {"b": []}}, 1.5, 100],
        ),
        (b"[]", []),
        (b" \r\n\t[1] \n", [1]),
        (b" " * 200_000 + b"[1]", [1]),
        (b"\xef\xbb\xbf[1]", [1]),
        ('["é\u2028", "\\ud83d\\ude00\\"\\\\"]'.encode(), ["é\u2028", '\U0001f600"\\']),
    ],
)
def test_array(data: bytes, expected: list[Any]) -> None:
    assert values(data) == expected
    assert values(data, "") == expected


def test_object_in_document_order() -> None:
    data = b'{"z":1,"a":{"b":[1,2]},"":{"":{"x":[]}},"a":3}'
    assert read(data) == (True, [("z", 1), ("a", {"b": [1, 2]}), ("", {"": {"x": []}}), ("a", 3)])
    assert read(b"{}") == (True, [])
    assert read(b"\xef\xbb\xbf {}") == (True, [])


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/a/b", [1, {"c": 2}]),
        ("/a/", [3]),
        ("/a.b", [4]),
        ("/item", [[5], [6]]),
        ("/item/1", [6]),
        ("/m~0n", [7]),
        ("/x~1y/l", []),
        ("/01", [8]),
    ],
)
def test_pointer_to_an_array(pointer: str, expected: list[Any]) -> None:
    assert values(DOCUMENT, pointer) == expected


def test_pointer_to_an_object() -> None:
    assert read(DOCUMENT, "/x~1y") == (True, [("k", 1), ("l", [])])
    assert read(DOCUMENT, "/a/b/1") == (True, [("c", 2)])
    assert read(b'[0,{"k":1}]', "/1") == (True, [("k", 1)])


@pytest.mark.parametrize(
    "pointer",
    ["/nope", "/a/b/2", "/a/b/-", "/a/b/00", "/a/b/x", "/a/b/\u0661", "/s/x", "a", "/a/b/0/c"],
)
def test_a_pointer_that_leads_nowhere_has_the_recorded_cause(pointer: str) -> None:
    with pytest.raises(ItemReaderFailed) as caught:
        read(DOCUMENT, pointer)
    assert caught.value.cause == (
        "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure."
    )


@pytest.mark.parametrize(("data", "pointer"), [(b"1", None), (b'"[]"', ""), (b"null", None), (DOCUMENT, "/s")])
def test_a_scalar_has_the_recorded_cause(data: bytes, pointer: str | None) -> None:
    with pytest.raises(ItemReaderFailed) as caught:
        read(data, pointer)
    assert caught.value.cause == "Attempting to map over non-iterable node."


@pytest.mark.parametrize(
    ("data", "pointer", "cause"),
    [
        (b"", None, "not valid JSON: parse error: premature EOF"),
        (b"id,name\n", None, "not valid JSON: lexical error: invalid char in json text."),
        (b"1 2", None, "not valid JSON: parse error: trailing garbage"),
        (b"[1,2", None, "not valid JSON at item 2: parse error: premature EOF"),
        (b"[1,,2]", None, "not valid JSON at item 1: parse error: unallowed token at this point in JSON text"),
        (b"[1] [2]", None, "not valid JSON at item 1: parse error: trailing garbage"),
        (b"[NaN]", None, "not valid JSON at item 0: lexical error: invalid char in json text."),
        (b"[1e999]", None, "not valid JSON at item 0: parse error: numeric (floating point) overflow"),
        (b"[9223372036854775808]", None, "not valid JSON at item 0: parse error: integer overflow"),
        (b"[-9223372036854775808]", None, "not valid JSON at item 0: parse error: integer overflow"),
        (b'["\xff"]', None, "not valid JSON at item 0: lexical error: invalid bytes in UTF8 string."),
        (b'{"a":1', None, "not valid JSON at item 1: parse error: premature EOF"),
        (b'{"a":[1,2]', "/a", "not valid JSON at item 2: parse error: premature EOF"),
        (b'{"a":', "/b", "not valid JSON: parse error: premature EOF"),
    ],
)
def test_malformed(data: bytes, pointer: str | None, cause: str) -> None:
    with pytest.raises(ItemReaderFailed) as caught:
        list(items(Trickle(data), SOURCE, pointer).pairs)
    assert caught.value.cause == f"{SOURCE}: {cause}"


@pytest.mark.parametrize("bomb", [b"[" * 3_000_000, b'{"a":' * 1_000_000, b'["\\"[[",' * 1_000_000])
@pytest.mark.parametrize("pointer", [None, "/x"])
def test_a_depth_bomb_is_refused_in_little_memory(bomb: bytes, pointer: str | None) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ItemReaderFailed, match=r"data.json: the JSON is nested deeper than 1024 levels$"):
            list(items(io.BytesIO(bomb), SOURCE, pointer).pairs)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_depth_is_counted_outside_strings_only() -> None:
    # Not deeper, so that comparing the values is within the limit of Python itself.
    deep = b"[" * 300 + b"]" * 300
    brackets = b'"' + b"[{" * 2000 + b'\\"[\\\\"'
    assert values(b"[" + b",".join([deep, brackets] * 3) + b"]")[1] == "[{" * 2000 + '"[\\'


def test_memory_stays_flat() -> None:
    data = b"[" + b",".join([b'{"name":"abcdefgh","value":[1,2,3]}'] * 100_000) + b"]"
    tracemalloc.start()
    try:
        assert sum(1 for _ in items(io.BytesIO(data), SOURCE, None).pairs) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text('a"\\[]{}é', max_size=4)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~.", max_size=2), inner, max_size=3),
)


@given(st.lists(JSON_VALUES, max_size=4), st.text("ab/~.0", max_size=3))
def test_reads_what_was_written(value: list[Any], name: str) -> None:
    assert values(dumps(value)) == value
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    assert values(dumps({"first": value, name: value}), pointer) == value
    assert values(dumps([0, value]), "/1") == value
    assert read(dumps({name: value})) == (True, [(name, value)])
