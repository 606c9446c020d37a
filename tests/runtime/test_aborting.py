"""What ends early when something else has failed, has been stopped or is out of time. All on the real clock: an hour's
Wait that is not ended would not let a test end either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import AslProcessor, ExecutionType
from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.runtime.partition import PartitionStopped
from airflow_provider_sfdm.runtime.recorder import Recorder
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.states.lifetime import Aborted, Lifetime
from airflow_provider_sfdm.states.machine import Outcome, compile_machine, execute
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed
from tests.runtime.helpers import records, run

HOUR = {"Type": "Wait", "Seconds": 3600, "End": True}
PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "Wrong", "Cause": "it is"}
SOON = {"Type": "Wait", "Seconds": 0, "Next": "Fail"}
TASK = {"Type": "Task", "Resource": "f", "End": True}


@pytest.fixture(autouse=True)
def _in_seconds() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 20


def branch(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def parallel(*branches: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": list(branches), "End": True}


def outcome(state: dict[str, Any], data: Any = None, function: Any = None, **machine: Any) -> Outcome:
    tasks = Tasks(functions={"f": function} if function else None)
    definition = {**branch(A=state), **machine}
    return execute(compile_machine(definition), data or {}, local_services(tasks))


def failing(then: threading.Event | None = None) -> Callable[[Any], Any]:
    def function(arguments: Any) -> Any:
        if then is not None:
            assert then.wait(10)
        raise TaskFailed("Wrong", "it is")

    return function


RETRIED = {
    "Type": "Task",
    "Resource": "g",
    "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3600}],
    "End": True,
}
NESTED: dict[str, Any] = {
    "Type": "Map",
    "ItemsPath": "$.items",
    "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **branch(N=HOUR)},
    "End": True,
}


class TestSiblings:
    @pytest.mark.parametrize(
        "sleeping",
        [
            pytest.param(branch(S=HOUR), id="Wait"),
            pytest.param(branch(S=RETRIED), id="Retry"),
            pytest.param(branch(S=parallel(branch(X=HOUR), branch(Y=HOUR))), id="inside"),
            pytest.param(branch(S=NESTED), id="a map run of its own"),
        ],
    )
    def test_a_branch_that_fails_aborts_those_that_sleep(self, sleeping: dict[str, Any]) -> None:
        def f(arguments: Any) -> Any:
            time.sleep(0.3)  # the others sleep by now
            raise TaskFailed("Wrong", "it is")

        def g(arguments: Any) -> Any:
            raise TaskFailed("Again")

        definition = branch(A=parallel(sleeping, branch(F=TASK)))
        services = local_services(Tasks(functions={"f": f, "g": g}))
        ended = execute(compile_machine(definition), {"items": [1]}, services)
        assert (ended.error, ended.cause) == ("Wrong", "it is")

    def test_iterations_too(self) -> None:
        rules = [{"Variable": "$", "NumericEquals": 3, "Next": "Fail"}]
        states = {"C": {"Type": "Choice", "Choices": rules, "Default": "H"}, "H": HOUR, "Fail": FAIL}
        state = {"Type": "Map", "ItemProcessor": {"StartAt": "C", "States": states}, "End": True}
        assert outcome(state, [1, 2, 3]).error == "Wrong"

    def test_no_state_begins_after_the_failure(self) -> None:
        failed, begun = threading.Event(), list[str]()

        def f(arguments: Any) -> Any:
            if arguments == "slow":
                assert failed.wait(10)
                time.sleep(0.3)
                return "done"
            begun.append(arguments)
            failed.set()
            raise TaskFailed("Wrong")

        slow = {"Type": "Task", "Resource": "f", "Parameters": "slow", "Next": "Then"}
        then = {"Type": "Task", "Resource": "f", "Parameters": "then", "End": True}
        fails = {"Type": "Task", "Resource": "f", "Parameters": "fails", "End": True}
        assert outcome(parallel(branch(Slow=slow, Then=then), branch(F=fails)), function=f).error == "Wrong"
        assert begun == ["fails"]

    def test_a_coroutine_is_cancelled(self) -> None:
        cancelled = threading.Event()

        async def f(arguments: Any) -> Any:
            if arguments == "fails":
                await asyncio.sleep(0.2)
                raise TaskFailed("Wrong")
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        both = [branch(**{n: {**TASK, "Parameters": n}}) for n in ("sleeps", "fails")]
        assert outcome(parallel(*both), function=f).error == "Wrong"
        assert cancelled.wait(5)

    def test_a_catch_goes_on_when_the_others_have_ended(self) -> None:
        state = {
            **parallel(branch(H=HOUR), branch(Soon=SOON, Fail=FAIL)),
            "Catch": [{"ErrorEquals": ["Wrong"], "Next": "B"}],
        }
        definition = branch(A=state, B=PASS)
        ended = execute(compile_machine(definition), {}, local_services())
        assert ended.output == {"Error": "Wrong", "Cause": "it is"}


class TestFromOutside:
    @pytest.mark.parametrize(
        "state",
        [
            {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": branch(T=TASK), "End": True},
            {
                **parallel(*[branch(**{f"T{n}": {**TASK, "Next": f"U{n}"}, f"U{n}": PASS}) for n in range(45)]),
                "OutputPath": "$[0]",
            },
        ],
        ids=["Map", "Parallel"],
    )
    def test_what_has_not_begun_is_no_result(self, state: dict[str, Any]) -> None:
        """What runs is a function that cannot be stopped, and ends well."""
        lifetime, calls = Lifetime(), list[Any]()

        def f(arguments: Any) -> Any:
            calls.append(arguments)
            time.sleep(0.2)
            lifetime.end()
            time.sleep(0.1)
            return arguments

        services = local_services(Tasks(functions={"f": f}))
        ended = execute(compile_machine(branch(A=state)), list(range(6)), services, lifetime=lifetime)
        assert (ended.status, ended.output) == ("ABORTED", None)
        assert calls

    def test_an_interrupt_waits_for_what_is_inside_to_be_stopped(self) -> None:
        """A job of a branch: its stop is a call that takes a while."""
        stopped, polling = list[str](), threading.Barrier(3, timeout=10)

        def job(resource: str, arguments: Any, call: TaskCall) -> Any:
            assert call.lifetime is not None
            woken = threading.Event()
            call.lifetime.on_end(woken.set)
            polling.wait()
            assert woken.wait(10)
            time.sleep(0.5)
            stopped.append(resource)
            raise Aborted

        def ring(*_: object) -> None:
            raise OutOfTime

        before = signal.signal(signal.SIGALRM, ring)
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            polling.wait()
            signal.pthread_kill(main, signal.SIGALRM)

        threading.Thread(target=interrupt).start()
        try:
            machine = compile_machine(branch(A=parallel(branch(X=TASK), branch(Y=TASK))))
            with pytest.raises(OutOfTime):
                execute(machine, {}, local_services(job))
        finally:
            signal.signal(signal.SIGALRM, before)
        assert stopped == ["f", "f"]


class TestOutOfTime:
    def test_the_machines_timeout_ends_a_call(self) -> None:
        def f(arguments: Any) -> Any:
            time.sleep(5)

        assert outcome(TASK, function=f, TimeoutSeconds=1).status == "TIMED_OUT"


class TestMapRuns:
    def test_a_breach_aborts_children_that_sleep(self, tmp_path: Path) -> None:
        rules = [{"Variable": "$", "NumericEquals": 3, "Next": "Soon"}]
        choice = {"Type": "Choice", "Choices": rules, "Default": "Hour"}
        soon = {"Type": "Wait", "Seconds": 1, "Next": "Fail"}
        processor = AslProcessor(start_at="C", states={"C": choice, "Hour": HOUR, "Soon": soon, "Fail": FAIL})
        summary = run(tmp_path, processor, given=[1, 2, 3])
        counts = summary.execution_counts
        assert (summary.status, counts.failed, counts.aborted) == ("FAILED", 1, 2)
        aborted = [record for record in records(summary, "FAILED") if record["Status"] == "ABORTED"]
        assert len(aborted) == 2
        assert all("which was managing this resource was aborted" in record["Cause"] for record in aborted)

    def test_express_children_run_to_their_end(self, tmp_path: Path) -> None:
        rules = [{"Variable": "$", "NumericEquals": 3, "Next": "Fail"}]
        choice = {"Type": "Choice", "Choices": rules, "Default": "Short"}
        short = {"Type": "Wait", "Seconds": 2, "End": True}
        processor = AslProcessor(start_at="C", states={"C": choice, "Short": short, "Fail": FAIL})
        summary = run(tmp_path, processor, given=[1, 2, 3], execution_type=ExecutionType.EXPRESS)
        assert (summary.execution_counts.failed, summary.execution_counts.succeeded) == (1, 2)

    def test_a_stop_of_this_attempt(self, tmp_path: Path) -> None:
        stop = StopSignal()
        threading.Timer(1, stop.set, [StopReason("", "stopped", local=True)]).start()
        with pytest.raises(PartitionStopped):
            run(
                tmp_path,
                AslProcessor(start_at="A", states={"A": parallel(branch(X=HOUR), branch(Y=HOUR))}),
                given=[1, 2],
                stop=stop,
            )

    def test_children_of_a_nested_map_run_overlap(self) -> None:
        wait = {"Type": "Wait", "Seconds": 1, "End": True}
        state = {**NESTED, "ItemProcessor": {**NESTED["ItemProcessor"], **branch(N=wait)}}
        began = time.monotonic()
        assert outcome(state, {"items": list(range(20))}).output == list(range(20))
        assert time.monotonic() - began < 10


class OutOfTime(BaseException):
    """As Airflow's AirflowTaskTimeout, which a signal raises wherever the main thread is."""


