"""The interpreter's Distributed Maps as map runs of this engine, and the outside world of its executions."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..core.definition import DistributedMap
from ..core.errors import ChildFailed, InvalidDefinition, StatesRuntime
from ..core.paths import in_state
from ..core.processors import PythonFunction
from ..core.resolve import unchecked
from ..core.values import Evaluated, QueryLanguage
from ..states.failures import ExecutionTimedOut, StateFailed
from ..states.seam import Invoke
from ..states.services import DistributedRun, RunDistributed, Services, refuse
from ..storage import Connections
from .run import run_map
from .together import at_once


def local_services(
    invoke: Invoke = refuse, storage: str | None = None, connections: Connections | None = None
) -> Services:
    """The services of an execution in this process: the real clock, tasks through ``invoke``, and map runs that are
    kept in the folder ``storage`` (default: temporary folders).
    """
    return Services(
        clock=time.time,
        monotonic=time.monotonic,
        sleep=time.sleep,
        random=random.random,
        uuid=lambda: str(uuid.uuid4()),
        invoke=invoke,
        run_distributed=run_distributed(storage, connections),
        together=at_once,
    )


def run_distributed(storage: str | None = None, connections: Connections | None = None) -> RunDistributed:
    """What runs a Distributed Map state with ``run_map``, each child by the interpreter."""

    def run_one(request: DistributedRun) -> Any:
        try:
            definition = DistributedMap.from_asl(request.state)
        except InvalidDefinition as error:
            raise StatesRuntime(in_state(str(error), request.state_name, request.event_id)) from None
        changes: dict[str, Any] = {
            "item_processor": PythonFunction(child_function(request.run_child)),
            "retry": (),
            "timeout": None,
        }
        if (selector := request.selector) is not None:
            # A function of two parameters gets the item's context as well.
            changes["item_selector"] = lambda value, context: selector(value, context)
        summary = run_map(
            _literal(replace(definition, **changes)),
            request.input,
            storage,
            name=request.state_name,
            connections=connections,
            variables=request.variables,
        )
        return summary.raise_for_status().output

    return run_one


def _literal(definition: DistributedMap) -> DistributedMap:
    """The definition of a state whose expressions have been evaluated: what they gave is data, and looked at no more.

    A selector that is left is a JSONPath one; one in JSONata has become a function.
    """
    batcher = definition.item_batcher
    if batcher is not None and batcher.batch_input is not None:
        batcher = unchecked(batcher, batch_input=Evaluated(batcher.batch_input))
    return unchecked(definition, query_language=QueryLanguage.JSONPATH, item_batcher=batcher)


def child_function(run_child: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A child execution of the interpreter as this engine's processor."""

    def child(data: Any) -> Any:
        try:
            return run_child(data)
        except StateFailed as failed:
            raise ChildFailed(failed.error or "", failed.cause or "") from None
        except ExecutionTimedOut:
            raise ChildFailed("States.Timeout", "") from None

    return child
