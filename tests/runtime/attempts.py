"""What the tests of attempts at a partition share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_sfdm import DistributedMap, MapRunSummary, ResultWriter, WriterConfig
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import records

CONNECTIONS = Connections()
ITEMS = 400


class Planned:
    """A map run of one partition that is planned, and can be attempted as often as wanted."""

    def __init__(self, folder: Path, function: Any, **fields: Any) -> None:
        self.root = folder
        writer = ResultWriter(url=(folder / "results").as_uri(), writer_config=WriterConfig())
        fields = {"tolerated_failure_percentage": 100, "result_writer": writer, **fields}
        self.definition = DistributedMap(item_processor=function, **fields)
        self.folder, self.plan = plan_map_run(
            self.definition,
            name="map",
            storage=(folder / "runs").as_uri(),
            connections=CONNECTIONS,
            run_input=list(range(ITEMS)),
            partitions=1,
            at_once=1,
        )

    def attempt(self, function: Any = None, seconds: float = 0.05, **options: Any) -> Any:
        definition = self.definition
        if function is not None:
            definition = DistributedMap(item_processor=function, item_batcher=definition.item_batcher)
        ready = invocation_factory(definition, CONNECTIONS)
        return run_partition(self.definition, self.folder, 0, ready, CONNECTIONS, checkpoint_seconds=seconds, **options)

    def end(self) -> MapRunSummary:
        return write_results(self.folder, CONNECTIONS)


def ended(planned: Planned) -> list[Any]:
    """The inputs of all records, whatever became of the child."""
    summary = planned.end()
    found = [json.loads(record["Input"]) for status in ("SUCCEEDED", "FAILED") for record in records(summary, status)]
    assert summary.item_counts.total == summary.item_counts.results_written == ITEMS
    return found


class Interrupted(KeyboardInterrupt):
    """What Airflow raises in the main thread when it ends a task."""


def breaking(after: int, seen: list[Any]) -> Callable[[Any], Any]:
    """A function that fails for every tenth item, and is interrupted once it has run so often."""

    def function(item: Any) -> Any:
        if len(seen) == after:
            raise Interrupted
        seen.append(item)
        if item % 10 == 0:
            raise ValueError(item)
        return {"done": item}

    return function
