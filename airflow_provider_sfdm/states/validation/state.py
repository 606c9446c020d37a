"""All that is wrong with one state: its fields, their types, and what in them cannot be compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from ...core.definition import DistributedMap
from ...core.errors import InvalidDefinition
from ...core.paths import compile_path, compile_reference_path
from ...core.resolve import check_numbers
from ...core.values import is_jsonata
from ..assign import Assign
from ..choice.rules import compile_rule, is_jsonpath_field
from ..jsonata.expression import Expression
from ..recovery import compile_retriers
from ..result_path import compile_result_path
from ..state_fields import (
    ALL_JSONATA,
    ALL_JSONPATH,
    COMMON,
    DISTRIBUTED_ONLY,
    EXCLUSIVE,
    FIELDS,
    JSONATA,
    JSONPATH,
    LIMITS,
)
from ..timestamps import parse
from ..values import compile_value
from .problems import Found

_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Credentials", "Assign", "Arguments", "Output", "Items")
_VALUE_PATHS = (
    "ErrorPath",
    "CausePath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
)
_PATHS: Mapping[str, Callable[[Any, str], object]] = {
    "InputPath": compile_path,
    "OutputPath": compile_path,
    "ResultPath": compile_result_path,
    "ItemsPath": compile_reference_path,
}
_SECONDS = ("TimeoutSeconds", "HeartbeatSeconds", "Seconds")
_MAX_SECONDS = 99_999_999
# AWS refuses a definition that reads the error output where there is none: anywhere but in a catcher.
_ERROR_OUTPUT = re.compile(r"\$states\s*\.\s*errorOutput\b")
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)
_CATCHER = frozenset(("ErrorEquals", "Next", "Comment", "Assign"))


def validate_state(
    name: str, state: Mapping[str, Any], where: str, language: str, machine_language: str, found: Found
) -> bool:
    """Add a state's problems to ``found``; whether what is inside of it can be looked at."""
    kind = state.get("Type")
    if not isinstance(kind, str) or kind not in FIELDS:
        found.add(f"{where}/Type", f"Value should be one of the following: [{', '.join(FIELDS)}]")
        return False
    jsonata = language == "JSONata"
    _known_fields(state, kind, where, language, found)
    _transition(state, kind, where, found)
    for one, other in EXCLUSIVE:
        # End: false says nothing beside a Next.
        if one in state and other in state and state[other] is not False:
            found.add(where, f"'{one}' and '{other}' exclude each other")
    _values(state, where, found, jsonata=jsonata)
    if kind in ("Task", "Parallel", "Map"):
        _recovery(state, where, found, jsonata=jsonata)
    if kind == "Task":
        _heartbeat(state, where, found)
    if kind == "Task" and (not isinstance(state.get("Resource"), str) or not state["Resource"]):
        found.add(f"{where}/Resource", "must be given, as text")
    if kind == "Choice":
        _choices(state, where, found, jsonata=jsonata)
    if kind == "Wait":
        _wait(state, where, found)
    if kind == "Parallel":
        return _branches(state, where, found)
    if kind == "Map":
        return _map(state, where, language, found)
    return True


def _known_fields(state: Mapping[str, Any], kind: str, where: str, language: str, found: Found) -> None:
    own, other, foreign = (
        (JSONATA, "JSONPath", ALL_JSONPATH) if language == "JSONata" else (JSONPATH, "JSONata", ALL_JSONATA)
    )
    known = COMMON | FIELDS[kind] | own[kind]
    for field in state:
        if field in known:
            continue
        if field in foreign:
            found.add(where, _of_other_language(field, language, other))
        else:
            found.add(where, f"Field '{field}' is not supported")


def _of_other_language(field: str, language: str, other: str) -> str:
    supported = f"but field '{field}' is only supported for the '{other}' QueryLanguage"
    return f"The QueryLanguage is set to '{language}', {supported}"