@pytest.mark.parametrize("is_async", [False, True])
def test_a_signal_that_raises_is_no_end_of_children(tmp_path: Path, is_async: bool) -> None:
    """Between two tasks of the event loop, too, where it cancels all of them."""

    def ring(*_: object) -> None:
        raise OutOfTime

    async def sleeps(item: Any) -> Any:
        await asyncio.sleep(3600)

    processor: Any = sleeps if is_async else AslProcessor(start_at="A", states={"A": HOUR})
    before = signal.signal(signal.SIGALRM, ring)
    try:
        for number in range(5):
            ended: list[Any] = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Recorder, "ended", lambda *arguments: ended.append(arguments[2:]))  # noqa: B023
                signal.setitimer(signal.ITIMER_REAL, 0.4)
                with pytest.raises(OutOfTime):
                    run(tmp_path / str(number), processor, given=[1, 2, 3], max_concurrency=3)
            assert ended == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TestProcesses:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_threads_that_sleep_do_not_keep_a_process(self, number: signal.Signals) -> None:
        """As Airflow ends a task: by an exception in the main thread."""
        code = """
import signal, sys
from airflow_provider_sfdm import AslProcessor, DistributedMap, run_map
def end(*_): raise KeyboardInterrupt
for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore SIGINT
    signal.signal(number, end)
hour = {"Type": "Wait", "Seconds": 3600, "End": True}
both = {"Type": "Parallel", "End": True, "Branches": [
    {"StartAt": "A", "States": {"A": hour}}, {"StartAt": "B", "States": {"B": hour}}]}
print("ready", flush=True)
run_map(DistributedMap(item_processor=AslProcessor(start_at="P", states={"P": both})), [1, 2])
"""
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(1.5)
            os.kill(process.pid, number)
            try:
                assert process.wait(10) != 0
            finally:
                process.kill()


