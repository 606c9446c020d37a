"""The Map state in distributed mode: a map run of its own, whose children this interpreter runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import StatesError, StatesRuntime
from ..core.names import MapRunName
from ..core.paths import in_state
from ..core.values import is_jsonata
from .failures import NotInvokable, QueryEvaluationError, StateFailed
from .identity import Identity
from .jsonata.templates import compile_jsonata
from .lifetime import Lifetime
from .map_items import compile_items
from .numbers_fields import compile_number
from .payloads import check_payload
from .recovery import Recovery
from .services import DistributedRun
from .state import Following, Source
from .state_fields import LIMITS
from .state_map import compile_selector, select
from .templates import compile_template
from .values import Evaluate
from .visit import Execution, Run, Visit

if TYPE_CHECKING:
    from .machine import Machine

# What is done around the map run, here.
_AROUND = frozenset(
    ("InputPath", "OutputPath", "ResultPath", "ResultSelector", "Retry", "Catch", "Assign", "Output", "Next", "End")
)
# The payload templates in a Map state: the field and the member that holds one.
_TEMPLATES = (("ItemReader", "Parameters"), ("ResultWriter", "Parameters"), ("ItemBatcher", "BatchInput"))
# In JSONata any value may be an expression, but for those of the children.
_JSONATA_FIELDS = ("ItemReader", "ItemBatcher", "ResultWriter")

Evaluated = Callable[[Visit], Mapping[str, Any]]


class DistributedMapState:
    """Evaluates what depends on the workflow, and leaves the map run to ``services.run_distributed``."""

    __slots__ = (
        "_blocks",
        "_express",
        "_fields",
        "_io",
        "_items",
        "_label",
        "_numbers",
        "_processor",
        "_recovery",
        "_selector",
        "name",
        "retries",
    )

    def __init__(self, source: Source, processor: Machine, *, blocks: bool) -> None:
        """``blocks``: whether children mostly wait, for a service or for the clock."""
        self.name, self.retries = source.name, True
        self._io = source.io()
        self._items = compile_items(source, objects=True) if _evaluates_items(source) else None
        self._selector = compile_selector(source) if _evaluates_selector(source) else None
        self._fields = _compile_fields(source)
        # Of another type they are failures of these expressions, as inline.
        self._numbers = {
            field: number
            for field in sorted(LIMITS)
            if source.jsonata
            and is_jsonata(source.fields.get(field))
            and (number := compile_number(source, field, is_float=field == "ToleratedFailurePercentage")) is not None
        }
        self._label: str = source.fields.get("Label") or source.name
        config = (source.fields.get("ItemProcessor") or source.fields["Iterator"])["ProcessorConfig"]
        self._express = config.get("ExecutionType") == "EXPRESS"
        self._processor = processor
        self._blocks = blocks
        self._recovery = Recovery(source)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        return self._recovery.run(visit, self._attempt)

    def _attempt(self, visit: Visit) -> Any:
        execution = visit.run.execution
        run_distributed = execution.services.run_distributed
        if run_distributed is None:
            raise NotInvokable("Distributed Maps cannot be run here")
        effective = self._io.effective(visit)
        state = dict(self._fields(effective))
        for field, number in self._numbers.items():
            state[field] = number(effective)
            if state[field] < 0:
                raise StatesRuntime(f"{field} cannot be negative.")
        if self._items is not None:
            state["Items"] = self._items(effective)
        selector = self._selector
        if selector is not None:
            state.pop("ItemSelector", None)
            state.pop("Parameters", None)
        request = DistributedRun(
            state_name=self.name,
            event_id=visit.event,
            state=state,
            input=effective.input,
            selector=None if selector is None else _bound(selector, effective),
            variables=visit.run.variables,
            map_run=_map_run(execution, self._label),
            run_child=self._children(visit),
            blocks=self._blocks,
            lifetime=visit.run.lifetime,
        )
        execution.record(3)
        try:
            output = run_distributed(request)
        except StatesError as error:
            raise _failed(error, visit) from error
        check_payload(output, f"state/task '{self.name}'")
        return self._io.finish(visit, output)

    def _children(self, visit: Visit) -> Callable[[Any, str, Lifetime], Any]:
        """What runs one child execution: an execution of its own, without the variables of this one."""
        from .machine import start

        services = visit.run.execution.services
        parent = Identity(
            str(visit.run.execution.state_machine["Id"]),
            str(visit.run.execution.execution["Id"]),
            str(visit.run.execution.execution["RoleArn"]),
        )
        processor, label, express = self._processor, self._label, self._express

        def run_child(data: Any, name: str, lifetime: Lifetime) -> Any:
            identity = parent.child(label, name, express=express)
            with Lifetime(lifetime) as own:
                return processor.run(Run(start(services, identity, data, own), {}), data)

        return run_child


def _map_run(execution: Execution, label: str) -> MapRunName:
    arn = str(execution.state_machine["Id"]).split(":")
    return MapRunName(execution.state_machine["Name"], label, execution.services.uuid(), arn[3], arn[4])


def _failed(error: StatesError, visit: Visit) -> StateFailed:
    """A map run's failure. What a map run ends with is told as it is; what was wrong with a value says where."""
    evaluated = error.error in (StatesRuntime.error, QueryEvaluationError.error)
    if evaluated and not error.cause.startswith("An error occurred while executing the state "):
        return StateFailed(error.error, in_state(error.cause, visit.name, visit.event))
    return StateFailed(error.error, error.cause)


def _bound(selector: Evaluate, effective: Visit) -> Callable[[Any, Mapping[str, Any]], Any]:
    return lambda value, context: select(selector, effective, context)


def _evaluates_items(source: Source) -> bool:
    return source.jsonata and "ItemReader" not in source.fields


def _evaluates_selector(source: Source) -> bool:
    """Whether the map run cannot evaluate the ItemSelector: it holds JSONata, a function or other context."""
    template = source.fields.get("ItemSelector", source.fields.get("Parameters"))
    if template is None:
        return False
    return source.jsonata or _needs_more(template)


def _needs_more(template: Any) -> bool:
    if isinstance(template, Mapping):
        for key, value in template.items():
            if key.endswith(".$") and isinstance(value, str):
                if value.startswith("States.") or (value.startswith("$$") and not value.startswith("$$.Map.Item.")):
                    return True
            elif _needs_more(value):
                return True
        return False
    return isinstance(template, list) and any(_needs_more(part) for part in template)


def _compile_fields(source: Source) -> Evaluated:
    """The Map state without what is done here, with everything evaluated that the map run does not understand."""
    fields = {name: value for name, value in source.fields.items() if name not in _AROUND}
    if "ItemReader" in fields:
        fields.pop("ItemsPath", None)  # recorded: it is ignored, even a wrong one
    if source.jsonata:
        fields["QueryLanguage"] = "JSONata"
        dynamic = {name: compile_jsonata(fields[name], name) for name in _JSONATA_FIELDS if name in fields}
        return lambda visit: fields | {name: value(visit) for name, value in dynamic.items()}
    fields["QueryLanguage"] = "JSONPath"
    parts = [
        (name, member, compile_template(holder[member], f"{source.place}.{name}.{member}"))
        for name, member in _TEMPLATES
        if isinstance(holder := fields.get(name), Mapping) and member in holder
    ]

    def evaluate(visit: Visit) -> Mapping[str, Any]:
        state = dict(fields)
        for name, member, template in parts:
            state[name] = {**state[name], member: template(visit)}
        return state

    return evaluate
