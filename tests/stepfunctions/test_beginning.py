"""How an attempt comes to its execution, attempt by attempt, against the scripted server."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_sfdm.aws.errors import ExecutionNameTaken, Throttled, Unreachable
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.executions import Execution, ExecutionStatus, RedriveStatus
from airflow_provider_sfdm.stepfunctions.beginning import (
    Attempt,
    Beginning,
    Begun,
    OnRetry,
    RedriveRefused,
    as_on_retry,
    not_redrivable,
    redrive_earlier,
)
from tests.stepfunctions.scripted import ONCE, ScriptedStepFunctions, Step, arn

FAILED = Step(status="FAILED", error="E", cause="C")
SUCCEEDED = Step(status="SUCCEEDED", output=[])


class DictMemory:
    """What a task instance remembers, in a dict, as JSON."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)


class Task:
    """A task instance with its attempts."""

    def __init__(self, server: ScriptedStepFunctions, **fields: Any) -> None:
        self.server = server
        self.memory = DictMemory()
        self.calls = StepFunctions(server.client(ONCE))
        self.beginning = Beginning(
            **{
                "calls": self.calls,
                "machine_arn": server.add_machine("m"),
                "name": "run",
                "execution_input": '{"key": "a.csv"}',
                "attempt": Attempt(number=0, key="dag run task -1"),
                "on_retry": OnRetry.REDRIVE_OR_RESTART,
                "memory": self.memory,
                **fields,
            }
        )

    def attempt(self, **changes: Any) -> Begun:
        """The next attempt begins; ``changes`` are those of its fields, from now on."""
        cleared = changes.pop("cleared_before", self.beginning.attempt.cleared_before)
        number = self.beginning.attempt.number + 1
        attempt = replace(self.beginning.attempt, number=number, cleared_before=cleared)
        self.beginning = replace(self.beginning, attempt=attempt, **changes)
        return self.beginning.begin()

    def end(self, name: str = "run") -> None:
        """Its execution goes on to the next step."""
        self.server.advance(execution(name))


def execution(name: str) -> str:
    return arn("execution", f"m:{name}")


@pytest.fixture
def task(step_functions: ScriptedStepFunctions) -> Task:
    """A task whose executions run, and fail when they are told to go on."""
    step_functions.plan("m", [Step(), FAILED], moves_on=None)
    return Task(step_functions)


def changing(server: ScriptedStepFunctions) -> list[str]:
    return [name for name in server.operations() if name in ("StartExecution", "RedriveExecution", "StopExecution")]


# The first attempt, and one that finds its execution running


def test_the_first_attempt_starts(task: Task) -> None:
    assert task.attempt() == Begun(execution("run"))
    run = task.server.runs[execution("run")]
    assert run.input == '{"key": "a.csv"}'
    assert changing(task.server) == ["StartExecution"]


