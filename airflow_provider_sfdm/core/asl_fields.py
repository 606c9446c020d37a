"""Reading the fields of one object of the Amazon States Language, each exactly once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import InvalidDefinition, UnsupportedField
from .paths import JsonPath, compile_path
from .values import Intrinsic, QueryLanguage, Text, is_jsonata, shown

_RESOURCE = re.compile(r"arn:(aws(?:-[a-z0-9-]+)?):states:::(.+)")


class Fields:
    """An object's fields, taken one by one; what is left at the end is refused by name.

    A field that is null counts as wrong, not as absent: AWS refuses null in these fields.
    """

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            # The state itself has no field's name.
            raise InvalidDefinition(path or "Map", f"must be an object, got {shown(value)}")
        self.path = path
        self._left: dict[str, Any] = dict(value)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def name(self, name: str) -> str:
        """The whole path of the field ``name``."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field, or ``default`` where it is absent."""
        value = self._left.pop(name, self)
        if value is self:
            return default
        if value is None:
            raise InvalidDefinition(self.name(name), "must not be null")
        return value

    def take_all(self) -> dict[str, Any]:
        """All fields that are left, null ones too."""
        left, self._left = self._left, {}
        return left

    def take_raw(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Those of the fields that are there, null ones too."""
        return {name: self._left.pop(name) for name in names if name in self._left}

    def take_renamed(self, name: str, legacy: str) -> tuple[str, Any]:
        """The field ``name``, or its older name ``legacy``: the name found and the value. Both at once are
        refused.
        """
        if name in self and legacy in self:
            raise InvalidDefinition(self.name(legacy), f"is the older name of {name}: give one of them")
        found = legacy if legacy in self else name
        return found, self.take(found)

    def take_arguments(self, language: QueryLanguage) -> Fields | str | None:
        """The arguments of a service call, spelled ``Parameters`` or ``Arguments`` as the language has it; with JSONata
        one expression may give them all.
        """
        name = arguments_name(language)
        value = self.take(name)
        if language is QueryLanguage.JSONATA and isinstance(value, str) and is_jsonata(value):
            return value
        return None if value is None else Fields(value, self.name(name))

    def take_text(self, name: str, language: QueryLanguage) -> Text | None:
        """An argument: its value, or with JSONPath the path in ``name.$``."""
        path_name = f"{name}.$"
        if language is QueryLanguage.JSONATA or path_name not in self:
            value = self.take(name)
            if value is not None and not isinstance(value, str):
                raise InvalidDefinition(self.name(name), f"must be a string, got {shown(value)}")
            return value
        if name in self:
            raise InvalidDefinition(self.name(path_name), f"give {name} or {path_name}, not both")
        path = self.take(path_name)
        if isinstance(path, str) and path.startswith("States."):
            return Intrinsic(path)
        compile_path(path, self.name(path_name))
        return JsonPath(path)

    def take_resource(self) -> tuple[str, str] | None:
        """The partition and the service action of ``Resource``, such as ``("aws", "s3:getObject")``."""
        value = self.take("Resource")
        if value is None:
            return None
        match = _RESOURCE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise InvalidDefinition(
                self.name("Resource"), f"must be as arn:aws:states:::s3:getObject, got {shown(value)}"
            )
        return match[1], match[2]

    def done(self, hint: str = "") -> None:
        """Refuse the fields that nobody took."""
        for name in self._left:
            raise InvalidDefinition(self.name(name), f"is not a field here{hint}")


def arguments_name(language: QueryLanguage) -> str:
    """``Parameters`` in JSONPath, ``Arguments`` in JSONata."""
    return "Arguments" if language is QueryLanguage.JSONATA else "Parameters"


def spell_arguments(values: Mapping[str, Text | None]) -> dict[str, str]:
    """Arguments as ASL has them: ``name`` for a value, ``name.$`` for a path; None is left out."""
    spelled = {}
    for name, value in values.items():
        if isinstance(value, JsonPath):
            spelled[f"{name}.$"] = value.path
        elif value is not None:
            spelled[name] = value
    return spelled


def spell_number(value: float | str | None, field: str) -> Any:
    """A number or its JSONata expression. A Jinja template is none that Step Functions knows, so it is
    refused.
    """
    if isinstance(value, str) and not is_jsonata(value):
        raise UnsupportedField(field, f"{value!r} must be rendered before it goes into the Amazon States Language")
    return value


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in values.items() if value is not None}
