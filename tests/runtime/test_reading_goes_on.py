"""An attempt at reading the source that dies: another one goes on from what was stored, and plans the same."""

from __future__ import annotations

import gzip
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ObjectsItemReader,
)
from airflow_provider_sfdm.core.names import MapRunName
from airflow_provider_sfdm.core.values import UNSET
from airflow_provider_sfdm.runtime import reading_journal, spooling
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.folder import PLAN, MapRunFolder
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.reading import partition_children
from airflow_provider_sfdm.storage import Connections, open_folder
from tests.runtime.helpers import echo, put

NAME = MapRunName.new("m", None, UUID(int=1))
KINDS = ["listing", "json", "json.gz", "csv", "csv.gz", "jsonl", "items", "object"]


class Died(BaseException):
    """Nothing answers that."""


def source(kind: str, folder: Path, items: int) -> tuple[dict[str, Any], Any]:
    """Fields of a definition, and the items of its run."""
    rows = [{"id": str(number), "text": "x" * (number % 7)} for number in range(items)]
    if kind == "items":
        return {}, rows
    if kind == "object":
        return {}, {f"k{number:04}": row for number, row in enumerate(rows)}
    if kind == "listing":
        (folder / "data").mkdir(exist_ok=True)
        for number in range(items):
            (folder / f"data/{number:04}").write_bytes(b"x" * (number % 5))
        return {"item_reader": S3ObjectsItemReader(url=(folder / "data").as_uri())}, UNSET
    text = {
        "json": lambda: json.dumps(rows),
        "csv": lambda: "".join(["id,text\n", *(f'{row["id"]},"{row["text"]}"\n' for row in rows)]),
        "jsonl": lambda: "".join(json.dumps(row) + "\n" for row in rows),
    }[kind.partition(".")[0]]().encode()
    url = put(folder / f"data.{kind}", gzip.compress(text) if kind.endswith(".gz") else text)
    reader = {"json": S3JsonItemReader, "csv": S3CsvItemReader, "jsonl": S3JsonLItemReader}[kind.partition(".")[0]]
    return {"item_reader": reader(url=url)}, UNSET


def attempt(folder: Path, fields: dict[str, Any], items: Any, dies_at: int | None = None) -> Plan | None:
    """One attempt; it dies where it has read so many items. Everything is stored as soon as it can be."""

    def on_read(count: int) -> None:
        if dies_at is not None and count >= dies_at:
            raise Died

    definition = DistributedMap(item_processor=echo, **fields)
    storage = (folder / "runs").as_uri()
    try:
        _, plan = plan_map_run(
            definition, name="m", map_run=NAME, storage=storage, connections=Connections(), items=items,
            partitions=3, on_read=on_read, checkpoint_seconds=1e-9,
        )  # fmt: skip
    except Died:
        return None
    return plan


def inputs(folder: Path, plan: Plan) -> list[Any]:
    place = MapRunFolder(open_folder((folder / "runs" / NAME.uuid).as_uri()))
    found: list[Any] = []
    for partition in plan.partitions:
        children = partition_children(plan, partition, place, Connections(), per_item=False)
        found += [(child.index, child.input) for child in children]
    return found


@pytest.fixture(autouse=True)
def small_blocks() -> Iterator[None]:
    with small():
        yield


def small() -> Any:
    """Something is stored after every few items."""
    return patch.multiple(spooling, _BLOCK=150)


