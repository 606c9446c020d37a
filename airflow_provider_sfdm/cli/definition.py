"""A definition as it was given: a state machine, or a Map state that is made one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..states.validation.machine import problems
from ..states.validation.problems import Problem

if TYPE_CHECKING:
    from ..aws.tasks import Tasks

_STATE = "Map"
_log = logging.getLogger(__name__)


class Definition:
    """What was read, and the state machine it makes."""

    def __init__(self, content: object, query_language: str) -> None:
        """``query_language``: where the definition names none."""
        self.query_language = query_language
        self._single = isinstance(content, Mapping) and content.get("Type") == "Map" and "States" not in content
        self.machine: Any = _around(content) if self._single else content  # type: ignore[arg-type]

    def problems(self, tasks: Tasks | None = None) -> list[Problem]:
        """All that is wrong. ``tasks``: what would run the Task states; it knows the resources."""
        found = problems(self.machine, query_language=self.query_language)
        if tasks is not None:
            found += _task_problems(self.machine, tasks, self.query_language)
        if not self._single:
            return found
        prefix = f"/States/{_STATE}"
        return [Problem(location.removeprefix(prefix), message) for location, message in found]

    def has_tasks(self) -> bool:
        """Whether there are Task states."""
        return any(state.get("Type") == "Task" for _, state, _ in _states(self.machine, "", ""))


def _around(state: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in state.items() if name not in ("Next", "End", "Catch")}
    if "Catch" in state:
        _log.warning("Catch is left out: a single Map state has no other states to go to")
    return {"StartAt": _STATE, "States": {_STATE: {**fields, "End": True}}}


def _states(holder: Any, place: str, language: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every state with its place and its query language, whatever else is wrong with the definition."""
    if not isinstance(holder, Mapping) or not isinstance(holder.get("States"), Mapping):
        return
    language = holder.get("QueryLanguage", language)
    for name, state in holder["States"].items():
        if not isinstance(state, Mapping):
            continue
        where = f"{place}/States/{name}"
        yield where, state, state.get("QueryLanguage", language)
        branches = state.get("Branches")
        for index, branch in enumerate(branches if isinstance(branches, list) else ()):
            yield from _states(branch, f"{where}/Branches[{index}]", language)
        for field in ("ItemProcessor", "Iterator"):
            yield from _states(state.get(field), f"{where}/{field}", language)


def _task_problems(machine: Any, tasks: Tasks, language: str) -> list[Problem]:
    found = []
    for where, state, spoken in _states(machine, "", language):
        resource = state.get("Resource")
        if state.get("Type") != "Task" or not isinstance(resource, str):
            continue
        field = "Arguments" if spoken == "JSONata" else "Parameters"
        for problem in tasks.check(
            resource, state.get(field), query_language=spoken, credentials=state.get("Credentials")
        ):
            place = f"{where}/{field}{problem.location}" if problem.location else f"{where}/Resource"
            message = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
            found.append(Problem(place, message))
    return found
