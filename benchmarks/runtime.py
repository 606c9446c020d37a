"""The engine on one partition against a plain loop over the same rows."""

from __future__ import annotations

import csv
import multiprocessing
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    ResultWriter,
    S3CsvItemReader,
    Transformation,
    WriterConfig,
    run_map,
)

from .harness import Row, Sample, compared, data_file, in_turn, measure, middle, seconds

BATCH = 500


def parse(row: dict[str, str]) -> dict[str, Any]:
    """The work: what a row says, as a small dict."""
    return {"id": int(row["id"]), "city": row["city"], "amount": float(row["amount"])}


def parse_batch(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """The same for a batch."""
    return [parse(row) for row in batch["Items"]]


def plain_loop(source: str) -> int:
    """The physical limit: csv.reader, dict, function, a JSON line. Returns the number of rows."""
    rows = 0
    with TemporaryDirectory() as folder, Path(source).open(newline="") as file, Path(folder, "out").open("wb") as out:
        reader = csv.reader(file)
        names = next(reader)
        for values in reader:
            out.write(orjson.dumps(parse(dict(zip(names, values, strict=False)))) + b"\n")
            rows += 1
    return rows


def pool(source: str) -> int:
    """What people write instead: a multiprocessing.Pool of two processes that is fed batches of rows."""
    rows = 0
    with (
        TemporaryDirectory() as folder,
        Path(source).open(newline="") as file,
        Path(folder, "out").open("wb") as out,
        multiprocessing.get_context("fork").Pool(2) as workers,
    ):
        reader = csv.DictReader(file)
        batches = iter(lambda: {"Items": list(islice(reader, BATCH))}, {"Items": []})
        for results in workers.imap(parse_batch, batches, chunksize=4):
            out.writelines(orjson.dumps(result) + b"\n" for result in results)
            rows += len(results)
        workers.close()
        workers.join()
    return rows


def engine(source: str, transformation: str, batched: bool) -> int:
    """The engine, planning and reading included, on one partition. Returns the number of items that succeeded."""
    with TemporaryDirectory() as folder:
        summary = run_map(
            DistributedMap(
                item_processor=parse_batch if batched else parse,
                item_reader=S3CsvItemReader(url=Path(source).as_uri()),
                item_batcher=ItemBatcher(max_items_per_batch=BATCH) if batched else None,
                result_writer=ResultWriter(
                    url=Path(folder, "results").as_uri(),
                    writer_config=WriterConfig(transformation=Transformation(transformation)),
                ),
            ),
            storage=Path(folder, "map-runs").as_uri(),
        )
        return summary.raise_for_status().item_counts.succeeded


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    rows = 100_000 if quick else 1_000_000
    pairs = 3
    source = data_file("csv", rows)

    def ours(transformation: str, batched: bool = True) -> Sample:
        sample = measure(engine, source=source, transformation=transformation, batched=batched)
        assert sample.result == rows
        return sample

    def loop() -> Sample:
        sample = measure(plain_loop, source=source)
        assert sample.result == rows
        return sample

    group = "runtime"
    found = [
        compared(
            group,
            f"{rows:,} CSV rows, batches of {BATCH}, {transformation}; against a plain loop",
            in_turn(partial(ours, transformation), loop, pairs),
            "cpu",
            limit,
        )
        for transformation, limit in (("COMPACT", 1.5), ("NONE", 2.0))
    ]
    unbatched = in_turn(partial(ours, "NONE", batched=False), loop, 1 if not quick else 2)
    row_cost = middle(unbatched.ours, "cpu") / rows * 1e6
    found.append(
        Row(
            group=group,
            name=f"{rows:,} CSV rows, unbatched, a NONE record each",
            measured=seconds(unbatched.ours),
            compared=seconds(unbatched.other),
            figure=f"{row_cost:.1f} µs CPU a row",
            target="≤ 20 µs",
            within=row_cost <= 20,
            details=unbatched.details(),
        )
    )
    peer = in_turn(partial(ours, "COMPACT"), partial(measure, pool, source=source), 2)
    found.append(
        Row(
            group=group,
            name="the same against multiprocessing.Pool(2), fed batches of 500",
            measured=seconds(peer.ours),
            compared=seconds(peer.other) + " in the parent",
            figure=f"{peer.ratio('wall'):.2f} x wall",
            details=peer.details(),
        )
    )
    return found