def _transition(state: Mapping[str, Any], kind: str, where: str, found: Found) -> None:
    if "End" in state and not isinstance(state["End"], bool):
        found.add(f"{where}/End", "must be true or false")
    if kind not in ("Choice", "Succeed", "Fail") and "Next" not in state and state.get("End") is not True:
        found.add(where, "a state has Next, or End: true")


def _given(state: Mapping[str, Any], fields: Collection[str]) -> list[str]:
    """Those of the fields that the state has, in its own order: that is the order of the problems."""
    return [field for field in state if field in fields]


def _values(state: Mapping[str, Any], where: str, found: Found, *, jsonata: bool) -> None:
    for field in _given(state, _TEMPLATES):
        template(state[field], f"{where}/{field}", found, jsonata=jsonata)
    _variables(state, where, found, jsonata=jsonata)
    for field in _given(state, _SECONDS):
        _seconds(state[field], f"{where}/{field}", found, jsonata=jsonata, least=0 if field == "Seconds" else 1)
    for field in _given(state, ("Error", "Cause", "Comment")):
        if not isinstance(state[field], str):
            found.add(f"{where}/{field}", "Expected value of type [STRING]")
    for field in _given(state, LIMITS):
        _limit(state[field], field, f"{where}/{field}", found, jsonata=jsonata)
    if not jsonata:
        _paths(state, where, found)
        return
    for field in _given(state, ("Error", "Cause")):
        template(state[field], f"{where}/{field}", found, jsonata=True)


def _variables(holder: Mapping[str, Any], where: str, found: Found, *, jsonata: bool) -> None:
    """The names in an Assign; its values are looked at as any template's."""
    if "Assign" not in holder:
        return
    given = holder["Assign"]
    if not isinstance(given, Mapping):
        found.add(f"{where}/Assign", "must be an object")
        return
    assign = Assign.of_jsonata if jsonata else Assign.of_jsonpath
    names = {key: None if jsonata or not key.endswith(".$") else "$" for key in given}
    found.attempt(f"{where}/Assign", lambda: assign({"Assign": names}, where))


def _paths(state: Mapping[str, Any], where: str, found: Found) -> None:
    for field, compiles in _PATHS.items():
        # With an ItemReader ItemsPath is ignored, even a wrong one.
        if field not in state or (field == "ItemsPath" and "ItemReader" in state):
            continue
        if state[field] is not None or field == "ItemsPath":
            found.attempt(f"{where}/{field}", partial(compiles, state[field], field))
    for field in _given(state, _VALUE_PATHS):
        found.attempt(f"{where}/{field}", partial(compile_value, state[field], field, field))


def template(value: Any, place: str, found: Found, *, jsonata: bool, caught: bool = False) -> None:
    """The problems of a payload template, or of JSON with expressions in it; ``caught``: in a catcher."""
    if isinstance(value, str):
        if jsonata and is_jsonata(value):
            _expression(value, place, found, caught=caught)
        return
    if isinstance(value, list):
        for index, part in enumerate(value):
            template(part, f"{place}[{index}]", found, jsonata=jsonata, caught=caught)
    if not isinstance(value, Mapping):
        return
    for key, member in value.items():
        where = f"{place}/{key}"
        if jsonata or not key.endswith(".$"):
            template(member, where, found, jsonata=jsonata, caught=caught)
        elif key.removesuffix(".$") in value:
            found.add(where, f"{key.removesuffix('.$')!r} is given both as a value and as a path")
        else:
            found.attempt(where, partial(compile_value, member, place, key))


def _expression(text: str, place: str, found: Found, *, caught: bool = False) -> None:
    found.attempt(place, lambda: Expression(text, place))
    if not caught and _ERROR_OUTPUT.search(_QUOTED.sub("''", text)):
        found.add(place, "Field '$states.errorOutput' does not exist.")


