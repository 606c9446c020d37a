"""The definition as the author of the DAG wrote it: with Jinja templates and outputs of upstream tasks in it.

Its JSON view is the template field that Airflow renders and shows; what it rendered is put back into the definition.
So every template is rendered once, the UI shows what runs, and items are no part of it: data is never a template.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, replace
from enum import Enum
from typing import Any

from ..compat import Context, ResolveMixin, XComArg
from ..core.definition import DistributedMap
from ..core.errors import InvalidDefinition
from ..core.json import dumps
from ..core.paths import JsonPath
from ..core.processors import AslProcessor
from ..core.render import render
from ..core.values import UNSET, QueryLanguage, is_jsonata, is_template

# Not in the view, as Airflow renders all that is: data (the run's input is viewed by itself), and two fields that may
# hold anything and are no templates.
_NOT_VIEWED = frozenset({"items", "input", "comment", "state_fields"})


@dataclass(frozen=True, eq=False, repr=False)
class AuthoredMap:
    """A definition and the input (``$``) of its run; both may hold templates and outputs of upstream tasks."""

    definition: DistributedMap
    input: Any = field(default_factory=dict)
    from_results: Any = UNSET

    @classmethod
    def of(
        cls, definition: DistributedMap, input: Any = UNSET, items: Any = UNSET, from_results: Any = UNSET
    ) -> AuthoredMap:
        """The definition with another input or other items, where they are given."""
        if items is not UNSET:
            definition = replace(definition, items=items)
        if input is UNSET:
            input = {} if definition.input is UNSET else definition.input
        return cls(definition, input, from_results)

    def __str__(self) -> str:
        # Airflow keeps this text of a mapped task's arguments in the serialized DAG, and makes a new DAG version when
        # it changes: so it must be the same at every parse (no addresses of functions), and hold no items.
        return dumps(self.view()).decode()

    __repr__ = __str__

    def view(self) -> dict[str, Any]:
        """The JSON view: what was set, functions and states by name, data by a word; no JSONata, which Jinja would take
        for its own.
        """
        shown = _view_fields(self.definition)
        if self.definition.query_language is QueryLanguage.JSONATA:
            shown = _without_jsonata(shown)
        if self.definition.items is not UNSET:
            shown["items"] = _data_view(self.definition.items)
        if self.input:
            shown["input"] = _view(self.input)
        if self.from_results is not UNSET:
            given = self.from_results
            shown["from_results"] = given if isinstance(given, str) else _earlier_view(given)
        return shown

    def check_source(self) -> None:
        """Refuse a map that nobody told where its items are: ItemsPath is "$" then, and the input has no array there.

        :raises InvalidDefinition: there are none.
        """
        definition = self.definition
        if self.from_results is not UNSET:
            return
        told = definition.item_reader is not None or definition.items is not UNSET or definition.items_path is not None
        if not told and isinstance(self.input, Mapping) and not self.input:
            raise InvalidDefinition("Items", "there are none: give item_reader=, items=, or input= with items_path=")

    def set_upstream_of(self, operator: Any) -> None:
        """Make the tasks whose output is in ``items`` or ``input`` upstream tasks of ``operator``."""
        XComArg.apply_upstream_relationship(operator, (self.definition.items, self.input, self.from_results))

    def rendered(self, view: Mapping[str, Any]) -> DistributedMap:
        """The definition with its templates replaced by what Airflow made of them in ``view``.

        :raises InvalidDefinition: a rendered value is none that the field can have.
        """
        results: dict[str, Any] = {}
        _collect(self.view(), view, results)
        return render(self.definition, results.__getitem__)

    def items(self, context: Context) -> Any:
        """The items, upstream tasks' outputs pulled, or UNSET where the definition has none."""
        return _resolved(self.definition.items, {}, context)

    def earlier_results(self, view: Mapping[str, Any], context: Context) -> Any:
        """What the map run is a new one of, or UNSET: the summary of an earlier one, or the URL of its manifest."""
        results: dict[str, Any] = {}
        _collect(self.view(), view, results)
        return _resolved(self.from_results, results, context)

    def run_input(self, view: Mapping[str, Any], context: Context) -> Any:
        """The input of the run: templates from ``view``, upstream tasks' outputs pulled (and never rendered)."""
        results: dict[str, Any] = {}
        _collect(self.view(), view, results)
        return _resolved(self.input, results, context)


def _view(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, ResolveMixin):
        return _data_view(value)
    if isinstance(value, JsonPath):
        return str(value)
    if isinstance(value, AslProcessor):
        return {"type": type(value).__name__, "states": [name for name in value.states if not is_template(name)]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **_view_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _view(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_view(member) for member in value]
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return f"<{type(value).__qualname__}>"


def _view_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their defaults."""
    shown = {}
    for one in dataclasses.fields(value):
        member = getattr(value, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name not in _NOT_VIEWED and member is not None and (default is MISSING or member != default):
            shown[one.name] = _view(member)
    return shown


def _without_jsonata(view: Any) -> Any:
    if isinstance(view, dict):
        return {key: _without_jsonata(member) for key, member in view.items()}
    if isinstance(view, list):
        return [_without_jsonata(member) for member in view]
    if not isinstance(view, str) or not is_jsonata(view):
        return view
    expression = f"JSONata: {view[2:-2].strip()}"
    return "JSONata" if is_template(expression) else expression


def _earlier_view(value: Any) -> str:
    return _data_view(value) if isinstance(value, ResolveMixin) else "<summary>"


def _data_view(value: Any) -> str:
    if isinstance(value, ResolveMixin):  # an upstream task's output, or an argument of a mapped task group
        tasks = ", ".join(sorted({operator.task_id for operator, _ in value.iter_references()}))
        return f"<output of {tasks}>"
    return f"<{len(value)} items>" if isinstance(value, list | tuple | Mapping) else f"<{type(value).__qualname__}>"


def _collect(template: Any, rendered: Any, results: dict[str, Any]) -> None:
    """Walk a view and its rendered copy side by side; note what each template became."""
    if isinstance(template, str):
        if is_template(template):
            results[template] = rendered
    elif isinstance(template, Mapping):
        for key, member in template.items():
            _collect(member, rendered[key], results)
    elif isinstance(template, list):
        for member, result in zip(template, rendered, strict=True):
            _collect(member, result, results)


def _resolved(value: Any, results: Mapping[str, Any], context: Context) -> Any:
    if isinstance(value, ResolveMixin):
        return value.resolve(context)
    if isinstance(value, str):
        return results.get(value, value)
    # Exact types: an upstream task's lazy sequence is handed on as it is, for whoever reads it piece by piece.
    if type(value) is dict:
        return {key: _resolved(member, results, context) for key, member in value.items()}
    if type(value) in (list, tuple):
        return [_resolved(member, results, context) for member in value]
    return value
