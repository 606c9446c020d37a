"""Indefinite JSONPaths (wildcards, slices, unions, filters, ``..``), through python-jsonpath.

Filters are Step Functions' own. AWS's guide: "The @ operator, matching the current node being processed in a filter,
does not match scalar values. It only matches objects." And as in Jayway, a filter behind an object tests that object,
not its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from jsonpath import JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression, FilterQuery, RootFilterQuery
from jsonpath.match import JSONPathMatch
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import Filter, FilterContext, NameSelector
from jsonpath.token import (
    TOKEN_DOT_KEY_PROPERTY,
    TOKEN_FILTER_CONTEXT,
    TOKEN_KEY,
    TOKEN_KEY_NAME,
    TOKEN_KEYS,
    TOKEN_KEYS_FILTER,
    TOKEN_PSEUDO_ROOT,
    TOKEN_RE,
    TOKEN_RE_PATTERN,
)

from .jsonpath_syntax import Part, QueryError

# A payload is at most 256 KiB, so a path that selects each value once stays far below; only repeated ".."
# does not.
_MAX_MATCHES = 1_000_000
# How often one value may be looked at, for whatever is selected of it: some seconds. There is no clock here.
_MAX_LOOKS = 4_000_000
_PARTS = 20  # of a filter that no person writes longer: however large a value is, it may be tested by so many
_MAX_SELECTORS = 100
# What the library raises for texts that are no paths, and for values it did not expect: found by fuzzing.
_FAILURES = (JSONPathError, RecursionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
# What the library knows beyond Jayway, and regular expressions, whose time cannot be bounded.
_REFUSED = frozenset(
    {
        TOKEN_DOT_KEY_PROPERTY,
        TOKEN_FILTER_CONTEXT,
        TOKEN_KEY,
        TOKEN_KEY_NAME,
        TOKEN_KEYS,
        TOKEN_KEYS_FILTER,
        TOKEN_PSEUDO_ROOT,
        TOKEN_RE,
        TOKEN_RE_PATTERN,
    }
)


class _Environment(JSONPathEnvironment):
    max_recursion_depth = 300  # above the deepest payload

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        for name in list(self.function_extensions):
            if name not in {"count", "length", "value"}:
                del self.function_extensions[name]


_ENVIRONMENT = _Environment(filter_caching=False)


class _ObjectFilter(Filter):
    """A filter that selects objects only: the one that it stands behind, or the elements of an array.

    :param descends: behind ``..``, where each array's elements are visited anyway.
    """

    __slots__ = ("_descends",)

    def __init__(self, found: Filter, *, descends: bool) -> None:
        super().__init__(env=found.env, token=found.token, expression=found.expression)
        self._descends = descends

    def resolve(self, node: JSONPathMatch) -> Iterator[JSONPathMatch]:
        value = node.obj
        if isinstance(value, Mapping):
            if self._selects(value, node):
                yield node
        elif isinstance(value, list | tuple) and not self._descends:
            for index, element in enumerate(value):
                if isinstance(element, Mapping) and self._selects(element, node):
                    yield node.new_child(element, index)

    def _selects(self, value: Mapping[str, Any], node: JSONPathMatch) -> bool:
        context = FilterContext(env=self.env, current=value, root=node.root, extra_context=node.filter_context())
        return bool(self.expression.evaluate(context))


def _looks(path: JSONPath, nodes: int, depth: int, *, from_root: bool = True) -> int:
    """How often a value of so many nodes and levels is looked at, at the worst, for all that a path selects.

    Every node is reached once, and by each further ``..`` once from each level above it. Each that is reached is tested
    by all parts of the filters, and a query inside of one begins anew: at the root, or at the node, which has as many
    nodes below it as there are levels above one, taken together.
    """
    if path.singular_query():
        return 1
    descents = sum(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in path.segments)
    reached: int = (nodes if from_root else depth) * depth ** max(descents - 1, 0)
    selectors = [selector for segment in path.segments for selector in segment.selectors]
    filters = [selector.expression for selector in selectors if isinstance(selector, Filter)]
    return reached * max(1, sum(_parts(expression, nodes, depth) for expression in filters))


def _parts(expression: BaseExpression, nodes: int, depth: int) -> int:
    if isinstance(expression, FilterQuery):
        return 1 + _looks(expression.path, nodes, depth, from_root=isinstance(expression, RootFilterQuery))
    return 1 + sum(_parts(child, nodes, depth) for child in expression.children())


def _measured(value: Any) -> tuple[int, int]:
    """How many values there are in one, itself included, and how many levels of them."""
    nodes = depth = 0
    level = [value]
    while level:
        depth += 1
        nodes += len(level)
        containers = (
            each.values() if isinstance(each, Mapping) else each
            for each in level
            if isinstance(each, Mapping | list | tuple)
        )
        level = [member for members in containers for member in members]
    return nodes, depth


class Query:
    """A compiled indefinite path. Raises QueryError when it cannot be compiled."""

    __slots__ = ("_is_harmless", "_path")

    def __init__(self, parts: Iterable[Part]) -> None:
        text = "$" + "".join(part.text for part in parts)
        try:
            refused = [token.value for token in _ENVIRONMENT.lexer.tokenize(text) if token.kind in _REFUSED]
            # First of all: a regular expression must not even be compiled.
            path = None if refused else _ENVIRONMENT.compile(text)
        except _FAILURES as error:
            raise QueryError(_told(error)) from None
        if refused:
            raise QueryError(f"{refused[0]!r} is not supported")
        if not isinstance(path, JSONPath):
            raise QueryError("it is more than one path")
        # Whatever the value is: then it need not be measured.
        self._is_harmless = _looks(path, 1000, 30) <= _PARTS * 1000
        for segment in path.segments:
            if len(segment.selectors) > _MAX_SELECTORS:
                raise QueryError(f"there are more than {_MAX_SELECTORS} selectors in one pair of brackets")
            if _names(segment.selectors) > 1:
                # Jayway makes one object of them, the library a list.
                raise QueryError("a union of names is not supported behind ..; take them one by one")
            descends = isinstance(segment, JSONPathRecursiveDescentSegment)
            segment.selectors = tuple(
                _ObjectFilter(selector, descends=descends) if isinstance(selector, Filter) else selector
                for selector in segment.selectors
            )
        self._path = path

    def matches(self, value: Any) -> list[Any]:
        """All that matches in ``value``, in document order. Raises QueryError past a million matches."""
        if not isinstance(value, Mapping | list | tuple):
            # The library would read a str as a JSON document.
            return []
        if not self._is_harmless:
            self._refuse_endless(value)
        try:
            found = [match.obj for match in islice(self._path.finditer(value), _MAX_MATCHES + 1)]
        except _FAILURES as error:
            raise QueryError(_told(error)) from None
        if len(found) > _MAX_MATCHES:
            raise QueryError(f"The path matches more than {_MAX_MATCHES} values")
        return found

    def _refuse_endless(self, value: Any) -> None:
        nodes, depth = _measured(value)
        if _looks(self._path, nodes, depth) > max(_MAX_LOOKS, _PARTS * nodes):
            raise QueryError("The path would look at too many values")


def _told(error: Exception) -> str:
    """The library's own words; what Python says of a number that is too large helps nobody."""
    return str(error).splitlines()[0] if isinstance(error, JSONPathError) and str(error) else "it cannot be read"


def _names(selectors: Iterable[object]) -> int:
    return sum(isinstance(selector, NameSelector) for selector in selectors)
