"""Children that wait: how many at once one partition holds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_sfdm import DistributedMap, run_map

from .harness import Row, measure

SECONDS = 1.0
LIMIT = 4.0


async def wait_async(item: Any) -> Any:
    """A child that waits on the event loop."""
    await asyncio.sleep(SECONDS)
    return item


def wait_sync(item: Any) -> Any:
    """A child that waits in its thread."""
    time.sleep(SECONDS)
    return item


def children(number: int, asynchronous: bool) -> int:
    """Run so many children, all at once, in one partition. Returns how many succeeded."""
    definition = DistributedMap(
        item_processor=wait_async if asynchronous else wait_sync,
        items=list(range(number)),
        max_concurrency=number,
    )
    with TemporaryDirectory() as folder:
        summary = run_map(definition, storage=Path(folder).as_uri())
        return summary.raise_for_status().execution_counts.succeeded


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    found = []
    for kind, number, asynchronous in (("async def", 10_000, True), ("sync", 1_000, False)):
        sample = measure(children, number=number, asynchronous=asynchronous)
        assert sample.result == number
        found.append(
            Row(
                group="concurrency",
                name=f"{number:,} {kind} children that wait {SECONDS:g} s, MaxConcurrency {number:,}, one partition",
                measured=f"{sample.wall:.2f} s (CPU {sample.cpu:.2f}), {sample.peak / 1e6:.0f} MB",
                figure=f"{sample.wall:.2f} s",
                target=f"≤ {LIMIT:g} s",
                within=sample.wall <= LIMIT,
                details={"wall": sample.wall, "cpu": sample.cpu, "peak": sample.peak},
            )
        )
    return found
