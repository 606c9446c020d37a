"""What goes wrong in the middle of restoring, recording or ending a partition: no child counts twice, none is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ExecutionType
from airflow_provider_sfdm.runtime.checkpoint import Checkpoint
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import PartitionStopped
from airflow_provider_sfdm.runtime.recorder import Recorder
from airflow_provider_sfdm.runtime.result_files import StatusFiles
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage.base import StorageError, StorageUnavailable
from airflow_provider_sfdm.storage.local import LocalStore
from tests.runtime.attempts import ITEMS, Interrupted, Planned, breaking, ended

ALL = list(range(ITEMS))
KILLED = StopReason("States.TaskFailed", "killed", local=True)
BREACH = StopReason("States.ExceedToleratedFailureThreshold", "too many")


def slowly(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Long enough for checkpoints in between."""

    def slow(item: Any) -> Any:
        time.sleep(0.001)
        return function(item)

    return slow


def refusing(method: Any, times: int) -> Callable[..., Any]:
    """``method``, which the storage refuses from its ``times``-th call on."""
    calls = [0]

    def refused(*arguments: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] >= times:
            raise StorageError("s3://b", "slow down")
        return method(*arguments, **more)

    return refused


def result_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "results").rglob("*.json") if path.name != "manifest.json")


@pytest.mark.parametrize("error", [StorageError("s3://b", "slow down"), Interrupted()], ids=["storage", "signal"])
def test_a_restore_that_is_broken_off(error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has written a part of what was recorded, and stores nothing of it."""
    planned = Planned(tmp_path, str)
    with pytest.raises(Interrupted):
        planned.attempt(slowly(breaking(300, [])))
    segments = planned.folder.segments(0)
    assert len(segments) > 2

    add, calls = StatusFiles.add, [0]

    def broken(self: StatusFiles, elements: Any) -> None:
        calls[0] += 1
        if calls[0] > 4:
            raise error
        add(self, elements)

    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(StatusFiles, "add", broken)
        planned.attempt(str)
    assert planned.folder.segments(0) == segments
    planned.attempt(str)
    assert sorted(ended(planned)) == ALL


class Deferred(BaseException):
    """What is no Exception, and leaves no event loop at once either."""


def test_children_that_end_after_one_was_half_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once: others end in the same turn of the event loop."""

    async def function(item: Any) -> Any:
        await asyncio.sleep(0.03)
        return item

    planned, put, puts = Planned(tmp_path, function, max_concurrency=50), Recorder._put, [0]

    def broken(self: Recorder, *arguments: Any) -> None:
        puts[0] += 1
        if puts[0] == 220:
            raise Deferred
        put(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Deferred):
        patch.setattr(Recorder, "_put", broken)
        planned.attempt()
    assert planned.folder.segments(0), "what was stored before is kept"
    planned.attempt()
    counts = planned.end().execution_counts
    assert (counts.succeeded, counts.pending, counts.running) == (ITEMS, 0, 0)
    assert sorted(ended(planned)) == ALL


def test_a_checkpoint_that_cannot_be_encoded_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of memory, say. What it holds is not lost, and the journal goes on."""
    planned, encode, broken = Planned(tmp_path, str), Checkpoint.encode, [2]

    def scarce(self: Checkpoint, *arguments: Any) -> bytes:
        if broken[0]:
            broken[0] -= 1
            raise MemoryError
        return encode(self, *arguments)

    monkeypatch.setattr(Checkpoint, "encode", scarce)
    with pytest.raises(Interrupted):
        planned.attempt(slowly(breaking(300, [])))
    assert broken == [0]
    planned.attempt(str)
    assert sorted(ended(planned)) == ALL


@pytest.mark.parametrize("step", ["write_segment", "hand_over"])
def test_a_signal_in_the_middle_of_storing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where children wait for the storage it is their thread that stores; and another signal comes as it ends."""
    monkeypatch.setattr("airflow_provider_sfdm.runtime.journal._MAX_BYTES", 5_000)
    monkeypatch.setattr("airflow_provider_sfdm.runtime.result_files._BLOCK_BYTES", 1_000)
    planned, calls = Planned(tmp_path, str), [0]
    owner: Any = MapRunFolder if step == "write_segment" else Recorder
    method = getattr(owner, step)

    def interrupted(*arguments: Any) -> None:
        calls[0] += 1
        method(*arguments)
        if calls[0] >= 5:
            raise Interrupted

    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(owner, step, interrupted)
            calls[0] = 0
            planned.attempt(str, seconds=30)
    assert planned.folder.segments(0)
    planned.attempt(str)
    assert sorted(ended(planned)) == ALL


class TestTakenOver:
    @pytest.mark.parametrize("breached", [False, True])
    def test_an_older_attempt_that_has_nothing_to_store(self, breached: bool, tmp_path: Path) -> None:
        """Its children take long. It ends all the same, though the map run is ending for a reason of its own."""

        async def sleeps(item: Any) -> Any:
            await asyncio.sleep(3600)

        # EXPRESS: the breach aborts none of them
        planned = Planned(tmp_path, sleeps, max_concurrency=10, execution_type=ExecutionType.EXPRESS)
        raised, stop = list[BaseException](), StopSignal()

        def zombie() -> None:
            try:
                planned.attempt(stop=stop)
            except PartitionStopped as stopped:
                raised.append(stopped)

        thread = threading.Thread(target=zombie)
        thread.start()
        while planned.folder.newest_attempt(0) is None:
            time.sleep(0.01)
        time.sleep(0.5)
        if breached:
            stop.set(BREACH)
        planned.folder.begin_attempt(0)
        thread.join(10)
        assert not thread.is_alive()
        assert str(raised[0]) == "another attempt at this partition has begun"
        assert planned.folder.read_partition(0) is None
        assert result_files(tmp_path) == []

    def test_a_newer_one_that_begins_as_the_last_child_ends(self, tmp_path: Path) -> None:
        planned = Planned(tmp_path, str)

        def function(item: Any) -> Any:
            if item == ITEMS - 1:
                planned.folder.begin_attempt(0)
            return item

        with pytest.raises(PartitionStopped, match="has begun"):
            planned.attempt(function, seconds=30)
        assert planned.folder.read_partition(0) is None
        planned.attempt(str)
        assert sorted(ended(planned)) == ALL


def test_a_kill_after_a_breach(tmp_path: Path) -> None:
    """EXPRESS children run to their end after the one, and not after the other."""

    async def sleeps(item: Any) -> Any:
        await asyncio.sleep(3600)

    stop = StopSignal()
    threading.Timer(0.5, stop.set, [BREACH]).start()
    threading.Timer(1.0, stop.set, [KILLED]).start()
    planned = Planned(tmp_path, sleeps, max_concurrency=10, execution_type=ExecutionType.EXPRESS)
    with pytest.raises(PartitionStopped, match="killed"):
        planned.attempt(stop=stop)
    assert planned.folder.stop_reason() == BREACH, "the others are told of it nevertheless"


def test_the_storage_is_insisted_on_after_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_sfdm.runtime.journal._MAX_BYTES", 5_000)
    monkeypatch.setattr("airflow_provider_sfdm.storage.retrying._FIRST_WAIT", 0.01)
    monkeypatch.setattr("airflow_provider_sfdm.runtime.result_files._BLOCK_BYTES", 1_000)
    put, broken, stop = LocalStore.put, [3], StopSignal()

    def flaky(self: LocalStore, key: str, data: bytes) -> None:
        if key.startswith("journal/"):
            stop.set(BREACH)
            if broken[0]:
                broken[0] -= 1
                raise StorageUnavailable("s3://b", "slow down")
        put(self, key, data)

    monkeypatch.setattr(LocalStore, "put", flaky)
    planned = Planned(tmp_path, str)
    end = planned.attempt(str, seconds=30, stop=stop)
    assert broken == [0]
    assert end.stopped == BREACH
    assert 0 < end.executions.succeeded < ITEMS
    assert end.executions.succeeded + end.executions.pending == ITEMS


def test_a_journal_that_cannot_be_deleted_undoes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    planned = Planned(tmp_path, str)
    with monkeypatch.context() as patch:
        patch.setattr(MapRunFolder, "discard_attempts", refusing(MapRunFolder.discard_attempts, 1))
        assert planned.attempt(slowly(str)).executions.succeeded == ITEMS
    assert "could not be deleted" in caplog.text
    assert planned.folder.segments(0)
    # A task that is run again finds the end, and deletes what was left.
    assert planned.attempt(str).executions.succeeded == ITEMS
    assert planned.folder.segments(0) == []
    assert planned.folder.newest_attempt(0) is None


class TestFilesOfAttempts:
    def test_one_that_fails_leaves_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Some had been finished by then."""
        planned = Planned(tmp_path, breaking(-1, []))
        with monkeypatch.context() as patch, pytest.raises(StorageError):
            patch.setattr(StatusFiles, "close", refusing(StatusFiles.close, 2))
            planned.attempt()
        assert result_files(tmp_path) == []
        planned.attempt(breaking(-1, []))
        assert sorted(ended(planned)) == ALL

    def test_an_end_whose_answer_is_an_error_may_be_stored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So its files stay: the task that is run again takes them for the partition's."""
        planned, write = Planned(tmp_path, str), MapRunFolder.write_partition

        def lost(*arguments: Any) -> bool:
            write(*arguments)
            raise StorageError("s3://b", "timed out")

        with monkeypatch.context() as patch, pytest.raises(StorageError):
            patch.setattr(MapRunFolder, "write_partition", lost)
            planned.attempt()
        assert planned.attempt(breaking(0, [])).executions.succeeded == ITEMS
        assert sorted(ended(planned)) == ALL


@pytest.mark.parametrize("shown", [[], [0]])
def test_a_listing_that_does_not_show_the_attempt_yet(
    shown: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on: its own mark is there, whatever the listing says."""
    planned = Planned(tmp_path, str)
    for _ in shown:
        planned.folder.begin_attempt(0)
    monkeypatch.setattr(MapRunFolder, "newest_attempt", lambda self, partition: shown[-1] if shown else None)
    assert planned.attempt(slowly(str)).executions.succeeded == ITEMS
