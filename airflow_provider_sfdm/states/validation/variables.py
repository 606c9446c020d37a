"""Whether branches and iterations leave the variables around them alone.

AWS's guide has it so that a variable of the top-level scope cannot be assigned in an inner one, of a Map or Parallel.
Children of a Distributed Map have a scope of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .problems import Found


def check_scopes(holder: Mapping[str, Any], place: str, found: Found, outer: frozenset[str] = frozenset()) -> None:
    """Add to ``found`` what assigns a variable of ``outer`` again; whatever is not as it should be is passed over."""
    states = {name: state for name, state in _mapping(holder.get("States")).items() if isinstance(state, Mapping)}
    own: set[str] = set()
    for name, state in states.items():
        for where, variable in _assigned(state):
            own.add(variable)
            if variable in outer:
                problem = f"the variable '{variable}' belongs to a scope around this one, and can only be read here"
                found.add(f"{place}/States/{name}/{where}", problem)
    for name, state in states.items():
        for where, inside in _inner(state):
            distributed = _mapping(inside.get("ProcessorConfig")).get("Mode") == "DISTRIBUTED"
            check_scopes(inside, f"{place}/States/{name}/{where}", found, frozenset() if distributed else outer | own)


def _assigned(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The variables that a state, its rules and its catchers assign, each with the field that does."""
    holders = [("Assign", state)]
    for field in ("Choices", "Catch"):
        holders += [(f"{field}[{index}]/Assign", one) for index, one in enumerate(_list(state.get(field)))]
    for where, holder in holders:
        for key in _mapping(_mapping(holder).get("Assign")):
            yield where, key.removesuffix(".$")


def _inner(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The lists of states inside of a state."""
    for index, branch in enumerate(_list(state.get("Branches"))):
        yield f"Branches[{index}]", _mapping(branch)
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield field, _mapping(state[field])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
