"""Payload templates: ItemSelector, BatchInput and the Parameters of readers and writers.

In a JSONPath payload template a key that ends in ``.$`` holds a path whose value replaces it; everything else
is copied verbatim, even a string that looks like a path. ``$`` is the map's effective input, never the item;
the item is ``$$.Map.Item.Value``, beside ``$$.Map.Item.Index``, ``.Key`` (only for items that are members of
an object) and ``.Source``. Source: "Payload template" in the Amazon States Language, "ItemSelector (Map)" in
the AWS guide.


    select = compile_selector({"row.$": "$$.Map.Item.Value", "run.$": "$.run"}).bind(scope).select
    child_input = select(index, value, None, source)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from .errors import InvalidDefinition, StatesRuntime, UnsupportedField
from .paths import CompiledPath, JsonPath, PathNotFound, Scope, compile_path, not_found
from .selecting import (
    BoundSelector,
    Constant,
    Maker,
    Member,
    Select,
    constant_or_select,
    copying,
    item_context,
    select_array,
    select_object,
)
from .selector_function import CallableSelector
from .values import QueryLanguage, is_jsonata, strings

_ITEM = ("Map", "Item")


class Bound(Protocol):
    """A selector for one map run: ``select(index, value, key, source)`` gives what the child receives.

    ``index`` counts from 0; ``key`` is the member's name where the items come from an object, else None;
    ``source`` is ``STATE_DATA`` or an S3 URI, None where there is none. What is selected shares no changeable
    value with other items. Raises StatesRuntime with the item's index.
    """

    @property
    def select(self) -> Select: ...


class Template:
    """A compiled payload template."""

    __slots__ = ("_root",)

    def __init__(self, root: _Node) -> None:
        self._root = root

    def evaluate(self, scope: Scope) -> Any:
        """The template's value in ``scope``. Raises StatesRuntime when a path leads nowhere."""
        return self._root.evaluate(scope)

    def bind(self, scope: Scope) -> BoundSelector:
        """Evaluate all but the parts that depend on ``$$.Map.Item``. Raises StatesRuntime."""
        return BoundSelector(constant_or_select(self._root.bind(scope)))


class Untouched:
    """No ItemSelector: an item is its raw value, a member of an object ``{"Key": …, "Value": …}``."""

    __slots__ = ()

    def bind(self, scope: Scope) -> BoundSelector:
        """Nothing depends on the scope."""
        return BoundSelector(_raw)


def compile_selector(
    selector: object,
    field: str = "ItemSelector",
    query_language: QueryLanguage = QueryLanguage.JSONPATH,
) -> Template | Untouched | CallableSelector:
    """The selector of a definition: a payload template, a callable or None.

    Raises InvalidDefinition naming ``field``, UnsupportedField for a JSONata expression.
    """
    if selector is None:
        return Untouched()
    if isinstance(selector, Mapping):
        return compile_template(selector, field, query_language)
    if callable(selector):
        return CallableSelector(selector, field)
    if isinstance(selector, str):
        raise UnsupportedField(field, "JSONata expressions are not evaluated by the airflow engine")
    raise InvalidDefinition(field, f"must be an object or a function, not {selector!r}")


def compile_template(template: Any, field: str, query_language: QueryLanguage = QueryLanguage.JSONPATH) -> Template:
    """Compile a payload template (any JSON value; :class:`JsonPath` objects count as paths).

    Raises InvalidDefinition, naming ``field`` and the keys down to the place, for a path that cannot be parsed
    and for intrinsic functions, which are not supported here. With JSONata no key is special, and an expression
    raises UnsupportedField.
    """
    if query_language is QueryLanguage.JSONATA:
        if any(is_jsonata(text) for text in strings(template)):
            raise UnsupportedField(field, "JSONata expressions are not evaluated by the airflow engine")
        return Template(_Value(template))
    root = _compile(template, field)
    _separate(list(root.paths()))
    return Template(root)


def _separate(paths: list[_Path]) -> None:
    """Let no two paths give the same part of an item: from the second on, they give copies.

    Otherwise a function that changes one member of its input changes another.
    """
    places: list[tuple[object, ...]] = []
    for path in paths:
        place = path.place_in_value()
        if place is not None:
            path.copies = any(a[: len(b)] == b[: len(a)] for a, b in ((place, other) for other in places))
            places.append(place)


def _compile(template: Any, field: str) -> _Node:
    if isinstance(template, Mapping):
        return _Object(_members(template, field))
    if isinstance(template, list | tuple):
        parts = [_element(part, index, field) for index, part in enumerate(template)]
        return _Array(parts)
    return _Value(template)


def _element(part: Any, index: int, field: str) -> _Node:
    place = f"{field}[{index}]"
    return _Path(part.path, place, place) if isinstance(part, JsonPath) else _compile(part, place)


def _members(template: Mapping[Any, Any], field: str) -> list[tuple[str, _Node]]:
    members: dict[str, _Node] = {}
    for key, value in template.items():
        if not isinstance(key, str):
            raise InvalidDefinition(field, f"keys must be strings, not {key!r}")
        place = f"{field}.{key}"
        name = key.removesuffix(".$")
        node: _Node
        if name != key:
            node = _Path(value.path if isinstance(value, JsonPath) else value, place, key)
        elif isinstance(value, JsonPath):
            node = _Path(value.path, place, f"{key}.$")
        else:
            node = _compile(value, place)
        if name in members:
            raise InvalidDefinition(place, f"{name!r} is given both as a value and as a path")
        members[name] = node
    return list(members.items())


