"""MaxConcurrency: never more children in flight, over all partitions, and as many as it allows."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, ItemBatcher
from airflow_provider_sfdm.runtime.boundaries import Boundaries, Boundary
from airflow_provider_sfdm.runtime.engine import share_out
from airflow_provider_sfdm.runtime.plan import Source, SourceKind
from airflow_provider_sfdm.runtime.planning import Layout
from tests.runtime.helpers import inputs, results, run
from tests.runtime.parallel import PlannedMap, run_in_processes


def _layout(children: int, per_child: int = 3) -> Layout:
    boundaries = Boundaries()
    for child in range(children):
        if child == boundaries.next_child:
            boundaries.add(Boundary(child, child * per_child, child * 100, child * per_child + 1))
    return Layout(Source(SourceKind.SPOOL), children * per_child, children, boundaries)


def test_shares_never_add_up_to_more_than_max_concurrency() -> None:
    for wanted, at_once, limit, children in product(range(1, 9), (None, *range(1, 9)), range(1, 12), range(12)):
        partitions = share_out(_layout(children), limit, wanted, at_once, one_child_each=False)
        shares = sorted((partition.concurrency for partition in partitions), reverse=True)
        active = min(len(partitions), at_once or len(partitions))
        assert min(shares) >= 1
        # Whichever of them run together; and all of it is used when as many run as may.
        assert sum(shares[:active]) == limit or children == 0
        assert len(partitions) == max(1, min(wanted, limit, children))


def test_partitions_cover_every_child_once_and_are_about_equal() -> None:
    for wanted, children in product(range(1, 12), range(40)):
        partitions = share_out(_layout(children), 10_000, wanted, None, one_child_each=False)
        assert [partition.index for partition in partitions] == list(range(len(partitions)))
        assert (partitions[0].first_child, partitions[0].first_item) == (0, 0)
        for one, other in pairwise(partitions):
            assert one.first_child + one.children == other.first_child
            assert one.first_item + one.items == other.first_item
            assert other.offset == other.first_child * 100
        assert sum(partition.children for partition in partitions) == children
        assert sum(partition.items for partition in partitions) == children * 3
        sizes = [partition.children for partition in partitions]
        assert max(sizes) - min(sizes) <= 1
        assert children == 0 or min(sizes) >= 1


@pytest.mark.parametrize("children", [1, 5, 6, 7, 100, 4097])
def test_where_children_begin_is_thinned_out_when_there_are_many(children: int) -> None:
    boundaries = Boundaries(max_points=5)
    for child in range(children):
        if child == boundaries.next_child:
            boundaries.add(Boundary(child, child * 2, child * 10, 1))
    partitions = boundaries.partitions(3, children, children * 2, lambda index: 1)
    assert sum(partition.children for partition in partitions) == children
    assert all(partition.offset == partition.first_child * 10 for partition in partitions)
    sizes = [partition.children for partition in partitions]
    assert max(sizes) <= -(-children // 3) + children * 2 // 5


class Gauge:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1


@pytest.mark.parametrize("limit", [1, 2, 5, 13])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_in_flight_over_partitions_in_threads(kind: str, limit: int, tmp_path: Path) -> None:
    gauge = Gauge()

    def function(item: int) -> int:
        with gauge:
            time.sleep(0.02)
        return item

    async def function_async(item: int) -> int:
        with gauge:
            await asyncio.sleep(0.02)
        return item

    processor = function if kind == "sync" else function_async
    planned = PlannedMap(tmp_path, processor, list(range(60)), 3, max_concurrency=limit)
    planned.run_in_threads()
    assert inputs(planned.finish()) == list(range(60))
    assert min(limit, 3) <= gauge.most <= limit


CLOCKED = """
import time
from airflow_provider_sfdm import DistributedMap

def clocked(item):
    begin = time.monotonic()
    time.sleep(0.05)
    return [begin, time.monotonic()]

definition = DistributedMap(item_processor=clocked, max_concurrency=5)
"""


def test_in_flight_over_partitions_in_processes(tmp_path: Path) -> None:
    space: dict[str, Any] = {}
    exec(CLOCKED, space)
    definition: DistributedMap = space["definition"]
    planned = PlannedMap(tmp_path, definition.item_processor, list(range(40)), 3, max_concurrency=5)
    run_in_processes(planned, CLOCKED)
    spans = [child.output for child in results(planned.finish()).succeeded()]
    assert len(spans) == 40
    edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, step in edges:
        running += step
        most = max(most, running)
    assert 2 <= most <= 5


def test_one_at_a_time_runs_in_item_order(tmp_path: Path) -> None:
    seen: list[int] = []

    async def function(item: int) -> None:
        await asyncio.sleep(0.001 * (5 - item))
        seen.append(item)

    run(tmp_path, function, given=[0, 1, 2, 3, 4], max_concurrency=1)
    assert seen == [0, 1, 2, 3, 4]


def test_ten_thousand_waiting_children_wait_at_once(tmp_path: Path) -> None:
    async def wait(item: int) -> int:
        await asyncio.sleep(1)
        return item

    began = time.monotonic()
    summary = run(tmp_path, wait, given=list(range(10_000)), max_concurrency=10_000)
    assert time.monotonic() - began < 10
    assert summary.item_counts.succeeded == 10_000
    assert inputs(summary) == list(range(10_000))


def test_blocking_children_wait_at_once_in_threads(tmp_path: Path) -> None:
    gauge = Gauge()

    def wait(item: int) -> int:
        with gauge:
            time.sleep(0.5)
        return item

    began = time.monotonic()
    run(tmp_path, wait, given=list(range(200)), max_concurrency=200)
    assert time.monotonic() - began < 10
    assert gauge.most > 100


def test_without_max_concurrency_functions_that_compute_run_one_by_one_in_this_thread(tmp_path: Path) -> None:
    threads: set[threading.Thread] = set()
    run(tmp_path, lambda _: threads.add(threading.current_thread()), given=[1, 2, 3])
    assert threads == {threading.current_thread()}


def test_without_max_concurrency_async_functions_overlap(tmp_path: Path) -> None:
    gauge = Gauge()

    async def wait(item: int) -> None:
        with gauge:
            await asyncio.sleep(0.05)

    run(tmp_path, wait, given=list(range(300)))
    assert gauge.most == 100


def test_threads_are_used_again(tmp_path: Path) -> None:
    names: set[str] = set()

    def note(item: int) -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.001)

    run(tmp_path, note, given=list(range(100)), max_concurrency=4, item_batcher=ItemBatcher(max_items_per_batch=1))
    assert 1 <= len(names) <= 5


def test_context_variables_reach_the_threads(tmp_path: Path) -> None:
    import contextvars

    variable = contextvars.ContextVar[str]("variable", default="unset")
    variable.set("set")
    summary = run(tmp_path, lambda _: variable.get(), given=[1, 2], max_concurrency=2)
    assert [child.output for child in results(summary).succeeded()] == ["set", "set"]
