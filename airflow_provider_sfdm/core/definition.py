"""The definition of a Distributed Map: one frozen value, in the words of the Amazon States Language."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .batcher import ItemBatcher
from .errors import InvalidDefinition
from .paths import JsonPath, compile_path, compile_reference_path
from .processors import AslProcessor, ItemProcessor, PythonFunction, TaskGroupProcessor, as_processor
from .readers import ItemReader
from .retry import Retrier, as_retriers
from .values import (
    UNSET,
    ExecutionType,
    QueryLanguage,
    Unset,
    check_comment,
    check_integer,
    check_number,
    check_one,
    check_path,
    check_payload_template,
    choice,
    is_jsonata,
    is_lone_jsonata,
    is_template,
    json_copy,
    shown,
)
from .writer import ResultWriter

MAX_CONCURRENCY = 10_000
"""The most child executions that AWS runs at once in one map run; also what 0 stands for there."""
MAX_LABEL_LENGTH = 40

_PARTITION = re.compile(r"aws(-[a-z0-9-]+)?")
_LABEL_FORBIDDEN = frozenset('?*<>{}[]:;,\\|^~$#%&`"')
_JSONPATH_ONLY = ("InputPath", "OutputPath", "ResultPath", "ResultSelector")
_JSONATA_ONLY = ("Output",)
STATE_FIELDS = ("Next", "End", "Retry", "Catch", "Assign", *_JSONPATH_ONLY, *_JSONATA_ONLY)
"""The fields of a Map state that are for the machine around it."""

# How AWS spells the fields of the parts, for errors that name a field.
ASL_NAMES = {
    "url": "",
    "bucket": ".Parameters.Bucket",
    "key": ".Parameters.Key",
    "prefix": ".Parameters.Prefix",
    "version_id": ".Parameters.VersionId",
    "expected_bucket_owner": ".Parameters.ExpectedBucketOwner",
    "arguments": ".Arguments",
    "max_items": ".ReaderConfig.MaxItems",
    "max_items_path": ".ReaderConfig.MaxItemsPath",
    "items_pointer": ".ReaderConfig.ItemsPointer",
    "max_items_per_batch": ".MaxItemsPerBatch",
    "max_items_per_batch_path": ".MaxItemsPerBatchPath",
    "max_input_bytes_per_batch": ".MaxInputBytesPerBatch",
    "max_input_bytes_per_batch_path": ".MaxInputBytesPerBatchPath",
    "batch_input": ".BatchInput",
    "max_concurrency": "MaxConcurrency",
    "max_concurrency_path": "MaxConcurrencyPath",
    "tolerated_failure_percentage": "ToleratedFailurePercentage",
    "tolerated_failure_percentage_path": "ToleratedFailurePercentagePath",
    "tolerated_failure_count": "ToleratedFailureCount",
    "tolerated_failure_count_path": "ToleratedFailureCountPath",
    "items": "Items",
    "items_path": "ItemsPath",
    "item_selector": "ItemSelector",
    "label": "Label",
}
_OWN_EXPRESSIONS = (
    "items",
    "items_path",
    "item_selector",
    "max_concurrency",
    "max_concurrency_path",
    "tolerated_failure_percentage",
    "tolerated_failure_percentage_path",
    "tolerated_failure_count",
    "tolerated_failure_count_path",
)


@dataclass(frozen=True, kw_only=True, repr=False)
class DistributedMap:
    """A Distributed Map: read items, run a child execution on each item or batch, write the results.

    ::

        DistributedMap(
            item_processor=delays,                                    # a function of a batch
            item_reader=S3CsvItemReader(bucket="flights", key="{{ ds }}.csv"),
            item_batcher=ItemBatcher(max_items_per_batch=500),
            max_concurrency=1000,
            tolerated_failure_percentage=10,
            result_writer=ResultWriter(bucket="processed", prefix="delays"),
        )

    The items are the reader's, or ``items`` (an array or object, or JSONata), or what ``items_path`` (default ``$``)
    finds in ``input``, the input of the map. ``retry`` and ``timeout`` (seconds, of one attempt) are those of a child
    execution. No tolerance is 0, as on AWS. No ``max_concurrency`` (or 0) is 10,000 on AWS; on the Airflow engine it
    is, in each partition, one child at a time of a plain function and up to 100 at once of an ``async def`` function
    or Lambda: give a number to run more at once. ``state_fields`` are AWS's fields for the state machine around the
    map (``Next``, ``Retry``, ``OutputPath``, …), for :meth:`to_asl` and Step Functions; ``aws_partition`` is that of
    the ARNs it writes (``aws``, ``aws-cn``, ``aws-us-gov``).

    A definition that cannot be is refused with :class:`InvalidDefinition`, naming the field as AWS spells it.
    Two are equal when all their fields are. Source of the rules: "Using Map state in Distributed mode" in the
    AWS Step Functions guide.
    """

    item_processor: ItemProcessor | Callable[..., Any]
    item_reader: ItemReader | None = None
    items: Any = UNSET
    items_path: str | None = None
    input: Any = UNSET
    item_selector: Mapping[str, Any] | Callable[..., Any] | str | None = None
    item_batcher: ItemBatcher | None = None
    max_concurrency: int | str | None = None
    max_concurrency_path: str | None = None
    tolerated_failure_percentage: float | str | None = None
    tolerated_failure_percentage_path: str | None = None
    tolerated_failure_count: int | str | None = None
    tolerated_failure_count_path: str | None = None
    label: str | None = None
    result_writer: ResultWriter | None = None
    execution_type: ExecutionType = ExecutionType.STANDARD
    retry: tuple[Retrier, ...] = ()
    timeout: float | None = None
    comment: str | None = None
    query_language: QueryLanguage = QueryLanguage.JSONPATH
    state_fields: Mapping[str, Any] = field(default_factory=dict)
    aws_partition: str = "aws"

    def __post_init__(self) -> None:
        self._set("item_processor", as_processor(self.item_processor))
        self._set("query_language", choice(QueryLanguage, self.query_language, "QueryLanguage"))
        kind = choice(ExecutionType, self.execution_type, "ItemProcessor.ProcessorConfig.ExecutionType")
        self._set("execution_type", kind)
        _check_type(self.item_reader, ItemReader, "ItemReader")
        _check_type(self.item_batcher, ItemBatcher, "ItemBatcher")
        _check_type(self.result_writer, ResultWriter, "ResultWriter")
        self._check_items()
        self._check_selector()
        self._check_limits()
        self._check_children()
        check_label(self.label)
        check_comment(self.comment, "Comment")
        if not _PARTITION.fullmatch(str(self.aws_partition)):
            problem = f"must be as aws or aws-cn, got {shown(self.aws_partition)}"
            raise InvalidDefinition("aws_partition", problem)
        self._set("state_fields", _state_fields(self.state_fields, self.query_language))
        self._check_language()

    @classmethod
    def from_asl(
        cls,
        map_state: Mapping[str, Any] | str,
        *,
        query_language: str | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> DistributedMap:
        """The definition in a Map state of the Amazon States Language, as a mapping or JSON text; see
        :func:`.asl.from_asl`.
        """
        from .asl import from_asl

        return from_asl(map_state, query_language=query_language, functions=functions)

    def to_asl(self) -> dict[str, Any]:
        """The Map state of the Amazon States Language; see :func:`.asl.to_asl`."""
        from .asl import to_asl

        return to_asl(self)

    def __str__(self) -> str:
        """The fields that are set, in short: functions by name, data by its length.

        Airflow keeps this text of a mapped task's arguments in the serialized DAG, and makes a new version of the DAG
        when it changes: so it must be the same at every parse, and hold no items.
        """
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        unset = (None, UNSET, ())
        told = (
            f"{name}={_short(name, value)}" for name, value in given.items() if not any(value is one for one in unset)
        )
        return f"{type(self).__name__}({', '.join(told)})"

    __repr__ = __str__

    def policy_statements(self, state_machine_arn: str) -> list[dict[str, Any]]:
        """The IAM statements that the role of a state machine around this map needs; see
        :func:`.policy.policy_statements`.
        """
        from .policy import policy_statements

        return policy_statements(self, state_machine_arn)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_items(self) -> None:
        check_path(self.items_path, "ItemsPath")
        if self.items is UNSET:
            return
        if self.item_reader is not None:
            raise InvalidDefinition("Items", "give item_reader or items, not both")
        if self.items_path is not None:
            raise InvalidDefinition("ItemsPath", "give items or items_path, not both")
        if self.items is None or isinstance(self.items, bool | int | float):
            raise InvalidDefinition("Items", f"must be an array or an object, got {shown(self.items)}")
        if isinstance(self.items, str) and not is_jsonata(self.items):
            allowed = "an array, an object, an upstream task's output or a JSONata expression"
            raise InvalidDefinition("Items", f"must be {allowed}, got {shown(self.items)}")

    def _check_selector(self) -> None:
        selector = self.item_selector
        if selector is None:
            return
        if isinstance(selector, Mapping):
            self._set("item_selector", json_copy(selector, "ItemSelector"))
        elif not callable(selector) and not is_jsonata(selector):
            raise InvalidDefinition("ItemSelector", f"must be an object or a function, got {shown(selector)}")

    def _check_limits(self) -> None:
        percentage, count = "ToleratedFailurePercentage", "ToleratedFailureCount"
        check_integer(self.max_concurrency, "MaxConcurrency", 0, MAX_CONCURRENCY)
        check_path(self.max_concurrency_path, "MaxConcurrencyPath")
        check_one(self.max_concurrency, self.max_concurrency_path, "MaxConcurrency", "max_concurrency")
        check_number(self.tolerated_failure_percentage, percentage, 0, 100)
        check_path(self.tolerated_failure_percentage_path, f"{percentage}Path")
        check_one(
            self.tolerated_failure_percentage,
            self.tolerated_failure_percentage_path,
            percentage,
            "tolerated_failure_percentage",
        )
        check_integer(self.tolerated_failure_count, count, 0)
        check_path(self.tolerated_failure_count_path, f"{count}Path")
        check_one(self.tolerated_failure_count, self.tolerated_failure_count_path, count, "tolerated_failure_count")

    def _check_children(self) -> None:
        self._set("retry", as_retriers(self.retry))
        _check_timeout(self.timeout)
        if isinstance(self.item_processor, AslProcessor | TaskGroupProcessor):
            where = "its states" if isinstance(self.item_processor, AslProcessor) else "its operators"
            for name, given in (("Retry", self.retry), ("TimeoutSeconds", self.timeout)):
                if given:
                    raise InvalidDefinition(name, f"{type(self.item_processor).__name__} says it in {where}")
        if (
            isinstance(self.item_processor, PythonFunction)
            and self.item_processor.per_item
            and self.item_batcher is None
        ):
            raise InvalidDefinition("ItemProcessor", "per_item is for batches: give an item_batcher")

    def _check_language(self) -> None:
        """What only one of the two query languages has."""
        jsonata = self.query_language is QueryLanguage.JSONATA
        if not jsonata and isinstance(self.item_selector, Mapping):
            check_payload_template(self.item_selector, "ItemSelector")
        if not jsonata and self.item_batcher is not None:
            check_payload_template(self.item_batcher.batch_input, "ItemBatcher.BatchInput")
        for name, value in self.expressions():
            if jsonata and isinstance(value, JsonPath):
                problem = f'QueryLanguage is JSONata, which has no paths: write {value} as "{{% … %}}"'
                raise InvalidDefinition(name, problem)
            if jsonata and name.endswith("Path"):
                problem = "QueryLanguage is JSONata, which has no such field: give the one without Path"
                raise InvalidDefinition(name, problem)
            if not jsonata and is_lone_jsonata(value):
                problem = f"{shown(value)} is JSONata: set query_language=QueryLanguage.JSONATA"
                raise InvalidDefinition(name, problem)

    def expressions(self) -> Iterator[tuple[str, Any]]:
        """Field name (AWS's) and value of every field that the query language decides about and that is
        given.
        """
        for name in _OWN_EXPRESSIONS:
            if (value := getattr(self, name)) is not None:
                yield ASL_NAMES[name], value
        parts = {
            "ItemReader": self.item_reader,
            "ItemBatcher": self.item_batcher,
            "ResultWriter": self.result_writer,
        }
        for part, holder in parts.items():
            for one in fields(holder) if holder is not None else ():
                value = getattr(holder, one.name)
                if one.name in ASL_NAMES and value is not None:
                    yield f"{part}{ASL_NAMES[one.name]}", value


def _short(name: str, value: Any) -> str:
    if name in ("items", "input"):
        return f"<{len(value)} items>" if isinstance(value, list | tuple | Mapping) else f"<{type(value).__name__}>"
    if isinstance(value, PythonFunction | TaskGroupProcessor):
        return f"{type(value).__name__}({_short('', value.function)})"
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return repr(value)


def check_label(label: object) -> None:
    """Refuse a label that AWS refuses: 1 to 40 characters, no white space, control characters or
    ``?*<>{}[]:;,\\|^~$#%&`"``.
    """
    if label is None or is_template(label):
        return
    if not isinstance(label, str):
        raise InvalidDefinition("Label", f"must be a string, got {shown(label)}")
    if not 1 <= len(label) <= MAX_LABEL_LENGTH:
        raise InvalidDefinition("Label", f"must have 1 to {MAX_LABEL_LENGTH} characters, got {len(label)}")
    for character in label:
        control = character < " " or "\x7f" <= character <= "\x9f"
        if control or character.isspace() or character in _LABEL_FORBIDDEN:
            raise InvalidDefinition("Label", f"must not hold {character!r}, got {shown(label)}")


def _check_timeout(limit: object) -> None:
    if limit is None:
        return
    if isinstance(limit, int | float) and not isinstance(limit, bool) and 0 < limit < math.inf:
        return
    raise InvalidDefinition("TimeoutSeconds", f"must be a number of seconds above 0, got {shown(limit)}")


def _check_type(value: object, kind: type, name: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise InvalidDefinition(name, f"must be an {kind.__name__}, got {shown(value)}")


def _state_fields(given: object, language: QueryLanguage) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidDefinition("state_fields", f"must be an object, got {shown(given)}")
    unknown = sorted(str(name) for name in given if name not in STATE_FIELDS)
    if unknown:
        raise InvalidDefinition(unknown[0], f"is not one of the state_fields: {', '.join(STATE_FIELDS)}")
    copy: dict[str, Any] = {name: json_copy(value, name) for name, value in given.items()}
    wrong = _JSONPATH_ONLY if language is QueryLanguage.JSONATA else _JSONATA_ONLY
    for name in wrong:
        if name in copy:
            raise InvalidDefinition(name, f"is not a field of a Map state whose QueryLanguage is {language}")
    _check_transition(copy)
    for name, kinds, what in (
        ("InputPath", str | None, "a path or null"),
        ("OutputPath", str | None, "a path or null"),
        ("ResultPath", str | None, "a path or null"),
        ("ResultSelector", dict, "an object"),
        ("Retry", list, "an array"),
        ("Catch", list, "an array"),
        ("Assign", dict | str, "an object"),
    ):
        if name in copy and not isinstance(copy[name], kinds):
            raise InvalidDefinition(name, f"must be {what}, got {shown(copy[name])}")
    for name in ("InputPath", "OutputPath", "ResultPath"):
        if (path := copy.get(name)) is not None:
            compile_reference_path(path, name) if name == "ResultPath" else compile_path(path, name)
    return copy


def _check_transition(copy: dict[str, Any]) -> None:
    """``End: true`` is what a state without Next has, so it is left out: one spelling of one meaning."""
    if "Next" in copy and (not isinstance(copy["Next"], str) or not copy["Next"]):
        raise InvalidDefinition("Next", f"must be a state's name, got {shown(copy['Next'])}")
    end = copy.pop("End", None)
    if end is not None and not isinstance(end, bool):
        raise InvalidDefinition("End", f"must be true or false, got {shown(end)}")
    if end is True and "Next" in copy:
        raise InvalidDefinition("End", "a state has Next or End, not both")
    if end is False and "Next" not in copy:
        raise InvalidDefinition("End", "must be true in a state without Next")


__all__ = ["MAX_CONCURRENCY", "STATE_FIELDS", "DistributedMap", "Unset", "check_label"]
