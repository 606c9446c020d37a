"""Python functions that a DAG's author registers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import TaskFunction, Tasks
from airflow_provider_sfdm.states.seam import TaskFailed

from .helpers import CALL, FUNCTION


def run(function: TaskFunction, arguments: Any = None) -> Any:
    return Tasks(functions={"f": function})("f", arguments, CALL)


def test_a_function_takes_the_arguments() -> None:
    assert run(lambda arguments: {"got": arguments}, {"a": [1]}) == {"got": {"a": [1]}}


def test_an_async_function() -> None:
    async def later(arguments: Any) -> Any:
        return [arguments]

    assert run(later, 1) == [1]


def test_the_result_is_the_state_machines_alone() -> None:
    kept: dict[str, Any] = {"list": []}
    result = run(lambda arguments: kept)
    kept["list"].append(1)
    assert result == {"list": []}


def test_a_function_may_stand_in_for_an_arn() -> None:
    tasks = Tasks(functions={FUNCTION + "f": len})
    assert tasks.check(FUNCTION + "f", {"a": 1}) == ()
    assert tasks(FUNCTION + "f", {"a": 1}, CALL) == 1


def test_a_failure_looks_as_a_lambda_functions() -> None:
    def fail(arguments: Any) -> Any:
        raise ValueError("no such thing")

    with pytest.raises(TaskFailed) as raised:
        run(fail)
    assert raised.value.error == "ValueError"
    cause = json.loads(raised.value.cause or "")
    assert (cause["errorMessage"], cause["errorType"]) == ("no such thing", "ValueError")
    (frame,) = cause["stackTrace"]
    assert "in fail" in frame


def test_a_function_may_name_its_error() -> None:
    def fail(arguments: Any) -> Any:
        raise TaskFailed("Order.Unknown", "no such order")

    with pytest.raises(TaskFailed) as raised:
        run(fail)
    assert (raised.value.error, raised.value.cause) == ("Order.Unknown", "no such order")


def test_a_result_that_is_not_json() -> None:
    with pytest.raises(TaskFailed) as raised:
        run(lambda arguments: {1, 2})
    assert raised.value.error == "Runtime.MarshalError"


def test_a_result_that_is_too_large() -> None:
    with pytest.raises(TaskFailed) as raised:
        run(lambda arguments: "x" * 262_144)
    assert raised.value.error == "States.DataLimitExceeded"


def test_an_interrupt_is_no_failure_of_the_task() -> None:
    def stop(arguments: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stop)
