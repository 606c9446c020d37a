"""Children that are states of the Amazon States Language, run by the interpreter in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..aws.tasks import Tasks
from ..core.errors import TIMEOUT, ChildAborted, ChildExecutionFailed, ChildFailed
from ..core.names import MapRunName
from ..core.processors import AslProcessor
from ..core.values import QueryLanguage
from ..states.identity import Identity
from ..states.lifetime import Lifetime
from ..states.machine import Outcome, Status, compile_machine, execute
from ..storage import Connections
from .children import Child
from .distributed import local_services

ROLE = "arn:aws:iam::000000000000:role/airflow"
"""The role that the context object shows: tasks call AWS as the connection does, so there is none."""


def processor_to_definition(processor: AslProcessor, language: QueryLanguage) -> dict[str, Any]:
    """The list of states as the interpreter takes it. ``language`` is the map's, where the processor names none."""
    return {
        "StartAt": processor.start_at,
        "States": processor.states,
        "QueryLanguage": str(processor.query_language or language),
    }


def asl_invoke(
    processor: AslProcessor,
    language: QueryLanguage,
    map_run: MapRunName,
    connections: Connections,
    *,
    express: bool,
    concurrency: int,
    storage: str,
    lifetime: Lifetime,
) -> Callable[[Child], Any]:
    """What runs a child, its states compiled once.

    What is returned raises ChildFailed and ChildAborted.

    :param storage: the folder of map runs that children begin themselves.
    :param lifetime: that of the children.
    """
    machine = compile_machine(processor_to_definition(processor, language))
    tasks = Tasks(connections.client, processor.functions, concurrency=concurrency)
    services = local_services(tasks, storage, connections)
    machine_arn = map_run.child_machine_arn

    def invoke(child: Child) -> Any:
        arn = map_run.arn_of_child(child.name(map_run), express=express)
        identity = Identity(machine_arn, arn, ROLE, express, child.redriven)
        outcome = execute(machine, child.input, services, identity, lifetime=lifetime, resume=child.resume)
        if not express:  # recorded: those begin with their first state
            child.failed_at = outcome.resume
        return _output(outcome)

    return invoke


def _output(outcome: Outcome) -> Any:
    if outcome.status is Status.SUCCEEDED:
        return outcome.output
    if outcome.status is Status.ABORTED:
        raise ChildAborted
    if outcome.status is Status.TIMED_OUT:
        raise ChildFailed(TIMEOUT, "")
    # A task's States.Timeout that nothing caught is a failure like any other: the child itself was in time.
    raise ChildExecutionFailed(outcome.error or "", outcome.cause or "")
