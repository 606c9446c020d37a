"""How an attempt of a task comes to its execution: attach to it, redrive it, or start one.

An attempt must never start a second execution beside one that runs already, and never take the result of somebody
else's. So the names are derived from the task instance (``NAME``, ``NAME-2``, ``NAME-3``, …: AWS takes a name again
after 90 days only), and which executions are the task instance's own is remembered before they are started.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import count
from typing import Any, Protocol

from ..aws.errors import ExecutionNameTaken, NotFound, NotRedrivable
from ..aws.step_functions import StepFunctionsCalls, same_input
from ..core.arns import MAX_NAME, ArnKind, StatesArn, arn_of
from ..core.executions import Execution, ExecutionStatus, RedriveStatus
from ..core.values import choice
from ..core.watching import STOP_ERRORS, Outcome

log = logging.getLogger(__name__)


class OnRetry(StrEnum):
    """What an attempt does that finds its execution ended without success."""

    REDRIVE_OR_RESTART = "redrive_or_restart"
    """Redrive it; where AWS does not, or the definition or the input is another one now, start anew."""
    REDRIVE_OR_FAIL = "redrive_or_fail"
    """Redrive it; where that cannot be, fail."""
    RESTART = "restart"
    """Start anew."""


def as_on_retry(value: object) -> OnRetry:
    """``value`` as a policy. Raises InvalidDefinition for what is none."""
    return choice(OnRetry, value, "on_retry")


class Memory(Protocol):
    """What a task instance remembers over all of its attempts."""

    def get(self, key: str) -> Any:
        """What was set, or None."""

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value."""


