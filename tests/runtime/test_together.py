"""Branches and iterations at once."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.runtime.together import at_once
from airflow_provider_sfdm.states.lifetime import Aborted, Lifetime
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

TASK = {"Type": "Task", "Resource": "meet", "End": True}


def test_results_are_in_order() -> None:
    def thunk(index: int) -> Any:
        time.sleep(0.02 * (3 - index))
        return index

    assert at_once([partial(thunk, index) for index in range(3)], 3, Lifetime()) == [0, 1, 2]


def test_no_more_than_the_limit() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def thunk() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    at_once([thunk] * 12, 3, Lifetime())
    assert most == 3


def test_what_has_not_begun_when_one_fails_never_does() -> None:
    begun: list[int] = []

    def fails() -> None:
        raise ValueError("no")

    def slow(index: int) -> None:
        begun.append(index)
        time.sleep(0.1)

    rest = [partial(slow, index) for index in range(20)]
    with pytest.raises(ValueError, match="no"):
        at_once([fails, *rest], 2, Lifetime())
    assert len(begun) < 5


def test_there_is_no_list_with_gaps() -> None:
    """The lifetime is ended from outside: what runs ends well, and the others never begin."""
    lifetime, begun = Lifetime(), threading.Barrier(3, timeout=10)

    def thunk() -> str:
        begun.wait()
        time.sleep(0.1)
        return "done"

    def end() -> None:
        begun.wait()
        lifetime.end()

    threading.Thread(target=end).start()
    with pytest.raises(Aborted):
        at_once([thunk] * 6, 2, lifetime)


def test_all_that_have_ended_before_are_results() -> None:
    lifetime, begun = Lifetime(), threading.Barrier(2, timeout=10)

    def thunk() -> str:
        begun.wait()
        lifetime.end()
        return "done"

    assert at_once([thunk, thunk], 2, lifetime) == ["done", "done"]


def test_threads_that_the_system_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their places are free again, and the work is done by those that are there."""
    start, started = threading.Thread.start, [0]

    def scarce(thread: threading.Thread) -> None:
        started[0] += 1
        if started[0] % 3 != 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    for _ in range(300):  # more than there are places
        assert at_once([partial(int, index) for index in range(5)], 5, Lifetime()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": [{"StartAt": f"T{n}", "States": {f"T{n}": TASK}} for n in range(3)]},
        {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "T", "States": {"T": TASK}}},
    ],
)
def test_tasks_overlap(state: dict[str, Any]) -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(resource: str, arguments: Any, call: TaskCall) -> Any:
        try:
            meeting.wait()
        except threading.BrokenBarrierError as error:
            raise TaskFailed("Alone") from error
        return arguments

    machine = compile_machine({"StartAt": "A", "States": {"A": {**state, "End": True}}})
    outcome = execute(machine, {"items": [1, 2, 3]}, local_services(meet))
    assert (outcome.status, len(outcome.output)) == ("SUCCEEDED", 3)


def test_states_that_do_not_wait_stay_in_their_thread() -> None:
    processor = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}
    machine = compile_machine(
        {"StartAt": "A", "States": {"A": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))
        assert execute(machine, list(range(500)), local_services()).output == list(range(500))


def test_levels_inside_of_levels_share_their_threads() -> None:
    lock, most = threading.Lock(), 0

    def running() -> int:
        return sum(thread.name.startswith("states-") for thread in threading.enumerate())

    def level(depth: int) -> int:
        nonlocal most
        if depth:
            return sum(at_once([partial(level, depth - 1)] * 12, 12, Lifetime()))
        with lock:
            most = max(most, running())
        time.sleep(0.001)
        return 1

    assert level(3) == 12**3
    assert most <= 200
    until = time.monotonic() + 10  # a thread is still there for a moment after it has said that it ends
    while running() and time.monotonic() < until:
        time.sleep(0.01)
    assert running() == 0
