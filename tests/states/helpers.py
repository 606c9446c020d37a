"""What the interpreter's tests share: a world whose time only moves when something sleeps, and short ways to run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_sfdm.runtime.distributed import run_distributed
from airflow_provider_sfdm.states.identity import LOCAL, Identity
from airflow_provider_sfdm.states.lifetime import Lifetime
from airflow_provider_sfdm.states.limits import DEFAULT_LIMITS, Limits
from airflow_provider_sfdm.states.machine import Outcome, compile_machine, execute
from airflow_provider_sfdm.states.seam import Invoke, TaskCall, TaskFailed
from airflow_provider_sfdm.states.services import Services, refuse
from airflow_provider_sfdm.states.validation.machine import check
from airflow_provider_sfdm.states.values import compile_intrinsic
from airflow_provider_sfdm.states.visit import Execution, Run, Visit

START = 1_700_000_000.0


class World:
    """Services for one test; ``slept`` are the waits."""

    def __init__(self, invoke: Invoke = refuse, limits: Limits = DEFAULT_LIMITS, random: float = 0.5) -> None:
        self.now = START
        self.slept: list[float] = []
        uuids = (f"00000000-0000-4000-8000-{number:012d}" for number in itertools.count())
        self.services = Services(
            clock=lambda: self.now,
            monotonic=time.monotonic,
            sleep=self._sleep,
            random=lambda: random,
            uuid=lambda: next(uuids),
            invoke=invoke,
            run_distributed=run_distributed(),
            limits=limits,
        )

    def _sleep(self, seconds: float, lifetime: Lifetime) -> None:
        self.slept.append(seconds)
        self.now += seconds


def run(
    definition: Mapping[str, Any],
    data: Any = None,
    world: World | None = None,
    identity: Identity = LOCAL,
) -> Outcome:
    """Check, compile and execute a definition; input None is ``{}``."""
    check(definition)
    machine = compile_machine(definition)
    return execute(machine, {} if data is None else data, (world or World()).services, identity)


def machine(**states: Mapping[str, Any]) -> dict[str, Any]:
    """A state machine that starts at the first state."""
    return {"StartAt": next(iter(states)), "States": states}


def jsonata(**states: Mapping[str, Any]) -> dict[str, Any]:
    """The same, speaking JSONata."""
    return {"QueryLanguage": "JSONata", **machine(**states)}


def output(definition: Mapping[str, Any], data: Any = None, world: World | None = None) -> Any:
    """The output of an execution that succeeds."""
    outcome = run(definition, data, world)
    assert outcome.status == "SUCCEEDED", outcome
    return outcome.output


def failure(definition: Mapping[str, Any], data: Any = None, world: World | None = None) -> tuple[Any, Any]:
    """Error and cause of an execution that fails."""
    outcome = run(definition, data, world)
    assert outcome.status == "FAILED", outcome
    return outcome.error, outcome.cause


def visit(data: Any = None, variables: Mapping[str, Any] | None = None, world: World | None = None) -> Visit:
    """A visit of a state ``S`` with this input."""
    execution = Execution((world or World()).services, *LOCAL.context(data, START))
    return Visit(Run(execution, dict(variables or {})), "S", data)


def intrinsic(call: str, data: Any = None) -> Any:
    """The value of an intrinsic function."""
    return compile_intrinsic(call, "field")(visit(data))


class Service:
    """An `Invoke` that plays back: each call takes the next of ``answers``; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.calls: list[tuple[str, Any, TaskCall]] = []

    def __call__(self, resource: str, arguments: Any, call: TaskCall) -> Any:
        self.calls.append((resource, arguments, call))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(arguments) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]


def failing(error: str = "Boom", cause: str | None = "it broke") -> TaskFailed:
    return TaskFailed(error, cause)
