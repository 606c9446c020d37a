"""A definition with the values of one run: paths replaced by what they refer to, checked as on AWS.

Everything is found in the map's effective input: the state's input after InputPath (:func:`effective_scope`).
Where a cause was recorded on AWS it is the same here; a number may be given as text (``"2"``), as recorded.
What the recordings don't show is chosen here: MaxItemsPerBatchPath and MaxInputBytesPerBatchPath below 1 are
refused, and MaxInputBytesPerBatchPath over 262,144 is taken as 262,144, which no batch can exceed anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any, TypeVar

from .batcher import ItemBatcher
from .batching import Batching
from .definition import DistributedMap
from .errors import InvalidDefinition, ItemReaderFailed, StatesRuntime, UnsupportedField
from .json import dumps
from .limits import MAX_PAYLOAD_BYTES
from .numbers import decimal, integer
from .paths import (
    CompiledPath,
    JsonPath,
    PathNotFound,
    Scope,
    compile_path,
    compile_reference_path,
    in_state,
    not_found,
)
from .readers import ItemReader
from .selector import compile_template
from .values import UNSET, Evaluated, QueryLanguage, is_jsonata

# AWS's names of the text fields, as in "Bucket.$".
_TEXTS = {
    "bucket": "Bucket",
    "key": "Key",
    "prefix": "Prefix",
    "version_id": "VersionId",
    "expected_bucket_owner": "ExpectedBucketOwner",
    "url": "url",
}
_NUMBERS = (
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "ItemReader.ReaderConfig.MaxItems",
    "ItemBatcher.MaxItemsPerBatch",
    "ItemBatcher.MaxInputBytesPerBatch",
)
_Part = TypeVar("_Part")


def check_numbers(definition: DistributedMap) -> None:
    """Refuse templates for numbers where nobody renders them: :func:`resolve` would, whatever the input is.

    JSONata is left to what evaluates it. Raises InvalidDefinition naming the field.
    """
    given = dict(definition.expressions())
    for field in _NUMBERS:
        if not (definition.query_language is QueryLanguage.JSONATA and is_jsonata(given.get(field))):
            _refuse_template(given.get(field), field)


def _refuse_template(number: object, field: str) -> None:
    if isinstance(number, str):
        raise InvalidDefinition(field, f"{number!r} is a template that has not been rendered")


def effective_scope(definition: DistributedMap, scope: Scope, state_name: str = "Map", event_id: int = 2) -> Scope:
    """``scope`` with the input that InputPath selects; this is the scope for ItemSelector and BatchInput.

    InputPath null is the empty object. Raises StatesRuntime when InputPath leads nowhere.
    """
    fields_ = definition.state_fields
    if "InputPath" not in fields_:
        return scope
    text = fields_["InputPath"]
    value = {} if text is None else _find(compile_path(text, "InputPath"), scope, state_name, event_id)
    return replace(scope, input=value)


def resolve(definition: DistributedMap, scope: Scope, state_name: str = "Map", event_id: int = 2) -> DistributedMap:
    """The definition with every :class:`JsonPath` and every number's ``…_path`` replaced by its value.

    ItemsPath, ItemSelector and BatchInput stay: see :func:`resolve_items`, :mod:`.selector` and
    :func:`resolve_batching`. ``scope`` is the state's, before InputPath; ``state_name`` and ``event_id`` are
    for the cause. Raises StatesRuntime for values that cannot be used, ItemReaderFailed for a negative
    MaxItems, UnsupportedField for JSONata.
    """
    run = _Run(definition, effective_scope(definition, scope, state_name, event_id), state_name, event_id)
    # A number of the map itself that is wrong fails the state before a map run exists, MaxItems the map run:
    # so it comes last.
    concurrency = run.count(definition, "max_concurrency", "MaxConcurrency")
    count = run.count(definition, "tolerated_failure_count", "ToleratedFailureCount")
    percentage = run.percentage()
    batcher = definition.item_batcher and run.batcher(definition.item_batcher)
    writer = definition.result_writer and run.texts(definition.result_writer, "ResultWriter")
    reader = definition.item_reader and run.reader(definition.item_reader)
    return unchecked(
        definition,
        item_reader=reader,
        item_batcher=batcher,
        result_writer=writer,
        max_concurrency=concurrency,
        max_concurrency_path=None,
        tolerated_failure_count=count,
        tolerated_failure_count_path=None,
        tolerated_failure_percentage=percentage,
        tolerated_failure_percentage_path=None,
    )


def resolve_items(
    definition: DistributedMap, scope: Scope, state_name: str = "Map", event_id: int = 2
) -> list[Any] | dict[str, Any]:
    """The items of a map without an ItemReader: an array, or an object whose members are the items.

    ``items`` if given, else what ItemsPath (default ``$``) finds after InputPath. With an ItemReader
    ItemsPath is ignored, even an invalid one, so don't ask then. Raises StatesRuntime for what is not an
    array.
    """
    items = definition.items
    if items is not UNSET:
        _refuse_jsonata(definition, items, "Items")
        if isinstance(items, Mapping):
            return dict(items)
        if isinstance(items, Sequence) and not isinstance(items, str | bytes | bytearray):
            return list(items)
        cause = f"Map state input must be an array but was: {_shown(items)}"
        raise StatesRuntime(in_state(cause, state_name, event_id))
    path = compile_reference_path(definition.items_path or "$", "ItemsPath")
    value = _find(path, effective_scope(definition, scope, state_name, event_id), state_name, event_id)
    if not isinstance(value, list | tuple):
        raise StatesRuntime(f'Reference path "{path.text}" must point to array.')
    return list(value)


def resolve_batching(definition: DistributedMap, scope: Scope, state_name: str = "Map", event_id: int = 2) -> Batching:
    """The batches of a resolved definition: its limits, and BatchInput evaluated once for all of them.

    Without an ItemBatcher every item is a child's input by itself. Raises StatesRuntime, UnsupportedField.
    """
    batcher = definition.item_batcher
    if batcher is None:
        return Batching(batched=False)
    template: object = batcher.batch_input
    value: Any = UNSET
    if isinstance(template, Evaluated):
        value = template.value
    elif template is not None:
        inside = effective_scope(definition, scope, state_name, event_id)
        try:
            value = compile_template(template, "ItemBatcher.BatchInput", definition.query_language).evaluate(inside)
        except StatesRuntime as error:
            raise StatesRuntime(in_state(error.cause, state_name, event_id)) from None
    count, size = batcher.max_items_per_batch, batcher.max_input_bytes_per_batch
    paths = batcher.max_items_per_batch_path, batcher.max_input_bytes_per_batch_path
    if isinstance(count, str) or isinstance(size, str) or paths != (None, None):
        raise InvalidDefinition("ItemBatcher", "is not resolved yet")
    return Batching(max_items=count, max_bytes=size or MAX_PAYLOAD_BYTES, batch_input=value)


class _Run:
    """One run's effective scope, and the names for its causes."""

    def __init__(self, definition: DistributedMap, scope: Scope, state_name: str, event_id: int) -> None:
        self.definition = definition
        self.scope = scope
        self.state_name = state_name
        self.event_id = event_id

    def error(self, cause: str) -> StatesRuntime:
        return StatesRuntime(in_state(cause, self.state_name, self.event_id))

    def number(self, holder: object, name: str, field: str, label: str) -> tuple[Any, bool]:
        """The literal or, as it stands in the input, the value at the path; and whether it is the latter."""
        path = getattr(holder, f"{name}_path")
        if path is None:
            literal = getattr(holder, name)
            _refuse_jsonata(self.definition, literal, field)
            _refuse_template(literal, field)
            return literal, False
        return self.at(compile_reference_path(path, f"{field}Path"), f"{label}Path"), True

    def at(self, path: CompiledPath, key: str) -> Any:
        try:
            return path.find(self.scope)
        except PathNotFound:
            error = not_found(path.text, key, self.scope.input)
            raise self.error(error.cause) from None

    def integer(self, holder: object, name: str, field: str) -> int | None:
        label = field.rpartition(".")[2]
        value, from_path = self.number(holder, name, field, label)
        if not from_path:
            return value  # type: ignore[no-any-return]  # checked by the dataclass
        whole = integer(value)
        if whole is None:
            raise self.invalid(holder, name, label, value, "integer")
        return whole

    def count(self, holder: object, name: str, field: str) -> int | None:
        value = self.integer(holder, name, field)
        if value is not None and value < 0:
            raise self.error(f"{field} cannot be negative.")
        return value

    def percentage(self) -> float | None:
        name, field = "tolerated_failure_percentage", "ToleratedFailurePercentage"
        value, from_path = self.number(self.definition, name, field, field)
        if not from_path:
            return value  # type: ignore[no-any-return]  # checked by the dataclass
        number = decimal(value)
        if number is None:
            raise self.invalid(self.definition, name, field, value, "float")
        if not 0 <= number <= 100:
            raise self.error(f"{field} must be between 0 and 100.")
        return number

    def invalid(self, holder: object, name: str, label: str, value: Any, kind: str) -> StatesRuntime:
        path = getattr(holder, f"{name}_path")
        return self.error(
            f'The {label}Path field refers to value "{_shown(value)}" which is not a valid {kind}: {path}'
        )

    def batcher(self, batcher: ItemBatcher) -> ItemBatcher:
        limits = {}
        for name, label in (
            ("max_items_per_batch", "MaxItemsPerBatch"),
            ("max_input_bytes_per_batch", "MaxInputBytesPerBatch"),
        ):
            value = self.integer(batcher, name, f"ItemBatcher.{label}")
            if value is not None and value < 1:
                raise self.error(f"{label} must be positive.")
            limits[name] = value
        size = limits["max_input_bytes_per_batch"]
        if size is not None:
            limits["max_input_bytes_per_batch"] = min(size, MAX_PAYLOAD_BYTES)
        return unchecked(batcher, max_items_per_batch_path=None, max_input_bytes_per_batch_path=None, **limits)

    def reader(self, reader: ItemReader) -> ItemReader:
        max_items = self.integer(reader, "max_items", "ItemReader.ReaderConfig.MaxItems")
        resolved = self.texts(reader, "ItemReader")
        if max_items is not None and max_items < 0:
            raise ItemReaderFailed("field MaxItems must be positive")
        # Set past the check of the literal: through a path AWS takes more than 100,000,000.
        return unchecked(resolved, max_items=max_items, max_items_path=None)

    def texts(self, part: _Part, field: str) -> _Part:
        """``part`` (a reader or writer) with its JsonPath values replaced, checked again as literals are."""
        found: dict[str, str] = {}
        for name in (one.name for one in fields(part)):  # type: ignore[arg-type]
            value = getattr(part, name)
            if name in _TEXTS and isinstance(value, JsonPath):
                found[name] = self.text(value, f"{_TEXTS[name]}.$")
            elif name in _TEXTS:
                place = field if name == "url" else f"{field}.Arguments.{_TEXTS[name]}"
                _refuse_jsonata(self.definition, value, place)
        if not found:
            return part
        try:
            return replace(part, **found)  # type: ignore[type-var]
        except InvalidDefinition as error:
            raise self.error(f"The value of {error.field} {error.problem}") from None

    def text(self, path: JsonPath, key: str) -> str:
        value = self.at(compile_path(path.path, key), key)
        if not isinstance(value, str) or not value:
            raise self.error(
                f"The JSONPath '{path}' specified for the field '{key}' refers to value \"{_shown(value)}\" "
                "which is not a non-empty string"
            )
        return value


def _find(path: CompiledPath, scope: Scope, state_name: str, event_id: int) -> Any:
    try:
        return path.evaluate(scope)
    except StatesRuntime as error:
        raise StatesRuntime(in_state(error.cause, state_name, event_id)) from None


def _refuse_jsonata(definition: DistributedMap, value: object, field: str) -> None:
    if definition.query_language is QueryLanguage.JSONATA and is_jsonata(value):
        raise UnsupportedField(field, "JSONata expressions are not evaluated by the airflow engine")


def _shown(value: Any) -> str:
    """A value as AWS shows it in causes: text bare, the rest as JSON."""
    text = value if isinstance(value, str) else dumps(value).decode()
    return text if len(text) <= 1_000 else f"{text[:1_000]}…"


def unchecked(holder: _Part, **values: Any) -> _Part:
    """A copy of a frozen dataclass with other values, unchecked: what a run may give is checked above."""
    made = copy(holder)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