class _Node(Protocol):
    def evaluate(self, scope: Scope) -> Any: ...

    def bind(self, scope: Scope) -> Constant | Maker: ...

    def paths(self) -> Iterator[_Path]: ...


class _Value:
    def __init__(self, value: Any) -> None:
        self._value = value

    def evaluate(self, scope: Scope) -> Any:
        return self._value

    def bind(self, scope: Scope) -> Constant | Maker:
        return Constant(self._value)

    def paths(self) -> Iterator[_Path]:
        return iter(())


class _Object:
    def __init__(self, members: list[tuple[str, _Node]]) -> None:
        self._members = members

    def evaluate(self, scope: Scope) -> Any:
        return {key: node.evaluate(scope) for key, node in self._members}

    def bind(self, scope: Scope) -> Constant | Maker:
        return select_object([(key, node.bind(scope)) for key, node in self._members])

    def paths(self) -> Iterator[_Path]:
        for _, node in self._members:
            yield from node.paths()


class _Array:
    def __init__(self, parts: Iterable[_Node]) -> None:
        self._parts = list(parts)

    def evaluate(self, scope: Scope) -> Any:
        return [node.evaluate(scope) for node in self._parts]

    def bind(self, scope: Scope) -> Constant | Maker:
        return select_array([node.bind(scope) for node in self._parts])

    def paths(self) -> Iterator[_Path]:
        for node in self._parts:
            yield from node.paths()


class _Path:
    """``key``: how AWS names the field when the path leads nowhere, as ``id.$``."""

    def __init__(self, path: object, place: str, key: str) -> None:
        self._path = compile_path(path, place)
        self._key = key
        self.copies = False

    def paths(self) -> Iterator[_Path]:
        yield self

    def place_in_value(self) -> tuple[object, ...] | None:
        """What of the item's value the path gives, or begins with: the keys down to it. None: nothing of it."""
        if not _depends_on_item(self._path):
            return None
        leading = self._path.leading
        return leading[3:] if leading[2:3] in ((), ("Value",)) else None

    def evaluate(self, scope: Scope) -> Any:
        try:
            return self._path.find(scope)
        except PathNotFound:
            raise not_found(self._path.text, self._key, scope.input) from None

    def bind(self, scope: Scope) -> Constant | Maker:
        if not _depends_on_item(self._path):
            return Constant(self.evaluate(scope))
        maker = self._bind_item(scope)
        # A query may find the same part several times.
        if self.copies or not self._path.is_definite:
            return Maker(Member.OTHER, copying(maker.select))
        return maker

    def _bind_item(self, scope: Scope) -> Maker:
        segments = self._path.segments
        if segments == (*_ITEM, "Value"):
            return Maker(Member.VALUE, _value)
        if segments == (*_ITEM, "Index"):
            return Maker(Member.INDEX, _index)
        if segments == (*_ITEM, "Key"):
            return Maker(Member.OTHER, self._named(scope, lambda index, value, key, source: key))
        if segments == (*_ITEM, "Source"):
            return Maker(Member.SOURCE, self._named(scope, lambda index, value, key, source: source))
        if segments is not None and segments[:3] == (*_ITEM, "Value"):
            inside = segments[3:]
            if len(inside) == 1 and isinstance(inside[0], str):
                return Maker(Member.PROPERTY, self._inside_value(scope), inside[0])
            return Maker(Member.OTHER, self._inside_value(scope))
        return Maker(Member.OTHER, self._inside_context(scope))

    def _named(self, scope: Scope, take: Select) -> Select:
        """Key or Source, which not every item has."""

        def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
            found = take(index, value, key, source)
            if found is None:
                raise self._missing(scope, index)
            return found

        return select

    def _inside_value(self, scope: Scope) -> Select:
        get = self._path.below(3)

        def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
            try:
                return get(value)
            except PathNotFound:
                raise self._missing(scope, index) from None

        return select

    def _inside_context(self, scope: Scope) -> Select:
        get, context = self._path.get, scope.context

        def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
            item = {"Item": item_context(index, value, key, source)}
            try:
                return get({**context, "Map": item})
            except PathNotFound:
                raise self._missing(scope, index) from None

        return select

    def _missing(self, scope: Scope, index: int) -> StatesRuntime:
        # AWS's sentence, and the item: without it nobody finds the one row of millions.
        error = not_found(self._path.text, self._key, scope.input)
        return StatesRuntime(f"{error.cause} (item {index})")


def _depends_on_item(path: CompiledPath) -> bool:
    return path.root == "$$" and all(a == b for a, b in zip(path.leading, _ITEM, strict=False))


def _value(index: int, value: Any, key: str | None, source: str | None) -> Any:
    return value


def _index(index: int, value: Any, key: str | None, source: str | None) -> Any:
    return index


def _raw(index: int, value: Any, key: str | None, source: str | None) -> Any:
    return value if key is None else {"Key": key, "Value": value}
