"""Finding states in definitions, whatever else is in them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.asl_states import all_states, map_states

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states), ""), "States": states}


def inline(**states: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": machine(**states)}


def distributed(field: str = "ItemProcessor", **states: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return {"Type": "Map", field: {"ProcessorConfig": config, **machine(**states)}}


def parallel(*branches: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": list(branches)}


CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, [], []),
    ({"A": PASS, "B": PASS}, ["A", "B"], []),
    ({"A": inline(B=PASS)}, ["A", "B"], []),
    ({"A": distributed(B=PASS)}, ["A", "B"], ["A"]),
    ({"A": distributed("Iterator", B=PASS)}, ["A", "B"], ["A"]),
    ({"A": distributed(B=PASS), "C": distributed(D=PASS)}, ["A", "B", "C", "D"], ["A", "C"]),
    # A map in a child has Map Runs of the child's execution, not of this one.
    ({"A": distributed(B=distributed(C=PASS))}, ["A", "B", "C"], ["A"]),
    # An inline map runs in the execution itself.
    ({"A": inline(B=distributed(C=PASS))}, ["A", "B", "C"], ["B"]),
    ({"A": inline(B=inline(C=distributed(D=PASS)))}, ["A", "B", "C", "D"], ["C"]),
    (
        {"A": parallel(machine(B=PASS, C=distributed(D=PASS)), machine(E=parallel(machine(F=distributed(G=PASS)))))},
        ["A", "B", "C", "D", "E", "F", "G"],
        ["C", "F"],
    ),
    ({"A": distributed(B=parallel(machine(C=distributed(D=PASS))))}, ["A", "B", "C", "D"], ["A"]),
]


@pytest.mark.parametrize(("states", "every", "maps"), CASES)
def test_states_at_any_depth(states: dict[str, Any], every: list[str], maps: list[str]) -> None:
    assert [name for name, _ in all_states(states)] == every
    assert [name for name, _ in map_states(states)] == maps


def test_a_state_comes_with_its_fields() -> None:
    inner = distributed(B=PASS)
    states = {"A": parallel(machine(M=inner))}
    assert dict(map_states(states)) == {"M": inner}
    assert dict(all_states(states))["B"] is PASS


@pytest.mark.parametrize(
    "states",
    [
        None,
        3,
        "text",
        [],
        ["A"],
        {"A": None},
        {"A": "text"},
        {"A": [PASS]},
        {"A": {"Type": "Parallel", "Branches": None}},
        {"A": {"Type": "Parallel", "Branches": {"B": machine(C=PASS)}}},
        {"A": {"Type": "Parallel", "Branches": [None, "text", []]}},
        {"A": {"Type": "Parallel", "Branches": [{}, {"States": None}, {"States": []}]}},
        {"A": {"Type": "Map", "ItemProcessor": None}},
        {"A": {"Type": "Map", "ItemProcessor": "text"}},
        {"A": {"Type": "Map", "ItemProcessor": {}}},
        {"A": {"Type": "Map", "ItemProcessor": {"States": 3}}},
        {"A": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": None, "States": {"B": None}}}},
        {"A": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": "DISTRIBUTED"}}},
        {"A": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}}}},
        {"A": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": ["DISTRIBUTED"]}}}},
    ],
)
def test_whatever_is_in_it(states: Any) -> None:
    """A document that somebody else wrote need not be right; the service says what is wrong with it."""
    assert {name for name, _ in all_states(states)} <= {"A"}
    assert list(map_states(states)) == []
