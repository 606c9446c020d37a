"""Storage that fails for a moment, and partitions whose task is tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, ItemReaderFailed, ResultWriter, S3JsonLItemReader
from airflow_provider_sfdm.runtime import watch
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.reading import partition_children
from airflow_provider_sfdm.runtime.stop import StopReason, StopSignal
from airflow_provider_sfdm.storage import Connections, StorageError, StorageUnavailable, retrying
from airflow_provider_sfdm.storage.local import LocalStore
from tests.runtime.helpers import counters, echo, inputs, put, result_files, run
from tests.runtime.parallel import PlannedMap

Break = Callable[..., list[str]]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """``broken("open", "items.jsonl", 1)``: the first call for such keys fails. Returns the keys that failed.

    With a ``StorageError`` that is for good, unless another ``kind`` is given.
    """

    def install(method: str, part: str, times: int, kind: type[StorageError] = StorageError) -> list[str]:
        whole = getattr(LocalStore, method)
        failed: list[str] = []

        def replacement(self: LocalStore, key: str, *args: Any) -> Any:
            if part in f"{self.root}/{key}" and len(failed) < times:
                failed.append(key)
                raise kind(self.url(key), "the network was gone")
            return whole(self, key, *args)

        monkeypatch.setattr(LocalStore, method, replacement)
        return failed

    return install


def _in_place(folder: Path, function: Any, **fields: Any) -> PlannedMap:
    """A map over the numbers 0 to 9 in a file that two partitions read in place."""
    url = put(folder / "data/numbers.jsonl", "\n".join(map(str, range(10))))
    reader = S3JsonLItemReader(url=url)
    return PlannedMap(folder, function, items=[], partitions=2, item_reader=reader, **fields)


# -- reading


@pytest.mark.parametrize("source", ["the data set", "items.jsonl"])
def test_a_source_that_is_out_of_reach_for_a_moment(source: str, broken: Break, tmp_path: Path) -> None:
    if source == "items.jsonl":
        planned = PlannedMap(tmp_path, echo, list(range(10)), 2)
        failed = broken("open", "items.jsonl", 1)
    else:
        planned = _in_place(tmp_path, echo)
        failed = broken("open", "numbers.jsonl", 1)
    with pytest.raises(StorageError, match="the network was gone"):
        planned.run(0)
    assert len(failed) == 1
    # Nothing has been decided: the other partition goes on, and the same one can be tried again.
    assert planned.folder.stop_reason() is None
    assert planned.folder.read_partition(0) is None
    planned.run(1)
    planned.run(0)
    summary = planned.finish()
    assert summary.status == "SUCCEEDED"
    assert inputs(summary) == list(range(10))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_source_that_breaks_off_in_the_middle(
    concurrency: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned = _in_place(tmp_path, echo, max_concurrency=concurrency * 2)

    def breaks_off(*args: Any, **kwargs: Any) -> Any:
        for number, child in enumerate(partition_children(*args, **kwargs)):
            if number == 3:
                raise StorageError("file:///numbers.jsonl", "the connection was reset")
            yield child

    monkeypatch.setattr("airflow_provider_sfdm.runtime.partition.partition_children", breaks_off)
    with pytest.raises(StorageError, match="the connection was reset"):
        planned.run(0)
    assert planned.folder.stop_reason() is None
    # Of the records of the children that did end nothing is visible.
    assert not list((tmp_path / "results").rglob("SUCCEEDED*"))


def test_a_spool_that_is_gone_is_no_fault_of_the_data(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, echo, [1, 2], 1)
    planned.folder.store.delete("items.jsonl")
    with pytest.raises(StorageError):
        planned.run(0)
    assert planned.folder.stop_reason() is None


def test_a_source_out_of_reach_while_planning_can_be_told_from_bad_data(broken: Break, tmp_path: Path) -> None:
    url = put(tmp_path / "data/f.jsonl", "1\n")
    broken("open", "data/f.jsonl", 1)
    with pytest.raises(ItemReaderFailed) as caught:
        run(tmp_path, item_reader=S3JsonLItemReader(url=url))
    assert isinstance(caught.value.__cause__, StorageError)


def test_an_end_that_was_not_written_whole_is_none(tmp_path: Path) -> None:
    """As a file system without hard links may leave it, when a process is killed in that moment."""
    planned = PlannedMap(tmp_path, echo, [1, 2], 1)
    planned.run(0)
    store, key = planned.folder.store, "partitions/00000.json"
    whole = store.read(key)
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        store.put(key, whole[:size])
        for step in (lambda: planned.run(0), planned.finish):
            with pytest.raises(StorageError, match=r"partitions/00000.json: it was not written whole"):
                step()
    store.delete(key)
    planned.run(0)
    assert inputs(planned.finish()) == [1, 2]


def test_storage_that_cannot_be_written(broken: Break, tmp_path: Path) -> None:
    for key in ("plan.json", "items.jsonl"):
        broken("put_if_absent" if key == "plan.json" else "create", key, 1)
        with pytest.raises(StorageError, match=key):
            run(tmp_path, given=[1])


# -- progress


def test_finished_work_survives_progress_that_cannot_be_written(
    broken: Break, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken("put", "/progress/", 1_000)
    with caplog.at_level(logging.WARNING):
        summary = run(tmp_path, given=[1, 2, 3], partitions=2)
    assert summary.status == "SUCCEEDED"
    assert inputs(summary) == [1, 2, 3]
    assert "Could not tell the other partitions how this one ended" in caplog.text


def test_finished_work_survives_what_others_leave_in_the_folder(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, _refuses_zero, [0, 1, 2, 3], 1, tolerated_failure_count=1)
    put(tmp_path / "runs" / planned.plan.map_run.uuid / "progress/00007/.nfs0001", b"")
    planned.run(0)
    assert planned.finish().status == "SUCCEEDED"


def _refuses_zero(value: int) -> int:
    if value == 0:
        raise ValueError(value)
    return value


def test_a_breach_is_flagged_though_the_storage_fails_at_first(
    broken: Break, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(retrying, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(watch, "TICK_SECONDS", 60)  # only the end speaks to the storage
    planned = PlannedMap(tmp_path, _refuses_zero, [0, 1, 2, 3], 2)
    monkeypatch.setattr(watch.PartitionWatch, "failed", lambda self: None)
    failed = broken("put_if_absent", "stop.json", 2, StorageUnavailable)
    planned.run(0)
    assert len(failed) == 2
    reason = planned.folder.stop_reason()
    assert reason is not None and reason.error == "States.ExceedToleratedFailureThreshold"


def test_a_reason_to_stop_is_not_lost_with_the_flag(
    broken: Break, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = put(tmp_path / "f.jsonl", "1\n2\noops\n4\n")
    broken("put_if_absent", "stop.json", 1_000)
    summary = run(tmp_path, item_reader=S3JsonLItemReader(url=url))
    assert (summary.status, summary.error) == ("FAILED", "States.ItemReaderFailed")
    assert counters(summary) == {"succeeded": 2, "pending": 2, "total": 4, "resultsWritten": 2}


# -- partitions that are run again


def test_a_partition_that_has_ended_is_not_run_again(tmp_path: Path) -> None:
    ran: list[int] = []
    planned = PlannedMap(tmp_path, lambda value: ran.append(value), [0, 1, 2, 3], 2)
    first = planned.run(0)
    second = planned.run(0)
    assert ran == [0, 1]
    assert (second.items, second.executions, second.error) == (first.items, first.executions, None)
    # Nor do its results become PENDING when the map run is stopped in the meantime.
    planned.folder.stop(StopReason("Stopped", "by hand", aborted=True))
    third = planned.run(0)
    planned.run(1)
    assert ran == [0, 1]
    assert (third.items, third.stopped) == (first.items, None)
    summary = planned.finish()
    assert counters(summary) == {"succeeded": 2, "pending": 2, "total": 4, "resultsWritten": 4}
    assert "SUCCEEDED_0.json" in result_files(summary)


def test_a_partition_that_ended_with_an_error_says_so_again(tmp_path: Path) -> None:
    planned = _in_place(tmp_path, echo)
    path = tmp_path / "data/numbers.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b" \n"))
    first, second = planned.run(0), planned.run(0)
    assert isinstance(first.error, ItemReaderFailed) and isinstance(second.error, ItemReaderFailed)
    assert second.error.cause == first.error.cause
    assert second.stopped == first.stopped


def test_a_partition_that_was_stopped_remembers_why(tmp_path: Path) -> None:
    from airflow_provider_sfdm.runtime.partition import run_partition
    from airflow_provider_sfdm.runtime.run import invocation_factory

    definition = DistributedMap(item_processor=echo, result_writer=ResultWriter(url=(tmp_path / "r").as_uri()))
    planned = PlannedMap(tmp_path, echo, [1, 2], 1)
    folder: MapRunFolder = planned.folder
    ready, stop = invocation_factory(definition, Connections()), StopSignal()
    by_hand = StopReason("Stopped", "by hand", aborted=True)
    stop.set(by_hand)
    ends = [run_partition(definition, folder, 0, ready, Connections(), stop=stop) for _ in range(2)]
    assert [(end.stopped, end.error, end.items.pending) for end in ends] == [(by_hand, None, 2)] * 2
