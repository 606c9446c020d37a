"""Branches and iterations at once."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.runtime.together import at_once
from airflow_provider_sfdm.states.lifetime import Lifetime
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
    threads: set[int] = set()
    processor = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}
    machine = compile_machine(
        {"StartAt": "A", "States": {"A": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
    )
    before = threading.active_count()
    assert execute(machine, list(range(500)), local_services()).output == list(range(500))
    threads.add(threading.active_count())
    assert threads == {before}


def test_levels_inside_of_levels_share_their_threads() -> None:
    lock, most = threading.Lock(), 0

    def level(depth: int) -> int:
        nonlocal most
        if depth:
            return sum(at_once([partial(level, depth - 1)] * 12, 12, Lifetime()))
        with lock:
            most = max(most, threading.active_count())
        time.sleep(0.001)
        return 1

    before = threading.active_count()
    assert level(3) == 12**3
    assert most <= before + 200
    assert threading.active_count() == before
