"""Finding states in a definition in the Amazon States Language that is not interpreted here, whatever else is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PROCESSORS = ("ItemProcessor", "Iterator")


def all_states(states: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and fields of every state in the field ``States``, at any depth."""
    for name, state in states.items() if isinstance(states, Mapping) else ():
        if not isinstance(state, Mapping):
            continue
        yield name, state
        for machine in (*_branches(state), *_processors(state)):
            yield from all_states(machine.get("States"))


def map_states(states: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and fields of every Distributed Map that an execution of these states runs by itself.

    Those in Parallel branches and in inline Maps are, those inside of children are not.
    """
    for name, state in states.items() if isinstance(states, Mapping) else ():
        if not isinstance(state, Mapping):
            continue
        inside = _branches(state)
        for processor in _processors(state):
            config = processor.get("ProcessorConfig")
            if isinstance(config, Mapping) and config.get("Mode") == "DISTRIBUTED":
                yield name, state
            else:
                inside.append(processor)
        for machine in inside:
            yield from map_states(machine.get("States"))


def _branches(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    branches = state.get("Branches")
    return [one for one in branches if isinstance(one, Mapping)] if isinstance(branches, list) else []


def _processors(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [processor for name in _PROCESSORS if isinstance(processor := state.get(name), Mapping)]
