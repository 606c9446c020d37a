"""The stored plan, and the map run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ItemBatcher, S3CsvItemReader
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.core.json import dumps, loads
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.stop import StopReason
from airflow_provider_sfdm.storage import open_folder
from tests.runtime.helpers import echo, put
from tests.runtime.parallel import PlannedMap


def _planned(folder: Path) -> PlannedMap:
    fields: dict[str, Any] = {
        "item_reader": S3CsvItemReader(url=put(folder / "f.csv", "a\n" + "1\n" * 20)),
        "item_selector": {"v.$": "$$.Map.Item.Value", "in": {"x": 1}},
        "item_batcher": ItemBatcher(max_items_per_batch=3, batch_input={"b": None}),
        "tolerated_failure_percentage": 12.5,
        "tolerated_failure_count": 3,
        "max_concurrency": 7,
        "label": "L",
    }
    return PlannedMap(folder, echo, None, 2, **fields)


def test_a_plan_is_read_back_as_it_was(tmp_path: Path) -> None:
    planned = _planned(tmp_path)
    assert Plan.from_dict(loads(dumps(planned.plan.to_dict()))) == planned.plan
    assert Plan.from_dict(planned.folder.read("plan.json")) == planned.plan
    assert [partition.last_child for partition in planned.plan.partitions] == [3, 6]


def test_a_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    content = _planned(tmp_path).plan.to_dict()
    with pytest.raises(ValueError, match="the plan has version 99; this release reads version"):
        Plan.from_dict({**content, "version": 99})


def test_every_planning_is_a_new_map_run(tmp_path: Path) -> None:
    assert _planned(tmp_path).plan.map_run.uuid != _planned(tmp_path).plan.map_run.uuid


def test_the_first_reason_to_stop_stays(tmp_path: Path) -> None:
    folder = MapRunFolder(open_folder(tmp_path.as_uri()))
    assert folder.stop_reason() is None
    assert folder.stop(StopReason("first", "c"))
    assert not folder.stop(StopReason("second", "c", aborted=True))
    assert folder.stop_reason() == StopReason("first", "c")


def test_progress_is_in_the_names(tmp_path: Path) -> None:
    folder = MapRunFolder(open_folder(tmp_path.as_uri()))
    assert folder.progress() == {}
    items = Counts(pending=5, running=4, succeeded=3, failed=2, timed_out=1, aborted=6, total=21)
    executions = Counts(pending=1, total=1)
    first = folder.publish(3, (items, executions), None)
    assert folder.publish(3, (items, executions), first) == first
    assert folder.progress() == {3: (items, executions)}
    later = Counts(pending=0, running=4, succeeded=8, failed=2, timed_out=1, aborted=6, total=21)
    folder.publish(12, (items, executions), None)
    # Written before the old one is deleted: of two the later counts.
    folder.publish(3, (later, executions), None)
    assert folder.progress() == {3: (later, executions), 12: (items, executions)}
    folder.clear_progress(3)
    assert folder.progress().keys() == {12}
