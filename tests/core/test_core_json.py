"""The package's own JSON: strict where orjson is lenient, lenient where it is needlessly strict."""

from __future__ import annotations

import datetime
import enum
from typing import Any

import pytest

from airflow_provider_sfdm.core.json import dumps, loads

NAN, INFINITY = float("nan"), float("inf")


class Odd(enum.Enum):
    NUMBER = NAN


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, None, True], "a": "é"}, '{"b":[1,null,true],"a":"é"}'),
        ("null", '"null"'),
        ((1, 2.5), "[1,2.5]"),
        (2**80, str(2**80)),
        ({1: "x", None: {True: 2**70}}, '{"1":"x","null":{"true":1180591620717411303424}}'),
        (nested(300), "[" * 300 + "1" + "]" * 300),
    ],
)
def test_dumps(value: Any, text: str) -> None:
    assert dumps(value) == text.encode()


@pytest.mark.parametrize(
    "value",
    [
        NAN,
        INFINITY,
        -INFINITY,
        {"a": [None, {"b": (1, NAN)}]},
        {1: NAN},
        Odd.NUMBER,
        [2**80, NAN],
        nested(100_000),
        "\ud800",
    ],
)
def test_dumps_refuses_values(value: Any) -> None:
    with pytest.raises(ValueError):
        dumps(value)


def test_dumps_refuses_a_circle() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        dumps(circle)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), datetime.datetime(2026, 1, 1), {(1, 2): 3}, 1j])
def test_dumps_refuses_types(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize("data", [b'{"a":[1,2.5,null]}', '{"a":[1,2.5,null]}', bytearray(b'{"a":[1,2.5,null]}')])
def test_loads(data: bytes | str) -> None:
    assert loads(data) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize("data", [b"", b"NaN", b"Infinity", b"1e999", b"{'a':1}", b"1 2", b'"\xff"', b"[" * 5000])
def test_loads_refuses(data: bytes) -> None:
    with pytest.raises(ValueError):
        loads(data)
