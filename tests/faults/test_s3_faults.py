"""Map runs on a real S3 server behind a network that breaks."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

from airflow_provider_sfdm import (
    DistributedMap,
    MapRunResults,
    MapRunSummary,
    ResultWriter,
    S3JsonLItemReader,
    WriterConfig,
)
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.run import invocation_factory, redrive_map, run_map
from airflow_provider_sfdm.storage import Connections, StorageUnavailable, open_folder, retrying
from airflow_provider_sfdm.storage.retrying import RetryingStore
from airflow_provider_sfdm.storage.s3 import S3Store
from tests.faults.proxy import Bad, Proxy, proxy_of
from tools.servers import S3Endpoint

MIB = 1 << 20
ONCE: Any = {"total_max_attempts": 1, "mode": "standard"}
TWICE: Any = {"total_max_attempts": 2, "mode": "standard"}


@pytest.fixture
def proxy(s3_server: S3Endpoint) -> Iterator[Proxy]:
    with proxy_of(s3_server) as made:
        yield made


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(retrying, "_LONGEST_WAIT", 0.1)


def connections(proxy: Proxy, seconds: float = 30, **config: Any) -> Connections:
    client = proxy.endpoint.client(Config(**{"retries": ONCE, "read_timeout": 5, **config}))
    return Connections(s3_client=lambda _: client, retry_seconds=seconds)


def results_of(summary: MapRunSummary, reached: Connections) -> dict[str, list[Any]]:
    results = MapRunResults.from_summary(summary, reached)
    return {
        "SUCCEEDED": sorted(one.input for one in results.succeeded()),
        "FAILED": sorted(one.input for one in results.failed()),
    }


@pytest.mark.parametrize(("client_retries", "seed"), [(ONCE, 0), (ONCE, 1), (ONCE, 2), (TWICE, 3)])
def test_a_map_run_and_its_redrive(client_retries: Any, seed: int, proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    bucket, chance = s3_bucket(), random.Random(seed)
    open_folder(f"s3://{bucket}", connections(proxy)).put("in.jsonl", "".join(f"{n}\n" for n in range(400)).encode())
    reached = connections(proxy, retries=client_retries)

    def judge(method: str, path: str) -> Bad | None:
        return next(kinds) if chance.random() < 0.3 else None

    def work(item: int) -> str:
        if item in bad:
            raise ValueError(item)
        return f"{item} " + "x" * 50_000  # more than one part of an upload

    bad, kinds = {3, 300}, itertools.cycle(kind for kind in Bad if kind is not Bad.HANGS)
    proxy.judge = judge
    definition = DistributedMap(
        item_processor=work,
        item_reader=S3JsonLItemReader(url=f"s3://{bucket}/in.jsonl"),
        result_writer=ResultWriter(url=f"s3://{bucket}/out", writer_config=WriterConfig()),
        tolerated_failure_count=1,
        max_concurrency=1,
    )
    summary = run_map(definition, storage=f"s3://{bucket}/runs", connections=reached)
    assert summary.status == "FAILED", "two failed, and one is tolerated"
    bad.clear()
    summary = redrive_map(definition, summary, f"s3://{bucket}/runs", connections=reached)
    assert summary.status == "SUCCEEDED"
    counts = summary.item_counts
    assert (counts.succeeded, counts.total, counts.results_written) == (400, 400, 400)
    assert results_of(summary, reached) == {"SUCCEEDED": list(range(400)), "FAILED": []}
    assert len(proxy.struck) == 6, "each kind of fault has occurred"


def test_beyond_the_bound(proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    """The storage is away for good: one clear error, and a retry goes on from what was recorded."""
    bucket, reached, calls = s3_bucket(), connections(proxy, 0.5), list[int]()
    away = False

    def work(item: int) -> int:
        nonlocal away
        calls.append(item)
        time.sleep(0.002)
        if len(calls) == 200:
            away = True
        return item

    proxy.judge = lambda method, path: Bad.SLOW_DOWN if away else None
    definition = DistributedMap(
        item_processor=work, result_writer=ResultWriter(url=f"s3://{bucket}/out", writer_config=WriterConfig())
    )
    folder, _ = plan_map_run(
        definition,
        name="map",
        storage=f"s3://{bucket}/runs",
        connections=reached,
        run_input=list(range(300)),
        partitions=1,
    )

    def attempt() -> None:
        ready = invocation_factory(definition, reached)
        run_partition(definition, folder, 0, ready, reached, checkpoint_seconds=0.05)

    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"SlowDown: Please reduce your request rate. \(tried for \d+ s\)$"):
        attempt()
    assert time.monotonic() - began < 15
    assert len(calls) == 300
    away = False
    calls.clear()
    attempt()
    assert 0 < len(calls) < 300, "what was recorded does not run again"
    summary = write_results(folder, reached)
    assert summary.status == "SUCCEEDED"
    assert results_of(summary, reached)["SUCCEEDED"] == list(range(300))


def store_of(proxy: Proxy, bucket: str, seconds: float = 30, **config: Any) -> RetryingStore:
    return RetryingStore(S3Store(proxy.endpoint.client(Config(**{"retries": ONCE, **config})), bucket), seconds)


def first(bad: Bad, method: str, part: str, times: int = 1) -> Callable[[str, str], Bad | None]:
    """The first requests of a kind go wrong."""
    left = [times]

    def judge(asked: str, path: str) -> Bad | None:
        if not left[0] or asked != method or part not in path:
            return None
        left[0] -= 1
        return bad

    return judge


@pytest.mark.parametrize("bad", [Bad.LOST, Bad.CUT, Bad.FAILED])
@pytest.mark.parametrize(("method", "part"), [("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId")])
def test_steps_of_an_upload(method: str, part: str, bad: Bad, proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    """A lost answer, too: what was completed already is there."""
    store = store_of(proxy, s3_bucket())
    proxy.judge = first(bad, method, part)
    data = [bytes([number]) * (6 * MIB) for number in range(3)]
    with store.create("k") as writer:
        for block in data:
            writer.write(block)
    assert proxy.struck == {bad: 1}
    assert store.read("k") == b"".join(data)
    assert store.pin("k").size == writer.size == 18 * MIB


def test_an_upload_that_is_given_up_leaves_nothing(proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    store = store_of(proxy, s3_bucket(), 0.2)
    proxy.judge = first(Bad.FAILED, "POST", "uploadId", 1_000)
    with pytest.raises(StorageUnavailable, match="tried for"), store.create("k") as writer:
        writer.write(bytes(9 * MIB))
    assert list(store.list("")) == []
    assert any(request.startswith("DELETE") and "uploadId" in request for request in proxy.requests)


def test_a_download_that_is_cut_again_and_again(proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    """It goes on where it was: each cut leaves half of what was to come."""
    store, data = store_of(proxy, s3_bucket()), random.Random(1).randbytes(9 * MIB)
    store.put("k", data)
    proxy.judge = first(Bad.CUT, "GET", "/k", 8)
    with store.open("k", store.pin("k"), 7) as file:
        assert file.read() == data[7:]
    with store.open_seekable("k") as file:
        proxy.judge = first(Bad.CUT, "GET", "/k", 2)
        file.seek(-MIB, 2)
        assert file.read(MIB) == data[-MIB:]
    assert proxy.struck == {Bad.CUT: 10}


def test_a_server_that_hangs(proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    store = store_of(proxy, s3_bucket(), read_timeout=0.2)
    proxy.judge = first(Bad.HANGS, "PUT", "/k", 2)
    began = time.monotonic()
    store.put("k", b"1")
    assert 0.4 <= time.monotonic() - began < 5
    assert store.read("k") == b"1"


def test_a_listing_that_breaks(proxy: Proxy, s3_bucket: Callable[[], str]) -> None:
    store = store_of(proxy, s3_bucket())
    for number in range(5):
        store.put(f"k{number}", b"")
    proxy.judge = first(Bad.CUT, "GET", "list-type", 3)
    assert [info.key for page in store.list("k") for info in page] == [f"k{number}" for number in range(5)]
    assert proxy.struck == {Bad.CUT: 3}
