"""Partitions that are killed, beaten to it, or left without storage: another attempt goes on, no child counts twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm import ItemBatcher, MapRunSummary, PythonFunction
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.runtime.checkpoint import Checkpoint
from airflow_provider_sfdm.runtime.folder import MapRunFolder, Segment
from airflow_provider_sfdm.runtime.journal import Journal
from airflow_provider_sfdm.runtime.partition import PartitionStopped
from airflow_provider_sfdm.runtime.recorder import Recorder
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage import open_folder
from airflow_provider_sfdm.storage.base import StorageError
from tests.runtime.attempts import CONNECTIONS, ITEMS, Interrupted, Planned, breaking, ended
from tests.runtime.helpers import records


def test_an_interrupted_attempt_is_gone_on_with(tmp_path: Path) -> None:
    seen: list[Any] = []
    planned = Planned(tmp_path, breaking(150, seen))
    with pytest.raises(Interrupted):
        planned.attempt()
    planned.attempt(breaking(-1, seen))
    assert sorted(seen) == list(range(ITEMS)), "each child ran once"
    assert sorted(ended(planned)) == list(range(ITEMS))
    counts = planned.end().execution_counts
    assert (counts.succeeded, counts.failed) == (360, 40)
    assert planned.end().errors == {"ValueError": 40}


def test_results_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    def timeless(summary: MapRunSummary) -> list[Any]:
        own = ("StartDate", "StopDate", "ExecutionArn", "StateMachineArn", "Name", "Cause")
        return [
            {name: value for name, value in record.items() if name not in own}
            for status in ("SUCCEEDED", "FAILED")
            for record in records(summary, status)
        ]

    disturbed, quiet = Planned(tmp_path / "a", breaking(37, [])), Planned(tmp_path / "b", breaking(-1, []))
    for _ in range(5):
        with pytest.raises(Interrupted):
            disturbed.attempt(breaking(37, []))
    disturbed.attempt(breaking(-1, []))
    quiet.attempt()
    assert timeless(disturbed.end()) == timeless(quiet.end())


@pytest.mark.parametrize("batched", [False, True])
def test_outputs_that_are_returned(tmp_path: Path, batched: bool) -> None:
    def double(item: Any) -> Any:
        return item["Items"] if batched else item

    calls: list[Any] = []

    def breaks(item: Any) -> Any:
        if len(calls) == 20:
            raise Interrupted
        calls.append(item)
        return double(item)

    batcher = ItemBatcher(max_items_per_batch=7) if batched else None
    planned = Planned(tmp_path, breaks, item_batcher=batcher, result_writer=None)
    with pytest.raises(Interrupted):
        planned.attempt()
    planned.attempt(double)
    output = planned.end().output
    assert (list(chain.from_iterable(output)) if batched else output) == list(range(ITEMS))


def test_an_outcome_for_each_item(tmp_path: Path) -> None:
    def function(item: Any) -> Any:
        if item == 333:
            raise Interrupted
        if item % 10 == 0:
            raise ValueError(item)
        return item

    def calm(item: Any) -> Any:
        if item % 10 == 0:
            raise ValueError(item)
        return item

    planned = Planned(
        tmp_path, PythonFunction(function, per_item=True), item_batcher=ItemBatcher(max_items_per_batch=8)
    )
    with pytest.raises(Interrupted):
        planned.attempt()
    planned.attempt(PythonFunction(calm, per_item=True))
    counts = planned.end().item_counts
    assert (counts.succeeded, counts.failed) == (360, 40)


SCRIPT = """
import sys, time
from pathlib import Path
from airflow_provider_sfdm import DistributedMap, ResultWriter, WriterConfig
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections, open_folder

root, url = Path(sys.argv[1]), sys.argv[2]
log = open(root / "effects", "a", buffering=1)

def effect(item):
    log.write(f"{item}\\n")
    time.sleep(0.002)
    if item % 10 == 0:
        raise ValueError(item)
    return item

