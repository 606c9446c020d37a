"""Whether a list of states comes to an end, and whether there is a way to each of them; in AWS's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .problems import Found


def check_paths(start: object, states: Mapping[str, Any], place: str, found: Found) -> None:
    """Add what is wrong to ``found``. Where no state ends, nothing is said of which can be reached: so does AWS."""
    if not any(_ends(state) for state in states.values()):
        found.add(place, "Workflow has no terminal state")
        return
    reached = _reached(start, states)
    for name in states:
        if name not in reached:
            found.add(f"{place}/States/{name}", f'State "{name}" is not reachable.')


def missing_target(name: object) -> str:
    """AWS's message, which says Next of every field that names a state."""
    return f"Missing 'Next' target: {name}"


def following_names(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names of states that a state leads to, with the field that names each."""
    if "Next" in state:
        yield "Next", state["Next"]
    if "Default" in state:
        yield "Default", state["Default"]
    for field in ("Choices", "Catch"):
        holders = state.get(field)
        for index, holder in enumerate(holders if isinstance(holders, list) else ()):
            if isinstance(holder, Mapping) and "Next" in holder:
                yield f"{field}[{index}]/Next", holder["Next"]


def _ends(state: object) -> bool:
    return isinstance(state, Mapping) and (state.get("End") is True or state.get("Type") in ("Succeed", "Fail"))


def _reached(start: object, states: Mapping[str, Any]) -> set[str]:
    reached: set[str] = set()
    left = [start]
    while left:
        name = left.pop()
        if not isinstance(name, str) or name not in states or name in reached:
            continue
        reached.add(name)
        state = states[name]
        left += [target for _, target in following_names(state)] if isinstance(state, Mapping) else []
    return reached
