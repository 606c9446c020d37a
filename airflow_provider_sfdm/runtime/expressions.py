"""The expressions in a map's own fields, compiled: see ``evaluation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from ..core.batcher import ItemBatcher
from ..core.definition import ASL_NAMES, DistributedMap
from ..core.errors import InvalidDefinition, StatesError, StatesRuntime, UnsupportedField
from ..core.json import dumps
from ..core.paths import in_state
from ..core.readers import CsvHeaders
from ..core.resolve import unchecked
from ..core.values import UNSET, Evaluated, Intrinsic, QueryLanguage, is_jsonata, strings
from ..states.jsonata.expression import Expression
from ..states.jsonata.templates import compile_jsonata
from ..states.map_items import compile_items
from ..states.numbers_fields import compile_number
from ..states.state import Source
from ..states.state_map import select
from ..states.templates import compile_template
from ..states.values import Evaluate, compile_intrinsic
from ..states.visit import Visit
from .evaluation import has_intrinsic

_NUMBERS = {
    "max_concurrency": ("MaxConcurrency", False),
    "tolerated_failure_count": ("ToleratedFailureCount", False),
    "tolerated_failure_percentage": ("ToleratedFailurePercentage", True),
}
_INTEGERS = frozenset(("max_items", "max_items_per_batch", "max_input_bytes_per_batch"))
_PARTS = {"item_reader": "ItemReader", "item_batcher": "ItemBatcher", "result_writer": "ResultWriter"}
_ARGUMENTS = {
    "Bucket": "bucket",
    "Key": "key",
    "Prefix": "prefix",
    "VersionId": "version_id",
    "ExpectedBucketOwner": "expected_bucket_owner",
}
# All pages of a listing are followed, whatever it says.
_IGNORED = "MaxKeys"
_Part = TypeVar("_Part")


class Evaluation:
    """All expressions of a definition. Raises InvalidDefinition for one that does not compile."""

    def __init__(self, definition: DistributedMap) -> None:
        self._definition = definition
        self._jsonata = definition.query_language is QueryLanguage.JSONATA
        self._parts = {
            name: self._compile_part(part, label)
            for name, label in _PARTS.items()
            if (part := getattr(definition, name)) is not None
        }
        self._own = {} if not self._jsonata else dict(self._compile_own())
        self._selector = self._compile_selector(definition.item_selector)

    def apply(self, visit: Visit) -> DistributedMap:
        """The definition with the values for a run. Raises StatesError."""
        try:
            changes = {name: evaluate(visit) for name, evaluate in self._own.items()}
            _check_limits(changes)
            for name, evaluators in self._parts.items():
                changes[name] = _evaluated_part(getattr(self._definition, name), evaluators, visit)
        except StatesError as error:
            raise _located(error, visit) from None
        if (selector := self._selector) is not None:
            changes["item_selector"] = _bound(selector, visit)
        # A map whose expressions are values is the same in either language, and no value is taken for an expression.
        return unchecked(self._definition, query_language=QueryLanguage.JSONPATH, **changes)

    def _compile_own(self) -> list[tuple[str, Evaluate]]:
        definition = self._definition
        found: list[tuple[str, Evaluate]] = []
        for name, (field, is_float) in _NUMBERS.items():
            if is_jsonata(value := getattr(definition, name)):
                number = compile_number(_source({field: value}), field, is_float=is_float)
                if number is not None:
                    found.append((name, number))
        items = definition.items
        if items is UNSET:
            if definition.item_reader is None:
                found.append(("items", compile_items(_source({}), objects=True)))
        elif any(is_jsonata(text) for text in strings(items)):
            found.append(("items", compile_items(_source({"Items": items}), objects=True)))
        return found

    def _compile_selector(self, selector: Any) -> Evaluate | None:
        if selector is None or callable(selector):
            return None
        if self._jsonata:
            return compile_jsonata(selector, "ItemSelector")
        return compile_template(selector, "ItemSelector") if has_intrinsic(selector) else None

    def _compile_part(self, part: Any, label: str) -> dict[str, Evaluate]:
        found: dict[str, Evaluate] = {}
        for one in fields(part):
            value = getattr(part, one.name)
            place = f"{label}{ASL_NAMES.get(one.name, '')}"
            if isinstance(value, CsvHeaders):
                if any(is_jsonata(text) for text in value.headers) and self._jsonata:
                    found[one.name] = compile_jsonata(list(value.headers), f"{label}/ReaderConfig/CSVHeaders")
            elif one.name == "batch_input" and value is not None:
                found[one.name] = (
                    compile_jsonata(value, "ItemBatcher/BatchInput")
                    if self._jsonata
                    else compile_template(value, "ItemBatcher.BatchInput")
                )
            elif isinstance(value, Intrinsic):
                found[one.name] = _text(compile_intrinsic(value.path, f"{place}.$"), value.path, place)
            elif self._jsonata and one.name in ASL_NAMES and any(is_jsonata(text) for text in strings(value)):
                found[one.name] = _value(value, one.name, place.replace("Parameters", "Arguments").replace(".", "/"))
        return found


def _source(state: Mapping[str, Any]) -> Source:
    return Source("", state, True, "JSONata", "")


def _value(value: Any, name: str, place: str) -> Evaluate:
    """A field that is JSONata: a number or text, or whatever it is where any JSON may stand."""
    if not isinstance(value, str):
        return compile_jsonata(value, place)
    compiled = Expression(value, place)
    kind, taken = {"arguments": ("object", dict)}.get(name, ("string", str))

    def evaluate(visit: Visit) -> Any:
        found = compiled.evaluate(visit)
        if name in _INTEGERS:
            if isinstance(found, bool) or not isinstance(found, int | float):
                raise compiled.unexpected("number", found)
            if found != int(found):
                raise compiled.unexpected("integer", found)
            return int(found)
        if not isinstance(found, taken):
            raise compiled.unexpected(kind, found)
        return found

    return evaluate


def _text(compiled: Evaluate, text: str, place: str) -> Evaluate:
    key = f"{place.rpartition('.')[2]}.$"

    def evaluate(visit: Visit) -> Any:
        found = compiled(visit)
        if not isinstance(found, str) or not found:
            shown = found if isinstance(found, str) else dumps(found).decode()
            raise StatesRuntime(
                f"The JSONPath '{text}' specified for the field '{key}' refers to value \"{shown[:1_000]}\" "
                "which is not a non-empty string"
            )
        return found

    return evaluate


def _evaluated_part(part: _Part, evaluators: Mapping[str, Evaluate], visit: Visit) -> _Part:
    found = {name: evaluate(visit) for name, evaluate in evaluators.items()}
    if "batch_input" in found:
        found["batch_input"] = Evaluated(found["batch_input"])
    if isinstance(part, ItemBatcher):
        for name in ("max_items_per_batch", "max_input_bytes_per_batch"):
            if name in found and found[name] < 1:
                raise StatesRuntime(f"{ASL_NAMES[name].rpartition('.')[2]} must be positive.")
        return unchecked(part, **found)
    if "csv_headers" in found:
        headers: Any = getattr(part, "csv_headers", None)
        found["csv_headers"] = replace(headers, headers=tuple(found["csv_headers"]))
    if isinstance(arguments := found.get("arguments"), Mapping):
        found |= {"arguments": None} | _spread(part, arguments)
    try:
        return replace(part, **found)  # type: ignore[type-var]
    except InvalidDefinition as error:
        raise StatesRuntime(f"The value of {error.field} {error.problem}") from None


def _spread(part: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that one expression for all arguments gives."""
    found = {}
    for name, value in arguments.items():
        option = _ARGUMENTS.get(name)
        if option is not None and hasattr(part, option):
            found[option] = value
        elif name != _IGNORED:
            raise UnsupportedField(f"{type(part).__name__}.Arguments.{name}", "is not an argument that is known here")
    return found


def _check_limits(values: Mapping[str, Any]) -> None:
    for name in ("max_concurrency", "tolerated_failure_count"):
        if values.get(name, 0) < 0:
            raise StatesRuntime(f"{_NUMBERS[name][0]} cannot be negative.")
    if not 0 <= values.get("tolerated_failure_percentage", 0) <= 100:
        raise StatesRuntime("ToleratedFailurePercentage must be between 0 and 100.")


def _bound(selector: Evaluate, visit: Visit) -> Callable[[Any, Mapping[str, Any]], Any]:
    def selected(value: Any, context: Mapping[str, Any]) -> Any:
        try:
            return select(selector, visit, context)
        except StatesError as error:
            raise _located(error, visit) from None

    return selected


def _located(error: StatesError, visit: Visit) -> StatesError:
    return type(error)(in_state(error.cause, visit.name, visit.event))