writer = ResultWriter(url=(root / "results").as_uri(), writer_config=WriterConfig())
definition = DistributedMap(item_processor=effect, tolerated_failure_percentage=100, result_writer=writer)
connections = Connections()
run_partition(definition, MapRunFolder(open_folder(url, connections)), 0,
              invocation_factory(definition, connections), connections, checkpoint_seconds=0.1)
"""


def test_processes_that_are_killed(tmp_path: Path) -> None:
    """SIGKILL at random moments; what was recorded never runs again, and all of it is there once."""
    planned, chance, kills = Planned(tmp_path, str), random.Random(7), 0
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), planned.folder.url]
    began = time.monotonic()
    while time.monotonic() - began < 60:
        with subprocess.Popen(command) as process:
            try:
                code = process.wait(0.5 + chance.random() * 0.8)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                continue
        assert code == 0
        break
    effects = Counter((tmp_path / "effects").read_text().split())
    assert sorted(ended(planned)) == list(range(ITEMS))
    assert set(effects) == set(map(str, range(ITEMS)))
    repeated = sum(effects.values()) - ITEMS
    assert kills >= 1
    # A tenth of a second at 2 ms a child, and what it takes to store.
    assert repeated <= 150 * kills


def test_two_attempts_at_once(tmp_path: Path) -> None:
    """The older one (its worker was taken for lost) ends by itself, and its results are nowhere."""
    running, go_on = threading.Event(), threading.Event()

    def slow(item: Any) -> Any:
        if item == 5:
            running.set()
            assert go_on.wait(20)
        time.sleep(0.01)
        return "old"

    planned, ends = Planned(tmp_path, slow), list[Any]()

    def zombie() -> None:
        ends.append(planned.attempt())

    thread = threading.Thread(target=zombie)
    thread.start()
    assert running.wait(10)
    planned.attempt(lambda item: "new")
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    assert ends[0].executions.succeeded == ITEMS, "it has ended as the other one did"
    assert sorted(ended(planned)) == list(range(ITEMS))
    files = [path for path in (tmp_path / "results").rglob("*.json") if path.name != "manifest.json"]
    assert len(files) == 1, "the older one has left nothing behind"


def test_the_attempt_that_ends_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both come to their end before either looks: one of them is the partition's end, with its files alone."""
    barrier = threading.Barrier(2, timeout=20)

    def function(item: Any) -> Any:
        if item == ITEMS - 1:
            barrier.wait()
        return item

    monkeypatch.setattr(Journal, "is_newest", lambda journal: True)
    planned, ends = Planned(tmp_path, function), list[Any]()
    threads = [threading.Thread(target=lambda: ends.append(planned.attempt(seconds=30))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [end.executions.succeeded for end in ends] == [ITEMS, ITEMS], "of both tasks it is the same end"
    assert not barrier.broken
    assert sorted(ended(planned)) == list(range(ITEMS))
    files = [path for path in (tmp_path / "results").rglob("*.json") if path.name != "manifest.json"]
    assert len(files) == 1


def test_an_end_whose_answer_was_lost_is_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request was repeated by the client, and the second one found the first one's object."""
    planned = Planned(tmp_path, str)
    put = planned.folder.store.put_if_absent

    def lossy(key: str, data: bytes) -> bool:
        first = put(key, data)
        return put(key, data) if key.startswith("partitions/") else first

    monkeypatch.setattr(planned.folder.store, "put_if_absent", lossy)
    planned.attempt()
    assert sorted(ended(planned)) == list(range(ITEMS))


def test_an_attempt_that_begins_as_another_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned, calls, looks = Planned(tmp_path, str), list[Any](), [0]
    planned.attempt()
    read = MapRunFolder.read_partition

    def late(self: MapRunFolder, partition: int) -> Any:
        looks[0] += 1
        return None if looks[0] == 1 else read(self, partition)

    monkeypatch.setattr(MapRunFolder, "read_partition", late)
    end = planned.attempt(calls.append)
    assert (end.items.succeeded, calls) == (ITEMS, [])
    assert planned.folder.newest_attempt(0) is None


def test_a_partition_that_has_ended_keeps_no_journal(tmp_path: Path) -> None:
    planned = Planned(tmp_path, breaking(100, []))
    with pytest.raises(Interrupted):
        planned.attempt()
    assert planned.folder.segments(0)
    planned.attempt(str)
    assert not planned.folder.segments(0)
    assert planned.folder.newest_attempt(0) is None


def test_a_short_partition_stores_nothing_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr(MapRunFolder, "write_segment", lambda *arguments: stored.append(arguments))
    Planned(tmp_path, str).attempt(seconds=30)
    assert stored == []


class TestStorageFaults:
    def test_a_hiccup(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        planned, seen, broken = Planned(tmp_path, str), list[Any](), [3]
        add = MapRunFolder.write_segment

        def flaky(self: MapRunFolder, *arguments: Any) -> None:
            if broken[0]:
                broken[0] -= 1
                raise StorageError("s3://b", "slow down")
            add(self, *arguments)

        monkeypatch.setattr(MapRunFolder, "write_segment", flaky)

        def function(item: Any) -> Any:
            time.sleep(0.002)
            return breaking(300, seen)(item)

        with pytest.raises(Interrupted):
            planned.attempt(function)
        planned.attempt(breaking(-1, seen))
        assert sorted(seen) == list(range(ITEMS))

    def test_what_is_collected_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_sfdm.runtime.journal._MAX_BYTES", 10_000)
        monkeypatch.setattr("airflow_provider_sfdm.runtime.result_files._BLOCK_BYTES", 1_000)

        def refuse(*arguments: Any) -> None:
            raise StorageError("s3://b", "gone")

        planned, seen = Planned(tmp_path, str), list[Any]()
        with monkeypatch.context() as patch, pytest.raises(StorageError, match="gone"):
            patch.setattr(MapRunFolder, "write_segment", refuse)
            planned.attempt(breaking(-1, seen))
        assert len(seen) < 100
        planned.attempt(str)
        assert sorted(ended(planned)) == list(range(ITEMS))


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ELEMENTS = st.lists(TEXT.map(lambda text: json.dumps(text).encode()), max_size=3)
RESULTS = st.lists(st.tuples(st.sampled_from(["SUCCEEDED", "FAILED"]), ELEMENTS.map(tuple)), max_size=2).map(tuple)
NUMBERS = st.integers(0, 10**9)
COUNTS = st.builds(Counts, succeeded=NUMBERS, failed=NUMBERS, timed_out=NUMBERS, aborted=NUMBERS)
CHECKPOINTS = st.builds(
    Checkpoint,
    NUMBERS,
    st.lists(NUMBERS).map(tuple),
    COUNTS,
    COUNTS,
    st.dictionaries(TEXT, NUMBERS, max_size=3),
    st.lists(st.tuples(st.sampled_from(["SUCCEEDED", "FAILED"]), ELEMENTS), max_size=4),
    st.lists(st.tuples(NUMBERS, RESULTS), max_size=3),
)


@given(CHECKPOINTS, st.none() | st.builds(Segment, NUMBERS, NUMBERS))
def test_checkpoints_are_read_as_they_were_written(checkpoint: Checkpoint, base: Segment | None) -> None:
    read, found = Checkpoint.decode(checkpoint.encode(base))
    assert found == base
    assert read == checkpoint


class Told:
    """A recording whose checkpoints are given."""

    def __init__(self, *nexts: int, first: int = 0) -> None:
        self._nexts = list(nexts)
        self._number = first

    def hand_over(self, to: list[Checkpoint]) -> None:
        if self._nexts:
            to.append(Checkpoint(self._nexts.pop(0), (), Counts(), Counts(), {}, number=self._number))
            self._number += 1


class TestAttempts:
    @pytest.fixture
    def begin(self, tmp_path: Path) -> Callable[..., Journal]:
        folder = MapRunFolder(open_folder(tmp_path.as_uri(), CONNECTIONS))

        def begin(*nexts: int) -> Journal:
            journal = Journal(folder, 3, 30, StopSignal())
            journal.recorded_before = [checkpoint.next for checkpoint in journal.recorded()]  # type: ignore[attr-defined]
            journal.keeping(Told(*nexts))
            for _ in nexts:
                journal.store()
            return journal

        return begin

    def test_each_goes_on_from_the_one_before(self, begin: Any) -> None:
        begin(10, 20)
        assert begin(30).recorded_before == [10, 20]
        assert begin().recorded_before == [10, 20, 30]
        assert begin(40).recorded_before == [10, 20, 30]
        assert begin().recorded_before == [10, 20, 30, 40]

    def test_what_an_older_one_stores_later_is_of_no_account(self, begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its look whether it is the newest, and then its write, may come just so."""
        older = begin(10)
        newer = begin(20)
        monkeypatch.setattr(older, "is_newest", lambda: True)
        older.keeping(Told(99, first=1))
        older.store()
        assert newer.recorded_before == [10]
        assert begin().recorded_before == [10, 20]

    def test_an_older_one_stores_nothing_more(self, begin: Any) -> None:
        older = begin(10)
        newer = begin()
        older.keeping(Told(99, first=1))
        older.store()
        assert begin().recorded_before == [10]
        assert older._stop.reason.local
        assert newer._stop.reason is None


def test_a_signal_in_the_middle_of_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was counted and not written yet counts once in the end."""
    planned, put, puts = Planned(tmp_path, str), Recorder._put, [0]

    def interrupted(self: Recorder, *arguments: Any) -> None:
        puts[0] += 1
        if puts[0] == 200:
            raise Interrupted
        put(self, *arguments)

    def slow(item: Any) -> Any:
        time.sleep(0.001)
        return item

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Recorder, "_put", interrupted)
        planned.attempt(slow)
    assert planned.folder.segments(0), "what was stored before is kept"
    planned.attempt(slow)
    counts = planned.end().execution_counts
    assert (counts.succeeded, counts.pending, counts.total) == (ITEMS, 0, ITEMS)
    assert sorted(ended(planned)) == list(range(ITEMS))


def test_what_a_stop_of_the_attempt_aborts_runs_again(tmp_path: Path) -> None:
    """Airflow's on_kill: the children in flight end with the attempt, and are not what became of them."""

    async def function(item: Any) -> Any:
        await asyncio.sleep(0.01 if item < 50 else 3600)
        return item

    async def quick(item: Any) -> Any:
        return item

    planned, stop = Planned(tmp_path, function, max_concurrency=10), StopSignal()
    threading.Timer(1, stop.set, [StopReason("States.TaskFailed", "killed", local=True)]).start()
    with pytest.raises(PartitionStopped, match="killed"):
        planned.attempt(stop=stop)
    planned.attempt(quick)
    assert planned.end().execution_counts.succeeded == ITEMS
    assert sorted(ended(planned)) == list(range(ITEMS))


def test_children_that_end_in_any_order(tmp_path: Path) -> None:
    """Many at once, and one that takes long: what waits for its turn is recorded as well."""
    seen: list[Any] = []

    def function(slow_until: int) -> Callable[[Any], Any]:
        async def child(item: Any) -> Any:
            while item % 97 == 3 and len(seen) < slow_until:
                await asyncio.sleep(0.005)
            await asyncio.sleep(random.random() / 200)
            if len(seen) == slow_until:
                raise Interrupted
            seen.append(item)
            return item

        return child

    planned = Planned(tmp_path, function(-1), max_concurrency=20)
    for until in (100, 180, 260, 330):
        with pytest.raises(Interrupted):
            planned.attempt(function(until))
    planned.attempt(function(-1))
    assert sorted(ended(planned)) == list(range(ITEMS))
    repeated = len(seen) - ITEMS
    assert repeated <= 4 * 20, "in flight when it ended"
