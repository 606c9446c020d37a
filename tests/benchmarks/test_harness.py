"""The benchmarks measure what they say: each side does its work, and ratios are those of pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import concurrency, harness, listing, memory, reading, report, runtime
from benchmarks.data import WRITERS
from benchmarks.harness import MeasurementFailed, Pairs, Row, Sample, compared, in_turn, measure

ROWS = 1200


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("data")
    return {suffix: str(write(folder / f"rows.{suffix}", ROWS)) for suffix, write in WRITERS.items()}


def test_a_function_is_measured_in_a_process_of_its_own(files: dict[str, str]) -> None:
    sample = measure(runtime.plain_loop, source=files["csv"])
    assert sample.result == ROWS
    assert sample.cpu > 0 and 60 > sample.wall > 0
    assert 5e6 < sample.peak < 5e8


def test_a_function_that_fails_is_told() -> None:
    with pytest.raises(MeasurementFailed, match=r"plain_loop failed:(.|\n)*FileNotFoundError"):
        measure(runtime.plain_loop, source="missing.csv")


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    others = iter([1.0, 1.0, 10.0])
    ours = iter([2.0, 3.0, 40.0])
    pairs = in_turn(lambda: Sample(next(ours), 1, 1, None), lambda: Sample(next(others), 2, 1, None), 3)
    assert pairs.ratio("wall") == 3.0
    assert pairs.ratio("cpu") == 0.5


@pytest.mark.parametrize(("wall", "within"), [(1.5, True), (1.51, False)])
def test_a_target_is_met_up_to_its_limit(wall: float, within: bool) -> None:
    pairs = Pairs([Sample(wall, 1, 1, None)], [Sample(1, 1, 1, None)])
    row = compared("group", "name", pairs, "wall", 1.5)
    assert row.within is within
    assert ("| met " in report.table([row])) is within
    assert ("| MISSED " in report.table([row])) is not within


def test_everything_measured_is_kept(tmp_path: Path) -> None:
    report.write([Row(group="g", name="n", measured="1 s", details={"wall": [1.0]})], tmp_path / "new" / "results.json")
    kept = json.loads((tmp_path / "new" / "results.json").read_text())
    assert kept["rows"][0]["details"] == {"wall": [1.0]}


@pytest.mark.parametrize(("transformation", "batched"), [("COMPACT", True), ("NONE", True), ("NONE", False)])
def test_the_engine_reads_every_row(files: dict[str, str], transformation: str, batched: bool) -> None:
    assert runtime.engine(files["csv"], transformation, batched) == runtime.plain_loop(files["csv"]) == ROWS


def test_readers_and_bare_loops_read_the_same(files: dict[str, str]) -> None:
    assert reading.read(files["jsonl"]) == reading.bare_jsonl(files["jsonl"]) == ROWS
    assert reading.read(files["parquet"]) == reading.bare_parquet(files["parquet"]) == ROWS


@pytest.mark.parametrize("spooled", [False, True])
def test_the_tasks_of_the_memory_benchmark_make_a_map_run(files: dict[str, str], tmp_path: Path, spooled: bool) -> None:
    source, folder = files["csv"], str(tmp_path)
    place = memory.read_items(source, folder, spooled)
    assert any(tmp_path.glob("map-runs/*/items.jsonl")) is spooled
    done = sum(
        memory.run_one_partition(source, folder, spooled, place, index)
        for index in range(min(memory.PARTITIONS, -(-ROWS // runtime.BATCH)))
    )
    assert done == memory.write(place) == ROWS


def test_children_that_wait_all_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "SECONDS", 0.01)
    assert concurrency.children(50, True) == concurrency.children(50, False) == 50


def test_the_server_that_only_lists_serves_every_page() -> None:
    with listing.list_server(2_500) as url:
        assert listing.bare(url) == listing.planned(url) == 2_500


def test_a_data_file_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "DATA", tmp_path / "data")
    path = Path(harness.data_file("csv", 10))
    written = path.stat().st_mtime_ns
    assert Path(harness.data_file("csv", 10)).stat().st_mtime_ns == written
    assert len(path.read_text().splitlines()) == 11
    assert [found.name for found in (tmp_path / "data").iterdir()] == [path.name]
