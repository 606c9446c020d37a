"""Retry and Catch."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.retry import answers
from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed
from tests.states.helpers import Service, World, failing, failure, jsonata, machine, output

TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}
PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("names", "error", "answered"),
    [
        (("E",), "E", True),
        (("E",), "F", False),
        (("E",), None, False),
        (("States.ALL",), "E", True),
        (("States.ALL",), None, True),
        (("States.ALL",), "States.Timeout", True),
        (("States.ALL",), "States.QueryEvaluationError", True),
        (("States.ALL",), "States.Runtime", False),
        (("States.Runtime",), "States.Runtime", False),
        (("States.ALL",), "States.DataLimitExceeded", False),
        (("States.DataLimitExceeded",), "States.DataLimitExceeded", True),
        (("States.TaskFailed",), "E", True),
        (("States.TaskFailed",), "States.Timeout", False),
        (("States.TaskFailed",), "States.HeartbeatTimeout", True),
        (("States.Timeout",), "States.HeartbeatTimeout", True),
        (("States.HeartbeatTimeout",), "States.Timeout", False),
        (("State.ALL",), "E", False),
    ],
)
def test_which_errors_are_answered(names: tuple[str, ...], error: str | None, answered: bool) -> None:
    assert answers(names, error) is answered


def test_waits_grow_up_to_their_limit() -> None:
    world = World(Service(*[failing()] * 4, "done"))
    retry = {"ErrorEquals": ["Boom"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 4, "MaxDelaySeconds": 10}
    assert output(machine(A={**TASK, "Retry": [retry]}), {}, world) == "done"
    assert world.slept == [2, 6, 10, 10]


def test_jitter_takes_a_random_part() -> None:
    world = World(Service(failing(), failing(), "done"), random=0.25)
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 4, "JitterStrategy": "FULL"}
    assert output(machine(A={**TASK, "Retry": [retry]}), {}, world) == "done"
    assert world.slept == [1, 2]


def test_the_defaults_are_three_more_attempts_after_1_2_and_4_seconds() -> None:
    world = World(Service(failing()))
    assert failure(machine(A={**TASK, "Retry": [{"ErrorEquals": ["States.ALL"]}]}), {}, world) == ("Boom", "it broke")
    assert world.slept == [1, 2, 4]


def test_each_retrier_counts_its_own_attempts() -> None:
    service = Service(failing("A"), failing("B"), failing("A"), failing("B"))
    retry = [{"ErrorEquals": [name], "MaxAttempts": 1, "IntervalSeconds": 1} for name in "AB"]
    state = {**TASK, "Parameters": {"n.$": "$$.State.RetryCount"}, "Retry": retry}
    assert failure(machine(A=state), {}, World(service)) == ("A", "it broke")
    assert [arguments["n"] for _, arguments, _ in service.calls] == [0, 1, 2]


def test_no_attempts_is_straight_to_the_catch() -> None:
    service = Service(failing())
    state = {
        **TASK,
        "Retry": [{"ErrorEquals": ["Boom"], "MaxAttempts": 0}],
        "Catch": [{"ErrorEquals": ["Boom"], "Next": "B", "ResultPath": "$.error"}],
    }
    caught = {"x": 1, "error": {"Error": "Boom", "Cause": "it broke"}}
    assert output(machine(A=state, B=PASS), {"x": 1}, World(service)) == caught
    assert len(service.calls) == 1


@pytest.mark.parametrize(
    ("failed", "wanted"),
    [
        (failing("E", None), {"Error": "E", "Cause": ""}),
        (failing("E", "c"), {"Error": "E", "Cause": "c"}),
    ],
)
def test_what_a_catch_hands_on(failed: Exception, wanted: Any) -> None:
    state = {**TASK, "OutputPath": None, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}
    assert output(machine(A=state, B=PASS), {"x": 1}, World(Service(failed))) == wanted


def test_the_first_catcher_that_answers_counts() -> None:
    catch = [{"ErrorEquals": [name], "Next": f"On {name}"} for name in ("X", "States.TaskFailed", "States.ALL")]
    states = {
        f"On {name}": {"Type": "Pass", "Result": name, "End": True} for name in ("X", "States.TaskFailed", "States.ALL")
    }
    definition = {"StartAt": "A", "States": {"A": {**TASK, "Catch": catch}, **states}}
    for error, name in (("X", "X"), ("Y", "States.TaskFailed"), ("States.Timeout", "States.ALL")):
        assert output(definition, {}, World(Service(failing(error)))) == name


def test_a_catch_in_jsonata() -> None:
    catcher = {
        "ErrorEquals": ["States.ALL"],
        "Output": {"was": "{% $states.input.x %}", "error": "{% $states.errorOutput.Error %}"},
        "Assign": {"why": "{% $states.errorOutput.Cause %}"},
        "Next": "B",
    }
    end = {"Type": "Pass", "Output": "{% [$states.input, $why] %}", "End": True}
    definition = jsonata(A={**TASK, "Catch": [catcher]}, B=end)
    assert output(definition, {"x": 1}, World(Service(failing()))) == [{"was": 1, "error": "Boom"}, "it broke"]


def test_a_query_that_fails_can_be_caught() -> None:
    state = {**TASK, "Output": "{% $gone %}", "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B"}]}
    caught = output(jsonata(A=state, B=PASS), {}, World(Service(1)))
    assert caught["Error"] == "States.QueryEvaluationError"
    assert caught["Cause"].startswith("An error occurred while executing the state 'A' (entered at the event id #2). ")


def test_a_runtime_error_is_not_caught() -> None:
    state = {**TASK, "ResultSelector": {"a.$": "$.gone"}, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}
    error, _ = failure(machine(A=state, B=PASS), {}, World(Service({})))
    assert error == "States.Runtime"


def test_waiting_for_a_retry_ends_with_the_execution() -> None:
    from tests.states.helpers import run

    world = World(Service(failing()))
    state = {**TASK, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60}]}
    assert run({**machine(A=state), "TimeoutSeconds": 30}, {}, world).status == "TIMED_OUT"
    assert world.slept == [30]


def test_a_long_cause_is_cut_and_can_be_caught() -> None:
    def invoke(resource: str, arguments: Any, call: TaskCall) -> Any:
        raise TaskFailed("Long" * 100, "x" * 300_000)

    states = {
        "A": {
            "Type": "Task",
            "Resource": "f",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}],
            "End": True,
        },
        "B": {"Type": "Pass", "End": True},
    }
    outcome = execute(compile_machine({"StartAt": "A", "States": states}), {}, local_services(invoke))
    assert (len(outcome.output["Error"]), len(outcome.output["Cause"])) == (256, 32_768)