class RedriveRefused(Exception):
    """The execution cannot be redriven, and the author wants no other one."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt of a task instance. ``cleared_before`` counts the attempts before it was cleared last."""

    number: int
    cleared_before: int = 0
    key: str = ""
    """The task instance, in text."""

    def token(self, execution: Execution) -> str:
        """One that makes a redrive that this attempt asks for twice one redrive; the next redrive has another."""
        text = f"{execution.arn}|{execution.redrive_count}|{self.key}|{self.number}"
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Begun:
    """The execution of an attempt, and the number of redrives that it must show before its status counts."""

    execution_arn: str
    redrive_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """One attempt's way to its execution. ``machine_arn`` is what would be started now: maybe a version or alias;
    ``definition`` is what it runs, where that is known.
    """

    calls: StepFunctionsCalls
    machine_arn: str
    name: str
    execution_input: str
    attempt: Attempt
    on_retry: OnRetry
    memory: Memory
    definition: Mapping[str, Any] | None = None

    def begin(self) -> Begun:
        """Find, redrive or start the execution.

        :raises ExecutionNameTaken: an execution of that name, which is none of this task instance, runs with another
            input.
        :raises RedriveRefused: it cannot be redriven, and the policy says to fail then.
        """
        found, free_name = self._latest()
        if found is None:
            return self._start(free_name)
        own = _own(self.memory, found.arn)
        if not found.status.ended:
            return self._attach(found, own)
        if own is None:
            log.info("%s has ended, and is none of this task instance", found.arn)
            return self._start(free_name)
        if found.status is ExecutionStatus.SUCCEEDED:
            if own > self.attempt.cleared_before:
                log.info("%s has succeeded while no attempt of this task was looking", found.arn)
                return Begun(found.arn)
            log.info("%s has succeeded before the task was cleared", found.arn)
            return self._start(free_name)
        return self._again(found, own, free_name)

    def _latest(self) -> tuple[Execution | None, str]:
        """The latest execution of the names, and the first name that is free."""
        machine = StatesArn.parse(self.machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        latest = None
        for number in count(1):
            name = _numbered(self.name, number)
            execution = self.calls.find_execution(machine.execution_arn(name))
            if execution is None:
                return latest, name
            latest = execution
        raise AssertionError("unreachable")

    def _attach(self, found: Execution, own: int | None) -> Begun:
        if not same_input(found, self.execution_input):
            if own is None:
                raise ExecutionNameTaken(
                    "StartExecution",
                    "ExecutionAlreadyExists",
                    f"{found.arn} is running with another input",
                    "give an execution_name of its own",
                )
            log.warning("%s has another input than this attempt would give it", found.arn)
        log.info("%s is running already: watching it", found.arn)
        _remember(self.memory, found.arn, self.attempt.number)
        return Begun(found.arn, found.redrive_count)

    def _again(self, found: Execution, own: int, free_name: str) -> Begun:
        """After an execution of this task instance that did not succeed."""
        log.info("%s is %s: %s", found.arn, found.status, _said(found))
        if own > self.attempt.cleared_before and found.error in _DECIDED:
            # That attempt only had no time left to say so.
            return Begun(found.arn, found.redrive_count)
        if self.on_retry is OnRetry.RESTART:
            return self._start(free_name)
        why_not = self._obstacle(found)
        if why_not is None:
            try:
                return redrive(self.calls, found, self.attempt, self.memory)
            except NotRedrivable as error:
                why_not = error.reason
        if self.on_retry is OnRetry.REDRIVE_OR_FAIL:
            raise RedriveRefused(f"{found.arn} is {found.status} and cannot be redriven: {why_not}")
        log.warning("%s cannot be redriven, so another execution is started: %s", found.arn, why_not)
        return self._start(free_name)

    def _obstacle(self, found: Execution) -> str | None:
        """Why the execution must not be redriven: AWS runs it with the definition and the input that it had."""
        if not same_input(found, self.execution_input):
            return "the input is another one now"
        now = StatesArn.parse(self.machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        version = now.name is not None and now.name.isdigit()  # an alias does not say which one it is of
        if found.version_arn is not None and version and found.version_arn != self.machine_arn:
            return f"the definition is another one now: it ran {found.version_arn}, and this is {self.machine_arn}"
        compared = found.version_arn is not None and version
        if not compared and self.definition is not None and self.calls.definition_of(found.arn) != self.definition:
            return "the definition is another one now"
        return not_redrivable(found)

    def _start(self, name: str) -> Begun:
        machine = StatesArn.parse(self.machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        # Before the start: an attempt that dies right after it would leave an execution that nobody knows.
        _remember(self.memory, machine.execution_arn(name), self.attempt.number)
        arn = self.calls.start(self.machine_arn, name, self.execution_input)
        log.info("Started %s of %s", arn, self.machine_arn)
        return Begun(arn)


def redrive(calls: StepFunctionsCalls, found: Execution, attempt: Attempt, memory: Memory) -> Begun:
    """Redrive an execution that has ended without success.

    :raises NotRedrivable: AWS says why.
    """
    if (why_not := not_redrivable(found)) is not None:
        raise NotRedrivable("RedriveExecution", "ExecutionNotRedrivable", why_not)
    _remember(memory, found.arn, attempt.number)
    try:
        calls.redrive(found.arn, attempt.token(found))
    except NotRedrivable:
        # What was described may be old: it may run already, redriven by an attempt that died, or by somebody else.
        now = _described_anew(calls, found)
        if now.status.ended and now.redrive_count == found.redrive_count:
            raise
        log.info("%s has been redriven already: watching it", found.arn)
        return Begun(found.arn, now.redrive_count)
    log.info("Redriving %s (redrive %s): what succeeded is not run again", found.arn, found.redrive_count + 1)
    return Begun(found.arn, found.redrive_count + 1)


def redrive_earlier(calls: StepFunctionsCalls, target: object, attempt: Attempt, memory: Memory) -> Begun:
    """Redrive the execution that an ARN or the summary of an earlier map names; or attach to it, if it runs.

    :raises RedriveRefused: it has succeeded, cannot be redriven, or there is none.
    """
    parsed = StatesArn.parse(arn_of(target), "redrive", ArnKind.EXECUTION)
    try:
        found = calls.get_execution(parsed.text)
    except NotFound as error:
        raise RedriveRefused(f"redrive: {error}") from error
    if not found.status.ended:
        log.info("%s is running already: watching it", found.arn)
        _remember(memory, found.arn, attempt.number)
        return Begun(found.arn, found.redrive_count)
    own = _own(memory, found.arn)
    if found.status is ExecutionStatus.SUCCEEDED:
        if own is not None and own > attempt.cleared_before:
            return Begun(found.arn, found.redrive_count)  # an earlier attempt has redriven it
        raise RedriveRefused(f"redrive: {found.arn} has succeeded: there is nothing to run again")
    try:
        return redrive(calls, found, attempt, memory)
    except NotRedrivable as error:
        raise RedriveRefused(
            f"redrive: {found.arn} is {found.status} and cannot be redriven: {error.reason}"
        ) from error


def not_redrivable(execution: Execution) -> str | None:
    """Why AWS does not redrive an execution, None where it does."""
    if execution.redrive_status in (RedriveStatus.REDRIVABLE, None):
        return None  # where it does not say, the call will
    if execution.redrive_status is RedriveStatus.REDRIVABLE_BY_MAP_RUN:
        return "it is a child execution, which is redriven with the execution of its Map Run"
    return execution.redrive_reason or "AWS gives no reason"


# Seconds within which a description catches up.
_CATCHES_UP = (1.0, 2.0, 4.0)


def _described_anew(calls: StepFunctionsCalls, before: Execution) -> Execution:
    """The execution as it shows when there was time to catch up."""
    now = before
    for seconds in _CATCHES_UP:
        now = calls.get_execution(before.arn)
        if not now.status.ended or now.redrive_count != before.redrive_count:
            break
        time.sleep(seconds)
    return now


_KEY = "sfdm_executions"
# The author's conditions have decided these: no other attempt is to decide anew.
_DECIDED = frozenset({STOP_ERRORS[Outcome.FAIL_WHEN], STOP_ERRORS[Outcome.SUCCEED_WHEN]})


def _numbered(name: str, number: int) -> str:
    """The name of a task instance's first, second, … execution."""
    suffix = "" if number == 1 else f"-{number}"
    return name[: MAX_NAME - len(suffix)] + suffix


def _own(memory: Memory, arn: str) -> int | None:
    """The attempt of this task instance that had to do with the execution last, None for somebody else's."""
    known = memory.get(_KEY)
    number = json.loads(known).get(arn) if isinstance(known, str) else None
    return int(number) if number is not None else None


def _remember(memory: Memory, arn: str, attempt: int) -> None:
    known = memory.get(_KEY)
    executions = json.loads(known) if isinstance(known, str) else {}
    memory.set(_KEY, json.dumps(executions | {arn: attempt}))


def _said(execution: Execution) -> str:
    return ": ".join(filter(None, (execution.error, execution.cause))) or "without an error"
