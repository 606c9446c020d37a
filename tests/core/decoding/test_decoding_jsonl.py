"""JSON Lines: values, errors with their line, and the soundness of the sizes a scan gives."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.decoding import jsonl
from airflow_provider_sfdm.core.decoding.blocks import MAX_RECORD
from airflow_provider_sfdm.core.errors import ItemReaderFailed
from airflow_provider_sfdm.core.json import dumps

SOURCE = "s3://bucket/data.jsonl"


def outcome(data: bytes, block_size: int = 1 << 16, offset: int = 0, line: int = 1) -> tuple[list[Any], str | None]:
    got: list[Any] = []
    try:
        for value in jsonl.values(io.BytesIO(data[offset:]), SOURCE, line, block_size=block_size):
            got.append(value)
    except ItemReaderFailed as error:
        return got, error.cause
    return got, None


def sizes(data: bytes) -> list[int]:
    return [size for stretch in jsonl.scan(io.BytesIO(data), SOURCE, 1, 0) for size in stretch.sizes]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"b":1,"a":[1.5,null]}\n"x"\n3\n', [{"b": 1, "a": [1.5, None]}, "x", 3]),
        (b"1\r\n2\r\n", [1, 2]),
        (b"1\n2", [1, 2]),
        (b"\n\r\n 1 \n \t\r\n2\n\n", [1, 2]),
        (b"\xef\xbb\xbf1\n", [1]),
        (b"", []),
        (b"\xef\xbb\xbf\n", []),
        ('"\u2028é"\n'.encode(), ["\u2028é"]),
    ],
)
def test_values(data: bytes, expected: list[Any]) -> None:
    for block_size in (1, 5, 1 << 16):
        assert outcome(data, block_size) == (expected, None)
    assert len(sizes(data)) == len(expected)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"a":', "line 17: not a JSON value: "),
        (b"{'a':1}", "line 17: not a JSON value: "),
        (b"1 2", "line 17: not a JSON value: "),
        (b"NaN", "line 17: not a JSON value: "),
        (b"-Infinity", "line 17: not a JSON value: "),
        (b"1e999", "line 17: not a JSON value: "),
        (b'"\xff"', "line 17: not a JSON value: "),
        (b'"a\x01b"', "line 17: not a JSON value: "),
        (b"[" * 5000 + b"]" * 5000, "line 17: not a JSON value: depth limit exceeded"),
        (b"\xef\xbb\xbf1", "line 17: not a JSON value: "),
    ],
)
def test_errors_name_the_line(line: bytes, text: str) -> None:
    data = b"1\n\n" * 8 + line + b"\n2\n"
    for block_size in (4, 1 << 16):
        got, cause = outcome(data, block_size)
        assert got == [1] * 8
        assert cause is not None and cause.startswith(f"{SOURCE} {text}")
        assert "\n" not in cause


def test_error_lines_count_from_the_given_line() -> None:
    assert outcome(b"1\nx\n", line=41)[1] == (
        f"{SOURCE} line 42: not a JSON value: unexpected character, expected a JSON value: line 1 column 1 (char 0)"
    )


def test_a_line_is_at_most_8_mib() -> None:
    data = b'1\n"' + b"x" * (MAX_RECORD + 65536)
    assert outcome(data) == ([1], f"{SOURCE} line 2: the line is longer than 8388608 bytes")
    with pytest.raises(ItemReaderFailed, match=r"line 2: the line is longer than 8388608 bytes"):
        list(jsonl.scan(io.BytesIO(data), SOURCE, 1, 0))


def test_sizes_of_compact_lines_are_exact() -> None:
    lines = [b'{"a":1,"e":"3e8"}', b'"x"', b"12345.678", b"[1,2]"]
    # A digit before an e may be an exponent, and a scan does not look closer.
    assert sizes(b"\n".join(lines)) == [len(lines[0]) + 14, *map(len, lines[1:])]


@pytest.mark.parametrize(
    ("number", "growth"),
    [(b"1E15", 14), (b"-9e15", 14), (b"1E9", 9), (b"1e-5", 3), (b"12345678901234567.0", 3), (b"12e99", 3)],
)
def test_how_much_numbers_grow(number: bytes, growth: int) -> None:
    written = len(dumps(orjson.loads(number)))
    assert written == len(number) + growth
    assert sizes(number) >= [written]


DIGITS = st.text("0123456789", min_size=1, max_size=24)
NUMBERS = st.builds(
    lambda sign, whole, fraction, exponent: sign + (whole.lstrip("0") or "0") + fraction + exponent,
    st.sampled_from(["", "-"]),
    st.one_of(st.sampled_from("0123456789"), DIGITS),
    st.one_of(st.just(""), st.just(".0"), DIGITS.map(lambda digits: "." + digits)),
    st.one_of(
        st.just(""),
        st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 330)),
    ),
)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
@example(["1E15", "-1e15"])
@example(["-9223372036854775809", "123456789012345678901", "12345678901234567.0"])
def test_sizes_bound_numbers(numbers: list[str]) -> None:
    line = f"[{','.join(numbers)}]".encode()
    try:
        value = orjson.loads(line)
    except ValueError:
        assert outcome(line)[1] is not None
    else:
        assert sizes(line) >= [len(dumps(value))]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
LINES = st.one_of(JSON_VALUES.map(dumps), st.sampled_from([b"", b" ", b"\t\r", b"\r", b' "\\u00e9\\u0001" ', b"{"]))


@given(
    st.lists(LINES, max_size=12),
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_values_and_scan_agree(
    lines: list[bytes], end: bytes, start: bytes, values_block: int, scan_block: int
) -> None:
    data = start + end.join(lines)
    values, cause = outcome(data)
    assert outcome(data, values_block) == (values, cause)
    found = 0
    for stretch in jsonl.scan(io.BytesIO(data), SOURCE, 1, 0, block_size=scan_block):
        assert len(stretch) > 0
        for index, size in enumerate(stretch.sizes):
            if found + index < len(values):
                assert size >= len(dumps(values[found + index]))
                offset, line = stretch.position(index)
                assert outcome(data, values_block, offset, line) == (values[found + index :], cause)
        end_offset, _ = stretch.position(len(stretch))
        found += len(stretch)
        assert len(outcome(data[:end_offset])[0]) == min(found, len(values))
    assert found == len([line for line in lines if line.strip()])
