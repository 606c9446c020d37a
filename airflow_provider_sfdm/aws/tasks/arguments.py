"""From a task's arguments, in Step Functions' spelling, to what boto3 takes; and everything that is wrong with them.

The same walk checks a definition before anything runs. What is not known then (a path, an expression) is `DYNAMIC`.
The messages are AWS's: CreateStateMachine's diagnostics and the causes of States.Runtime use the same ones.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from ...core.json import dumps
from .spelling import Spelling


class _Dynamic(Enum):
    VALUE = 0


DYNAMIC: Final = _Dynamic.VALUE
"""A value that only the running state knows."""

# Nobody's arguments are nested deeper: DynamoDB's documents are the deepest, with 32 levels of three values each.
_MAX_DEPTH = 200
# DynamoDB's. Both BOOL and Bool, NULL and Nul are met in definitions: results of aws-sdk tasks have the second ones.
_DOCUMENT = "AttributeValue"


@dataclass(frozen=True)
class TaskProblem:
    """Something in a Task state that cannot work.

    :param message: AWS's words for it, where they are known.
    :param location: where it is in the arguments, as AWS writes places: ``/Entries[0]/Detail``; "" for all of them, or
        for the resource.
    :param hint: what to write instead, or "".
    """

    message: str
    location: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.message}; {self.hint}" if self.hint else self.message
        return f"{text} (at {self.location})" if self.location else text


def nested_too_deeply(value: Any) -> bool:
    """Whether arguments have more levels than what walks through them should go down."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def template(value: Any, query_language: str) -> Any:
    """The arguments of a definition, with what the state evaluates replaced by `DYNAMIC`."""
    if isinstance(value, dict):
        if query_language == "JSONata":
            return {key: template(item, query_language) for key, item in value.items()}
        return {
            key.removesuffix(".$"): DYNAMIC if key.endswith(".$") else template(item, query_language)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [template(item, query_language) for item in value]
    if query_language == "JSONata" and isinstance(value, str) and value.startswith("{%"):
        return DYNAMIC
    return value


class Arguments:
    """One reading of arguments; ``problems`` is what was found."""

    def __init__(self, spelling: Spelling, json_text: frozenset[str] = frozenset()) -> None:
        """:param json_text: the members that are strings to the service and may be any JSON here."""
        self._spelling = spelling
        self._json_text = json_text
        self.problems: list[TaskProblem] = []

    def read(self, value: Any, shape: StructureShape | None) -> dict[str, Any]:
        """What boto3 takes. Meaningless if there are problems."""
        if value is DYNAMIC:
            return {}
        if not isinstance(value, dict):
            self._add("The arguments of this resource must be a JSON object", "")
            return {}
        if shape is None:
            for key in value:
                self._unsupported(key, [], f"/{key}")
            return {}
        return self._structure(value, shape, "")

    def _value(self, value: Any, shape: Shape, field: str, location: str) -> Any:
        if value is DYNAMIC or getattr(shape, "is_document_type", False):
            return value
        if isinstance(shape, StructureShape):
            if self._is_a(value, dict, "a JSON object", field, location):
                return self._structure(value, shape, location)
        elif isinstance(shape, ListShape):
            if self._is_a(value, list, "a LIST", field, location):
                return [
                    self._value(item, shape.member, field, f"{location}[{index}]") for index, item in enumerate(value)
                ]
        elif isinstance(shape, MapShape):
            if self._is_a(value, dict, "a JSON object", field, location):
                return {key: self._value(item, shape.value, key, f"{location}/{key}") for key, item in value.items()}
        else:
            return self._scalar(value, shape, field, location)
        return None

    def _structure(self, value: dict[str, Any], shape: StructureShape, location: str) -> dict[str, Any]:
        names = {self._spelling.member(name, shape.name): name for name in shape.members}
        if shape.name == _DOCUMENT:
            names |= {name: name for name in shape.members}
        read: dict[str, Any] = {}
        for key, item in value.items():
            name = names.get(key)
            if name is None:
                self._unsupported(key, list(names), f"{location}/{key}")
            elif item is not None:  # null is Java's way to say that a member is not set; recorded for lambda:invoke
                read[name] = self._value(item, shape.members[name], key, f"{location}/{key}")
        tokens = {name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")}
        for name in shape.required_members:
            if name not in read and name not in tokens:
                missing = self._spelling.member(name, shape.name)
                self._add(f"The field '{missing}' is required but was missing", location)
        return read

    def _scalar(self, value: Any, shape: Shape, field: str, location: str) -> Any:
        kind = shape.type_name
        if kind == "blob":
            return self._bytes(value, shape, field, location)
        if isinstance(shape, StringShape) or kind in ("string", "character"):
            return self._string(value, shape, field, location)
        if kind == "boolean":
            self._is_a(value, bool, "a BOOLEAN", field, location)
        elif kind in ("integer", "long", "short", "byte", "bigInteger"):
            if isinstance(value, float) and value.is_integer():
                return int(value)
            self._is_a(value, int, "an INTEGER", field, location)
        elif kind in ("float", "double", "bigDecimal"):
            if isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            self._is_a(value, float, "a NUMBER", field, location)
        elif kind == "timestamp":
            return self._timestamp(value, field, location)
        return value

    def _timestamp(self, value: Any, field: str, location: str) -> Any:
        try:
            if isinstance(value, bool):
                raise TypeError("a bool is an int in Python")
            return self._spelling.moment(value)
        except (ValueError, TypeError, OverflowError, OSError, RuntimeError):
            self._add(f"The value for the field '{field}' must be a valid ISO 8601 timestamp", location)
            return None

    def _bytes(self, value: Any, shape: Shape, field: str, location: str) -> bytes:
        if _holds_dynamic(value):
            return b""
        if shape.serialization.get("streaming"):
            # A body is the JSON text of its value, so that a string has quotes; recorded for S3's Body.
            return dumps(value)
        try:
            return self._spelling.decode(value)
        except ValueError:
            self._add(f"The value for the field '{field}' must be a base64 STRING", location)
            return b""

    def _string(self, value: Any, shape: Shape, field: str, location: str) -> Any:
        if not isinstance(value, str) and self._may_be_json(value, shape, field):
            value = "" if _holds_dynamic(value) else dumps(value).decode()
        if not self._is_a(value, str, "a STRING", field, location):
            return None
        if shape.serialization.get("jsonvalue"):
            # botocore would write the text as JSON once more; Java takes it as it is.
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    def _may_be_json(self, value: Any, shape: Shape, field: str) -> bool:
        """Whether a text may be given as JSON: any, for some members, or what no text could be meant by."""
        if field in self._json_text:
            return True
        no_text = isinstance(value, dict | list) and not getattr(shape, "enum", None)
        return self._spelling.json_texts and no_text

    def _is_a(self, value: Any, kind: type, what: str, field: str, location: str) -> bool:
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return True
        self._add(f"The value for the field '{field}' must be {what}", location)
        return False

    def _unsupported(self, key: str, known: list[str], location: str) -> None:
        alike = [name for name in known if name.lower() == key.lower()] or difflib.get_close_matches(
            key, known, 1, 0.75
        )
        hint = f"did you mean {alike[0]}?" if alike else ""
        self._add(f'The field "{key}" is not supported by Step Functions', location, hint)

    def _add(self, message: str, location: str, hint: str = "") -> None:
        self.problems.append(TaskProblem(message, location, hint))


def _holds_dynamic(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_dynamic(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_dynamic(item) for item in value)
    return value is DYNAMIC
