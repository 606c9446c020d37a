"""Limits that are changed while a map run runs, a stop from outside, and what is told of it meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    InvalidDefinition,
    MapRunEnded,
    MapRunNotFound,
    MapRunResults,
    describe_map_run,
    run_map,
    stop_map_run,
    update_map_run,
)
from airflow_provider_sfdm.core.map_run_updates import MapRunLimits
from airflow_provider_sfdm.core.tolerance import FailureTolerance
from airflow_provider_sfdm.runtime import limits
from airflow_provider_sfdm.runtime.catalog import Owner, enter, find_map_run, owner_of
from airflow_provider_sfdm.runtime.limits import Limits, change_limits, limits_of
from airflow_provider_sfdm.runtime.stop import StopReason
from airflow_provider_sfdm.storage import StorageError, open_folder
from tests.runtime.helpers import results
from tests.runtime.parallel import PlannedMap


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two seconds between looks these tests would take three times as long; test_scheduler.py has them."""
    monkeypatch.setattr(limits, "LOOK_SECONDS", 0.5)


class InFlight:
    """Counts what runs at once, in whatever thread or task it does."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.now = 0
        self.most = 0
        self.ended = 0
        self.seconds = seconds
        self._lock = threading.Lock()

    def _begin(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def _end(self) -> None:
        with self._lock:
            self.now -= 1
            self.ended += 1

    def most_in(self, seconds: float) -> int:
        """The most that ran at once, from now on for so many seconds."""
        with self._lock:
            self.most = self.now
        time.sleep(seconds)
        return self.most

    def sync(self, item: Any) -> Any:
        self._begin()
        time.sleep(self.seconds)
        self._end()
        return item

    async def waiting(self, item: Any) -> Any:
        self._begin()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self._end()
        return item


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


@contextmanager
def running(planned: PlannedMap) -> Iterator[None]:
    """All partitions at once, each in a thread."""
    with ThreadPoolExecutor(len(planned.plan.partitions)) as pool:
        ends = [pool.submit(planned.run, partition.index) for partition in planned.plan.partitions]
        try:
            yield
        except BaseException:
            stop_map_run(planned.folder.url)
            raise
        for end in ends:
            end.result(timeout=60)


@pytest.mark.parametrize("kind", ["sync", "waiting"])
def test_max_concurrency_goes_up_and_down(kind: str, tmp_path: Path) -> None:
    flight = InFlight()
    planned = PlannedMap(tmp_path, getattr(flight, kind), list(range(2000)), 2, max_concurrency=2)
    with running(planned):
        until(lambda: flight.ended > 20)
        assert flight.most <= 2
        update_map_run(planned.folder.url, max_concurrency=12)
        began = time.monotonic()
        until(lambda: flight.most == 12)
        assert time.monotonic() - began < 6
        shown = update_map_run(planned.folder.url, max_concurrency=3)
        assert (shown.status, shown.max_concurrency) == ("RUNNING", 3)
        until(lambda: flight.most_in(0.3) <= 3, 6)
        # Fewer than there are partitions: those that have no share wait for the others.
        update_map_run(planned.folder.url, max_concurrency=1)
        until(lambda: flight.most_in(0.3) == 1, 6)
        update_map_run(planned.folder.url, max_concurrency=200)
    summary = planned.finish()
    assert (summary.status, summary.max_concurrency) == ("SUCCEEDED", 200)
    assert sorted(child.input for child in results(summary).succeeded()) == list(range(2000))


def test_where_none_was_set(tmp_path: Path) -> None:
    """A plain function runs one at a time until somebody sets a number."""
    flight = InFlight()
    planned = PlannedMap(tmp_path, flight.sync, list(range(400)), 1)
    with running(planned):
        until(lambda: flight.ended > 5)
        assert flight.most == 1
        update_map_run(planned.folder.url, max_concurrency=8)
        until(lambda: flight.most == 8)
    assert planned.finish().status == "SUCCEEDED"


def test_the_most_that_can_be_set(tmp_path: Path) -> None:
    """Its share stays what it was; what it stands for does not."""
    flight = InFlight()
    planned = PlannedMap(tmp_path, flight.sync, list(range(600)), 1)
    with running(planned):
        until(lambda: flight.ended > 5)
        update_map_run(planned.folder.url, max_concurrency=10_000)
        until(lambda: flight.most > 20)
    assert planned.finish().max_concurrency == 10_000


def test_a_partition_that_begins_later_does_not_go_beyond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOK_SECONDS", 2.0)  # as it is: it must be long beside a tick of the watch
    flight = InFlight()
    planned = PlannedMap(tmp_path, flight.waiting, list(range(400)), 2, max_concurrency=40)
    change_limits(planned.folder, planned.plan, MapRunLimits(max_concurrency=4))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(planned.run, 0)
        until(lambda: flight.now == 4)
        second = pool.submit(planned.run, 1)
        for end in (first, second):
            end.result(60)
    assert flight.most == 4
    assert planned.finish().status == "SUCCEEDED"


def test_a_partition_that_has_ended_leaves_its_share_at_once(tmp_path: Path) -> None:
    flight = InFlight()
    planned = PlannedMap(tmp_path, flight.waiting, list(range(600)), 2, max_concurrency=40)
    change_limits(planned.folder, planned.plan, MapRunLimits(max_concurrency=8))
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(planned.run, index) for index in (0, 1)]
        until(lambda: flight.ended > 20)
        planned.folder.write_partition(0, {"as": "if it had ended"})
        began = time.monotonic()
        until(lambda: flight.most_in(0.2) >= 12)
        assert time.monotonic() - began < 5, "long before it is taken for dead"
        planned.folder.stop(StopReason("", "enough", aborted=True))
        for end in ends:
            end.exception(30)


def test_a_tolerance_that_is_lowered_below_what_has_failed(tmp_path: Path) -> None:
    flight = InFlight()

    def function(item: int) -> int:
        flight.sync(item)
        if item % 4 == 0:
            raise ValueError(item)
        return item

    planned = PlannedMap(tmp_path, function, list(range(1000)), 2, tolerated_failure_percentage=60)
    with running(planned):
        until(lambda: flight.ended > 40)
        update_map_run(planned.folder.url, tolerated_failure_percentage=0, tolerated_failure_count=3)
        began = time.monotonic()
    assert time.monotonic() - began < 6
    summary = planned.finish()
    assert (summary.status, summary.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert (summary.tolerated_failure_percentage, summary.tolerated_failure_count) == (0, 3)
    assert summary.execution_counts.pending > 500


def test_a_tolerance_that_is_raised_in_time(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, lambda item: 1 // item, [0, 1, 2, 0], 2, tolerated_failure_percentage=25)
    update_map_run(planned.folder.url, tolerated_failure_percentage=50)
    planned.run_in_threads()
    summary = planned.finish()
    assert (summary.status, summary.tolerated_failure_percentage) == ("SUCCEEDED", 50)


def test_of_changes_at_once_none_is_lost(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, abs, [1], 1)
    changes = [
        *[MapRunLimits(max_concurrency=7)] * 8,
        *[MapRunLimits(tolerated_failure_count=3)] * 8,
        *[MapRunLimits(tolerated_failure_percentage=2.5)] * 8,
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: change_limits(planned.folder, planned.plan, change), changes))
    assert limits_of(planned.folder, planned.plan) == Limits(7, FailureTolerance(3, 2.5), 24)


@pytest.mark.parametrize("kind", ["sync", "waiting"])
def test_a_stop(kind: str, tmp_path: Path) -> None:
    flight = InFlight(0.5)
    planned = PlannedMap(tmp_path, getattr(flight, kind), list(range(1000)), 2, max_concurrency=8)
    with running(planned):
        until(lambda: flight.ended > 10)
        told = stop_map_run(planned.folder.url, error="Enough", cause="the data is old")
        assert (told.status, told.error) == ("RUNNING", "Enough")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    summary = planned.finish()
    assert (summary.status, summary.error, summary.cause) == ("ABORTED", "Enough", "the data is old")
    counts = summary.execution_counts
    assert counts.total == counts.results_written == 1000
    assert (counts.aborted > 0) is (kind == "waiting"), "a plain function runs to its end"
    with pytest.raises(MapRunEnded, match="has ended: it is ABORTED"):
        stop_map_run(planned.folder.url)
    with pytest.raises(MapRunEnded):
        update_map_run(planned.folder.url, max_concurrency=1)


def test_what_no_task_ends_is_closed(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, abs, list(range(6)), 3)
    planned.run(1)
    summary = stop_map_run(planned.folder.url, cause="its DAG run was deleted", close=True)
    assert (summary.status, summary.cause) == ("ABORTED", "its DAG run was deleted")
    assert (summary.execution_counts.succeeded, summary.execution_counts.pending) == (2, 4)
    assert [child.input for child in MapRunResults.from_summary(summary).pending()] == [0, 1, 4, 5]
    assert stop_map_run(planned.folder.url, close=True) == summary


def test_a_map_run_is_described_while_it_runs(tmp_path: Path) -> None:
    flight = InFlight(0.1)
    planned = PlannedMap(tmp_path, flight.waiting, list(range(100)), 2, max_concurrency=4)
    before = describe_map_run(planned.folder.url)
    assert (before.status, before.execution_counts.pending, before.stop_date) == ("RUNNING", 100, None)
    with running(planned):
        until(lambda: describe_map_run(planned.folder.url).execution_counts.running > 0)
        counts = describe_map_run(planned.folder.url).execution_counts
        assert counts.total == 100 and counts.results_written == 0
        assert counts.pending + counts.running + counts.succeeded == 100
    summary = planned.finish()
    assert describe_map_run(planned.folder.url) == summary


# -- finding one


def test_by_its_arn(tmp_path: Path) -> None:
    from airflow_provider_sfdm import DistributedMap

    storage = (tmp_path / "runs").as_uri()
    summary = run_map(DistributedMap(item_processor=abs), [1], storage)
    assert describe_map_run(summary, storage=storage) == summary
    assert describe_map_run(summary.to_dict(), storage=storage) == summary
    arn = summary.map_run_arn or ""
    with pytest.raises(InvalidDefinition, match="name the storage"):
        describe_map_run(arn)
    with pytest.raises(MapRunNotFound, match="there is no map run"):
        describe_map_run(arn, storage=(tmp_path / "elsewhere").as_uri())
    with pytest.raises(MapRunNotFound, match="there is no map run"):
        describe_map_run((tmp_path / "elsewhere").as_uri())
    with pytest.raises(InvalidDefinition, match="is on AWS"):
        describe_map_run(arn.replace("airflow", "eu-west-1").replace("0" * 12, "1" * 12), storage=storage)
    with pytest.raises(InvalidDefinition, match="must be the ARN of a Map Run"):
        describe_map_run("some", storage=storage)


def test_in_the_catalog(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path / "dag/run", abs, [1], 1)
    store = open_folder(tmp_path.as_uri())
    enter(store, planned.folder, planned.plan.map_run.uuid, Owner("dag", "run", "group.read_items"))
    found = find_map_run(planned.plan.map_run.arn, tmp_path.as_uri())
    assert found.url == planned.folder.url
    assert owner_of(found) == Owner("dag", "run", "group.read_items")


@pytest.mark.parametrize("path", ["../other", "%2e%2e/other", "/etc", "a//b", ".", ""])
def test_a_catalog_cannot_lead_elsewhere(path: str, tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path / "other", abs, [1], 1)
    uuid = planned.plan.map_run.uuid
    (tmp_path / "runs/~map-runs").mkdir(parents=True)
    (tmp_path / "runs/~map-runs" / uuid).write_text(json.dumps({"path": path}))
    with pytest.raises(MapRunNotFound, match="leads out of it"):
        find_map_run(planned.plan.map_run.arn, (tmp_path / "runs").as_uri())


@pytest.mark.parametrize("entry", ["", "[", "[]", "1", "null", "{}", '{"path": 3}', '{"path": null}', "[" * 100_000])
def test_an_entry_that_is_not_what_was_written(entry: str, tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, abs, [1], 1)
    uuid = planned.plan.map_run.uuid
    (tmp_path / "runs/~map-runs").mkdir(parents=True)
    (tmp_path / "runs/~map-runs" / uuid).write_text(entry)
    with pytest.raises(MapRunNotFound, match=f"~map-runs/{uuid} is not what was written"):
        find_map_run(planned.plan.map_run.arn, (tmp_path / "runs").as_uri())


@pytest.mark.parametrize("content", ["{}", '{"dag_id": "d"}', '{"dag_id": "d", "run_id": "r", "group_id": "g"}'])
def test_an_owner_that_is_not_what_was_written(content: str, tmp_path: Path) -> None:
    folder = PlannedMap(tmp_path, abs, [1], 1).folder
    folder.store.put("owner.json", content.encode())
    with pytest.raises(StorageError, match=r"owner\.json: it is not what was written"):
        owner_of(folder)


@pytest.mark.parametrize("uuid", ["../x", "a/b", ".."])
def test_an_arn_is_no_path(uuid: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidDefinition, MapRunNotFound)):
        find_map_run(f"arn:aws:states:airflow:000000000000:mapRun:m/l:{uuid}", tmp_path.as_uri())
