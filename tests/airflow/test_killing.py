"""What a partition's task does when it is killed. With a real scheduler: test_scheduler.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, ExecutionType, MapRunResults, MapRunSummary
from airflow_provider_sfdm.operators import killing
from airflow_provider_sfdm.operators.authored import AuthoredMap
from airflow_provider_sfdm.operators.run_partition import RunPartitionOperator
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.folder import SUMMARY, MapRunFolder
from airflow_provider_sfdm.runtime.partition import PartitionStopped
from airflow_provider_sfdm.storage import Connections, StorageError

CONTEXT: Any = {"ti": SimpleNamespace(dag_id="dag", run_id="run")}


@pytest.fixture
def dag_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what Airflow tells of the DAG run."""

    def tell(state: str) -> None:
        def asked(dag_id: str, run_id: str) -> str:
            assert (dag_id, run_id) == ("dag", "run")
            if state == "unknown":
                raise ConnectionError("the supervisor is gone")
            return state

        monkeypatch.setattr(killing, "dag_run_state", asked)

    return tell


class Map:
    """Ten items in three partitions, whose tasks run in threads."""

    def __init__(self, folder: Path, function: Any, **fields: Any) -> None:
        self.definition = DistributedMap(item_processor=function, items=list(range(9)), max_concurrency=9, **fields)
        self.folder, _ = plan_map_run(
            self.definition, name="m", storage=folder.as_uri(), connections=Connections(), partitions=3
        )
        self.raised: BaseException | None = None

    def task(self, index: int) -> RunPartitionOperator:
        partition = {"map_run": self.folder.url, "index": index, "label": f"partition {index}"}
        return RunPartitionOperator(task_id="run", authored=AuthoredMap.of(self.definition), partition=partition)

    def start(self, task: RunPartitionOperator) -> threading.Thread:
        def work() -> None:
            try:
                RunPartitionOperator.execute.__wrapped__(task, CONTEXT)  # type: ignore[attr-defined]
            except BaseException as error:
                self.raised = error

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def summary(self) -> MapRunSummary | None:
        found = self.folder.find(SUMMARY)
        return None if found is None else MapRunSummary.from_dict(found)


def records(summary: MapRunSummary) -> dict[str, list[int]]:
    results = MapRunResults.from_summary(summary)
    aborted = [child for child in results.failed() if child.status == "ABORTED"]
    return {
        "succeeded": sorted(child.output for child in results.succeeded()),
        "aborted": sorted(child.input for child in aborted),
        "pending": sorted(child.input for child in results.pending()),
    }


@pytest.mark.parametrize("state", ["failed", "success"])
def test_the_dag_run_has_ended(state: str, dag_run: Callable[[str], None], tmp_path: Path) -> None:
    dag_run(state)
    started = threading.Event()

    async def function(item: int) -> int:
        if item % 3:
            started.set()
            await asyncio.sleep(60)
        return item

    run = Map(tmp_path, function)
    tasks = [run.task(index) for index in (0, 1)]
    threads = [run.start(task) for task in tasks]
    assert started.wait(10)
    time.sleep(1.0)
    began = time.monotonic()
    tasks[0].on_kill()
    tasks[0].on_kill()  # a second SIGTERM
    for thread in threads:
        thread.join(20)
    assert time.monotonic() - began < 5, "then comes SIGKILL"
    assert run.raised is None
    summary = run.summary()
    assert summary is not None
    assert (summary.status, summary.cause) == ("ABORTED", f"the DAG run ended before the map run: it is {state}")
    # The other partition that ran ends by itself; the third one never began.
    assert records(summary) == {"succeeded": [0, 3], "aborted": [1, 2, 4, 5], "pending": [6, 7, 8]}
    assert summary.execution_counts.results_written == 9


@pytest.mark.parametrize("kind", [ExecutionType.STANDARD, ExecutionType.EXPRESS])
def test_a_child_that_cannot_be_stopped(kind: ExecutionType, dag_run: Callable[[str], None], tmp_path: Path) -> None:
    """Its process will be killed: what had ended is written before."""
    dag_run("failed")
    hangs, goes_on = threading.Event(), threading.Event()

    def function(item: int) -> int:
        if item == 1:
            hangs.set()
            goes_on.wait(30)
        return item

    run = Map(tmp_path, function, execution_type=kind)
    task = run.task(0)
    thread = run.start(task)
    assert hangs.wait(10)
    time.sleep(2.5)  # until what has ended is recorded
    began = time.monotonic()
    task.on_kill()
    while run.summary() is None:
        assert time.monotonic() - began < 4.5, "then comes SIGKILL"
        time.sleep(0.05)
    goes_on.set()
    thread.join(20)
    summary = run.summary()
    assert summary is not None
    found = records(summary)
    assert sorted([*found["succeeded"], *found["pending"]]) == list(range(9))
    assert 0 in found["succeeded"] and 1 in found["pending"]
    assert run.raised is None, "it tells the end that was stored; what it did after that counts nowhere"


@pytest.mark.parametrize("state", ["running", "queued", "unknown"])
def test_the_dag_run_goes_on(state: str, dag_run: Callable[[str], None], tmp_path: Path) -> None:
    """The task was cleared, or its worker goes away: another attempt goes on."""
    dag_run(state)
    started = threading.Event()

    async def function(item: int) -> int:
        started.set()
        await asyncio.sleep(60)
        return item

    run = Map(tmp_path, function)
    task = run.task(0)
    thread = run.start(task)
    assert started.wait(10)
    task.on_kill()
    thread.join(20)
    assert isinstance(run.raised, PartitionStopped)
    assert run.summary() is None
    assert run.folder.stop_reason() is None


def test_airflow_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its API may be what goes away: the task ends all the same, and soon."""
    monkeypatch.setattr(killing, "dag_run_state", lambda *_: time.sleep(20))
    started = threading.Event()

    async def function(item: int) -> int:
        started.set()
        await asyncio.sleep(60)
        return item

    run = Map(tmp_path, function)
    task = run.task(0)
    thread = run.start(task)
    assert started.wait(10)
    began = time.monotonic()
    task.on_kill()
    thread.join(20)
    assert time.monotonic() - began < 3
    assert isinstance(run.raised, PartitionStopped)


def test_before_it_runs(tmp_path: Path) -> None:
    run = Map(tmp_path, abs)
    task = run.task(0)
    task.on_kill()
    run.start(task).join(20)
    assert isinstance(run.raised, PartitionStopped)


def test_storage_that_is_away_in_that_moment(
    dag_run: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dag_run("failed")
    started = threading.Event()

    async def function(item: int) -> int:
        started.set()
        await asyncio.sleep(60)
        return item

    run = Map(tmp_path, function)
    task = run.task(0)
    thread = run.start(task)
    assert started.wait(10)

    def away(*arguments: Any) -> bool:
        raise StorageError("file:///x", "away")

    with monkeypatch.context() as patch:
        patch.setattr(MapRunFolder, "stop", away)
        task.on_kill()
        thread.join(20)
    assert "sfdm stop --close" in caplog.text
