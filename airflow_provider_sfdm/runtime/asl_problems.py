"""What is wrong with the states of children, all of it with its location, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..core.definition import DistributedMap
from ..core.processors import AslProcessor
from ..core.values import ExecutionType

if TYPE_CHECKING:
    from ..aws.tasks import Tasks
    from ..states.validation.problems import Problem

_FIELD = "ItemProcessor"


def check_states(definition: DistributedMap) -> None:
    """Refuse children whose states cannot run, and tasks that cannot work here. Nothing is called.

    :raises InvalidMachine: with all problems; an InvalidDefinition.
    """
    processor = definition.item_processor
    if not isinstance(processor, AslProcessor):
        return
    # Imported here, as most maps have no states and a DAG is parsed often.
    from ..aws.tasks import Tasks
    from ..states.validation.machine import problems
    from ..states.validation.problems import InvalidMachine, Problem
    from .asl_children import processor_to_definition

    machine = processor_to_definition(processor, definition.query_language)
    # Structure first: what is no state at all cannot be asked for its tasks.
    express = definition.execution_type is ExecutionType.EXPRESS
    found = problems(machine, processor=True, express=express) or list(
        _tasks(machine, "", machine["QueryLanguage"], Tasks(functions=processor.functions))
    )
    if found:
        raise InvalidMachine([Problem(f"{_FIELD}{problem.location}", problem.message) for problem in found])


def _tasks(holder: Mapping[str, Any], place: str, language: str, tasks: Tasks) -> Iterator[Problem]:
    """The problems of the Task states in a list of states, at any depth."""
    from ..states.validation.problems import Problem

    language = holder.get("QueryLanguage", language)
    for name, state in holder["States"].items():
        where = f"{place}/States/{name}"
        if state["Type"] == "Task":
            speaks = state.get("QueryLanguage", language)
            arguments = state.get("Arguments" if speaks == "JSONata" else "Parameters")
            for problem in tasks.check(
                state["Resource"], arguments, query_language=speaks, credentials=state.get("Credentials")
            ):
                # The resource itself has no place in the arguments.
                told = f"{problem.message}. {problem.hint}" if problem.hint else problem.message
                yield Problem(where + problem.location, told)
        for index, branch in enumerate(state.get("Branches", ())):
            yield from _tasks(branch, f"{where}/Branches[{index}]", language, tasks)
        for field in ("ItemProcessor", "Iterator"):
            if field in state:
                yield from _tasks(state[field], f"{where}/{field}", language, tasks)
