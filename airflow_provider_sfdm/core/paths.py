"""JSONPath as Step Functions understands it.

::

    $.orders[0]["unit price"]     into the state's input; definite: one value, or an error when it is missing
    $$.Execution.Name             into the context object
    $region.code                  into the workflow variable ``region``
    $.orders[*].id                indefinite (wildcard, slice, union, filter, ``..``): the list of what matched,
                                  maybe empty
    $.order["id", "total"]        a union of names: one object with those of them that there are

AWS uses the Jayway library, whose rules these are. Definite paths are compiled here to plain getters, because
they are evaluated per item; indefinite ones are left to the python-jsonpath library. No path ever becomes
code. Filters by regular expression are refused: a pattern from outside can take unbounded time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from .errors import InvalidDefinition, StatesRuntime
from .json import excerpt
from .jsonpath_syntax import Part, PathSyntaxError, QueryError, Segment, parse, spell
from .limits import MAX_CAUSE

Getter = Callable[[Any], Any]
NULL_INPUT = "Unable to apply Path transformation to null or empty input."
"""AWS's cause for a path into a state's input that is null; AWS says of it that it is meant so
(github.com/awslabs/states-language/issues/29).
"""


class Roots(Protocol):
    """Whatever paths can be looked up in: see :class:`Scope`, which is one."""

    @property
    def input(self) -> Any: ...

    @property
    def context(self) -> Mapping[str, Any]: ...

    @property
    def variables(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Scope:
    """What paths refer to: the state's effective input ``$``, the context ``$$``, variables ``$name``."""

    input: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JsonPath:
    """A value that is taken from the run's input: ``JsonPath("$.bucket")``.

    Raises InvalidDefinition for a path that cannot be parsed.
    """

    path: str

    def __post_init__(self) -> None:
        compile_path(self.path, "JSONPath")

    @classmethod
    def string_at(cls, path: str) -> JsonPath:
        """The same, as AWS CDK spells it."""
        return cls(path)

    def evaluate(self, scope: Scope) -> Any:
        """The value that the path refers to. Raises StatesRuntime when a definite path leads nowhere."""
        return compile_path(self.path, "JSONPath").evaluate(scope)

    def __str__(self) -> str:
        return self.path


class PathNotFound(Exception):
    """A definite path leads nowhere, or a query was given up; says why, in Jayway's words where it has any."""


class CompiledPath:
    """One parsed path.

    ``root`` is ``"$"``, ``"$$"`` or a variable's name. ``leading`` are the keys and indexes up to the first
    wildcard, slice, union or filter: all of a definite path. ``get`` takes the root's value; it raises
    PathNotFound.
    """

    __slots__ = ("get", "is_definite", "leading", "root", "text")

    def __init__(self, text: str, root: str, leading: tuple[Segment, ...], get: Getter, *, is_definite: bool) -> None:
        self.text = text
        self.root = root
        self.leading = leading
        self.get = get
        self.is_definite = is_definite

    @property
    def segments(self) -> tuple[Segment, ...] | None:
        """The keys and indexes of a definite path, None for an indefinite one."""
        return self.leading if self.is_definite else None

    def below(self, count: int) -> Getter:
        """The getter of a definite path from its segment ``count`` on: it takes the value that is there."""
        return _getter(self.leading[count:])

    def find(self, scope: Roots) -> Any:
        """The value in ``scope``; raises PathNotFound."""
        if self.root == "$":
            return self.get(scope.input)
        if self.root == "$$":
            return self.get(scope.context)
        if self.root not in scope.variables:
            raise PathNotFound(f"No results for path: ${self.root}")
        return self.get(scope.variables[self.root])

    def look_up(self, scope: Roots) -> Any:
        """The same in a template or a rule of a Choice: it also raises StatesRuntime for an input that is null."""
        if scope.input is None and self.root == "$":
            raise StatesRuntime(NULL_INPUT)
        return self.find(scope)

    def evaluate(self, scope: Roots) -> Any:
        """The value in ``scope``. Raises StatesRuntime with AWS's cause for fields such as InputPath."""
        try:
            # Such a field is "$" where it is not given, and hands a null on.
            return self.find(scope) if self.text == "$" else self.look_up(scope)
        except PathNotFound as reason:
            raise StatesRuntime(f"Invalid path '{self.text}' : {reason}"[:MAX_CAUSE]) from None


@lru_cache(maxsize=1024)
def _compile(text: str) -> CompiledPath:
    root, segments = parse(text)
    if any(part.names for part in segments):
        return _compile_union(text, root, segments)
    definite = tuple(part.key for part in segments if part.key is not None)
    if len(definite) == len(segments):
        return CompiledPath(text, root, definite, _getter(definite), is_definite=True)
    leading = definite[: next(index for index, part in enumerate(segments) if part.key is None)]
    return CompiledPath(text, root, leading, _query(segments), is_definite=False)


