"""Choice rules in JSONPath: And, Or and Not of comparisons, compiled to functions of the visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.errors import InvalidDefinition, StatesRuntime
from ...core.paths import CompiledPath, PathNotFound, compile_path
from ..limits import MAX_NESTING
from ..visit import Visit
from .operators import COMPARISONS, TYPE_TESTS, Comparison, matcher

Condition = Callable[[Visit], bool]
_COMBINATIONS = ("And", "Or", "Not")
# Of a rule in Choices; a rule inside of another says only what it tests.
_RULE_FIELDS = ("Next", "Assign", "Output")


def is_jsonpath_field(name: str) -> bool:
    """Whether rules have a field of this name in JSONPath alone."""
    operator = name.removesuffix("Path") if name.removesuffix("Path") in COMPARISONS else name
    tests = ("Variable", "IsPresent", "StringMatches", *_COMBINATIONS)
    return operator in COMPARISONS or operator in TYPE_TESTS or operator in tests


def compile_rule(rule: Any, place: str, depth: int = 0) -> Condition:
    """One rule without its Next. Raises InvalidDefinition naming ``place``.

    What is returned raises StatesRuntime when a path it needs leads nowhere.
    """
    if depth > MAX_NESTING:
        raise InvalidDefinition(place, f"is nested deeper than {MAX_NESTING} levels")
    if not isinstance(rule, Mapping):
        raise InvalidDefinition(place, "must be an object")
    if depth and (outer := [name for name in rule if name in _RULE_FIELDS]):
        raise InvalidDefinition(place, f"Field '{outer[0]}' is not supported")
    operators = [name for name in rule if name not in (*_RULE_FIELDS, "Comment", "Variable")]
    if len(operators) != 1:
        problem = f"must have exactly one operator, got {', '.join(operators) or 'none'}"
        raise InvalidDefinition(place, problem)
    (name,) = operators
    value, where = rule[name], f"{place}.{name}"
    if name in ("And", "Or"):
        return _several(name, value, where, depth)
    if name == "Not":
        inner = compile_rule(value, where, depth + 1)
        return lambda visit: not inner(visit)
    if "Variable" not in rule:
        raise InvalidDefinition(f"{place}.Variable", "must be given")
    return _comparison(compile_path(rule["Variable"], f"{place}.Variable"), name, value, where)


def _several(name: str, rules: Any, place: str, depth: int) -> Condition:
    if not isinstance(rules, list) or not rules:
        raise InvalidDefinition(place, "must be an array of rules")
    conditions = [compile_rule(rule, f"{place}[{index}]", depth + 1) for index, rule in enumerate(rules)]
    if name == "And":
        return lambda visit: all(condition(visit) for condition in conditions)
    return lambda visit: any(condition(visit) for condition in conditions)


def _comparison(variable: CompiledPath, name: str, value: Any, place: str) -> Condition:
    if name == "IsPresent":
        return _is_present(variable, _boolean(value, place))
    if name in TYPE_TESTS:
        test, wanted = TYPE_TESTS[name], _boolean(value, place)
        return lambda visit: test(_find(variable, visit)) is wanted
    if name == "StringMatches":
        if not isinstance(value, str):
            raise InvalidDefinition(place, "must be a string")
        matches = matcher(value)
        return lambda visit: matches(_find(variable, visit))
    if name in COMPARISONS:
        return _literal(variable, COMPARISONS[name], value, place)
    if name.endswith("Path") and name.removesuffix("Path") in COMPARISONS:
        comparison, path = COMPARISONS[name.removesuffix("Path")], compile_path(value, place)
        return lambda visit: comparison.test(_find(path, visit))(_find(variable, visit))
    raise InvalidDefinition(place, "is no operator of a choice rule")


def _literal(variable: CompiledPath, comparison: Comparison, value: Any, place: str) -> Condition:
    if comparison.kind.read(value) is None:
        raise InvalidDefinition(place, f"must be {comparison.kind.what}")
    test = comparison.test(value)
    return lambda visit: test(_find(variable, visit))


def _is_present(variable: CompiledPath, wanted: bool) -> Condition:
    def condition(visit: Visit) -> bool:
        try:
            variable.look_up(visit)
        except PathNotFound:
            return not wanted
        return wanted

    return condition


def _boolean(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidDefinition(place, "must be true or false")
    return value


def _find(path: CompiledPath, visit: Visit) -> Any:
    try:
        return path.look_up(visit)
    except PathNotFound:
        problem = "The choice state's condition path references an invalid value."
        raise StatesRuntime(f"Invalid path '{path.text}': {problem}") from None
