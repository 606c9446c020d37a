"""What whoever can write in a map run's folder reaches: an error that says what is wrong, and no code that runs."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_provider_sfdm import DistributedMap
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.remembered import LastMapRun
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections, StorageError
from tests.runtime.helpers import echo

CONNECTIONS = Connections()
DEFINITION = DistributedMap(item_processor=echo)
FIRST, SECOND = "00000-00000000", "00001-00000000"


@pytest.fixture
def planned(tmp_path: Path) -> tuple[MapRunFolder, Plan, Path]:
    """A map run of three items that has not begun, and its folder on the disk."""
    folder, plan = plan_map_run(
        DEFINITION,
        name="map",
        storage=(tmp_path / "runs").as_uri(),
        connections=CONNECTIONS,
        run_input={},
        items=[1, 2, 3],
        partitions=1,
        at_once=1,
    )
    return folder, plan, Path(folder.url.removeprefix("file://"))


def _run(folder: MapRunFolder) -> str:
    run_partition(
        DEFINITION, folder, 0, invocation_factory(DEFINITION, CONNECTIONS), CONNECTIONS, checkpoint_seconds=60.0
    )
    return str(write_results(folder, CONNECTIONS).status)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.mkdir, (str(Path(__file__).with_name("pwned")),)


@pytest.mark.parametrize("name", ["plan.json", "stop.json", "partitions/00000.json", "journal", "items.jsonl"])
def test_nothing_that_is_stored_is_code(name: str, planned: tuple[MapRunFolder, Plan, Path]) -> None:
    folder, _, root = planned
    if name == "journal":
        _write(root / "attempts/00000/00000", b"")
        name = f"journal/00000/{FIRST}"
    for protocol in (0, 2, 5):
        _write(root / name, pickle.dumps(_Evil(), protocol))
        with pytest.raises((StorageError, ValueError)):
            _run(folder)
    assert not Path(__file__).with_name("pwned").exists()


@pytest.mark.parametrize("name", ["plan.json", "stop.json", "partitions/00000.json"])
@pytest.mark.parametrize("content", [b"", b"{oops", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_garbage_is_named(name: str, content: bytes, planned: tuple[MapRunFolder, Plan, Path]) -> None:
    folder, _, root = planned
    _write(root / name, content)
    with pytest.raises(StorageError, match=rf"{name}: it (was not written whole|is not what was written)"):
        _run(folder)


def _segment(base: list[int] | None) -> bytes:
    nothing = Counts().to_dict()
    head = {"base": base, "next": 0, "missing": [], "items": nothing, "executions": nothing, "errors": {}}
    return json.dumps({**head, "written": [], "ahead": []}).encode() + b"\n"


@pytest.mark.parametrize("base", [[0, 0], [0, 10**9], [7, 0]])
def test_a_journal_that_goes_on_from_itself(base: list[int], planned: tuple[MapRunFolder, Plan, Path]) -> None:
    """Followed, it would never end."""
    folder, _, root = planned
    _write(root / "attempts/00000/00000", b"")
    _write(root / f"journal/00000/{FIRST}", _segment(base))
    with pytest.raises(ValueError, match=rf"attempt 0 goes on from attempt {base[0]}"):
        _run(folder)


def test_a_journal_that_says_it_is_long(planned: tuple[MapRunFolder, Plan, Path]) -> None:
    """Its number is in its name: made into a list first, it would take gigabytes."""
    folder, _, root = planned
    _write(root / "attempts/00000/00000", b"")
    _write(root / "journal/00000/00000-99999999", _segment(None))
    with pytest.raises(StorageError, match=FIRST):
        _run(folder)


def test_a_plan_cannot_name_another_folder_by_its_uuid(planned: tuple[MapRunFolder, Plan, Path]) -> None:
    folder, _, root = planned
    plan = json.loads((root / "plan.json").read_text())
    plan["map_run"]["uuid"] = "../../elsewhere"
    _write(root / "plan.json", json.dumps(plan).encode())
    with pytest.raises(ValueError, match="is not a UUID"):
        _run(folder)


def test_a_plan_that_lies_about_its_items(planned: tuple[MapRunFolder, Plan, Path]) -> None:
    folder, _, root = planned
    plan = json.loads((root / "plan.json").read_text())
    plan["partitions"][0] |= {"items": 10**12, "children": 10**12}
    _write(root / "plan.json", json.dumps(plan).encode())
    assert _run(folder) == "FAILED"


@pytest.mark.parametrize(
    "last", [b"{oops", b"[]", b'{"MapRun":1,"Data":"d"}', b'{"MapRun":"../other","Data":"d"}', b"{}"]
)
def test_a_remembered_map_run_that_is_none(
    last: bytes, tmp_path: Path, planned: tuple[MapRunFolder, Plan, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """A task goes on with the map run that last.json names, whose name is a part of a path."""
    _, _, root = planned
    tasks = tmp_path / "tasks"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/plan.json").write_bytes((root / "plan.json").read_bytes())
    _write(tasks / "last.json", last)
    found = LastMapRun(tasks.as_uri(), CONNECTIONS).go_on("d", partitions=1, at_once=1, one_child_each=False)
    assert found is None
    assert "last.json is not what was written" in caplog.text


def test_the_same_that_is_one(tmp_path: Path, planned: tuple[MapRunFolder, Plan, Path]) -> None:
    _, plan, root = planned
    last = json.dumps({"MapRun": plan.map_run.uuid, "Data": "d"}).encode()
    _write(root.parent / "last.json", last)
    found = LastMapRun(root.parent.as_uri(), CONNECTIONS).go_on("d", partitions=1, at_once=1, one_child_each=False)
    assert found is not None
    assert found[1].map_run == plan.map_run
    missing = json.dumps({"MapRun": str(uuid4()), "Data": "d"}).encode()
    _write(root.parent / "last.json", missing)
    assert (
        LastMapRun(root.parent.as_uri(), CONNECTIONS).go_on("d", partitions=1, at_once=1, one_child_each=False) is None
    )
