"""The state machine that Step Functions runs a Distributed Map in: the Map state, and what hands it the items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .asl import to_asl
from .asl_states import all_states
from .definition import DistributedMap
from .errors import DataLimitExceeded, InvalidDefinition, UnsupportedField
from .json import dumps
from .values import UNSET, QueryLanguage, is_jsonata, json_copy, strings

MAX_INPUT_BYTES = 262_144
"""AWS's limit for the input of an execution."""


def state_machine_of(definition: DistributedMap) -> dict[str, Any]:
    """The whole state machine, in plain JSON values: it gets what :func:`execution_input` makes.

    Where the definition has ``items``, they are part of the execution's input, not of the machine, and the map takes
    them from there: ``$`` stays what it is on the other engine, the map's input alone.

    :raises UnsupportedField: what Step Functions cannot run.
    """
    # AWS wants names of states to be unique in a whole machine.
    taken = {name for name, _ in all_states(getattr(definition.item_processor, "states", {}))}
    name = _free_name("Map", taken)
    if not _hands_items_over(definition):
        return {"StartAt": name, "States": {name: to_asl(definition)}}
    if definition.query_language is QueryLanguage.JSONPATH:
        around = dict(definition.state_fields)
        around["InputPath"] = _inside_input(around.get("InputPath", "$"))
        state = to_asl(
            replace(definition, items=UNSET, items_path="$$.Execution.Input.items", state_fields=around),
        )
        return {"StartAt": name, "States": {name: state}}
    # JSONata has no InputPath.
    first = _free_name("Input", taken)
    only_input = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.input %}", "Next": name}
    state = to_asl(replace(definition, items="{% $states.context.Execution.Input.items %}"))
    return {"StartAt": first, "States": {first: only_input, name: state}}


def execution_input(definition: DistributedMap, run_input: Any, items: Any = UNSET) -> str:
    """The input of an execution of that machine, as JSON text; the same text for the same values.

    ``items`` are those of the run, where the definition has some. An object's members become ``{"Key", "Value"}``, as
    a child gets them; an ItemSelector that looks into the item would see something else, so it is refused then.

    :raises UnsupportedField: the members of an object and an ItemSelector of their values.
    :raises DataLimitExceeded: the input is over AWS's 256 KiB.
    :raises InvalidDefinition: there is something in it that is no JSON.
    """
    content = json_copy(run_input, "input")
    hint = "put what is large into S3, and read it with an ItemReader"
    if _hands_items_over(definition):
        listed = json_copy(items, "Items")
        if isinstance(listed, dict):
            _refuse_selector_of_members(definition)
            if definition.query_language is QueryLanguage.JSONPATH:
                listed = [{"Key": key, "Value": value} for key, value in listed.items()]
        elif not isinstance(listed, list):
            raise InvalidDefinition("Items", f"must be an array or an object, got {type(items).__name__}")
        content = {"input": content, "items": listed}
        hint = "write the items to S3, and read them with S3JsonItemReader or S3JsonLItemReader"
    text = dumps(content)
    if len(text) > MAX_INPUT_BYTES:
        raise DataLimitExceeded(
            f"the input of the execution has {len(text):,} bytes, and Step Functions takes {MAX_INPUT_BYTES:,}: {hint}"
        )
    return text.decode()


def _hands_items_over(definition: DistributedMap) -> bool:
    items = definition.items
    return items is not UNSET and not (isinstance(items, str) and is_jsonata(items))


def _inside_input(path: str | None) -> str | None:
    """A path into the map's input as one into the execution's, whose member ``input`` that is."""
    if path is None or (not path.startswith(("$.", "$[")) and path != "$"):
        return path  # null, the context object, or a variable
    return f"$.input{path[1:]}"


def _refuse_selector_of_members(definition: DistributedMap) -> None:
    selector = definition.item_selector
    if definition.query_language is QueryLanguage.JSONPATH and any("Map.Item" in text for text in strings(selector)):
        raise UnsupportedField(
            "ItemSelector",
            "in JSONPath Step Functions maps over arrays only, so $$.Map.Item would be another thing for the members "
            "of an object: give an array of the objects that the selector needs, or use JSONata",
        )


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} {number}"
    return name
