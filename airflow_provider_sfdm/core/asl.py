"""The Amazon States Language: a definition as a Map state, and a Map state as a definition.

``from_asl(to_asl(definition)) == definition`` for every definition that Step Functions can run, and
``to_asl(from_asl(state))`` says what ``state`` says: in one spelling, with today's names, and without the
fields that have their default value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .asl_fields import Fields, spell_number, without_none
from .asl_processor import Children, processor_from_asl, processor_to_asl
from .asl_reader import (
    batcher_from_asl,
    batcher_to_asl,
    reader_from_asl,
    reader_to_asl,
    writer_from_asl,
    writer_to_asl,
)
from .definition import STATE_FIELDS, DistributedMap
from .errors import InvalidDefinition, UnsupportedField
from .processors import AslProcessor, as_processor
from .values import UNSET, QueryLanguage, choice, is_jsonata, json_copy, shown


def to_asl(definition: DistributedMap) -> dict[str, Any]:
    """The Map state, in plain JSON values that the caller may change. ``input`` is no part of it: it is what
    the state gets.

    Raises :class:`UnsupportedField` for what Step Functions can't run: a Python function, a Python
    ItemSelector, items that are no JSON, a number that is a template still to be rendered, data outside S3.
    """
    language, partition = definition.query_language, definition.aws_partition
    children = Children(
        as_processor(definition.item_processor),
        definition.execution_type,
        definition.retry,
        definition.timeout,
        partition,
    )
    reader, batcher, writer = definition.item_reader, definition.item_batcher, definition.result_writer
    around = dict(definition.state_fields)
    fields = {
        "Type": "Map",
        "Comment": definition.comment,
        "QueryLanguage": None if language is QueryLanguage.JSONPATH else language.value,
        "ItemReader": reader and reader_to_asl(reader, language, partition),
        "ItemsPath": definition.items_path,
        "Items": _items(definition),
        "ItemSelector": selector_to_asl(definition),
        "ItemBatcher": batcher and batcher_to_asl(batcher),
        "ItemProcessor": processor_to_asl(children, language),
        **_limits(definition),
        "Label": definition.label,
        "ResultWriter": writer and writer_to_asl(writer, language, partition),
    }
    around |= {} if "Next" in around else {"End": True}
    state: dict[str, Any] = json_copy(without_none(fields) | around, "Map")
    return state


def from_asl(
    map_state: Mapping[str, Any] | str,
    *,
    query_language: str | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> DistributedMap:
    """The definition that a Map state in Distributed mode is, given as a mapping or as JSON text.

    ``query_language`` is the state machine's, for a state that has none of its own. The older names
    ``Iterator`` and ``Parameters`` (for ItemSelector) are understood, and ``InputType: MANIFEST`` without
    ManifestType. A processor that is one Task state invoking a Lambda function becomes a LambdaFunction with
    the task's Retry and TimeoutSeconds; any other is an AslProcessor.

    ``functions`` are Python functions by the ``Resource`` of the tasks that they run, on the airflow engine.

    Intrinsic functions and JSONata are kept, and evaluated when the map runs; kept are also S3 arguments that the
    airflow engine lacks, and refuses. Raises :class:`InvalidDefinition` naming the field for all that is wrong, unknown
    fields included.
    """
    if isinstance(map_state, str):
        map_state = _parse(map_state)
    fields = Fields(map_state, "")
    _check_is_map(fields)
    given = fields.take("QueryLanguage", query_language or QueryLanguage.JSONPATH)
    language = choice(QueryLanguage, given, "QueryLanguage")
    name, processor = fields.take_renamed("ItemProcessor", "Iterator")
    children = processor_from_asl(processor, name, language)
    if functions:
        children = _with_functions(children, processor, functions)
    partitions = [children.partition]
    options: dict[str, Any] = {}
    if (value := fields.take("ItemReader")) is not None:
        options["item_reader"], partition = reader_from_asl(value, language)
        partitions.append(partition)
    if (value := fields.take("ResultWriter")) is not None:
        options["result_writer"], writer_partition = writer_from_asl(value, language)
        partitions.append(writer_partition)
    if (value := fields.take("ItemBatcher")) is not None:
        options["item_batcher"] = batcher_from_asl(value)
    options["item_selector"] = _take_selector(fields, language)
    options["items"] = _take_items(fields, language)
    for asl, option in _PLAIN.items():
        options[option] = fields.take(asl)
    options["state_fields"] = fields.take_raw(STATE_FIELDS)
    fields.done(" of a Map state in Distributed mode")
    return DistributedMap(
        item_processor=children.processor,
        execution_type=children.execution_type,
        retry=children.retry,
        timeout=children.timeout,
        query_language=language,
        aws_partition=_one_partition(partitions),
        **options,
    )


_NUMBERS = {
    "MaxConcurrency": "max_concurrency",
    "ToleratedFailurePercentage": "tolerated_failure_percentage",
    "ToleratedFailureCount": "tolerated_failure_count",
}
_PATHS = {f"{asl}Path": f"{option}_path" for asl, option in _NUMBERS.items()}
_PLAIN = _NUMBERS | _PATHS | {"Comment": "comment", "ItemsPath": "items_path", "Label": "label"}


def _with_functions(
    children: Children, given: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> Children:
    """The children with Python functions; one task of Lambda is a state like any other then."""
    processor = children.processor
    if not isinstance(processor, AslProcessor):
        processor = AslProcessor(
            start_at=given["StartAt"], states=given["States"], query_language=given.get("QueryLanguage")
        )
    return children._replace(processor=replace(processor, functions=functions), retry=(), timeout=None)


def _limits(definition: DistributedMap) -> dict[str, Any]:
    numbers = {asl: spell_number(getattr(definition, option), asl) for asl, option in _NUMBERS.items()}
    return numbers | {asl: getattr(definition, option) for asl, option in _PATHS.items()}


def _items(definition: DistributedMap) -> Any:
    items = definition.items
    if items is UNSET:
        return None
    if definition.query_language is QueryLanguage.JSONPATH:
        problem = "is a field of JSONata only: set query_language, or hand the items over as input with items_path"
        raise UnsupportedField("Items", problem)
    try:
        return json_copy(items, "Items")
    except InvalidDefinition as error:
        raise UnsupportedField(error.field, error.problem) from None


def selector_to_asl(definition: DistributedMap) -> Any:
    """The field ``ItemSelector``, None without one. Raises UnsupportedField for a Python function."""
    selector = definition.item_selector
    if selector is not None and not isinstance(selector, Mapping | str):
        raise UnsupportedField("ItemSelector", "a Python function can't run in Step Functions: give a payload template")
    return selector


def _take_selector(fields: Fields, language: QueryLanguage) -> Any:
    if language is QueryLanguage.JSONATA:
        return fields.take("ItemSelector")
    name, selector = fields.take_renamed("ItemSelector", "Parameters")
    if selector is not None and not isinstance(selector, Mapping):
        raise InvalidDefinition(name, f"must be an object, got {shown(selector)}")
    return selector


def _take_items(fields: Fields, language: QueryLanguage) -> Any:
    if language is not QueryLanguage.JSONATA:
        return UNSET
    items = fields.take("Items", UNSET)
    if items is not UNSET and not isinstance(items, list | tuple | Mapping) and not is_jsonata(items):
        raise InvalidDefinition("Items", f"must be an array, an object or a JSONata expression, got {shown(items)}")
    return items


def _check_is_map(fields: Fields) -> None:
    if "States" in fields and "StartAt" in fields:
        states = Fields(fields.take("States"), "States").take_all()
        maps = [name for name, state in states.items() if isinstance(state, Mapping) and state.get("Type") == "Map"]
        names = ", ".join(maps) or "it has none"
        raise InvalidDefinition("Type", f"this is a whole state machine: give one of its Map states ({names})")
    kind = fields.take("Type")
    if kind != "Map":
        raise InvalidDefinition("Type", f"must be Map, got {shown(kind)}")
    if "ItemProcessor" not in fields and "Iterator" not in fields:
        raise InvalidDefinition("ItemProcessor", "must be given")


def _one_partition(found: list[str | None]) -> str:
    partitions = sorted({partition for partition in found if partition is not None})
    if len(partitions) > 1:
        raise InvalidDefinition("Resource", f"the ARNs are of different partitions: {', '.join(partitions)}")
    return partitions[0] if partitions else "aws"


def _parse(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidDefinition(twice, "is there twice in one object")
        return members

    def refuse(constant: str) -> Any:
        raise InvalidDefinition("Map", f"{constant} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except InvalidDefinition:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidDefinition("Map", f"is not JSON: {error}") from error