def same(one: Plan, other: Plan) -> bool:
    """But for when it began, where it is, and how its items are divided into pieces."""

    def what(plan: Plan) -> Any:
        source = replace(plan.source, pieces=())
        return source, plan.items, plan.children, plan.partitions

    return what(one) == what(other)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_is_the_same(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    batcher = ItemBatcher(max_items_per_batch=4, max_input_bytes_per_batch=400)
    fields, items = source(kind, tmp_path, 200)
    fields["item_batcher"] = batcher
    whole = attempt(tmp_path, fields, items)
    assert whole is not None
    expected = inputs(tmp_path, whole)
    other = tmp_path / "other"
    for dies_at in (60, 120, 160):
        died = attempt(other, fields, items, dies_at)
        if kind in ("csv", "jsonl"):
            continue  # read in one stretch: see below
        assert died is None
    plan = attempt(other, fields, items)
    assert plan is not None and same(plan, whole)
    assert inputs(other, plan) == expected
    if kind not in ("csv", "jsonl"):
        assert "Going on: " in caplog.text


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_in_place(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fields, items = source(kind, tmp_path, 120_000)
    fields["item_batcher"] = ItemBatcher(max_items_per_batch=7)
    whole = attempt(tmp_path, fields, items)
    assert whole is not None and not whole.source.pieces
    other = tmp_path / "other"
    assert attempt(other, fields, items, 60_000) is None
    assert attempt(other, fields, items, 110_000) is None
    plan = attempt(other, fields, items)
    assert plan is not None and same(plan, whole)
    assert inputs(other, plan) == inputs(tmp_path, whole)
    assert caplog.text.count("Going on: ") == 2


def test_only_what_follows_is_read(tmp_path: Path) -> None:
    fields, _ = source("listing", tmp_path, 100)
    assert attempt(tmp_path, fields, UNSET, 50) is None
    for number in range(40):  # what has been listed is not looked at again
        (tmp_path / f"data/{number:04}").unlink()
    plan = attempt(tmp_path, fields, UNSET)
    assert plan is not None
    keys = [value["Key"] for _, value in inputs(tmp_path, plan)]
    assert keys[:3] == ["0000", "0001", "0002"]
    assert len(keys) == len(set(keys)) == 100


@pytest.mark.parametrize("kind", ["json", "csv.gz", "csv"])
def test_a_source_that_has_changed_is_read_from_its_beginning(kind: str, tmp_path: Path) -> None:
    size = 120_000 if kind == "csv" else 100
    fields, _ = source(kind, tmp_path, size)
    assert attempt(tmp_path, fields, UNSET, size // 2) is None
    fields, _ = source(kind, tmp_path, size + 50)
    plan = attempt(tmp_path, fields, UNSET)
    assert plan is not None and plan.items == size + 50
    assert [value["id"] for _, value in inputs(tmp_path, plan)][-1] == str(size + 49)


def test_max_items(tmp_path: Path) -> None:
    for kind in ("listing", "json", "csv.gz"):
        folder = tmp_path / kind
        folder.mkdir()
        fields, _ = source(kind, folder, 100)
        fields["item_reader"] = replace(fields["item_reader"], max_items=70)
        assert attempt(folder, fields, UNSET, 50) is None
        plan = attempt(folder, fields, UNSET)
        assert plan is not None and plan.items == 70
        assert [index for index, _ in inputs(folder, plan)] == list(range(70))


def test_two_attempts_at_once(tmp_path: Path) -> None:
    """The one that was taken for lost goes on beside the other: the plan that is stored first is that of both."""
    fields, items = source("items", tmp_path, 100)
    plans: list[Plan | None] = []
    store = reading_journal.ReadingJournal.store

    def second_meanwhile(self: Any, read: Any) -> None:
        store(self, read)
        if not plans:
            plans.append(None)
            plans[0] = attempt(tmp_path, fields, items)

    with patch.object(reading_journal.ReadingJournal, "store", second_meanwhile):
        first = attempt(tmp_path, fields, items)
    assert first is not None and first == plans[0]
    folder = MapRunFolder(open_folder((tmp_path / "runs" / NAME.uuid).as_uri()))
    assert Plan.from_dict(folder.read(PLAN)) == first
    assert [value["id"] for _, value in inputs(tmp_path, first)] == [str(number) for number in range(100)]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["listing", "json", "csv.gz", "items", "object"]),
    items=st.integers(0, 60),
    batch=st.one_of(st.none(), st.integers(1, 9)),
    size=st.integers(200, 2000),
    dies=st.lists(st.integers(1, 60), max_size=4),
)
def test_wherever_it_dies(kind: str, items: int, batch: int | None, size: int, dies: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name, small():
        folder = Path(name)
        fields, given_items = source(kind, folder, items)
        if batch is not None:
            fields["item_batcher"] = ItemBatcher(max_items_per_batch=batch, max_input_bytes_per_batch=size)
        if kind == "listing" and not items:
            (folder / "data").mkdir(exist_ok=True)
        whole = attempt(folder, fields, given_items)
        assert whole is not None
        other = folder / "other"
        for dies_at in dies:
            if attempt(other, fields, given_items, dies_at) is not None:
                break
        plan = attempt(other, fields, given_items)
        assert plan is not None and same(plan, whole)
        assert inputs(other, plan) == inputs(folder, whole)
