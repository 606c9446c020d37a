"""JSONata and intrinsic functions in a map's own fields, evaluated by the interpreter when the map run is planned.

What comes out holds values where expressions were. They are data: nothing in them is looked at as an expression again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.definition import DistributedMap
from ..core.paths import Scope
from ..core.values import UNSET, Intrinsic, QueryLanguage, is_jsonata, is_template, strings

if TYPE_CHECKING:
    from ..states.visit import Visit

_HEADERS = "csv_headers"


def check_expressions(definition: DistributedMap) -> None:
    """Refuse expressions that do not compile, before anything runs. Raises InvalidDefinition, naming the field."""
    if not holds_expressions(definition):
        return
    if definition.query_language is QueryLanguage.JSONPATH:
        definition = replace(definition, **_without_jinja(definition))
    from .expressions import Evaluation

    Evaluation(definition)


def evaluated(definition: DistributedMap, scope: Scope, state_name: str) -> DistributedMap:
    """The definition with values in place of its expressions; ItemSelector becomes a function.

    ``scope`` is that of the Map state, after InputPath.

    :raises StatesError: an expression failed, or gave what its field cannot take.
    :raises InvalidDefinition: an expression does not compile.
    """
    if not holds_expressions(definition):
        return definition
    # Imported here, as most maps have no expressions: the interpreter takes a moment.
    from .expressions import Evaluation

    return Evaluation(definition).apply(_visit(scope, state_name))


def holds_expressions(definition: DistributedMap) -> bool:
    """Whether there is anything in the fields of the map that only the interpreter evaluates."""
    if definition.query_language is QueryLanguage.JSONATA:
        return any(is_jsonata(text) for value in _values(definition) for text in strings(value))
    batcher = definition.item_batcher
    return (
        any(isinstance(value, Intrinsic) for value in _values(definition))
        or has_intrinsic(definition.item_selector)
        or has_intrinsic(batcher and batcher.batch_input)
    )


def has_intrinsic(template: Any) -> bool:
    """Whether there is an intrinsic function in a payload template."""
    if isinstance(template, Mapping):
        return any(
            value.startswith("States.") if key.endswith(".$") and isinstance(value, str) else has_intrinsic(value)
            for key, value in template.items()
        )
    return isinstance(template, list) and any(has_intrinsic(part) for part in template)


def _values(definition: DistributedMap) -> Iterator[Any]:
    for _, value in definition.expressions():
        if value is not UNSET:
            yield value
    if (headers := getattr(definition.item_reader, _HEADERS, None)) is not None:
        yield headers.headers


def _without_jinja(definition: DistributedMap) -> dict[str, Any]:
    """Changes that take away what is known only when Jinja has rendered it."""
    changes: dict[str, Any] = {}
    if any(is_template(text) for text in strings(definition.item_selector)):
        changes["item_selector"] = None
    batcher = definition.item_batcher
    if batcher is not None and any(is_template(text) for text in strings(batcher.batch_input)):
        changes["item_batcher"] = replace(batcher, batch_input=None)
    return changes


def _visit(scope: Scope, state_name: str) -> Visit:
    from ..states.visit import Execution, Run, Visit
    from .asl_children import ROLE
    from .distributed import local_services

    context = scope.context
    execution = Execution(local_services(), {**context["Execution"], "RoleArn": ROLE}, context["StateMachine"])
    return Visit(Run(execution, dict(scope.variables)), state_name, scope.input)
