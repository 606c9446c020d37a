"""Putting a selected item together: it runs per item, so all that can be decided once is decided before."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

# (index, value, key, source) -> the selected item
Select = Callable[[int, Any, str | None, str | None], Any]
_Copy = Callable[[Any], Any]


class Member(Enum):
    """What a part of a template takes from the item; the two common ones need no call."""

    VALUE = "VALUE"
    INDEX = "INDEX"
    OTHER = "OTHER"


class Constant(NamedTuple):
    """A part that is the same for every item."""

    value: Any


class Maker(NamedTuple):
    """A part that depends on the item."""

    member: Member
    select: Select


def constant_or_select(part: Constant | Maker) -> Select:
    """How to make ``part`` for an item; changeable constants are copied, so that no two items share one."""
    if isinstance(part, Maker):
        return part.select
    value, copy = part.value, copier(part.value)
    if copy is None:
        return lambda *_: value
    return lambda *_: copy(value)


def select_object(members: list[tuple[str, Constant | Maker]]) -> Constant | Maker:
    """An object of parts, its keys in their order."""
    if all(isinstance(part, Constant) for _, part in members):
        return Constant({key: part.value for key, part in members if isinstance(part, Constant)})
    # Every key has its place from the start; the parts that depend on the item are then written over.
    base: dict[str, Any] = {key: None for key, _ in members}
    values: list[str] = []
    indexes: list[str] = []
    others: list[tuple[str, Select]] = []
    for key, part in members:
        if isinstance(part, Constant) and copier(part.value) is None:
            base[key] = part.value
        elif isinstance(part, Maker) and part.member is Member.VALUE:
            values.append(key)
        elif isinstance(part, Maker) and part.member is Member.INDEX:
            indexes.append(key)
        else:
            others.append((key, constant_or_select(part)))
    return Maker(Member.OTHER, _object(base, values, indexes, others))


def _object(base: dict[str, Any], values: list[str], indexes: list[str], others: list[tuple[str, Select]]) -> Select:
    fresh = base.copy

    def simple(index: int, value: Any, key: str | None, source: str | None) -> Any:
        made = fresh()
        for name in values:
            made[name] = value
        for name in indexes:
            made[name] = index
        return made

    def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
        made = fresh()
        for name in values:
            made[name] = value
        for name in indexes:
            made[name] = index
        for name, make in others:
            made[name] = make(index, value, key, source)
        return made

    return select if others else simple


def select_array(parts: list[Constant | Maker]) -> Constant | Maker:
    """An array of parts."""
    if all(isinstance(part, Constant) for part in parts):
        return Constant([part.value for part in parts if isinstance(part, Constant)])
    makers = [constant_or_select(part) for part in parts]

    def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
        return [make(index, value, key, source) for make in makers]

    return Maker(Member.OTHER, select)


def copier(value: Any) -> _Copy | None:
    """How to copy a JSON value deeply; None for one that cannot change."""
    if isinstance(value, dict):
        return deep_copy if any(isinstance(part, dict | list) for part in value.values()) else dict.copy
    if isinstance(value, list):
        return deep_copy if any(isinstance(part, dict | list) for part in value) else list.copy
    return None


def deep_copy(value: Any) -> Any:
    """A copy of a JSON value that shares nothing changeable with it."""
    if isinstance(value, dict):
        return {key: deep_copy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [deep_copy(part) for part in value]
    return value
