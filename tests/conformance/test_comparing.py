"""The comparison of recorded executions: what may differ, and what may not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.comparing import differences
from tests.conformance.recorded import difference, path_keys

RAN = "An error occurred while executing the state 'A' (entered at the event id #{}). It broke."


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
        ({"a": None}, {}, False),
        (RAN.format(2), RAN.format(7), True),
        (RAN.format(2), RAN.format(2) + "!", False),
    ],
)
def test_values(expected: Any, actual: Any, same: bool) -> None:
    assert (differences(expected, actual) == []) is same


def test_masked_values_and_keys() -> None:
    masks = [
        {"path": ["id"], "in": "value", "pattern": "[0-9]+"},
        {"path": ["when"], "in": "value", "any": True},
        {"path": ["<name>"], "in": "key", "pattern": "n-.*"},
    ]
    expected = {"id": "<id>", "when": "<date>", "<name>": {"x": 1}}
    assert differences(expected, {"id": "12", "when": 5, "n-1": {"x": 1}}, masks) == []
    assert differences(expected, {"id": "a", "when": 5, "n-1": {"x": 1}}, masks) != []
    assert differences(expected, {"id": "1", "when": 5, "n-1": {"x": 2}}, masks) != []
    assert differences(expected, {"id": "1", "when": 5, "m-1": {"x": 1}}, masks) != []


def test_a_masked_cause_with_another_event() -> None:
    pattern = r"An error occurred while executing the state 'A' \(entered at the event id #2\)\. It .*?\."
    mask = {"path": [], "in": "value", "pattern": pattern}
    assert differences("…", RAN.format(9), [mask]) == []
    assert differences("…", RAN.format(9).replace("It", "I"), [mask]) != []


@pytest.mark.parametrize(
    ("path", "keys"),
    [("$", []), ("$.a.b", ["a", "b"]), ("$.a.x-y[0].z", ["a", "x-y", "0", "z"]), ("$['a b']", ["a b"])],
)
def test_paths_of_masks(path: str, keys: list[str]) -> None:
    assert path_keys(path) == keys


def test_a_cause_that_was_recorded_parsed() -> None:
    case = {"expected": {"status": "FAILED", "error": "E", "cause": {"a": 1}}, "wildcards": {}}
    assert difference(case, {"status": "FAILED", "error": "E", "cause": '{"a": 1.0}'}) is None
    assert difference(case, {"status": "FAILED", "error": "E", "cause": "x"}) is not None
    assert difference(case, {"status": "SUCCEEDED", "output": 1}) is not None