def _limit(value: Any, field: str, place: str, found: Found, *, jsonata: bool) -> None:
    if jsonata and isinstance(value, str) and is_jsonata(value):
        _expression(value, place, found)
    elif field == "ToleratedFailurePercentage":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            found.add(place, "must be a number from 0 to 100")
    elif type(value) is not int or value < 0:
        found.add(place, "must be a whole number, at least 0")


def _seconds(value: Any, place: str, found: Found, *, jsonata: bool, least: int) -> None:
    if jsonata and isinstance(value, str) and is_jsonata(value):
        _expression(value, place, found)
    elif type(value) is not int or not least <= value <= _MAX_SECONDS:
        found.add(place, f"must be a whole number of seconds from {least} to {_MAX_SECONDS:,}")


def _heartbeat(state: Mapping[str, Any], where: str, found: Found) -> None:
    """The specification: "the heartbeat interval MUST be smaller than the timeout value"."""
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if type(timeout) is int and type(heartbeat) is int and heartbeat >= timeout:
        found.add(f"{where}/HeartbeatSeconds", "must be less than TimeoutSeconds")


def _slashes(field: str, where: str) -> str:
    """A field below ``where`` as AWS writes locations; names in ``where`` may have dots in them."""
    return where + field.removeprefix(where).replace(".", "/")


def _recovery(state: Mapping[str, Any], where: str, found: Found, *, jsonata: bool) -> None:
    if "Retry" in state:
        try:
            compile_retriers(state["Retry"], f"{where}/Retry")
        except InvalidDefinition as error:
            found.add(_slashes(error.field, where), error.problem)
    catch = state.get("Catch", [])
    if not isinstance(catch, list):
        found.add(f"{where}/Catch", "must be an array")
        return
    for index, catcher in enumerate(catch):
        _catcher(catcher, f"{where}/Catch[{index}]", found, jsonata=jsonata, last=index == len(catch) - 1)


def _catcher(catcher: Any, place: str, found: Found, *, jsonata: bool, last: bool) -> None:
    if not isinstance(catcher, Mapping):
        found.add(place, "must be an object")
        return
    for field in catcher:
        if field not in _CATCHER and field != ("Output" if jsonata else "ResultPath"):
            found.add(place, f"Field '{field}' is not supported")
    errors = catcher.get("ErrorEquals")
    if not isinstance(errors, list) or not errors or not all(isinstance(error, str) and error for error in errors):
        found.add(f"{place}/ErrorEquals", "must be an array of error names")
    elif "States.ALL" in errors and (len(errors) > 1 or not last):
        found.add(f"{place}/ErrorEquals", "States.ALL must stand alone, in the last catcher")
    if "Next" not in catcher:
        found.add(f"{place}/Next", "must be given")
    _variables(catcher, place, found, jsonata=jsonata)
    for field in ("Assign", "Output"):
        if field in catcher:
            template(catcher[field], f"{place}/{field}", found, jsonata=jsonata, caught=True)
    if not jsonata and "ResultPath" in catcher:
        found.attempt(f"{place}/ResultPath", lambda: compile_result_path(catcher["ResultPath"], "ResultPath"))


def _choices(state: Mapping[str, Any], where: str, found: Found, *, jsonata: bool) -> None:
    rules = state.get("Choices")
    if not isinstance(rules, list) or not rules:
        found.add(f"{where}/Choices", "must be an array with at least one rule")
        return
    for index, rule in enumerate(rules):
        place = f"{where}/Choices[{index}]"
        if not isinstance(rule, Mapping):
            found.add(place, "must be an object")
            continue
        if "Next" not in rule:
            found.add(f"{place}/Next", "must be given")
        _variables(rule, place, found, jsonata=jsonata)
        for field in ("Assign", "Output"):
            if field in rule:
                template(rule[field], f"{place}/{field}", found, jsonata=jsonata)
        if jsonata:
            _condition(rule, place, found)
            continue
        jsonatas = [field for field in ("Condition", "Output") if field in rule]
        for field in jsonatas:
            found.add(place, _of_other_language(field, "JSONPath", "JSONata"))
        if jsonatas:
            continue
        try:
            compile_rule(rule, place)
        except InvalidDefinition as error:
            found.add(_slashes(error.field, place), error.problem)


