"""The state machine that Step Functions runs a Distributed Map in: the Map state, and what hands it the items."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from .asl import to_asl
from .asl_processor import Children, processor_to_asl
from .asl_states import all_states
from .definition import DistributedMap
from .errors import DataLimitExceeded, InvalidDefinition, UnsupportedField
from .json import dumps
from .limits import MAX_PAYLOAD_BYTES
from .processors import as_processor
from .values import UNSET, QueryLanguage, is_jsonata, json_copy, strings

JSONPATH = QueryLanguage.JSONPATH
_CONTEXT_INPUT = re.compile(r"((?:\$\$|\$states\.context)\.Execution\.Input)(?![A-Za-z0-9_])")


def state_machine_of(definition: DistributedMap) -> dict[str, Any]:
    """The whole state machine, in plain JSON values: it gets what :func:`execution_input` makes.

    Where the definition has ``items``, they are part of the execution's input, not of the machine, and the map takes
    them from there: ``$`` stays what it is on the other engine, the map's input alone.

    :raises UnsupportedField: what Step Functions cannot run.
    """
    # AWS wants names of states to be unique in a whole machine.
    children = processor_to_asl(Children(as_processor(definition.item_processor), definition.execution_type), JSONPATH)
    taken = {name for name, _ in all_states(children["States"])}
    name = _free_name("Map", taken)
    if not _hands_items_over(definition):
        return {"StartAt": name, "States": {name: to_asl(definition)}}
    if definition.query_language is QueryLanguage.JSONPATH:
        around = dict(definition.state_fields)
        around["InputPath"] = _inside_input(around.get("InputPath", "$"))
        state = _of_inner_input(to_asl(replace(definition, items=UNSET, state_fields=around)))
        state["ItemsPath"] = "$$.Execution.Input.items"
        return {"StartAt": name, "States": {name: state}}
    # JSONata has no InputPath.
    first = _free_name("Input", taken)
    only_input = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.input %}", "Next": name}
    state = _of_inner_input(to_asl(replace(definition, items=[])))
    state["Items"] = "{% $states.context.Execution.Input.items %}"
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
    try:
        text = dumps(content)
    except ValueError as error:
        raise InvalidDefinition("input", f"is no JSON: {error}") from error
    if len(text) > MAX_PAYLOAD_BYTES:
        raise DataLimitExceeded(
            f"the input of the execution has {len(text):,} bytes, "
            f"and Step Functions takes {MAX_PAYLOAD_BYTES:,}: {hint}"
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


def _of_inner_input(state: dict[str, Any]) -> dict[str, Any]:
    """The Map state with the context object's ``Execution.Input`` being the map's input, as on the other engine."""
    own = {name: value for name, value in state.items() if name != "ItemProcessor"}
    rewritten: dict[str, Any] = _rewritten(own)
    return rewritten | {"ItemProcessor": state["ItemProcessor"]}


def _rewritten(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _rewritten(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_rewritten(member, key) for member in value]
    if isinstance(value, str) and (key.endswith((".$", "Path")) or is_jsonata(value)):
        return _CONTEXT_INPUT.sub(r"\1.input", value)
    return value


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
