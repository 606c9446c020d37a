"""Putting a selected item together: it runs per item, so all that can be decided once is decided before."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

# (index, value, key, source) -> the selected item
Select = Callable[[int, Any, str | None, str | None], Any]
_Copy = Callable[[Any], Any]


class BoundSelector:
    """The result of every selector's ``bind``; see :class:`.selector.Bound`."""

    __slots__ = ("select",)

    def __init__(self, select: Select) -> None:
        self.select: Select = select


class Member(Enum):
    """What a part of a template takes from the item; the common ones need no call."""

    VALUE = "VALUE"
    INDEX = "INDEX"
    SOURCE = "SOURCE"
    PROPERTY = "PROPERTY"
    """A property of the value: the maker's ``name``."""
    OTHER = "OTHER"


class Constant(NamedTuple):
    """A part that is the same for every item."""

    value: Any


class Maker(NamedTuple):
    """A part that depends on the item."""

    member: Member
    select: Select
    name: str = ""


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
    taken: dict[Member, list[str]] = {member: [] for member in Member}
    properties: list[tuple[str, str]] = []
    others: list[tuple[str, Select]] = []
    for key, part in members:
        if isinstance(part, Constant) and copier(part.value) is None:
            base[key] = part.value
        elif isinstance(part, Maker) and part.member is Member.PROPERTY:
            properties.append((key, part.name))
        elif isinstance(part, Maker) and part.member is not Member.OTHER:
            taken[part.member].append(key)
        else:
            others.append((key, constant_or_select(part)))
    makers = [part.select for _, part in members if isinstance(part, Maker)]
    return Maker(Member.OTHER, _object(base, taken, properties, others, makers))


def _object(
    base: dict[str, Any],
    taken: dict[Member, list[str]],
    properties: list[tuple[str, str]],
    others: list[tuple[str, Select]],
    makers: list[Select],
) -> Select:
    if len(properties) == len(base) == 1:
        return _one_property(*properties[0], makers)
    fresh = base.copy
    values, indexes, sources = taken[Member.VALUE], taken[Member.INDEX], taken[Member.SOURCE]

    def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
        made = fresh()
        try:
            for name, wanted in properties:
                made[name] = value[wanted]
        except (KeyError, TypeError):
            _tell(makers, index, value, key, source)
            raise
        if sources and source is None:
            _tell(makers, index, value, key, source)
        for name in values:
            made[name] = value
        for name in indexes:
            made[name] = index
        for name in sources:
            made[name] = source
        for name, make in others:
            made[name] = make(index, value, key, source)
        return made

    return select


def _one_property(name: str, wanted: str, makers: list[Select]) -> Select:
    def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
        try:
            return {name: value[wanted]}
        except (KeyError, TypeError):
            _tell(makers, index, value, key, source)
            raise

    return select


def _tell(makers: list[Select], index: int, value: Any, key: str | None, source: str | None) -> None:
    """Say what an item lacks: of the makers, in the template's order, the first that finds nothing raises it."""
    for make in makers:
        make(index, value, key, source)


def select_array(parts: list[Constant | Maker]) -> Constant | Maker:
    """An array of parts."""
    if all(isinstance(part, Constant) for part in parts):
        return Constant([part.value for part in parts if isinstance(part, Constant)])
    makers = [constant_or_select(part) for part in parts]

    def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
        return [make(index, value, key, source) for make in makers]

    return Maker(Member.OTHER, select)


def copying(select: Select) -> Select:
    """``select``, but what it gives is a copy."""

    def copied(index: int, value: Any, key: str | None, source: str | None) -> Any:
        return deep_copy(select(index, value, key, source))

    return copied


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


def item_context(index: int, value: Any, key: str | None, source: str | None) -> dict[str, Any]:
    """What ``$$.Map.Item`` is."""
    item = {"Index": index, "Value": value}
    if key is not None:
        item["Key"] = key
    if source is not None:
        item["Source"] = source
    return item
