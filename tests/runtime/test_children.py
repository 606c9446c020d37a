"""The driver of children that run at the same time: what it must not lose, and what must not hold it up."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_sfdm import Retrier
from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.core.json import dumps
from airflow_provider_sfdm.runtime.children import Child, ChildPolicy, Outcome
from airflow_provider_sfdm.runtime.concurrency import Concurrency
from airflow_provider_sfdm.runtime.concurrent import run_concurrently
from airflow_provider_sfdm.runtime.one_by_one import run_one_by_one
from airflow_provider_sfdm.runtime.per_item import ItemOutcomes, per_item_async
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal

STOP = StopReason("E", "c", aborted=True)


def children(count: int) -> Iterator[Child]:
    return (Child(index, 1, index, dumps(index)) for index in range(count))


class Ends:
    def __init__(self) -> None:
        self.statuses: dict[int, ChildStatus] = {}
        self.errors: dict[int, str] = {}

    def __call__(self, child: Child, outcome: Outcome) -> None:
        assert child.index not in self.statuses
        self.statuses[child.index] = outcome.status
        if outcome.error is not None:
            self.errors[child.index] = outcome.error


async def sleep(seconds: float) -> None:
    await asyncio.sleep(30)


def test_a_child_that_is_taken_while_the_stop_is_set_is_not_lost() -> None:
    stop, ends = StopSignal(), Ends()

    def stopping() -> Iterator[Child]:
        for child in children(3):
            if child.index == 1:
                stop.set(STOP)
            yield child

    run_concurrently(stopping(), sleep, ChildPolicy(), stop, ends, concurrency=Concurrency(3), is_async=True)
    assert ends.statuses == {0: ChildStatus.ABORTED, 1: ChildStatus.ABORTED}


@pytest.mark.parametrize("is_async", [True, False])
def test_what_cannot_be_written_down_ends_it_at_once(is_async: bool) -> None:
    release = threading.Event()

    async def wait_async(index: int) -> None:
        await asyncio.sleep(0.01 if index == 0 else 30)

    def wait(index: int) -> None:
        release.wait(0.01 if index == 0 else 30)

    def on_end(child: Child, outcome: Outcome) -> None:
        raise OSError("the disk is full")

    # A retrier for everything: being cancelled is not the children's failure.
    policy = ChildPolicy(retry=(Retrier(error_equals=("States.ALL",), interval_seconds=600),))
    began = time.monotonic()
    with pytest.raises(OSError, match="the disk is full"):
        run_concurrently(
            children(100), wait_async if is_async else wait, policy, StopSignal(), on_end,
            concurrency=Concurrency(5), is_async=is_async,
        )  # fmt: skip
    release.set()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("concurrently", [True, False])
def test_an_error_of_the_source_passes(concurrently: bool) -> None:
    def broken() -> Iterator[Child]:
        yield from children(2)
        raise OSError("gone")

    ends = Ends()
    with pytest.raises(OSError, match="gone"):
        if concurrently:
            run_concurrently(
                broken(), abs, ChildPolicy(), StopSignal(), ends, concurrency=Concurrency(2), is_async=False
            )
        else:
            run_one_by_one(broken(), abs, ChildPolicy(), StopSignal(), ends, Concurrency(1))


class PanicException(BaseException):
    """What a library in Rust raises when it panics."""


class TaskTimeout(BaseException):
    """As Airflow interrupts a task with."""


TaskTimeout.__module__ = "airflow.sdk.exceptions"


class MyTaskTimeout(TaskTimeout):
    pass


DRIVERS = ("loop", "threads", "async")


def drive(
    driver: str, function: Callable[[Any], Any], ends: Ends, policy: ChildPolicy | None = None,
    source: Iterator[Child] | None = None, stop: StopSignal | None = None,
) -> None:  # fmt: skip
    async def call(value: Any) -> Any:
        await asyncio.sleep(0)
        return function(value)

    policy, source, stop = policy or ChildPolicy(), source or children(3), stop or StopSignal()
    if driver == "loop":
        run_one_by_one(source, function, policy, stop, ends, Concurrency(1))
    elif driver == "threads":
        run_concurrently(source, function, policy, stop, ends, concurrency=Concurrency(2), is_async=False)
    else:
        run_concurrently(source, call, policy, stop, ends, concurrency=Concurrency(2), is_async=True)


def raising(error: BaseException) -> Callable[[int], int]:
    def function(index: int) -> int:
        if index == 1:
            raise error
        return index

    return function


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("error", [PanicException("rust"), asyncio.CancelledError(), SystemExit(2)], ids=repr)
def test_an_exception_of_any_kind_is_its_childs_failure(error: BaseException, driver: str) -> None:
    ends = Ends()
    drive(driver, raising(error), ends)
    assert ends.statuses == {0: ChildStatus.SUCCEEDED, 1: ChildStatus.FAILED, 2: ChildStatus.SUCCEEDED}
    assert ends.errors == {1: "Runtime.ExitError" if isinstance(error, SystemExit) else type(error).__name__}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), TaskTimeout(), MyTaskTimeout()], ids=repr)
def test_what_interrupts_a_task_passes(error: BaseException, driver: str) -> None:
    ends = Ends()
    with pytest.raises(type(error)):
        drive(driver, raising(error), ends)
    assert ChildStatus.FAILED not in ends.statuses.values()


def test_threads_that_cancel_themselves_while_it_is_stopped_have_failed() -> None:
    stop, ends = StopSignal(), Ends()

    def function(index: int) -> None:
        stop.set(STOP)
        raise asyncio.CancelledError

    drive("threads", function, ends, source=children(1), stop=stop)
    assert ends.statuses == {0: ChildStatus.FAILED}


def test_a_task_that_cancels_itself_fails() -> None:
    async def cancel(index: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(30)

    ends = Ends()
    run_concurrently(children(2), cancel, ChildPolicy(), StopSignal(), ends, concurrency=Concurrency(1), is_async=True)
    assert ends.statuses == {0: ChildStatus.FAILED, 1: ChildStatus.FAILED}


def test_threads_that_run_when_it_is_stopped_run_to_their_end() -> None:
    stop, ends = StopSignal(), Ends()

    def function(index: int) -> Any:
        if index == 1:
            stop.set(STOP)
        time.sleep(0.1)

    run_concurrently(children(9), function, ChildPolicy(), stop, ends, concurrency=Concurrency(2), is_async=False)
    assert ends.statuses == {0: ChildStatus.SUCCEEDED, 1: ChildStatus.SUCCEEDED}


def test_a_retry_that_waits_ends_with_the_stop() -> None:
    stop, ends = StopSignal(), Ends()

    def function(index: int) -> Any:
        threading.Timer(0.1, stop.set, [STOP]).start()
        raise ValueError

    policy = ChildPolicy(retry=(Retrier(error_equals=("States.ALL",), interval_seconds=600),))
    began = time.monotonic()
    run_one_by_one(children(2), function, policy, stop, ends, Concurrency(1))
    assert time.monotonic() - began < 10
    assert ends.statuses == {0: ChildStatus.ABORTED}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_retry_that_waits_is_made_after_a_stop_that_does_not_abort(driver: str) -> None:
    stop, ends = StopSignal(), Ends()
    calls: list[float] = []

    def function(index: int) -> Any:
        calls.append(time.monotonic())
        if len(calls) == 1:
            threading.Timer(0.1, stop.set, [STOP]).start()
            raise ValueError

    policy = ChildPolicy(retry=(Retrier(error_equals=("States.ALL",)),), abort_running=False)
    drive(driver, function, ends, policy, children(1), stop)
    assert ends.statuses == {0: ChildStatus.SUCCEEDED}
    assert calls[1] - calls[0] > 0.9


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stop_of_this_attempt_alone_ends_a_wait_in_any_case(driver: str) -> None:
    stop, ends = StopSignal(), Ends()

    def function(index: int) -> Any:
        threading.Timer(0.1, stop.set, [StopReason("E", "killed", local=True)]).start()
        raise ValueError

    policy = ChildPolicy(retry=(Retrier(error_equals=("States.ALL",), interval_seconds=600),), abort_running=False)
    began = time.monotonic()
    drive(driver, function, ends, policy, children(1), stop)
    assert time.monotonic() - began < 10
    assert ends.statuses == {0: ChildStatus.ABORTED}


def hanging_threads(monkeypatch: pytest.MonkeyPatch, give_up: float) -> None:
    monkeypatch.setattr("airflow_provider_sfdm.runtime.concurrent._MAX_ABANDONED", 4)
    monkeypatch.setattr("airflow_provider_sfdm.runtime.concurrent._MIN_GIVE_UP_SECONDS", give_up)


@pytest.mark.parametrize("retry", [(), (Retrier(error_equals=("States.ALL",), max_attempts=99),)], ids=["", "retry"])
def test_functions_that_hang_for_ever_stop_the_map_run(
    retry: tuple[Retrier, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging_threads(monkeypatch, 0.3)
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.0)
    stop, ends, release, calls = StopSignal(), Ends(), threading.Event(), [0]

    def hang(index: int) -> None:
        calls[0] += 1
        release.wait(60)

    policy = ChildPolicy(retry=retry, timeout=0.02)
    run_concurrently(children(500), hang, policy, stop, ends, concurrency=Concurrency(3), is_async=False)
    release.set()
    assert 4 < calls[0] <= 4 + 3
    assert stop.reason is not None and stop.reason.error == "States.Runtime" and not stop.reason.aborted
    assert "calls that timed out are still running" in stop.reason.cause
    assert len(ends.statuses) <= 4 + 3
    assert set(ends.statuses.values()) == {ChildStatus.ABORTED if retry else ChildStatus.TIMED_OUT}


def test_a_child_waits_while_too_many_calls_that_timed_out_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging_threads(monkeypatch, 30)
    stop, ends, lock = StopSignal(), Ends(), threading.Lock()
    inside = most = 0

    def slow(index: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        with lock:
            inside -= 1

    run_concurrently(
        children(30), slow, ChildPolicy(timeout=0.02), stop, ends, concurrency=Concurrency(2), is_async=False
    )
    assert len(ends.statuses) == 30 and not stop.is_set()
    assert 4 < most <= 4 + 2


def test_the_stop_ends_the_wait_for_calls_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging_threads(monkeypatch, 600)
    stop, ends, release = StopSignal(), Ends(), threading.Event()
    threading.Timer(0.5, stop.set, [STOP]).start()
    policy = ChildPolicy(timeout=0.02)
    began = time.monotonic()
    run_concurrently(
        children(50), lambda _: release.wait(60), policy, stop, ends, concurrency=Concurrency(2), is_async=False
    )  # fmt: skip
    release.set()
    assert time.monotonic() - began < 10
    assert stop.reason == STOP


variable = contextvars.ContextVar[str]("variable", default="unset")


@pytest.mark.parametrize("driver", ["threads", "async"])
def test_where_an_event_loop_runs_already(driver: str) -> None:
    seen: set[str] = set()
    ends = Ends()

    async def notebook() -> None:
        variable.set("set")
        drive(driver, lambda _: seen.add(variable.get()), ends)
        with pytest.raises(KeyboardInterrupt):
            drive(driver, raising(KeyboardInterrupt()), Ends())

    asyncio.run(notebook())
    assert ends.statuses == dict.fromkeys(range(3), ChildStatus.SUCCEEDED)
    assert seen == {"set"}


def test_an_interrupt_where_an_event_loop_runs_already_ends_the_children() -> None:
    ends = Ends()

    async def first_interrupts(index: int) -> None:
        if index == 0:
            threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        await asyncio.sleep(30)

    async def notebook() -> None:
        run_concurrently(
            children(50), first_interrupts, ChildPolicy(), StopSignal(), ends, concurrency=Concurrency(2), is_async=True
        )  # fmt: skip

    loop = asyncio.new_event_loop()  # a notebook's: unlike asyncio.run it leaves Ctrl-C alone
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(notebook())
    loop.close()
    assert time.monotonic() - began < 10
    assert ends.statuses == {0: ChildStatus.ABORTED, 1: ChildStatus.ABORTED}


def test_a_batch_whose_last_item_ends_with_the_timeout_has_succeeded() -> None:
    release = threading.Event()
    outcomes: list[Outcome] = []

    def all_done_but_slow(state: ItemOutcomes) -> None:
        state.outputs.update({0: b"1", 1: b"2"})
        release.wait(30)

    batch = {"Items": [1, 2]}
    child = Child(0, 2, batch, dumps(batch), ItemOutcomes(batch))
    run_concurrently(
        iter([child]), all_done_but_slow, ChildPolicy(timeout=0.1), StopSignal(),
        lambda _, outcome: outcomes.append(outcome), concurrency=Concurrency(1), is_async=False,
    )  # fmt: skip
    release.set()
    assert [(outcome.status, outcome.output_json) for outcome in outcomes] == [(ChildStatus.SUCCEEDED, b"[1,2]")]


def test_nobody_hears_of_a_stop_twice() -> None:
    stop = StopSignal()
    heard: list[str] = []
    stop.on_set(lambda: heard.append("before"))
    assert not stop.wait(0)
    assert stop.set(STOP)
    assert not stop.set(StopReason("other", "other"))
    stop.on_set(lambda: heard.append("after"))
    assert heard == ["before", "after"]
    assert stop.wait(10) and stop.reason == STOP


def _run_async(function: Callable[[Any], Any], stop: StopSignal, count: int, timeout: float | None = None) -> Ends:
    ends = Ends()
    policy = ChildPolicy(timeout=timeout)
    run_concurrently(children(count), function, policy, stop, ends, concurrency=Concurrency(count), is_async=True)
    return ends


async def _converts(_: Any) -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        raise RuntimeError("closed") from None


def test_what_a_function_makes_of_its_cancellation_changes_no_status() -> None:
    ends = _run_async(_converts, StopSignal(), 2, timeout=0.1)
    assert set(ends.statuses.values()) == {ChildStatus.TIMED_OUT}
    stop = StopSignal()
    threading.Timer(0.2, stop.set, [STOP]).start()
    assert set(_run_async(_converts, stop, 2).statuses.values()) == {ChildStatus.ABORTED}


def test_children_that_had_no_turn_before_the_stop_call_nothing() -> None:
    stop, calls = StopSignal(), []

    async def blocks(item: int) -> None:
        calls.append(item)
        stop.set(STOP)
        raise ValueError

    ends = _run_async(blocks, stop, 50)
    assert calls == [0]
    assert sorted(ends.statuses.values()) == [*[ChildStatus.ABORTED] * 49, ChildStatus.FAILED]


def test_an_abandoned_thread_of_asyncio_does_not_hold_the_end_up() -> None:
    release = threading.Event()
    begun = time.monotonic()
    ends = _run_async(lambda _: asyncio.to_thread(release.wait, 20), StopSignal(), 1, timeout=0.2)
    assert ends.statuses == {0: ChildStatus.TIMED_OUT}
    assert time.monotonic() - begun < 5
    release.set()


@pytest.mark.parametrize("converts", [True, False])
def test_an_item_that_swallows_its_cancellation_does_not_lift_the_timeout(converts: bool) -> None:
    begun: list[int] = []

    async def item(value: int) -> int:
        begun.append(value)
        try:
            await asyncio.sleep(0.15)
        except asyncio.CancelledError:
            if converts:
                raise RuntimeError("closed") from None
        return value

    given = {"Items": list(range(10))}
    child = Child(0, 10, given, dumps(given), outcomes=ItemOutcomes(given))
    ends = Ends()
    policy = ChildPolicy(timeout=0.2)
    run_concurrently(
        iter([child]), per_item_async(item), policy, StopSignal(), ends, concurrency=Concurrency(1), is_async=True
    )
    assert ends.statuses == {0: ChildStatus.TIMED_OUT}
    assert begun == [0, 1]
