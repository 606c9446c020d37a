"""What the operators do by themselves: stopping, labels, connections. Whole runs are in test_runs.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.sdk import DAG

from airflow_provider_sfdm import DistributedMap, DistributedMapTaskGroup, ItemBatcher, PythonFunction
from airflow_provider_sfdm.compat import AirflowFailException
from airflow_provider_sfdm.hooks.connections import airflow_connections
from airflow_provider_sfdm.operators.authored import AuthoredMap
from airflow_provider_sfdm.operators.read_items import MAP_RUN_KEY, ReadItemsOperator, partition_label
from airflow_provider_sfdm.operators.run_partition import RunPartitionOperator
from airflow_provider_sfdm.operators.update_map_run import UpdateMapRunOperator
from airflow_provider_sfdm.operators.write_results import WriteResultsOperator
from airflow_provider_sfdm.runtime.catalog import Owner, find_map_run, owner_of
from airflow_provider_sfdm.runtime.ends import root_of
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import PLAN, SUMMARY, MapRunFolder
from airflow_provider_sfdm.runtime.partition import PartitionStopped
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.stop import StopReason
from airflow_provider_sfdm.storage import Connections, StorageError, open_folder
from airflow_provider_sfdm.storage.local import LocalStore


def plan(definition: DistributedMap, tmp_path: Path, partitions: int = 1) -> Any:
    return plan_map_run(
        definition, name="m", storage=tmp_path.as_uri(), connections=Connections(), partitions=partitions
    )


def run_partition_task(definition: DistributedMap, map_run: str) -> RunPartitionOperator:
    partition = {"map_run": map_run, "index": 0, "label": "items 0–9"}  # noqa: RUF001
    return RunPartitionOperator(task_id="run", authored=AuthoredMap.of(definition), partition=partition)


def execute(operator: RunPartitionOperator) -> dict[str, Any]:
    # Below the wrapper that refuses calls from outside a task.
    return RunPartitionOperator.execute.__wrapped__(operator, {})  # type: ignore[attr-defined,no-any-return]


def failure_of_write_results(map_run: str) -> str:
    operator = WriteResultsOperator(task_id="write", map_run=map_run)
    with pytest.raises(AirflowFailException) as caught:
        WriteResultsOperator.execute.__wrapped__(operator, {"ti": Mock()})  # type: ignore[attr-defined]
    return str(caught.value)


def test_a_task_that_is_killed_starts_no_further_child(tmp_path: Path) -> None:
    seen = []

    def function(item: int) -> int:
        seen.append(item)
        if seen == [0, 1, 2, 3]:
            operator.on_kill()  # as Airflow does, in the handler of SIGTERM
        return item

    definition = DistributedMap(item_processor=function, items=list(range(10)))
    folder, _ = plan(definition, tmp_path)
    operator = run_partition_task(definition, folder.url)
    with pytest.raises(PartitionStopped, match="stopped from outside"):
        execute(operator)
    assert seen == [0, 1, 2, 3]
    # The other partitions go on, and this one can be run again from its beginning.
    assert folder.stop_reason() is None
    assert folder.read_partition(0) is None
    again = run_partition_task(definition, folder.url)
    seen[:] = [-1] * 4
    assert execute(again)["items"]["succeeded"] == 10
    assert again.partition_label == "items 0–9: 10 ok"  # noqa: RUF001


def test_storage_that_fails_for_a_moment_is_left_to_the_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = DistributedMap(item_processor=str, items=[1, 2])
    folder, _ = plan(definition, tmp_path)
    whole = LocalStore.open

    def out_of_reach(self: LocalStore, key: str, *args: Any) -> Any:
        if key == "items.jsonl":
            raise StorageError(self.url(key), "the network was gone")
        return whole(self, key, *args)

    monkeypatch.setattr(LocalStore, "open", out_of_reach)
    with pytest.raises(StorageError, match="the network was gone"):  # and no AirflowFailException
        execute(run_partition_task(definition, folder.url))
    assert folder.stop_reason() is None
    monkeypatch.setattr(LocalStore, "open", whole)
    assert execute(run_partition_task(definition, folder.url))["items"]["succeeded"] == 2


def test_progress_is_logged_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("airflow_provider_sfdm.runtime.watch.LOG_SECONDS", 0.5)

    def function(batch: dict[str, Any]) -> None:
        time.sleep(0.7)

    definition = DistributedMap(
        item_processor=function, items=[1, 2, 3, 4], item_batcher=ItemBatcher(max_items_per_batch=2)
    )
    folder, _ = plan(definition, tmp_path)
    # Airflow's own logger writes to a task's log only.
    monkeypatch.setattr(RunPartitionOperator, "log", logging.getLogger("sfdm-test"))
    with caplog.at_level(logging.INFO, logger="sfdm-test"):
        execute(run_partition_task(definition, folder.url))
    assert "50% done: 4 items (2 succeeded, 2 running); 2 child executions (1 succeeded, 1 running)" in caplog.messages
    assert caplog.messages[-1] == "Ended: 4 items (4 succeeded); 2 child executions (2 succeeded)"


def test_the_label_counts_items_where_each_has_an_outcome(tmp_path: Path) -> None:
    def halve(item: int) -> int:
        if item == 7:
            raise ValueError(item)
        return item // 2

    batcher = ItemBatcher(max_items_per_batch=5)
    for per_item, outcome in ((True, "9 items ok, 1 failed"), (False, "2 failed")):
        processor = PythonFunction(halve, per_item=per_item)
        definition = DistributedMap(
            item_processor=processor, items=list(range(10)), item_batcher=batcher, tolerated_failure_count=10
        )
        folder, _ = plan(definition, tmp_path)
        operator = run_partition_task(definition, folder.url)
        execute(operator)
        assert operator.partition_label == f"items 0–9: {outcome}"  # noqa: RUF001


def test_the_failure_says_what_it_takes_to_run_the_map_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, _ = plan(DistributedMap(item_processor=str, items=[1]), tmp_path)
    again = "clear the group, or some of its partitions, to run again what did not succeed"
    assert failure_of_write_results(folder.url).endswith(f"see the log of its task; {again}")
    definition = DistributedMap(item_processor=int, items=["a"])
    folder, _ = plan(definition, tmp_path)
    execute(run_partition_task(definition, folder.url))
    assert failure_of_write_results(folder.url) == (
        f"States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded; {again}"
    )
    summary = folder.read(SUMMARY)
    assert summary["cause"] == "The specified tolerated failure threshold was exceeded"
    caplog.clear()
    execute(run_partition_task(definition, folder.url))
    assert "Redrive 1 of partition 0 alone: 1 child execution did not succeed" in caplog.messages
    caplog.clear()
    execute(run_partition_task(definition, folder.url))
    what = f"its results stay and nothing is run; when the map run has ended, {again}"
    assert [(record.levelname, record.message) for record in caplog.records if "runtime" in record.name] == [
        ("WARNING", f"Partition 0 has ended before: {what}")
    ]


@pytest.mark.parametrize(
    ("items", "batcher", "partitions", "labels"),
    [
        (10, None, 1, ["items 0–9"]),  # noqa: RUF001
        (10, ItemBatcher(max_items_per_batch=3), 2, ["batches 0–1", "batches 2–3"]),  # noqa: RUF001
        (2, None, 2, ["item 0", "item 1"]),
        (2, ItemBatcher(max_items_per_batch=2), 2, ["batch 0"]),
        (0, None, 2, ["no items"]),
        (0, ItemBatcher(max_items_per_batch=2), 2, ["no batches"]),
        (2400, None, 1, ["items 0–2,399"]),  # noqa: RUF001
    ],
)
def test_labels_of_partitions(
    tmp_path: Path, items: int, batcher: ItemBatcher | None, partitions: int, labels: list[str]
) -> None:
    definition = DistributedMap(item_processor=str, items=list(range(items)), item_batcher=batcher)
    _, made = plan(definition, tmp_path, partitions)
    assert [partition_label(made, partition) for partition in made.partitions] == labels


def test_clients_come_from_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.config import Config

    for name, port in (("MINE", 9001), ("OTHER", 9002)):
        uri = f"aws://key-{name}:secret@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A{port}&region_name=eu-west-1"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", uri)
    connections = airflow_connections("mine")
    s3, other = connections.s3_client(None), connections.s3_client("other")
    assert (s3.meta.endpoint_url, other.meta.endpoint_url) == ("http://127.0.0.1:9001", "http://127.0.0.1:9002")
    client = connections.lambda_client(Config(read_timeout=77, max_pool_connections=33))
    assert client.meta.endpoint_url == "http://127.0.0.1:9001"
    config: Any = client.meta.config
    assert (config.read_timeout, config.max_pool_connections) == (77, 33)


def test_other_urls_go_through_object_storage_or_fsspec(tmp_path: Path) -> None:
    store = open_folder("memory://map-runs", airflow_connections())
    store.put("a/b", b"content")
    assert store.read("a/b") == b"content"
    filesystem, path = airflow_connections().filesystem(f"file://{tmp_path}")
    assert (filesystem.protocol, path) == (("file", "local"), str(tmp_path))


def update(map_run: Any, **limits: Any) -> list[str]:
    operator = UpdateMapRunOperator(task_id="update", map_run_arn=map_run, **limits)
    changed: list[str] = UpdateMapRunOperator.execute.__wrapped__(operator, {})  # type: ignore[attr-defined]
    return changed


def test_limits_of_a_map_run_of_the_airflow_engine_are_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = DistributedMap(item_processor=str, items=[1, 2])
    folder, planned = plan(definition, tmp_path)
    arn = planned.map_run.arn
    assert update(folder.url, max_concurrency=7) == [arn]
    monkeypatch.setenv("AIRFLOW__SFDM__STORAGE", tmp_path.as_uri())
    assert update(arn, tolerated_failure_percentage=12.5) == [arn]
    assert update({"mapRunArn": arn}, tolerated_failure_count=3) == [arn]
    execute(run_partition_task(definition, folder.url))
    summary = write_results(folder, Connections())
    assert (summary.max_concurrency, summary.tolerated_failure_percentage) == (7, 12.5)
    assert summary.tolerated_failure_count == 3
    assert update(folder.url, max_concurrency=1) == []
    with pytest.raises(AirflowFailException, match="there is no map run"):
        update((tmp_path / "elsewhere").as_uri(), max_concurrency=1)


def read_items_task(folder: Path) -> Any:
    with DAG("d", schedule=None) as dag:
        DistributedMapTaskGroup("m", item_processor=abs, items=[1, 2], storage=folder.as_uri(), partitions=1)
    return dag.get_task("m.read_items")


def read_items(task: Any) -> str:
    """Runs the task, and returns the folder that it hands on."""
    ti = Mock()
    context = {"dag_run": SimpleNamespace(dag_id="d", run_id="r"), "ti": ti}
    ReadItemsOperator.execute.__wrapped__(task, context)  # type: ignore[attr-defined]
    (url,) = (call.args[1] for call in ti.xcom_push.call_args_list if call.args[0] == MAP_RUN_KEY)
    return str(url)


def assert_entered(url: str, storage: Path) -> None:
    """From outside the map run is found by its ARN, and whose it is."""
    root = root_of(MapRunFolder(open_folder(url)), Connections())
    arn = Plan.from_dict(root.read(PLAN)).map_run.arn
    assert find_map_run(arn, storage.as_uri()).url == root.url
    assert owner_of(root) == Owner("d", "r", "m.read_items")


class Killed(BaseException):
    """Nothing that the task does can catch it."""


def test_read_items_that_is_killed_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another attempt goes on with can be found."""
    left = 0

    def dying(write: Any) -> Any:
        def killed(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return write(*arguments)

        return killed

    for name in ("put", "put_if_absent", "create"):
        monkeypatch.setattr(LocalStore, name, dying(getattr(LocalStore, name)))
    kills = 0
    for writes in range(100):
        storage = tmp_path / str(writes)
        task = read_items_task(storage)
        left = writes
        try:
            read_items(task)
            break
        except Killed:
            kills += 1
        left = 100
        assert_entered(read_items(task), storage)
    assert kills >= 4  # owner, catalog, what is remembered, plan


@pytest.mark.parametrize("begun", [False, True])
def test_a_map_run_that_is_gone_on_with_is_entered_too(begun: bool, tmp_path: Path) -> None:
    task = read_items_task(tmp_path)
    url = read_items(task)
    if begun:
        MapRunFolder(open_folder(url)).stop(StopReason("", "stopped by hand", aborted=True))
        write_results(MapRunFolder(open_folder(url)), Connections())
    for path in (*tmp_path.glob("~map-runs/*"), *tmp_path.rglob("owner.json")):
        path.unlink()
    again = read_items(task)
    assert again == (f"{url}/redrives/1" if begun else url)
    assert_entered(again, tmp_path)
