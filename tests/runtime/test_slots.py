"""MaxConcurrency of children that run outside this process: slots in the map run's folder."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import DistributedMap
from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.core.records import timestamp
from airflow_provider_sfdm.runtime import slots as module
from airflow_provider_sfdm.runtime.children import Outcome
from airflow_provider_sfdm.runtime.control import update_map_run
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.folder import PLAN, MapRunFolder
from airflow_provider_sfdm.runtime.outside import child_to_start, record_child
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.slots import MAX_WAIT, MIN_WAIT, MustWait, Slots
from airflow_provider_sfdm.storage.base import ObjectStore, StorageError
from airflow_provider_sfdm.storage.local import LocalStore
from tests.runtime.helpers import echo
from tests.runtime.parallel import CONNECTIONS

DONE = Outcome(ChildStatus.SUCCEEDED, 0.0, 1.0, None, b"null")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalStore(tmp_path)


def keys(store: ObjectStore) -> list[str]:
    return [info.key for page in store.list("") for info in page]


class Lossy(LocalStore):
    """A store that stores, and says that somebody else had been there: the answer to the first request was lost."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        super().put_if_absent(key, data)
        return False


class Dying(LocalStore):
    """A store whose user dies after so many writes."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.left = writes

    def _write(self) -> None:
        if not self.left:
            raise StorageError(self.root, "dead")
        self.left -= 1

    def put(self, key: str, data: bytes) -> None:
        self._write()
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._write()
        return super().put_if_absent(key, data)

    def delete(self, key: str) -> None:
        self._write()
        super().delete(key)


def test_as_many_as_there_are_slots(store: ObjectStore) -> None:
    slots = Slots(store, 2)
    assert [slots.take(child) for child in (0, 7, 3)] == [True, True, False]
    assert slots.claimants() == {0, 7}
    slots.free(7)
    assert (slots.take(3), slots.take(7)) == (True, False)


def test_who_starts_over_finds_its_own_slot(store: ObjectStore) -> None:
    slots = Slots(store, 2)
    assert slots.take(5) and slots.take(5) and slots.take(5)
    assert slots.take(6)
    assert not slots.take(7)


def test_freeing_leaves_nothing_and_can_be_repeated(store: ObjectStore) -> None:
    slots = Slots(store, 1)
    slots.take(0)
    slots.free(0)
    slots.free(0)
    assert keys(store) == []
    slots.take(1)
    slots.free(0)
    assert not slots.take(2), "what another one has is not freed"


@pytest.mark.parametrize("writes", range(5))
def test_whoever_dies_loses_no_slot(writes: int, tmp_path: Path) -> None:
    dying = Slots(Dying(tmp_path, writes), 1)
    with pytest.raises(StorageError):
        dying.take(4)
        dying.free(4)
        dying.take(4)
    after = Slots(LocalStore(tmp_path), 1)
    if writes == 2:
        assert not after.take(5), "it died with a slot"
    after.free(4)
    assert after.take(5)


def test_never_more_than_slots_however_many_try(tmp_path: Path) -> None:
    limit, children = 3, 40
    lock = threading.Lock()
    in_flight: set[int] = set()
    most = 0

    def run(child: int) -> None:
        nonlocal most
        slots = Slots(LocalStore(tmp_path), limit)
        while not slots.take(child):
            time.sleep(random.uniform(0.0005, 0.005))
        with lock:
            in_flight.add(child)
            most = max(most, len(in_flight))
        time.sleep(0.02)  # longer than taking a slot takes, so that all slots are in use
        with lock:
            in_flight.remove(child)
        slots.free(child)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run, range(children)))
    assert most == limit
    assert keys(LocalStore(tmp_path)) == []


def test_only_one_frees_what_another_left(store: ObjectStore) -> None:
    slots = Slots(store, 1)
    slots.take(0)
    store.put("reclaims/00000/00000", b"8")
    slots.reclaim(0, by=9)
    assert not slots.take(9), "8 is at it, and may free the slot any moment from under whoever took it"
    slots.reclaim(0, by=8)
    assert keys(store) == []


def test_a_reclaim_whose_child_died_ends_with_that_child(store: ObjectStore) -> None:
    slots = Slots(store, 1)
    slots.take(0)
    store.put("reclaims/00000/00000", b"5")  # child 5 was killed between its mark and freeing the slot
    slots.reclaim(0, by=6)
    assert not slots.take(6)
    slots.free(5)  # the end of child 5, which Airflow runs whatever became of its start
    slots.reclaim(0, by=6)
    assert slots.take(6)


def test_freeing_for_another_never_frees_a_slot_that_was_taken_since(store: ObjectStore) -> None:
    slots = Slots(store, 1)
    store.put("claims/00000/00000", b"")
    slots.take(1)
    slots.reclaim(0, by=2)
    assert slots.claimants() == {1}
    assert not slots.take(2)


@pytest.mark.parametrize(
    ("before", "waiting", "limit", "pace", "seconds"),
    [
        (0, 5, 2, 0.1, MIN_WAIT),
        (20, 30, 2, 1.0, 20.0),  # about when it is its turn
        (0, 30, 100, 6.0, 30.0),  # children take ten minutes: there is no hurry
        (500, 600, 2, 60.0, 300.0),  # together no more than two looks a second
        (50, 60, 2, 60.0, MAX_WAIT),
    ],
)
def test_how_long_to_wait(before: int, waiting: int, limit: int, pace: float, seconds: float) -> None:
    assert module._seconds(before, waiting, limit, pace) == seconds


def planned(tmp_path: Path, items: int, max_concurrency: int) -> tuple[MapRunFolder, Plan]:
    """A map run with a partition for each child."""
    return plan_map_run(
        DistributedMap(item_processor=echo, max_concurrency=max_concurrency),
        name="dag.map",
        storage=tmp_path.as_uri(),
        connections=CONNECTIONS,
        items=list(range(items)),
        partitions=1000,
        at_once=1,
        one_child_each=True,
    )


def test_a_child_waits_until_one_was_recorded(tmp_path: Path) -> None:
    folder, _ = planned(tmp_path, 5, 2)
    for index in (0, 1):
        assert child_to_start(folder, index, CONNECTIONS) is not None
    with pytest.raises(MustWait, match=r"MaxConcurrency is 2, and 2 child executions are in flight$"):
        child_to_start(folder, 2, CONNECTIONS)
    with pytest.raises(MustWait, match="; 2 more are to start before this one") as wait:
        child_to_start(folder, 4, CONNECTIONS)
    assert 0.8 * MIN_WAIT <= wait.value.seconds <= 1.2 * MAX_WAIT
    record_child(folder, 0, DONE, CONNECTIONS)
    child = child_to_start(folder, 2, CONNECTIONS)
    assert child is not None and child.input == 2
    with pytest.raises(MustWait, match="; 1 more are"):
        child_to_start(folder, 4, CONNECTIONS)


def test_a_child_that_ended_unrecorded_keeps_nobody_waiting(tmp_path: Path) -> None:
    folder, _ = planned(tmp_path, 3, 1)
    asked: list[set[int]] = []

    def ended(children: Collection[int]) -> Collection[int]:
        asked.append(set(children))
        return [0] if len(asked) == 2 else []

    child_to_start(folder, 0, CONNECTIONS)
    with pytest.raises(MustWait):
        child_to_start(folder, 1, CONNECTIONS, ended)
    assert child_to_start(folder, 1, CONNECTIONS, ended) is not None
    assert asked == [{0}, {0}]
    with pytest.raises(MustWait):
        child_to_start(folder, 2, CONNECTIONS, ended)
    # Recorded late, when it has no slot any more.
    record_child(folder, 0, DONE, CONNECTIONS)
    with pytest.raises(MustWait):
        child_to_start(folder, 2, CONNECTIONS, ended)


@pytest.mark.parametrize("max_concurrency", [0, 4, 5, 100])
def test_without_a_limit_all_begin_at_once_and_are_counted(max_concurrency: int, tmp_path: Path) -> None:
    folder, plan = planned(tmp_path, 4, max_concurrency)
    assert [partition.children for partition in plan.partitions] == [1] * 4
    for index in range(4):
        assert child_to_start(folder, index, CONNECTIONS) is not None
    assert Slots(folder.store).claimants() == {0, 1, 2, 3}
    for index in range(4):
        record_child(folder, index, DONE, CONNECTIONS)
    assert not [key for key in keys(folder.store) if key.startswith(("slots", "claims", "attempts"))]


@pytest.mark.parametrize("max_concurrency", [0, 10])
def test_a_limit_that_is_set_later_counts_all_that_began_before(max_concurrency: int, tmp_path: Path) -> None:
    folder, _ = planned(tmp_path, 10, max_concurrency)
    for index in range(5):
        child_to_start(folder, index, CONNECTIONS)
    update_map_run(folder.url, max_concurrency=2)
    with pytest.raises(MustWait, match=r"MaxConcurrency is 2, and 5 child executions are in flight$"):
        child_to_start(folder, 5, CONNECTIONS)
    for index in (0, 2, 3):
        record_child(folder, index, DONE, CONNECTIONS)
        with pytest.raises(MustWait):
            child_to_start(folder, 5, CONNECTIONS)
    record_child(folder, 4, DONE, CONNECTIONS)
    assert child_to_start(folder, 5, CONNECTIONS) is not None
    with pytest.raises(MustWait):
        child_to_start(folder, 6, CONNECTIONS)
    update_map_run(folder.url, max_concurrency=0)
    for index in range(6, 10):
        assert child_to_start(folder, index, CONNECTIONS) is not None


@pytest.mark.parametrize(
    ("taken", "limit", "usable"),
    [
        (set(), 2, 2),
        ({0}, 2, 2),
        ({7}, 2, 1),  # one beyond counts: two that see this must not take two more
        ({0, 7}, 2, 1),
        ({1, 7}, 2, 0),
        ({3, 4, 5}, 2, 0),
        ({1, 5}, 4, 3),
    ],
)
def test_how_many_slots_are_usable(taken: set[int], limit: int, usable: int) -> None:
    assert module._usable(taken, limit) == usable


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_lowered_limit_is_kept_by_all_that_look_at_the_same_time(data: st.DataObject) -> None:
    """Those that take a slot have looked at some moment, and do so at another."""
    limit = data.draw(st.integers(1, 6))
    taken = data.draw(st.sets(st.integers(0, 9)))
    most = max(limit, len(taken))
    looked = [set(taken)]
    for _ in range(data.draw(st.integers(1, 25))):
        step = data.draw(st.sampled_from(["look", "take", "free"]))
        if step == "look":
            looked.append(set(taken))
        elif step == "take":
            view = data.draw(st.sampled_from(looked))
            free = [slot for slot in range(module._usable(view, limit)) if slot not in view]
            assert len(free) == max(0, limit - len(view))
            taken.update([slot for slot in free if slot not in taken][:1])
        elif step == "free" and taken:
            taken.remove(data.draw(st.sampled_from(sorted(taken))))
            most = max(limit, len(taken))
        assert len(taken) <= most


@pytest.mark.parametrize("redriven", [False, True])
def test_how_long_to_wait_in_a_redrive_counts_from_its_beginning(redriven: bool, tmp_path: Path) -> None:
    folder, plan = planned(tmp_path, 300, 2)
    now = time.time()
    date = timestamp(now - 5) if redriven else None
    folder.write(PLAN, replace(plan, start=now - 3 * 86400, redrive_count=1, redrive_date=date).to_dict())
    for index in (0, 1):
        child_to_start(folder, index, CONNECTIONS)
    with pytest.raises(MustWait) as wait:
        child_to_start(folder, 2, CONNECTIONS)
    assert (wait.value.seconds <= 1.2 * MIN_WAIT) is redriven


def test_whoever_waits_when_the_map_run_stops_does_not_start(tmp_path: Path) -> None:
    folder, _ = planned(tmp_path, 3, 1)
    child_to_start(folder, 0, CONNECTIONS)
    with pytest.raises(MustWait):
        child_to_start(folder, 1, CONNECTIONS)
    record_child(folder, 0, Outcome(ChildStatus.FAILED, 0.0, 1.0, error="E", cause="C"), CONNECTIONS)
    assert child_to_start(folder, 1, CONNECTIONS) is None


def test_a_lost_answer_leaks_no_slot(tmp_path: Path) -> None:
    slots = Slots(Lossy(tmp_path), 2)
    assert slots.take(0) and slots.take(1)
    assert not slots.take(2)
    assert slots.claimants() == {0, 1}
    slots.free(0)
    assert slots.take(2)
    slots.free(1)
    slots.free(2)
    assert keys(LocalStore(tmp_path)) == []
