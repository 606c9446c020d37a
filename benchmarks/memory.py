"""Peak memory of each task of a map run, for little data and for a hundred times as much."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    ResultWriter,
    S3CsvItemReader,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections, open_folder

from .harness import Row, Sample, data_file, measure
from .runtime import BATCH, parse_batch

PARTITIONS = 4
LIMIT = 1.10


def definition(source: str, results: str, spooled: bool) -> DistributedMap:
    """The map. Batches that bytes may end cannot be found by counting: those make read_items spool the items."""
    return DistributedMap(
        item_processor=parse_batch,
        item_reader=S3CsvItemReader(url=Path(source).as_uri()),
        item_batcher=ItemBatcher(max_items_per_batch=BATCH, max_input_bytes_per_batch=50_000 if spooled else None),
        result_writer=ResultWriter(
            url=Path(results).as_uri(), writer_config=WriterConfig(transformation=Transformation.COMPACT)
        ),
    )


def read_items(source: str, folder: str, spooled: bool) -> str:
    """What the task read_items does. Returns the URL of the map run's folder."""
    place, _ = plan_map_run(
        definition(source, f"{folder}/results", spooled),
        name="bench",
        storage=Path(folder, "map-runs").as_uri(),
        connections=Connections(),
        partitions=PARTITIONS,
    )
    return place.url


def run_one_partition(source: str, folder: str, spooled: bool, map_run: str, index: int) -> int:
    """What one task run_partition does. Returns how many items succeeded."""
    connections = Connections()
    ours = definition(source, f"{folder}/results", spooled)
    place = MapRunFolder(open_folder(map_run, connections))
    return run_partition(ours, place, index, invocation_factory(ours, connections), connections).items.succeeded


def write(map_run: str) -> int:
    """What the task write_results does. Returns how many items succeeded."""
    place = MapRunFolder(open_folder(map_run, Connections()))
    summary = write_results(place, Connections())
    return summary.raise_for_status().item_counts.succeeded


def map_run(rows: int, spooled: bool) -> dict[str, Sample]:
    """A whole map run, each task in a process of its own; of the partitions the one that took most memory."""
    source = data_file("csv", rows)
    with TemporaryDirectory() as folder:
        read = measure(read_items, source=source, folder=folder, spooled=spooled)
        runs = [
            measure(run_one_partition, source=source, folder=folder, spooled=spooled, map_run=read.result, index=index)
            for index in range(PARTITIONS)
        ]
        written = measure(write, map_run=read.result)
    assert written.result == rows
    return {"read_items": read, "run_partition": max(runs, key=lambda run: run.peak), "write_results": written}


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    found = []
    sizes = {"read in place": (100_000, 1_000_000 if quick else 10_000_000)}
    sizes["spooled"] = (100_000, 400_000 if quick else 2_000_000)
    for how, (few, many) in sizes.items():
        small, large = (map_run(rows, how == "spooled") for rows in (few, many))
        for task, sample in large.items():
            base = small[task]
            ratio = sample.peak / base.peak
            found.append(
                Row(
                    group="memory",
                    name=f"peak memory of {task}, CSV {how}: {many:,} rows against {few:,}",
                    measured=f"{sample.peak / 1e6:.1f} MB",
                    compared=f"{base.peak / 1e6:.1f} MB",
                    figure=f"{ratio:.2f} x",
                    target=f"≤ {LIMIT:.2f} x",
                    within=ratio <= LIMIT,
                    details={"peak": [sample.peak, base.peak], "wall": [sample.wall, base.wall]},
                )
            )
    return found
