"""All that is wrong with a definition, with its location, before anything runs.

::

    check({"StartAt": "A", "States": {"A": {"Type": "Pass"}}})      # raises InvalidMachine: /States/A: …

Locations and, where they are known, messages are AWS's; AWS does not promise either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import StatesRuntime
from ..limits import MAX_NESTING
from ..payloads import encoded, nesting
from .graph import check_paths, following_names, missing_target
from .problems import Found, InvalidMachine, Problem
from .state import validate_state
from .variables import check_scopes

MAX_NAME_LENGTH = 80
_LANGUAGES = ("JSONPath", "JSONata")
_MACHINE = frozenset(("Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"))
_INSIDE = frozenset(("Comment", "StartAt", "States", "QueryLanguage"))
# AWS: a processor's states speak the machine's language, which the processor cannot change.
_PROCESSOR = frozenset(("Comment", "StartAt", "States", "ProcessorConfig"))
MAX_TIMEOUT = 99_999_999


def check(definition: object, *, query_language: str = "JSONPath") -> None:
    """Refuse a state machine's definition that cannot run. Raises InvalidMachine with all problems."""
    found = problems(definition, query_language=query_language)
    if found:
        raise InvalidMachine(found)


def problems(
    definition: object, *, query_language: str = "JSONPath", processor: bool = False, express: bool = False
) -> list[Problem]:
    """The problems of a state machine, or of an item processor; empty when it can run.

    :param query_language: where the definition names none.
    :param express: whether the processor's children are of type EXPRESS.
    """
    if not isinstance(definition, Mapping):
        return [Problem("", "a definition must be an object")]
    if nesting(definition) > MAX_NESTING:
        return [Problem("", f"the definition is nested deeper than {MAX_NESTING} levels")]
    try:
        encoded(definition)
    except StatesRuntime as error:  # half of a surrogate pair, say: nothing could be hashed, sent or stored
        return [Problem("", error.cause)]
    found = Found()
    if processor:
        # By itself it may name the language, since there is no machine to do so.
        language = definition.get("QueryLanguage", query_language)
        _Validation(found, language, express=express).list_of_states(definition, "", _PROCESSOR | {"QueryLanguage"})
        check_scopes(definition, "", found)
        return found.problems
    language = _language(definition, "", query_language, found)
    timeout = definition.get("TimeoutSeconds")
    if timeout is not None and (type(timeout) is not int or not 0 < timeout <= MAX_TIMEOUT):
        found.add("/TimeoutSeconds", f"must be a whole number of seconds from 1 to {MAX_TIMEOUT:,}")
    if definition.get("Version", "1.0") != "1.0":
        found.add("/Version", 'must be "1.0"')
    _Validation(found, language).list_of_states(definition, "", _MACHINE)
    check_scopes(definition, "", found)
    return found.problems


class _Validation:
    """One definition: its problems, its language, and the names of states met so far."""

    def __init__(self, found: Found, language: str, *, express: bool = False) -> None:
        self._found = found
        self._language = language
        self._names: set[str] = set()
        self._express = express  # inside of an EXPRESS child workflow

    def list_of_states(self, holder: Mapping[str, Any], place: str, fields: frozenset[str]) -> None:
        """``StartAt`` and ``States`` of the machine, a branch or a processor."""
        found = self._found
        for name in holder:
            if name not in fields:
                found.add(place, f"Field '{name}' is not supported")
        states = holder.get("States")
        if not isinstance(states, Mapping) or not states:
            found.add(f"{place}/States", "must be an object with at least one state")
            return
        # Whatever stands there need not be text, nor fit into a set.
        names = list(states)
        if "StartAt" not in holder:
            found.add(f"{place}/StartAt", "must be given: the name of a state")
        elif holder["StartAt"] not in names:
            found.add(f"{place}/StartAt", missing_target(holder["StartAt"]))
        for name, state in states.items():
            where = f"{place}/States/{name}"
            self._name(name, where)
            if not isinstance(state, Mapping):
                found.add(where, "must be an object")
                continue
            self._state(name, state, where)
            for field, target in following_names(state):
                if target not in names:
                    found.add(f"{where}/{field}", missing_target(target))
        check_paths(holder.get("StartAt"), states, place, found)

    def _name(self, name: str, where: str) -> None:
        if len(name) > MAX_NAME_LENGTH:
            self._found.add(where, f"a state's name has at most {MAX_NAME_LENGTH} characters")
        if name in self._names:
            self._found.add(where, "there is another state of this name in the definition")
        self._names.add(name)

    def _state(self, name: str, state: Mapping[str, Any], where: str) -> None:
        language = _language(state, where, self._language, self._found)
        if language == "JSONPath" and self._language == "JSONata":
            problem = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
            self._found.add(where, problem)
            return
        if not validate_state(name, state, where, language, self._language, self._found):
            return
        if self._express:
            _express_problems(state, where, self._found)
        if state["Type"] == "Parallel":
            for index, branch in enumerate(state["Branches"]):
                self.list_of_states(branch, f"{where}/Branches[{index}]", _INSIDE)
        if state["Type"] == "Map":
            field = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
            was_express, self._express = self._express, self._express or _is_express(state[field])
            self.list_of_states(state[field], f"{where}/{field}", _PROCESSOR)
            self._express = was_express


def _config(processor: Any) -> Mapping[str, Any]:
    config = processor.get("ProcessorConfig") if isinstance(processor, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def _is_express(processor: Any) -> bool:
    config = _config(processor)
    return config.get("Mode") == "DISTRIBUTED" and config.get("ExecutionType") == "EXPRESS"


def _express_problems(state: Mapping[str, Any], where: str, found: Found) -> None:
    """AWS: EXPRESS child workflows call services and wait for nothing but the answer, and begin no map runs."""
    resource = state.get("Resource")
    says = "Express state machine does not support"
    if state["Type"] == "Task" and isinstance(resource, str):
        for pattern in (".sync", ".sync:2", ".waitForTaskToken"):
            if resource.endswith(pattern):
                found.add(f"{where}/Resource", f"{says} '{pattern}' service integration")
    if _config(state.get("ItemProcessor")).get("Mode") == "DISTRIBUTED":
        found.add(f"{where}/ItemProcessor/ProcessorConfig/Mode", f"{says} 'DISTRIBUTED' maps")


def _language(holder: Mapping[str, Any], place: str, otherwise: str, found: Found) -> str:
    language = holder.get("QueryLanguage", otherwise)
    if language not in _LANGUAGES:
        found.add(f"{place}/QueryLanguage", f"Value should be one of the following: [{', '.join(_LANGUAGES)}]")
        # As on AWS: whatever is not JSONPath is taken for JSONata in what else is said of it.
        return "JSONata"
    return str(language)
