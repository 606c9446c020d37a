"""A job whose start is under way when its task ends is stopped, though nobody waits for the answer any more."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.local.unfinished import finish
from airflow_provider_sfdm.states.failures import ExecutionTimedOut
from airflow_provider_sfdm.states.lifetime import Aborted, Lifetime
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

from .helpers import STATES, Answer, Seen, at, serving

QUERY = f"{STATES}athena:startQueryExecution.sync"
ARGUMENTS = {"QueryString": "SELECT 1", "WorkGroup": "w"}


class Slow:
    """Starts a query when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answer, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self.stops: list[Any] = []

    def __call__(self, seen: Seen) -> Answer:
        if seen.action == "StartQueryExecution":
            self.asked.set()
            assert self.answer.wait(20)
            return Answer({"QueryExecutionId": "q-1"})
        if seen.action == "StopQueryExecution":
            self.stops.append(json.loads(seen.body))
            self.stopped.set()
            return Answer({})
        return Answer({"QueryExecution": {"QueryExecutionId": "q-1", "Status": {"State": "RUNNING"}}})


@pytest.mark.parametrize(
    ("call", "raised"),
    [
        pytest.param(TaskCall("JSONPath", {}, 0.3), TaskFailed, id="TimeoutSeconds"),
        pytest.param(TaskCall("JSONPath", {}, execution_seconds=0.3), ExecutionTimedOut, id="the execution's"),
    ],
)
def test_after_a_timeout(call: TaskCall, raised: type[Exception]) -> None:
    """The task is left at once, and the job is stopped when it has begun."""
    server = Slow()
    with serving(server) as url:
        began = time.monotonic()
        with pytest.raises(raised):
            Tasks(at(url.url))(QUERY, ARGUMENTS, call)
        assert time.monotonic() - began < 2
        assert server.stops == []
        server.answer.set()
        assert server.stopped.wait(10)
    assert server.stops == [{"QueryExecutionId": "q-1"}]


def test_a_start_that_is_answered_long_after_the_timeout() -> None:
    """The client of the start does not keep to the task's own time: an answer that is not read names no job to stop."""
    server = Slow()
    with serving(server) as url:
        with pytest.raises(TaskFailed):
            Tasks(at(url.url))(QUERY, ARGUMENTS, TaskCall("JSONPath", {}, 0.3))
        time.sleep(1.5)  # above the time limit of a client made for 0.3 seconds
        server.answer.set()
        assert server.stopped.wait(10)


def test_a_task_that_is_over_before_its_start_leaves_nobody_waiting() -> None:
    began = time.monotonic()
    lifetime = Lifetime()
    lifetime.end()
    with serving(Slow()) as url, pytest.raises(Aborted):
        Tasks(at(url.url))(QUERY, ARGUMENTS, TaskCall("JSONPath", {}, lifetime=lifetime))
    finish()
    assert time.monotonic() - began < 2
    assert url.seen == []


def test_after_an_abort() -> None:
    """Which waits for that, as the process may be about to end."""
    server, lifetime = Slow(), Lifetime()

    def abort() -> None:
        assert server.asked.wait(10)
        lifetime.end()
        time.sleep(0.3)
        server.answer.set()

    threading.Thread(target=abort).start()
    with serving(server) as url, pytest.raises(Aborted):
        Tasks(at(url.url))(QUERY, ARGUMENTS, TaskCall("JSONPath", {}, lifetime=lifetime))
    assert server.stops == [{"QueryExecutionId": "q-1"}]


def test_an_abort_does_not_wait_for_ever() -> None:
    server, lifetime = Slow(), Lifetime()
    threading.Timer(0.2, lifetime.end).start()
    with serving(server) as url:
        began = time.monotonic()
        with pytest.raises(Aborted):
            Tasks(at(url.url))(QUERY, ARGUMENTS, TaskCall("JSONPath", {}, lifetime=lifetime))
        assert time.monotonic() - began < 5
        server.answer.set()
        assert server.stopped.wait(10)


def test_a_start_that_fails_stops_nothing() -> None:
    def refuse(seen: Seen) -> Answer:
        assert seen.action == "StartQueryExecution"
        return Answer({"__type": "InvalidRequestException", "message": "no"}, 400)

    with serving(refuse) as url, pytest.raises(TaskFailed) as failed:
        Tasks(at(url.url))(QUERY, ARGUMENTS, TaskCall("JSONPath", {}))
    assert failed.value.error == "Athena.InvalidRequestException"
    assert len(url.seen) == 1


def test_ecs_tasks_that_started_beside_others_that_did_not() -> None:
    stopped: list[str] = []

    def ecs(seen: Seen) -> Answer:
        if seen.action == "StopTask":
            stopped.append(json.loads(seen.body)["task"])
            return Answer({"task": {}})
        assert seen.action == "RunTask"
        failures = [{"arn": "arn:instance", "reason": "RESOURCE:MEMORY"}]
        return Answer({"tasks": [{"taskArn": "arn:task", "lastStatus": "PENDING"}], "failures": failures})

    with serving(ecs) as url, pytest.raises(TaskFailed) as failed:
        given = {"TaskDefinition": "t", "Count": 2, "Cluster": "c"}
        Tasks(at(url.url))(f"{STATES}ecs:runTask.sync", given, TaskCall("JSONPath", {}))
    assert failed.value.error == "AmazonECS.Unknown"
    assert json.loads(failed.value.cause or "") == {"Failures": [{"Arn": "arn:instance", "Reason": "RESOURCE:MEMORY"}]}
    assert stopped == ["arn:task"]
