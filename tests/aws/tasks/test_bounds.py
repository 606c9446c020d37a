"""What ends the call of a task before it ends by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_sfdm import send_task_heartbeat
from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.local import bounds
from airflow_provider_sfdm.states.failures import ExecutionTimedOut
from airflow_provider_sfdm.states.lifetime import Aborted, Lifetime
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

from .helpers import FUNCTION, SDK, STATES, Answer, Seen, at, serving

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:m:e"


@pytest.fixture(autouse=True)
def _in_seconds() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 8


def call(**bounds: Any) -> TaskCall:
    return TaskCall("JSONPath", {}, **bounds)


class Hanging:
    """A server that does not answer before it is let go; but starts, describes and stops executions at once."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.actions: list[str] = []

    def __call__(self, seen: Seen) -> Answer:
        self.actions.append(seen.action)
        if seen.action == "StartExecution":
            return Answer({"executionArn": EXECUTION, "startDate": 1})
        if seen.action == "DescribeExecution":
            return Answer({"executionArn": EXECUTION, "status": "RUNNING", "startDate": 1})
        if seen.action != "StopExecution":
            self.free.wait(30)
        return Answer({"stopDate": 2})


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    server = Hanging()
    yield server
    server.free.set()


RESOURCES = [
    (FUNCTION + "f", {}),
    (STATES + "lambda:invoke", {"FunctionName": "f"}),
    (SDK + "dynamodb:listTables", {}),
    (STATES + "sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "b"}),
    (STATES + "states:startExecution.sync", {"StateMachineArn": "m"}),
]


@pytest.mark.parametrize(("resource", "arguments"), RESOURCES)
class TestCallsOfAws:
    def run(self, hanging: Hanging, resource: str, arguments: Any, task: TaskCall) -> None:
        with serving(hanging) as server:
            try:
                Tasks(at(server.url))(resource, arguments, task)
            finally:
                hanging.free.set()

    def test_timeout(self, hanging: Hanging, resource: str, arguments: Any) -> None:
        with pytest.raises(TaskFailed) as raised:
            self.run(hanging, resource, arguments, call(timeout_seconds=1))
        assert (raised.value.error, raised.value.cause) == ("States.Timeout", None)

    def test_no_heartbeat(self, hanging: Hanging, resource: str, arguments: Any) -> None:
        with pytest.raises(TaskFailed) as raised:
            self.run(hanging, resource, arguments, call(heartbeat_seconds=1, timeout_seconds=60))
        assert (raised.value.error, raised.value.cause) == ("States.HeartbeatTimeout", None)

    def test_the_executions_end(self, hanging: Hanging, resource: str, arguments: Any) -> None:
        with pytest.raises(ExecutionTimedOut):
            self.run(hanging, resource, arguments, call(execution_seconds=1))

    def test_an_abort(self, hanging: Hanging, resource: str, arguments: Any) -> None:
        lifetime = Lifetime()
        threading.Timer(0.5, lifetime.end).start()
        with pytest.raises(Aborted):
            self.run(hanging, resource, arguments, call(lifetime=lifetime, timeout_seconds=60))
        if resource.endswith(".sync"):
            assert hanging.actions[-1] == "StopExecution"


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """Lets what hangs end."""
    event = threading.Event()
    yield event
    event.set()


class TestFunctions:
    def run(self, function: Any, task: TaskCall) -> Any:
        return Tasks(functions={"f": function})("f", {}, task)

    def test_timeout(self, free: threading.Event) -> None:
        with pytest.raises(TaskFailed) as raised:
            self.run(lambda arguments: free.wait(10), call(timeout_seconds=0.3))
        assert (raised.value.error, raised.value.cause) == ("States.Timeout", None)

    def test_in_time(self) -> None:
        assert self.run(lambda arguments: 5, call(timeout_seconds=5, heartbeat_seconds=2)) == 5

    def test_what_it_raises(self) -> None:
        def fails(arguments: Any) -> Any:
            raise KeyError("x")

        with pytest.raises(TaskFailed) as raised:
            self.run(fails, call(timeout_seconds=5))
        assert raised.value.error == "KeyError"
        assert "test_bounds" in (raised.value.cause or "")

    def test_no_heartbeat(self, free: threading.Event) -> None:
        with pytest.raises(TaskFailed, match=r"States\.HeartbeatTimeout"):
            self.run(lambda arguments: free.wait(10), call(heartbeat_seconds=0.3))

    def test_heartbeats(self) -> None:
        def beats(arguments: Any) -> str:
            for _ in range(8):
                time.sleep(0.1)
                send_task_heartbeat()
            return "alive"

        assert self.run(beats, call(heartbeat_seconds=0.4)) == "alive"

    def test_heartbeats_of_a_coroutine(self) -> None:
        async def beats(arguments: Any) -> str:
            for _ in range(8):
                await asyncio.sleep(0.1)
                send_task_heartbeat()
            return "alive"

        assert self.run(beats, call(heartbeat_seconds=0.4)) == "alive"

    def test_heartbeats_do_not_prolong_the_timeout(self) -> None:
        def beats(arguments: Any) -> None:
            for _ in range(20):
                time.sleep(0.1)
                send_task_heartbeat()

        with pytest.raises(TaskFailed, match=r"^States\.Timeout$"):
            self.run(beats, call(heartbeat_seconds=0.4, timeout_seconds=1))

    def test_nobody_is_there_to_hear_a_heartbeat(self) -> None:
        send_task_heartbeat()
        assert self.run(lambda arguments: send_task_heartbeat(), call()) is None

    def test_an_abort_waits_for_a_function_and_ends_a_coroutine(self) -> None:
        """A function cannot be stopped: nothing may go on behind the back of an execution that has ended."""
        ended = list[str]()

        def function(arguments: Any) -> str:
            time.sleep(1)
            ended.append("function")
            return "result"

        async def coroutine(arguments: Any) -> str:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("coroutine")
            return "result"

        for bounded in ({}, {"timeout_seconds": 30}):
            lifetime = Lifetime()
            threading.Timer(0.2, lifetime.end).start()
            assert self.run(function, call(lifetime=lifetime, **bounded)) == "result"
        lifetime = Lifetime()
        threading.Timer(0.2, lifetime.end).start()
        with pytest.raises(Aborted):
            self.run(coroutine, call(lifetime=lifetime))
        deadline = time.monotonic() + 5
        while "coroutine" not in ended and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ended == ["function", "function", "coroutine"]

    def test_calls_that_never_end_are_bounded(self, monkeypatch: pytest.MonkeyPatch, free: threading.Event) -> None:
        monkeypatch.setattr(bounds, "_left_behind", bounds._LeftBehind())
        monkeypatch.setattr(bounds, "MAX_LEFT_BEHIND", 3)
        begun: list[int] = []

        def hangs(arguments: Any) -> None:
            begun.append(1)
            free.wait(30)

        for _ in range(6):
            with pytest.raises(TaskFailed, match=r"States\.Timeout"):
                self.run(hangs, call(timeout_seconds=0.2))
        assert len(begun) == 3
        free.set()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                assert self.run(lambda arguments: "room again", call(timeout_seconds=1)) == "room again"
                break
            except TaskFailed:
                continue
        else:
            pytest.fail("calls that have ended still count")
