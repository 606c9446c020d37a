"""Variables: what Assign sees, what it may hold, and how names are spelt. Source: AWS's guide about variables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.states.helpers import Service, World, failure, jsonata, machine, output

READ = {"Type": "Pass", "Parameters": {"x.$": "$v"}, "End": True}
HALF = "y" * 131_073


def _inner(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


# ``$`` in Assign, by the type of the state: its result before ResultSelector, or its effective input.
ASSIGNING: list[tuple[dict[str, Any], Any]] = [
    ({"Type": "Task", "Resource": "r:x", "Parameters": {}, "ResultSelector": {"s.$": "$.r"}}, {"r": 1}),
    ({"Type": "Parallel", "Branches": [_inner(B={"Type": "Succeed"})], "ResultSelector": {}}, [{"a": [5]}]),
    ({"Type": "Map", "ItemsPath": "$.a", "ItemProcessor": _inner(B={"Type": "Succeed"}), "ResultSelector": {}}, [5]),
    ({"Type": "Pass", "Result": {"p": 1}, "ResultPath": "$.q"}, {"p": 1}),
    ({"Type": "Pass", "InputPath": "$.a"}, [5]),
    ({"Type": "Pass", "Parameters": {"p.$": "$.a[0]"}, "ResultPath": None}, {"p": 5}),
    ({"Type": "Wait", "Seconds": 0, "InputPath": "$.a"}, [5]),
]


@pytest.mark.parametrize(("state", "seen"), ASSIGNING)
def test_what_assign_sees(state: dict[str, Any], seen: Any) -> None:
    definition = machine(A={**state, "Assign": {"v.$": "$"}, "Next": "R"}, R=READ)
    assert output(definition, {"a": [5]}, World(Service({"r": 1}))) == {"x": seen}


def test_all_of_one_assign_is_at_most_256_kib() -> None:
    fits = machine(A={"Type": "Pass", "Assign": {"v": HALF}, "Next": "B"}, B={**READ, "Assign": {"w": HALF}})
    assert output(fits) == {"x": HALF}
    error, cause = failure(machine(A={"Type": "Pass", "Assign": {"v": HALF, "w": HALF}, "End": True}))
    assert (error, "Assign" in cause) == ("States.DataLimitExceeded", True)


@pytest.mark.parametrize("name", ["größe", "名", "a1_b"])
def test_names_are_unicode_identifiers(name: str) -> None:
    first = {"Type": "Pass", "Assign": {name: {"n": 1}}, "Next": "B"}
    assert output(machine(A=first, B={"Type": "Pass", "InputPath": f"${name}.n", "End": True})) == 1
    twin = jsonata(
        A={"Type": "Pass", "Assign": {name: 2}, "Next": "B"},
        B={"Type": "Pass", "Output": f"{{% ${name} * 2 %}}", "End": True},
    )
    assert output(twin) == 4