def _condition(rule: Mapping[str, Any], place: str, found: Found) -> None:
    condition = rule.get("Condition")
    if isinstance(condition, str) and is_jsonata(condition):
        _expression(condition, f"{place}/Condition", found)
    elif not isinstance(condition, bool):
        found.add(f"{place}/Condition", "must be a JSONata expression, true or false")
    for field in rule:
        if is_jsonpath_field(field):
            found.add(place, _of_other_language(field, "JSONata", "JSONPath"))
        elif field not in ("Condition", "Next", "Comment", "Assign", "Output"):
            found.add(place, f"Field '{field}' is not supported")


def _wait(state: Mapping[str, Any], where: str, found: Found) -> None:
    given = [name for name in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if name in state]
    if len(given) != 1:
        found.add(where, "a Wait has one of Seconds, SecondsPath, Timestamp and TimestampPath")
    if "Timestamp" not in state:
        return
    moment = state["Timestamp"]
    if isinstance(moment, str) and is_jsonata(moment):
        _expression(moment, f"{where}/Timestamp", found)
    elif parse(moment) is None:
        found.add(f"{where}/Timestamp", "must be a time such as 2016-03-14T01:59:00Z")


def _branches(state: Mapping[str, Any], where: str, found: Found) -> bool:
    branches = state.get("Branches")
    if not isinstance(branches, list) or not branches or not all(isinstance(branch, Mapping) for branch in branches):
        found.add(f"{where}/Branches", "must be an array with at least one branch")
        return False
    return True


def _map(state: Mapping[str, Any], where: str, language: str, found: Found) -> bool:
    field = "Iterator" if "Iterator" in state and "ItemProcessor" not in state else "ItemProcessor"
    processor = state.get(field)
    if not isinstance(processor, Mapping):
        found.add(f"{where}/{field}", "must be given: an object with StartAt and States")
        return False
    config = processor.get("ProcessorConfig", {})
    mode = config.get("Mode", "INLINE") if isinstance(config, Mapping) else None
    if mode not in ("INLINE", "DISTRIBUTED"):
        found.add(f"{where}/{field}/ProcessorConfig", "Mode must be INLINE or DISTRIBUTED")
    elif mode == "DISTRIBUTED":
        _distributed(state, where, language, found)
    else:
        items = state.get("Items", [])
        if not isinstance(items, list) and not is_jsonata(items):
            found.add(f"{where}/Items", "must be an array or a JSONata expression")
        for name in _given(state, DISTRIBUTED_ONLY):
            found.add(f"{where}/{name}", f"Field '{name}' is only supported in DISTRIBUTED mode")
    return True


def _distributed(state: Mapping[str, Any], where: str, language: str, found: Found) -> None:
    """What the map run's own value of the definition refuses."""
    outside = ("Retry", "Catch", "Assign", "Output", "ResultSelector", "InputPath", "OutputPath", "ResultPath")
    own = {name: value for name, value in state.items() if name not in outside}
    if "ItemReader" in own:
        own.pop("ItemsPath", None)
    # The map run's value leaves these expressions to its engine; compiling them must not be what refuses them.
    known = len(found)
    for name in ("ItemReader", "ItemBatcher", "ResultWriter"):
        template(state.get(name), f"{where}/{name}", found, jsonata=language == "JSONata")
    if len(found) > known:
        return
    try:
        check_numbers(DistributedMap.from_asl(own, query_language=language))
    except InvalidDefinition as error:
        found.add(f"{where}/{error.field.replace('.', '/')}", error.problem)
