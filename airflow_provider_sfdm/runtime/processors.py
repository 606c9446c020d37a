"""From a definition's ItemProcessor to something that runs one child's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..core.definition import DistributedMap
from ..core.errors import UnsupportedField
from ..core.processors import AslProcessor, LambdaFunction, PythonFunction
from ..local.invocation import Invoke
from ..states.lifetime import Lifetime
from ..storage import Connections
from .folder import NESTED, MapRunFolder
from .per_item import per_item_async, per_item_sync
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a child is run. ``per_item``: ``invoke`` takes the batch's ``ItemOutcomes`` instead of its input.

    ``blocks`` tells that an attempt mostly waits, so that children should overlap even when no MaxConcurrency is set.
    With ``whole_child`` ``invoke`` takes the ``Child`` itself.
    """

    invoke: Invoke
    is_async: bool = False
    per_item: bool = False
    blocks: bool = False
    whole_child: bool = False


class InvocationFactory(Protocol):
    """Makes a processor ready to be called."""

    def __call__(self, concurrency: int, plan: Plan, folder: MapRunFolder, lifetime: Lifetime, /) -> Invocation:
        """Make it ready to run ``concurrency`` children of the planned map run at once. What can be ended ends with
        ``lifetime``.
        """
        ...


def invocation_of(
    definition: DistributedMap,
    connections: Connections,
    concurrency: int,
    plan: Plan,
    folder: MapRunFolder,
    lifetime: Lifetime,
) -> Invocation:
    """The `InvocationFactory` of a definition's processor.

    :raises UnsupportedField: a processor that cannot run in this process.
    """
    processor = definition.item_processor
    if isinstance(processor, PythonFunction):
        if processor.per_item and definition.item_batcher is not None:
            wrap = per_item_async if processor.is_async else per_item_sync
            return Invocation(wrap(processor.function), processor.is_async, per_item=True)
        return Invocation(processor.function, processor.is_async)
    if isinstance(processor, LambdaFunction):
        from ..aws.lambda_function import client_config, lambda_invoke

        client = connections.lambda_client(client_config(concurrency))
        return Invocation(lambda_invoke(processor, client), blocks=True)
    if isinstance(processor, AslProcessor):
        # Imported here, as only children that are states need the interpreter.
        from ..states.machine import waits
        from .asl_children import asl_invoke

        invoke = asl_invoke(
            processor,
            definition.query_language,
            plan.map_run,
            connections,
            express=plan.express,
            concurrency=concurrency,
            storage=f"{folder.url.rstrip('/')}/{NESTED}",
            lifetime=lifetime,
        )
        return Invocation(invoke, blocks=waits(processor.states), whole_child=True)
    raise UnsupportedField("ItemProcessor", f"a {type(processor).__name__} cannot be run in this process")
