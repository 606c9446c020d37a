"""Rendering the Jinja templates that the author of a definition wrote in its fields."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import Enum
from typing import Any, TypeVar

from .definition import ASL_NAMES, DistributedMap
from .errors import InvalidDefinition
from .processors import LambdaFunction
from .readers import CsvHeaders
from .values import QueryLanguage, is_jsonata, is_template, shown

_INTEGERS = frozenset(
    (
        "max_items",
        "max_items_per_batch",
        "max_input_bytes_per_batch",
        "max_concurrency",
        "tolerated_failure_count",
    )
)
_NUMBERS = frozenset(("tolerated_failure_percentage",))
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")
# Data and code, which are not the author's templates, and what the state machine around the map is for.
_LEFT_ALONE = frozenset(("items", "input", "item_processor", "state_fields", "comment", "retry"))
_PARTS = {"item_reader": "ItemReader", "item_batcher": "ItemBatcher", "result_writer": "ResultWriter"}

_Value = TypeVar("_Value")


def render(definition: DistributedMap, renderer: Callable[[str], Any]) -> DistributedMap:
    """The definition with every template rendered by ``renderer`` and all fields checked again.

    Rendered are the strings the author wrote: in reader, batcher (with its BatchInput), writer, selector,
    label, limits, paths and the name of a Lambda function. A number must come out as just a number: ``"12"``.
    ``items``, ``input``, functions and ASL states are never rendered, nor are JsonPath values and, with
    ``QueryLanguage: JSONata``, strings that are wholly ``{% … %}``.

    Raises :class:`InvalidDefinition`, naming the field, for what does not come out right; errors of
    ``renderer`` pass through.
    """
    rendering = _Rendering(renderer, definition.query_language is QueryLanguage.JSONATA)
    changes: dict[str, Any] = {}
    for one in fields(definition):
        value = getattr(definition, one.name)
        if one.name in _PARTS and value is not None:
            changes[one.name] = rendering.part(value, _PARTS[one.name])
        elif one.name in ASL_NAMES and one.name not in _LEFT_ALONE:
            changes[one.name] = rendering.value(one.name, value, ASL_NAMES[one.name])
    processor = definition.item_processor
    if isinstance(processor, LambdaFunction):
        where = f"ItemProcessor.States.{processor.state_name}.Parameters"
        name = rendering.text(processor.function_name, f"{where}.FunctionName")
        qualifier = rendering.text(processor.qualifier, f"{where}.Qualifier")
        changes["item_processor"] = replace(processor, function_name=name, qualifier=qualifier)
    return replace(definition, **changes)


class _Rendering:
    def __init__(self, renderer: Callable[[str], Any], jsonata: bool) -> None:
        self._renderer = renderer
        self._jsonata = jsonata

    def part(self, holder: _Value, name: str) -> _Value:
        """A reader, batcher or writer, all its fields at once: one alone may not be right by itself."""
        changes = {}
        for one in fields(holder):  # type: ignore[arg-type]  # they are dataclasses
            value = getattr(holder, one.name)
            if isinstance(value, CsvHeaders):
                field = "ItemReader.ReaderConfig.CSVHeaders"
                changes[one.name] = replace(value, headers=tuple(self.text(text, field) for text in value.headers))
            elif one.name in ASL_NAMES:
                changes[one.name] = self.value(one.name, value, f"{name}{ASL_NAMES[one.name]}")
        return replace(holder, **changes)  # type: ignore[type-var]

    def value(self, option: str, value: Any, field: str) -> Any:
        if isinstance(value, Mapping):
            return {key: self.value("", member, f"{field}.{key}") for key, member in value.items()}
        if isinstance(value, list):
            return [self.value("", member, f"{field}[{index}]") for index, member in enumerate(value)]
        if not self._is_template(value, expression=option != "label"):
            return value
        if option in _INTEGERS or option in _NUMBERS:
            return _number(self._renderer(value), value, field, whole=option in _INTEGERS)
        return self.text(value, field)

    def text(self, value: Any, field: str) -> Any:
        if not self._is_template(value):
            return value
        rendered = self._renderer(value)
        if isinstance(rendered, str) and not isinstance(rendered, Enum):
            return rendered
        raise InvalidDefinition(field, f"the template {shown(value)} must give a string, gave {shown(rendered)}")

    def _is_template(self, value: Any, *, expression: bool = True) -> bool:
        return is_template(value) and not (self._jsonata and expression and is_jsonata(value))


def _number(rendered: Any, template: str, field: str, *, whole: bool) -> float:
    if isinstance(rendered, int | float) and not isinstance(rendered, bool):
        return rendered  # native rendering; the range and kind are checked by the field itself
    text = rendered.strip() if isinstance(rendered, str) else ""
    if whole and _INTEGER.fullmatch(text):
        return int(text)
    if not whole and _NUMBER.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return int(number) if number.is_integer() else number
    kind = "an integer" if whole else "a number"
    raise InvalidDefinition(field, f"the template {shown(template)} must give {kind}, gave {shown(rendered)}")