class TestLifetime:
    def test_what_is_inside_ends_with_it(self) -> None:
        outer = Lifetime()
        with Lifetime(outer) as inner, Lifetime(inner) as innermost:
            outer.end()
            assert inner.ended and innermost.ended
            with pytest.raises(Aborted):
                innermost.check()

    def test_what_begins_inside_of_an_ended_one_has_ended(self) -> None:
        outer = Lifetime()
        outer.end()
        assert Lifetime(outer).ended

    def test_an_ended_block_leaves_nothing_behind(self) -> None:
        outer = Lifetime()
        for _ in range(10):
            with Lifetime(outer):
                assert outer.busy
        assert not outer.busy
        assert not outer.ended

    def test_one_that_raises_keeps_no_other_from_being_told(self) -> None:
        lifetime, told = Lifetime(), list[int]()

        def raises() -> None:
            raise ValueError("no")

        for callback in (lambda: told.append(1), raises, lambda: told.append(2)):
            lifetime.on_end(callback)
        with pytest.raises(ValueError, match="no"):
            lifetime.end()
        assert sorted(told) == [1, 2]

    def test_threads(self) -> None:
        """Whoever begins while another thread ends it is told."""
        for _ in range(300):
            outer, ended = Lifetime(), list[bool]()

            def begin(outer: Lifetime = outer, ended: list[bool] = ended) -> None:
                woken = threading.Event()
                outer.on_end(woken.set)
                ended.append(woken.wait(5))

            threads = [threading.Thread(target=begin) for _ in range(4)]
            for thread in threads:
                thread.start()
            outer.end()
            for thread in threads:
                thread.join()
            assert ended == [True] * 4


def test_a_call_that_nobody_waits_for(tmp_path: Path) -> None:
    """An `Invoke` of one's own sees its lifetime, too."""
    seen: list[TaskCall] = []

    def invoke(resource: str, arguments: Any, call: TaskCall) -> Any:
        seen.append(call)
        assert call.lifetime is not None and not call.lifetime.ended
        return arguments

    execute(compile_machine({**branch(A=TASK), "TimeoutSeconds": 60}), {}, local_services(invoke))
    assert seen[0].lifetime is not None and seen[0].lifetime.ended
    assert seen[0].execution_seconds is not None and 50 < seen[0].execution_seconds <= 60