def _query(segments: tuple[Part, ...]) -> Getter:
    """The getter of an indefinite path. Raises QueryError."""
    from .jsonpath_query import Query  # a third of what importing this package takes, and seldom wanted

    query = Query(segments)

    def get(value: Any) -> Any:
        try:
            return query.matches(value)
        except QueryError as error:
            raise PathNotFound(str(error)) from None

    return get


def _compile_union(text: str, root: str, segments: tuple[Part, ...]) -> CompiledPath:
    """A path that ends in a union of names, which gives one object, or one for each that its beginning matches.

    Anywhere else such a union is refused, but only when the path is read: so does AWS.
    """
    first = next(index for index, part in enumerate(segments) if part.names)
    before, names = segments[:first], segments[first].names
    keys = tuple(part.key for part in before if part.key is not None)
    is_one = len(keys) == len(before)
    find = _getter(keys) if is_one else _query(before)

    def get(value: Any) -> Any:
        if first < len(segments) - 1:
            union = ", ".join(f"'{name}'" for name in names)
            raise PathNotFound(f"Multi properties can only be used as path leafs: {spell(keys)}[{union}]")
        found = find(value)
        if not is_one:
            return [_pick(one, names) for one in found if isinstance(one, Mapping)]
        if not isinstance(found, Mapping):
            raise PathNotFound(_why(value, (*keys, names[0])))
        return _pick(found, names)

    return CompiledPath(text, root, keys if is_one else (), get, is_definite=False)


def _pick(value: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}


def compile_path(text: object, field: str) -> CompiledPath:
    """Parse a path, definite or not. Raises InvalidDefinition naming ``field``."""
    if not isinstance(text, str):
        raise InvalidDefinition(field, f"must be a JSONPath, not {text!r}")
    try:
        return _compile(text)
    except (PathSyntaxError, QueryError) as error:
        raise InvalidDefinition(field, f"{text!r} is not a JSONPath: {error}") from None


def compile_reference_path(text: object, field: str) -> CompiledPath:
    """Parse a Reference Path: a JSONPath that can only identify one node, as for ItemsPath.

    Raises InvalidDefinition naming ``field``.
    """
    path = compile_path(text, field)
    if not path.is_definite:
        raise InvalidDefinition(
            field, f"{path.text!r} is not a reference path: it may match more than one value (no .. * ? , : )"
        )
    return path


def not_found(path: str, field: str, input: Any) -> StatesRuntime:
    """AWS's error for a path in the field ``field`` of a payload template that leads nowhere."""
    where = f"The JSONPath '{path}' specified for the field '{field}' could not be found in the input"
    return StatesRuntime(f"{where} '{_text(input)}'"[:MAX_CAUSE])


def in_state(cause: str, state_name: str, event_id: int) -> str:
    """``cause`` with the beginning that AWS gives a States.Runtime raised while a state was executed."""
    beginning = f"An error occurred while executing the state '{state_name}' (entered at the event id #{event_id})."
    return f"{beginning} {cause}"[:MAX_CAUSE]


def _text(value: Any) -> str:
    try:
        return excerpt(value, MAX_CAUSE)
    except (TypeError, ValueError):
        # An input that Python code made need not be JSON, and the missing path is what has to be told.
        return repr(value)[:MAX_CAUSE]


def _getter(segments: tuple[Segment, ...]) -> Getter:
    if not segments:
        return _same
    if len(segments) == 1 and isinstance(segments[0], str):
        return _property(segments[0])

    def get(value: Any) -> Any:
        found = value
        try:
            for segment in segments:
                # A str has indexes in Python, and characters are no nodes of a JSON document.
                if type(segment) is int and not isinstance(found, list | tuple):
                    raise PathNotFound(_why(value, segments))
                found = found[segment]
        except (KeyError, IndexError, TypeError):
            raise PathNotFound(_why(value, segments)) from None
        return found

    return get


def _property(key: str) -> Getter:
    def get(value: Any) -> Any:
        try:
            return value[key]
        except (KeyError, TypeError):
            raise PathNotFound(_why(value, (key,))) from None

    return get


def _same(value: Any) -> Any:
    return value


def _why(value: Any, segments: tuple[Segment, ...]) -> str:
    """Why a definite path leads nowhere, in Jayway's words as AWS passes them on."""
    last = len(segments) - 1
    for place, segment in enumerate(segments):
        here, there = spell(segments[:place]), spell(segments[: place + 1])
        if isinstance(segment, str):
            if not isinstance(value, Mapping):
                expected = f"Expected to find an object with property ['{segment}'] in path {here}"
                return f"{expected} but found {_kind(value)}"
            if segment not in value:
                return f"No results for path: {there}" if place == last else f"Missing property in path {there}"
        else:
            if not isinstance(value, list | tuple):
                return f"Filter: [{segment}] can only be applied to arrays. Current context is: {_kind(value)}"
            if not -len(value) <= segment < len(value):
                return f"No results for path: {spell(segments)}"
        value = value[segment]
    raise AssertionError("the path leads somewhere")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "an array"
