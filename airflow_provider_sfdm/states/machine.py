"""Lists of states: a state machine, a branch, an item processor. Compiled once, run as often as wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..core.asl_states import all_states
from ..core.errors import InvalidDefinition, StatesError
from ..core.paths import in_state
from ..core.records import Resume
from .choice.state import JsonataChoice, JsonPathChoice
from .failures import ExecutionTimedOut, StateFailed
from .identity import LOCAL, Identity
from .lifetime import Aborted, Lifetime
from .payloads import check_payload
from .services import Services
from .state import Source, State
from .state_end import Fail, Succeed
from .state_map import InlineMap
from .state_map_distributed import DistributedMapState
from .state_parallel import Parallel
from .state_pass import JsonataPass, JsonPathPass
from .state_task import Task
from .state_wait import Wait
from .visit import Execution, Run, Visit


class Machine:
    """A list of states with a first one."""

    __slots__ = ("_first", "_states", "timeout")

    def __init__(self, first: State, states: Mapping[str, State], timeout: float | None) -> None:
        """``timeout``: TimeoutSeconds of a whole state machine."""
        self._first = first
        self._states = states
        self.timeout = timeout

    def has(self, state: str) -> bool:
        """Whether there is a state of this name."""
        return state in self._states

    def run(self, run: Run, data: Any, begin_at: str | None = None) -> Any:
        """The output of the states on ``data``, from the first one on or from ``begin_at``.

        :raises StateFailed: a state failed and nothing answered it.
        :raises ExecutionTimedOut: the execution's time is over.
        :raises Aborted: it was ended from outside.
        """
        execution, states = run.execution, self._states
        state = self._first if begin_at is None else states[begin_at]
        while True:
            run.at = state.name, data
            run.check()
            visit = Visit(run, state.name, data, 0 if state.retries else None)
            try:
                output, following = state.run(visit)
                if output is not data:
                    check_payload(output, f"state/task '{state.name}'")
            except StatesError as error:
                raise StateFailed(error.error, in_state(error.cause, state.name, visit.event)) from None
            execution.record()
            if following is None:
                return output
            data, state = output, states[following]


class Status(StrEnum):
    """How an execution ended, as AWS calls it."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended: ``output`` where it succeeded, else ``error`` and ``cause``, which may be None, and where
    a redrive would go on.
    """

    status: Status
    output: Any = None
    error: str | None = None
    cause: str | None = None
    resume: Resume | None = None


def execute(
    machine: Machine,
    data: Any,
    services: Services,
    identity: Identity = LOCAL,
    *,
    lifetime: Lifetime | None = None,
    resume: Resume | None = None,
) -> Outcome:
    """Run a whole execution to its end.

    :param lifetime: what ends it early, ABORTED.
    :param resume: where to go on. If the machine has no such state any more, it begins with the first one.
    """
    run: Run | None = None
    try:
        check_payload(data, "execution's input")
        with Lifetime(lifetime) as own:
            run = Run(start(services, identity, data, own, machine.timeout), {})
            if resume is None or not machine.has(resume.state):
                return Outcome(Status.SUCCEEDED, machine.run(run, data))
            run.variables.update(resume.variables)
            return Outcome(Status.SUCCEEDED, machine.run(run, resume.input, resume.state))
    except StateFailed as failed:
        return Outcome(Status.FAILED, error=failed.error, cause=failed.cause, resume=_resume(run))
    except StatesError as error:
        return Outcome(Status.FAILED, error=error.error, cause=error.cause, resume=_resume(run))
    except ExecutionTimedOut:
        # Recorded: neither an error nor a cause.
        return Outcome(Status.TIMED_OUT, resume=_resume(run))
    except Aborted:
        return Outcome(Status.ABORTED, resume=_resume(run))


def _resume(run: Run | None) -> Resume | None:
    return None if run is None or run.at is None else Resume(*run.at, dict(run.variables))


def start(
    services: Services, identity: Identity, data: Any, lifetime: Lifetime | None = None, timeout: float | None = None
) -> Execution:
    """An execution that begins now."""
    context = identity.context(data, services.clock())
    return Execution(services, *context, lifetime=lifetime, express=identity.express, timeout=timeout)


def compile_machine(definition: Mapping[str, Any], *, query_language: str = "JSONPath") -> Machine:
    """A state machine or an item processor, ready to run. ``query_language``: where the definition names none.

    It trusts the definition's structure: see :func:`.validation.machine.problems` for all that is wrong with one.

    :raises InvalidDefinition: a path, an expression or another field cannot be compiled.
    """
    language = definition.get("QueryLanguage", query_language)
    return _compile(definition, language, "")


def _compile(definition: Mapping[str, Any], language: str, place: str) -> Machine:
    language = definition.get("QueryLanguage", language)
    states = {
        name: _compile_state(name, fields, language, f"{place}/States/{name}")
        for name, fields in definition["States"].items()
    }
    first = states.get(definition["StartAt"])
    if first is None:
        raise InvalidDefinition(f"{place}/StartAt", "names no state")
    return Machine(first, states, definition.get("TimeoutSeconds"))


def _compile_state(name: str, fields: Mapping[str, Any], language: str, place: str) -> State:
    # A state that names none speaks the machine's language, not that of the state around it.
    jsonata = fields.get("QueryLanguage", language) == "JSONata"
    source = Source(name, fields, jsonata, language, place)
    kind = fields["Type"]
    if kind == "Pass":
        return JsonataPass(source) if jsonata else JsonPathPass(source)
    if kind == "Choice":
        return JsonataChoice(source) if jsonata else JsonPathChoice(source)
    if kind == "Map":
        return _compile_map(source)
    if kind == "Parallel":
        branches = [
            _compile(branch, language, f"{place}/Branches[{index}]") for index, branch in enumerate(fields["Branches"])
        ]
        return Parallel(source, branches, overlap=any(waits(branch["States"]) for branch in fields["Branches"]))
    make = _SIMPLE.get(kind)
    if make is None:
        raise InvalidDefinition(f"{place}/Type", f"there is no state of type {kind!r}")
    return make(source)


_SIMPLE: Mapping[str, Callable[[Source], State]] = {"Task": Task, "Wait": Wait, "Succeed": Succeed, "Fail": Fail}


def _compile_map(source: Source) -> State:
    field = "ItemProcessor" if "ItemProcessor" in source.fields else "Iterator"
    definition = source.fields[field]
    processor = _compile(definition, source.machine_language, f"{source.place}/{field}")
    if definition.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        return DistributedMapState(source, processor, blocks=waits(definition["States"]))
    return InlineMap(source, processor, overlap=waits(definition["States"]))


def waits(states: Mapping[str, Any]) -> bool:
    """Whether one of these states waits, for a service or the clock, so that runs of them should overlap."""
    return any(
        state.get("Type") in ("Task", "Wait") or any(name in state for name in ("ItemReader", "ResultWriter", "Retry"))
        for _, state in all_states(states)
    )
