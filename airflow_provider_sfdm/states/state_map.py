"""The Map state in inline mode: a run of its processor for each item, inside of the same execution."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import StatesRuntime
from .jsonata.templates import compile_jsonata
from .lifetime import Lifetime
from .map_items import compile_items
from .numbers_fields import Number, compile_number
from .payloads import check_payload
from .recovery import Recovery
from .state import Following, Source
from .templates import compile_template
from .values import Evaluate
from .visit import Run, Visit

if TYPE_CHECKING:
    from .machine import Machine

MAX_CONCURRENCY = 40
"""AWS: inline Maps run "up to 40 concurrent iterations"; more can't be had by asking for it."""


class InlineMap:
    """An iteration that fails fails the state, with its own error, and aborts the others."""

    __slots__ = (
        "_concurrency",
        "_io",
        "_items",
        "_limits",
        "_overlap",
        "_processor",
        "_recovery",
        "_selector",
        "name",
        "retries",
    )

    def __init__(self, source: Source, processor: Machine, *, overlap: bool) -> None:
        """``overlap``: whether the iterations wait for something, and so gain by running at once."""
        self.name, self.retries = source.name, True
        self._io = source.io()
        self._items = compile_items(source, objects=False)
        self._selector = compile_selector(source)
        self._concurrency = compile_number(source, "MaxConcurrency")
        # Of no use inline; AWS evaluates them all the same.
        self._limits = [
            number
            for field, is_float in (("ToleratedFailureCount", False), ("ToleratedFailurePercentage", True))
            if (number := compile_number(source, field, is_float=is_float)) is not None
        ]
        self._processor = processor
        self._overlap = overlap
        self._recovery = Recovery(source)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        return self._recovery.run(visit, self._attempt)

    def _attempt(self, visit: Visit) -> Any:
        execution = visit.run.execution
        effective = self._io.effective(visit)
        concurrency = _concurrency(self._concurrency, effective)
        for limit in self._limits:
            limit(effective)
        items = self._items(effective)
        execution.record()
        at_once = min(concurrency or MAX_CONCURRENCY, MAX_CONCURRENCY) if self._overlap else 1
        with Lifetime(visit.run.lifetime) as lifetime:
            runs = [partial(self._iterate, effective, lifetime, index, value) for index, value in enumerate(items)]
            outputs = execution.services.together(runs, at_once, lifetime)
        execution.record()
        check_payload(outputs, f"state/task '{self.name}'")
        return self._io.finish(visit, outputs)

    def _iterate(self, effective: Visit, lifetime: Lifetime, index: int, value: Any) -> Any:
        run = effective.run
        item = {"Index": index, "Value": value}
        data = value if self._selector is None else select(self._selector, effective, item)
        run.execution.record()
        output = self._processor.run(Run(run.execution, dict(run.variables), item, lifetime), data)
        run.execution.record()
        return output


def compile_selector(source: Source) -> Evaluate | None:
    """ItemSelector, or Parameters as it was called before; None where there is neither. Raises InvalidDefinition."""
    fields = source.fields
    if source.jsonata:
        return compile_jsonata(fields["ItemSelector"], "ItemSelector") if "ItemSelector" in fields else None
    for name in ("ItemSelector", "Parameters"):
        if name in fields:
            return compile_template(fields[name], f"{source.place}.{name}")
    return None


def select(selector: Evaluate, effective: Visit, item: Mapping[str, Any]) -> Any:
    """What the processor gets for an item; ``$`` is the Map's effective input, never the item."""
    visit = effective.with_input(effective.input)
    visit.item = item
    return selector(visit)


def _concurrency(number: Number | None, visit: Visit) -> int:
    value = 0 if number is None else int(number(visit))
    if value < 0:
        raise StatesRuntime("MaxConcurrency cannot be negative.")
    return value