def test_an_attempt_that_finds_its_execution_running_watches_that(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    begun = task.attempt()
    with caplog.at_level(logging.INFO):
        assert task.attempt() == begun
    assert "is running already: watching it" in caplog.text
    assert task.server.executions == ["run"]
    assert changing(task.server) == ["StartExecution"]


def test_a_start_whose_answer_gets_lost(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    task.server.reset("StartExecution", after=True)
    assert task.attempt(calls=StepFunctions(task.server.client())) == Begun(execution("run"))
    assert changing(task.server) == ["StartExecution", "StartExecution"]
    assert task.server.executions == ["run"]


@pytest.mark.parametrize("after", [True, False])
def test_an_attempt_that_dies_in_the_start(after: bool, task: Task) -> None:
    task.server.reset("StartExecution", after=after)
    with pytest.raises(Unreachable):
        task.attempt()
    assert task.attempt() == Begun(execution("run"))
    assert task.server.executions == ["run"]


def test_an_execution_whose_start_got_lost_and_that_has_ended_is_redriven(task: Task) -> None:
    task.server.reset("StartExecution", after=True)
    with pytest.raises(Unreachable):
        task.attempt()
    task.end()
    assert task.attempt() == Begun(execution("run"), 1)


def test_a_running_execution_with_another_input_is_watched_with_a_warning(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    begun = task.attempt()
    assert task.attempt(execution_input="{}") == begun
    assert "has another input than this attempt would give it" in caplog.text
    assert "a.csv" not in caplog.text, "an input is data, and may be anything"


def test_the_same_input_in_other_words_is_no_other_input(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.attempt()
    task.attempt(execution_input='{ "key" : "a.csv" }')
    assert "another input" not in caplog.text


# An execution that has ended without success


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_it_is_redriven(status: str, task: Task) -> None:
    task.server.plan("m", [Step(), Step(status=status)], redrives=[[Step(), Step(status=status)]], moves_on=None)
    task.attempt()
    task.end()
    assert task.attempt() == Begun(execution("run"), 1)
    task.end()
    assert task.attempt() == Begun(execution("run"), 2)
    assert task.server.executions == ["run"]
    tokens = {request["clientToken"] for request in task.server.called("RedriveExecution")}
    assert len(tokens) == 2


def test_an_attempt_that_finds_its_redrive_running_watches_that(task: Task) -> None:
    task.attempt()
    task.end()
    task.attempt()
    assert task.attempt() == Begun(execution("run"), 1)
    assert changing(task.server) == ["StartExecution", "RedriveExecution"]


def test_a_redrive_whose_answer_gets_lost(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    task.attempt()
    task.end()
    task.server.reset("RedriveExecution", after=True)
    assert task.attempt(calls=StepFunctions(task.server.client())) == Begun(execution("run"), 1)
    assert task.server.runs[execution("run")].redrives == 1


def test_an_attempt_that_dies_in_the_redrive_and_is_begun_again(task: Task) -> None:
    task.attempt()
    task.end()
    task.server.reset("RedriveExecution", after=True)
    with pytest.raises(Unreachable):
        task.attempt()
    assert task.beginning.begin() == Begun(execution("run"), 1)
    assert task.server.runs[execution("run")].redrives == 1


def test_a_redrive_that_fails_within_an_attempt_that_is_begun_again(task: Task) -> None:
    """A worker that died, or the late kill of an earlier attempt: AWS knows a token for 15 minutes."""
    task.server.plan("m", [Step(), FAILED], redrives=[[Step(), FAILED], [Step(), FAILED]], moves_on=None)
    task.attempt()
    task.end()
    assert task.attempt() == Begun(execution("run"), 1)
    task.end()
    assert task.beginning.begin() == Begun(execution("run"), 2)
    assert task.server.runs[execution("run")].redrives == 2


@pytest.mark.parametrize("from_describe", [True, False], ids=["DescribeExecution says so", "the redrive is refused"])
def test_what_cannot_be_redriven_is_started_anew_under_another_name(
    from_describe: bool, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "Execution history exceeds 24,999 events"
    if from_describe:
        task.server.plan("m", [Step(), replace(FAILED, not_redrivable=reason)], moves_on=None)
    task.attempt()
    task.end()
    if not from_describe:
        task.server.fail("RedriveExecution", "ExecutionNotRedrivable", reason)
    with caplog.at_level(logging.INFO):
        assert task.attempt() == Begun(execution("run-2"))
    assert f"so another execution is started: {reason}" in caplog.text
    assert "is FAILED: E: C" in caplog.text
    assert task.server.executions == ["run", "run-2"]


def test_the_third_execution(task: Task) -> None:
    task.attempt(on_retry=OnRetry.RESTART)
    task.end("run")
    task.attempt()
    task.end("run-2")
    assert task.attempt() == Begun(execution("run-3"))
    assert task.attempt() == Begun(execution("run-3"))
    assert task.server.executions == ["run", "run-2", "run-3"]


def test_the_policy_may_be_to_fail_then(task: Task) -> None:
    task.server.plan("m", [Step(), replace(FAILED, not_redrivable="it is too old")], moves_on=None)
    task.attempt(on_retry=OnRetry.REDRIVE_OR_FAIL)
    task.end()
    with pytest.raises(RedriveRefused, match=r"m:run is FAILED and cannot be redriven: it is too old"):
        task.attempt()
    assert task.server.executions == ["run"]


def test_the_policy_may_be_to_start_anew_in_any_case(task: Task) -> None:
    task.attempt(on_retry=OnRetry.RESTART)
    task.end()
    assert task.attempt() == Begun(execution("run-2"))
    assert "RedriveExecution" not in task.server.operations()


@pytest.mark.parametrize("policy", list(OnRetry))
def test_another_input_makes_another_execution(policy: OnRetry, task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.attempt(on_retry=policy)
    task.end()
    if policy is OnRetry.REDRIVE_OR_FAIL:
        with pytest.raises(RedriveRefused, match="the input is another one now"):
            task.attempt(execution_input="[]")
        return
    assert task.attempt(execution_input="[]") == Begun(execution("run-2"))
    assert task.server.runs[execution("run-2")].input == "[]"
    assert ("the input is another one now" in caplog.text) is (policy is OnRetry.REDRIVE_OR_RESTART)


def test_another_definition_makes_another_execution(
    step_functions: ScriptedStepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(step_functions)
    step_functions.plan("m", [Step(), FAILED], moves_on=None)
    machine = step_functions.machines[task.beginning.machine_arn]
    first = machine.publish()
    task.attempt(machine_arn=first)
    task.end()
    assert task.attempt() == Begun(execution("run"), 1)  # the same one: redriven
    step_functions.runs[execution("run")].steps = [Step(), FAILED]
    task.end()
    task.end()
    machine.revision = "next"
    second = machine.publish()
    assert task.attempt(machine_arn=second) == Begun(execution("run-2"))
    assert f"the definition is another one now: it ran {first}, and this is {second}" in caplog.text
    assert step_functions.runs[execution("run-2")].version == second


def test_a_machine_without_versions_is_redriven_whatever_became_of_its_definition(task: Task) -> None:
    task.attempt()
    task.end()
    task.server.machines[task.beginning.machine_arn].definition = '{"StartAt": "A", "States": {"A": {}}}'
    assert task.attempt() == Begun(execution("run"), 1)


# An execution that has succeeded


def succeeding(server: ScriptedStepFunctions) -> Task:
    server.plan("m", [Step(), SUCCEEDED], moves_on=None)
    return Task(server)


def test_what_succeeded_while_nobody_looked_is_taken(step_functions: ScriptedStepFunctions) -> None:
    task = succeeding(step_functions)
    task.attempt()
    task.end()
    assert task.attempt() == Begun(execution("run"))
    assert changing(step_functions) == ["StartExecution"]


def test_what_succeeded_before_the_task_was_cleared_is_run_again(step_functions: ScriptedStepFunctions) -> None:
    task = succeeding(step_functions)
    task.attempt()
    task.end()
    assert task.attempt(cleared_before=1) == Begun(execution("run-2"))
    task.end("run-2")
    assert task.attempt() == Begun(execution("run-2"))  # of the attempts since then
    assert step_functions.executions == ["run", "run-2"]


def test_a_success_of_a_redrive_is_one_of_the_attempt_that_asked_for_it(step_functions: ScriptedStepFunctions) -> None:
    task = Task(step_functions)
    step_functions.plan("m", [Step(), FAILED], redrives=[[Step(), SUCCEEDED]], moves_on=None)
    task.attempt()
    task.end()
    assert task.attempt(cleared_before=1) == Begun(execution("run"), 1)
    task.end()
    assert task.attempt().execution_arn == execution("run")
    assert step_functions.executions == ["run"]


def test_a_success_is_taken_whatever_the_input_would_be_now(step_functions: ScriptedStepFunctions) -> None:
    task = succeeding(step_functions)
    task.attempt()
    task.end()
    assert task.attempt(execution_input="[]") == Begun(execution("run"))


# Executions of somebody else


def test_an_execution_of_somebody_else_that_has_ended_is_left(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.calls.start(task.beginning.machine_arn, "run", task.beginning.execution_input)
    task.end()
    with caplog.at_level(logging.INFO):
        assert task.attempt() == Begun(execution("run-2"))
    assert "is none of this task instance" in caplog.text


def test_an_execution_of_somebody_else_that_runs_with_another_input(task: Task) -> None:
    task.calls.start(task.beginning.machine_arn, "run", "[]")
    with pytest.raises(ExecutionNameTaken, match="is running with another input; give an execution_name of its own"):
        task.attempt()
    assert task.server.executions == ["run"]


def test_an_execution_of_somebody_else_that_runs_with_the_same_input(task: Task) -> None:
    """A start by hand, say: two of them beside each other are what nobody wants."""
    task.calls.start(task.beginning.machine_arn, "run", task.beginning.execution_input)
    assert task.attempt() == Begun(execution("run"))


def test_the_names_of_two_task_instances_do_not_meet_in_one_memory(step_functions: ScriptedStepFunctions) -> None:
    step_functions.plan("m", [Step(), FAILED], moves_on=None)
    one, other = Task(step_functions), Task(step_functions, name="other")
    assert one.attempt() == Begun(execution("run"))
    assert other.attempt() == Begun(execution("other"))
    one.end()
    other.end("other")
    assert one.attempt() == Begun(execution("run"), 1)
    assert other.attempt() == Begun(execution("other"), 1)


# Redrives of an earlier execution, by its ARN or its summary


@pytest.fixture
def earlier(task: Task) -> Task:
    """A task beside an execution of somebody else that has failed."""
    task.calls.start(task.beginning.machine_arn, "earlier", "{}")
    task.end("earlier")
    task.server.calls.clear()
    return task


def redrive(task: Task, target: Any, number: int = 1, **attempt: Any) -> Begun:
    return redrive_earlier(task.calls, target, Attempt(number=number, key="t", **attempt), task.memory)


@pytest.mark.parametrize("target", [execution("earlier"), {"executionArn": execution("earlier"), "status": "FAILED"}])
def test_an_earlier_execution_by_arn_or_summary(target: Any, earlier: Task) -> None:
    assert redrive(earlier, target) == Begun(execution("earlier"), 1)
    assert earlier.server.runs[execution("earlier")].redrives == 1
    assert redrive(earlier, target, 2) == Begun(execution("earlier"), 1)  # it is running: attached to
    assert earlier.server.runs[execution("earlier")].redrives == 1


def test_a_redrive_that_succeeded_while_nobody_looked(earlier: Task) -> None:
    earlier.server.plan("m", [Step(), FAILED], redrives=[[Step(), SUCCEEDED]], moves_on=None)
    earlier.calls.start(earlier.beginning.machine_arn, "later", "{}")
    earlier.end("later")
    redrive(earlier, execution("later"))
    earlier.end("later")
    assert redrive(earlier, execution("later"), 2) == Begun(execution("later"), 1)
    with pytest.raises(RedriveRefused, match="has succeeded: there is nothing to run again"):
        redrive(earlier, execution("later"), 3, cleared_before=2)


def test_nothing_to_redrive(step_functions: ScriptedStepFunctions) -> None:
    task = succeeding(step_functions)
    task.calls.start(task.beginning.machine_arn, "earlier", "{}")
    task.end("earlier")
    with pytest.raises(RedriveRefused, match=r"redrive: .*m:earlier has succeeded: there is nothing to run again"):
        redrive(task, execution("earlier"))
    with pytest.raises(RedriveRefused, match=r"redrive: DescribeExecution: ExecutionDoesNotExist"):
        redrive(task, execution("other"))


def test_an_earlier_execution_that_aws_does_not_redrive(earlier: Task) -> None:
    run = earlier.server.runs[execution("earlier")]
    run.step = replace(run.step, not_redrivable="it is too old")
    with pytest.raises(RedriveRefused, match=r"m:earlier is FAILED and cannot be redriven: it is too old"):
        redrive(earlier, execution("earlier"))


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (arn("mapRun", "m/Map:1"), "that of a Map Run"),
        (arn("execution", "m/Map:1"), "that of a child execution"),
        ({"status": "FAILED"}, "must be the ARN of an execution, got None"),
        (None, "must be the ARN of an execution"),
    ],
)
def test_what_names_no_execution(target: Any, problem: str, earlier: Task) -> None:
    with pytest.raises(InvalidDefinition, match=problem):
        redrive(earlier, target)
    assert earlier.server.calls == []


# Other failures


def test_throttling_is_left_to_the_attempts(task: Task) -> None:
    task.server.fail("DescribeExecution", times=1)
    with pytest.raises(Throttled):
        task.attempt()
    assert task.attempt() == Begun(execution("run"))


def test_policies() -> None:
    assert as_on_retry("restart") is OnRetry.RESTART
    with pytest.raises(InvalidDefinition, match="on_retry"):
        as_on_retry("again")


def test_a_child_says_who_redrives_it() -> None:
    child = Execution(
        arn="c", status=ExecutionStatus.FAILED, start=0.0, redrive_status=RedriveStatus.REDRIVABLE_BY_MAP_RUN
    )
    assert not_redrivable(child) == "it is a child execution, which is redriven with the execution of its Map Run"
    assert not_redrivable(replace(child, redrive_status=RedriveStatus.REDRIVABLE)) is None
    assert not_redrivable(replace(child, redrive_status=None)) is None
    assert not_redrivable(replace(child, redrive_status=RedriveStatus.NOT_REDRIVABLE)) == "AWS gives no reason"


@pytest.mark.parametrize("error", ["MapRun.FailWhen", "MapRun.SucceedWhen"])
@pytest.mark.parametrize("policy", list(OnRetry))
def test_what_the_authors_conditions_decided_is_not_run_again_by_a_retry(
    error: str, policy: OnRetry, step_functions: ScriptedStepFunctions
) -> None:
    """An attempt stopped its execution, by a condition, and died before it could say so."""
    step_functions.plan("m", [Step()], redrives=[[Step()]], moves_on=None)
    task = Task(step_functions, on_retry=policy)
    begun = task.attempt()
    task.calls.stop(begun.execution_arn, error, "failed > 2%")
    assert task.attempt() == begun
    assert changing(step_functions) == ["StartExecution", "StopExecution"]
    # Clearing the task is a decision, too.
    again = task.attempt(cleared_before=2)
    assert (again.redrive_count, again.execution_arn == begun.execution_arn) == (
        (0, False) if policy is OnRetry.RESTART else (1, True)
    )


def test_an_execution_that_an_alias_started_is_redriven(step_functions: ScriptedStepFunctions) -> None:
    """An alias does not say of which version it is, so nothing can be compared."""
    task = Task(step_functions)
    found = Execution(
        arn=execution("run"),
        status=ExecutionStatus.FAILED,
        start=0.0,
        input=task.beginning.execution_input,
        version_arn=f"{task.beginning.machine_arn}:3",
        redrive_status=RedriveStatus.REDRIVABLE,
    )
    by_alias = replace(task.beginning, machine_arn=f"{task.beginning.machine_arn}:PROD")
    assert by_alias._obstacle(found) is None
    by_version = replace(task.beginning, machine_arn=f"{task.beginning.machine_arn}:4")
    assert "the definition is another one now" in str(by_version._obstacle(found))


def test_names_stay_inside_awss_limit(step_functions: ScriptedStepFunctions) -> None:
    step_functions.plan("m", [Step(), FAILED], moves_on=None)
    task = Task(step_functions, name="n" * 80, on_retry=OnRetry.RESTART)
    task.attempt()
    task.end("n" * 80)
    assert task.attempt() == Begun(execution("n" * 78 + "-2"))


@pytest.mark.parametrize("policy", [OnRetry.REDRIVE_OR_RESTART, OnRetry.REDRIVE_OR_FAIL])
def test_an_execution_that_was_redriven_already_is_watched(
    policy: OnRetry, step_functions: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt before asked for the redrive and died, and what is described is still the end before it."""
    monkeypatch.setattr("airflow_provider_sfdm.stepfunctions.beginning._CATCHES_UP", (0.0, 0.0, 0.0))
    step_functions.plan("m", [FAILED], redrives=[[Step()]], stale=2, moves_on=None)
    task = Task(step_functions, on_retry=policy)
    begun = task.attempt()
    task.calls.redrive(begun.execution_arn, "of the attempt that died")
    assert task.attempt() == Begun(begun.execution_arn, 1)
    assert step_functions.executions == ["run"], "there is never a second one beside it"
