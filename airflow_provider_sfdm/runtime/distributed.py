"""The interpreter's Distributed Maps as map runs of this engine, and the outside world of its executions."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import replace
from typing import Any

from ..core.definition import DistributedMap
from ..core.errors import TIMEOUT, ChildAborted, ChildExecutionFailed, ChildFailed, InvalidDefinition, StatesRuntime
from ..core.paths import in_state
from ..core.processors import PythonFunction
from ..core.resolve import unchecked
from ..core.values import Evaluated, QueryLanguage
from ..local.waiting import sleep
from ..states.failures import ExecutionTimedOut, StateFailed
from ..states.lifetime import Aborted, Lifetime
from ..states.seam import Invoke
from ..states.services import DistributedRun, RunDistributed, Services, refuse
from ..storage import Connections
from .children import Child
from .folder import MapRunFolder
from .plan import Plan
from .processors import Invocation, InvocationFactory
from .run import run_map
from .stop import StopReason, StopSignal
from .together import at_once

_ABORTED = StopReason("", "the execution which had begun the map run was ended", aborted=True)


def _interpreted(data: Any) -> Any:
    raise AssertionError("children of a state are run by the interpreter")


_INTERPRETED = PythonFunction(_interpreted)


def local_services(
    invoke: Invoke = refuse, storage: str | None = None, connections: Connections | None = None
) -> Services:
    """The services of an execution in this process: the real clock, tasks through ``invoke``, and map runs that are
    kept in the folder ``storage`` (default: temporary folders).
    """
    return Services(
        clock=time.time,
        monotonic=time.monotonic,
        sleep=sleep,
        random=random.random,
        uuid=lambda: str(uuid.uuid4()),
        invoke=invoke,
        run_distributed=run_distributed(storage, connections),
        together=at_once,
    )


def run_distributed(storage: str | None = None, connections: Connections | None = None) -> RunDistributed:
    """What runs a Distributed Map state, each child by the interpreter."""

    def run_one(request: DistributedRun) -> Any:
        try:
            return run(request)
        except InvalidDefinition as error:  # what the expressions of the state gave is no value that a field can have
            raise StatesRuntime(in_state(str(error), request.state_name, request.event_id)) from None

    def run(request: DistributedRun) -> Any:
        definition = DistributedMap.from_asl(request.state)
        changes: dict[str, Any] = {"item_processor": _INTERPRETED, "retry": (), "timeout": None}
        if (selector := request.selector) is not None:
            # A function of two parameters gets the item's context as well.
            changes["item_selector"] = lambda value, context: selector(value, context)
        stop = StopSignal()
        key = request.lifetime.on_end(lambda: stop.set(_ABORTED))
        try:
            summary = run_map(
                _literal(replace(definition, **changes)),
                request.input,
                storage,
                name=request.state_name,
                map_run=request.map_run,
                connections=connections,
                variables=request.variables,
                invocation=_children(request),
                stop=stop,
            )
        finally:
            request.lifetime.forget(key)
        request.lifetime.check()
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


def _children(request: DistributedRun) -> InvocationFactory:
    """What runs the children that a state asks for."""

    def ready(concurrency: int, plan: Plan, folder: MapRunFolder, lifetime: Lifetime) -> Invocation:
        def run(child: Child) -> Any:
            try:
                return request.run_child(child.input, child.name(plan.map_run), lifetime)
            except StateFailed as failed:
                raise ChildExecutionFailed(failed.error or "", failed.cause or "") from None
            except ExecutionTimedOut:
                raise ChildFailed(TIMEOUT, "") from None
            except Aborted:
                raise ChildAborted from None

        return Invocation(run, blocks=request.blocks, whole_child=True)

    return ready
