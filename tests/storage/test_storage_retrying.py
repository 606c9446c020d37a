"""What a store is asked again, for how long, and what a stream does that breaks off."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm.storage import Connections, open_folder, open_listing, open_object, retrying
from airflow_provider_sfdm.storage.base import (
    AccessDenied,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StorageUnavailable,
)
from airflow_provider_sfdm.storage.local import LocalStore
from airflow_provider_sfdm.storage.retrying import RetryingStore
from tests.faults.faulty_store import Fault, FaultyStore, Schedule
from tests.faults.memory_store import Memory, MemoryStore

DATA = bytes(range(256)) * 40


def store_of(schedule: Schedule, seconds: float = 60) -> RetryingStore:
    return RetryingStore(FaultyStore(MemoryStore(Memory(), "memory://b"), schedule), seconds)


def refusing(calls: int, first: int = 1) -> Schedule:
    return Schedule(outages={first: calls + 1}, chunk=1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.pin("k").size,
        lambda store: store.read("k"),
        lambda store: store.put("k", DATA),
        lambda store: store.put_if_absent("new", DATA),
        lambda store: store.delete("k"),
        lambda store: [info.key for page in store.list("") for info in page],
        lambda store: store.open("k").read(),
        lambda store: store.open_seekable("k").read(),
        lambda store: store.create("k").close(),
    ],
)
def test_each_call_is_tried_again(call: Callable[[RetryingStore], object], waits: list[float]) -> None:
    schedule = Schedule()
    store = store_of(schedule)
    store.put("k", DATA)
    expected = call(store)
    store.put("k", DATA)
    store.delete("new")
    schedule._outages[schedule.calls + 1] = 3
    assert call(store) == expected
    assert len(waits) == 3
    assert all(0 <= wait <= bound for wait, bound in zip(waits, (0.5, 1, 2), strict=True))


@pytest.mark.parametrize("kind", [AccessDenied, ObjectNotFound, ObjectChanged, StorageError])
def test_what_another_try_does_not_help(kind: type[StorageError], waits: list[float]) -> None:
    store, calls = MemoryStore(Memory(), "memory://b"), [0]

    def refuse(key: str) -> bytes:
        calls[0] += 1
        raise kind("memory://b/k", "no")

    store.read = refuse  # type: ignore[method-assign]
    with pytest.raises(kind, match=r"no$"):
        RetryingStore(store).read("k")
    assert (calls, waits) == ([1], [])


class TestTheBound:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Callable[[], float]:
        """The time goes by in waits alone."""

        def now() -> float:
            return 1000 + sum(waits)

        monkeypatch.setattr("tenacity.time.monotonic", now)
        monkeypatch.setattr("airflow_provider_sfdm.storage.retrying.time.monotonic", now)
        return now

    def test_it_says_so(self, clock: Callable[[], float]) -> None:
        schedule = refusing(10_000)
        began = clock()
        with pytest.raises(StorageUnavailable) as caught:
            store_of(schedule).read("k")
        assert 60 <= clock() - began < 68
        assert caught.value.reason.startswith("Slow Down (tried for 6")
        assert schedule.calls < 100

    def test_then_each_call_is_made_once_until_one_is_answered(self, clock: Callable[[], float]) -> None:
        schedule = refusing(10_000)
        store = store_of(schedule)
        with pytest.raises(StorageUnavailable):
            store.read("k")
        began, calls = clock(), schedule.calls
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="tried for"):
                store.put("k", DATA)
        assert (clock() - began, schedule.calls - calls) == (0, 3)
        schedule._refused_until = 0
        with pytest.raises(ObjectNotFound):
            store.read("k")
        schedule._outages[schedule.calls + 1] = 5
        store.put("k", DATA)

    def test_none(self, clock: Callable[[], float]) -> None:
        schedule = refusing(1)
        with pytest.raises(StorageUnavailable, match=r"Slow Down$"):
            store_of(schedule, 0).read("k")
        assert schedule.calls == 1

    def test_a_stream_has_it_anew_after_each_byte(self, clock: Callable[[], float]) -> None:
        schedule = Schedule(chunk=1000)
        store = store_of(schedule, 4)
        store.put("k", DATA)
        # Each of its eleven steps is refused three times, which takes up to 3.5 seconds.
        schedule._faults.update({schedule.calls + number: Fault.REFUSED for number in range(1, 100) if number % 5 > 1})
        began = clock()
        with store.open("k") as file:
            assert file.read() == DATA
        assert clock() - began > 4


def test_a_stream_goes_on_in_the_same_content(waits: list[float]) -> None:
    schedule = Schedule(chunk=1000)
    store = store_of(schedule)
    store.put("k", DATA)
    with store.open("k", start=100) as file:
        assert file.read(50) == DATA[100:150]
        schedule._outages[schedule.calls + 1] = 3
        assert file.read(2000) == DATA[150:2150]
        store.put("k", DATA)
        schedule._outages[schedule.calls + 1] = 3
        with pytest.raises(ObjectChanged):
            file.read()


@pytest.mark.usefixtures("waits")
def test_a_stream_that_can_be_sought_in() -> None:
    schedule = Schedule(chunk=1000)
    store = store_of(schedule)
    store.put("k", DATA)
    with store.open_seekable("k") as file:
        assert file.seekable()
        for position, whence in ((5000, 0), (-300, 2), (17, 1), (0, 0)):
            expected = {0: 0, 1: file.tell(), 2: len(DATA)}[whence] + position
            schedule._outages[schedule.calls + 1] = 3
            assert file.seek(position, whence) == expected
            assert file.read(20) == DATA[expected : expected + 20]
        with pytest.raises(ValueError):
            file.seek(-1)
    with store.open("k") as file, pytest.raises(OSError):
        file.seek(1)


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("first", range(1, 12))
def test_a_listing_that_breaks_off_has_each_object_once(first: int) -> None:
    schedule = Schedule()
    store = store_of(schedule)
    keys = [f"k{number:02}" for number in range(10)]
    for key in keys:
        store.put(key, b"")
    schedule._faults[schedule.calls + first] = Fault.REFUSED
    schedule._faults[schedule.calls + first + 2] = Fault.LOST
    assert [info.key for page in store.list("k") for info in page] == keys


def test_an_answer_that_was_lost_is_a_no(waits: list[float]) -> None:
    schedule = Schedule({1: Fault.LOST})
    store = store_of(schedule)
    assert not store.put_if_absent("k", b"mine")
    assert store.read("k") == b"mine"
    assert len(waits) == 1


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_object_in_steps(step: int, fault: Fault, waits: list[float]) -> None:
    schedule = Schedule({step: fault})
    store = store_of(schedule)
    with store.create("k") as writer:
        writer.write(b"one, ")
        writer.write(b"two")
        assert writer.size == 8
    assert store.read("k") == b"one, two"
    assert len(waits) == 1


def test_an_object_that_cannot_be_finished_is_not_there() -> None:
    schedule = Schedule(outages={3: 1000})
    store = store_of(schedule, 0)
    with pytest.raises(StorageUnavailable), store.create("k") as writer:
        writer.write(b"one")
    schedule._refused_until = 0
    assert list(store.list("")) == []


class TestFiles:
    """The operating system's errors: which of them pass."""

    @pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
    @pytest.mark.usefixtures("waits")
    def test_one_that_passes(self, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store, left, fsync = RetryingStore(LocalStore(tmp_path)), [2], os.fsync

        def flaky(file: int) -> None:
            if left[0]:
                left[0] -= 1
                raise OSError(code, os.strerror(code))
            fsync(file)

        monkeypatch.setattr(os, "fsync", flaky)
        store.put("k", b"1")
        assert (left, store.read("k")) == ([0], b"1")
        left[0] = 1
        assert store.put_if_absent("other", b"2")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["k", "other"]

    def test_a_full_disk_does_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
        def full(file: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="cannot be written: No space left") as caught:
            RetryingStore(LocalStore(tmp_path)).put("k", b"1")
        assert type(caught.value) is StorageError
        assert (waits, list(tmp_path.iterdir())) == ([], [])

    def test_a_stream_is_not_flushed_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
    ) -> None:
        """The system may have dropped what it could not write, and would say nothing the second time."""
        store, flushed, fsync = RetryingStore(LocalStore(tmp_path)), [0], os.fsync

        def failing_once(file: int) -> None:
            flushed[0] += 1
            if flushed[0] == 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(file)

        monkeypatch.setattr(os, "fsync", failing_once)
        with pytest.raises(StorageError, match="Input/output error") as caught, store.create("k") as writer:
            writer.write(b"1")
        assert type(caught.value) is StorageError
        assert (flushed, waits, list(tmp_path.iterdir())) == ([1], [], [])

    @pytest.mark.usefixtures("waits")
    def test_a_read_of_a_stale_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store, left, opened = RetryingStore(LocalStore(tmp_path)), [2], LocalStore.open_seekable
        store.put("k", DATA)

        class Stale:
            def __init__(self, file: Any) -> None:
                self._file = file

            def readinto1(self, buffer: Any) -> int:
                if left[0]:
                    left[0] -= 1
                    raise StorageUnavailable("file:///k", "Stale file handle")
                return int(self._file.readinto1(buffer))

            def __getattr__(self, name: str) -> Any:
                return getattr(self._file, name)

        monkeypatch.setattr(LocalStore, "open_seekable", lambda *arguments: Stale(opened(*arguments)))
        with store.open("k", start=3) as file:
            assert file.read() == DATA[3:]
        assert left == [0]


@pytest.mark.parametrize("seconds", [0.0, 7.0])
def test_every_store_that_is_opened_has_the_bound(seconds: float, tmp_path: Path) -> None:
    connections = Connections(retry_seconds=seconds)
    url = (tmp_path / "k").as_uri()
    stores = [open_folder(url, connections), open_object(url, connections)[0], open_listing(url, connections)[0]]
    for store in stores:
        assert isinstance(store, RetryingStore)
        assert store._again._seconds == seconds
    assert isinstance(store := open_folder(url), RetryingStore)
    assert store._again._seconds == retrying.RETRY_SECONDS
