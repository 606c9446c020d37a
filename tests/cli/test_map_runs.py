"""``sfdm describe``, ``set``, ``stop`` and ``redrive``, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.parallel import PlannedMap

from .running import sfdm


def _json(*arguments: str) -> Any:
    done = sfdm(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def _refused(*arguments: str) -> tuple[int, str]:
    done = sfdm(*arguments)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def test_a_map_run_from_its_plan_to_its_end(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, lambda item: 1 // item, [0, 1, 2, 3], 2)
    url, arn = planned.folder.url, planned.plan.map_run.arn
    assert _json("describe", url)["itemCounts"]["pending"] == 4
    limits = ("--max-concurrency", "7", "--tolerated-failure-percentage", "30.5", "--tolerated-failure-count", "1")
    shown = _json("set", arn, "--storage", str(tmp_path / "runs"), *limits)
    assert shown["status"] == "RUNNING"
    assert (shown["maxConcurrency"], shown["toleratedFailurePercentage"], shown["toleratedFailureCount"]) == (
        7,
        30.5,
        1,
    )
    planned.run(0)
    assert _json("stop", url, "--error", "Enough", "--cause", "old data")["cause"] == "old data"
    planned.run(1)
    assert planned.finish().status == "ABORTED"
    ended = _json("describe", url)
    assert (ended["status"], ended["error"], ended["maxConcurrency"]) == ("ABORTED", "Enough", 7)
    code, told = _refused("set", url, "--max-concurrency", "1")
    assert (code, told) == (1, f"sfdm: {arn} has ended: it is ABORTED\n")
    assert _refused("stop", url)[0] == 1
    code, told = _refused("redrive", url)
    assert code == 1 and "no DAG has begun" in told


def test_close(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, abs, [1, 2, 3, 4], 2)
    planned.run(0)
    ended = _json("stop", planned.folder.url, "--close")
    assert (ended["status"], ended["itemCounts"]["succeeded"], ended["itemCounts"]["pending"]) == ("ABORTED", 2, 2)


def test_wrong_usage(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    assert _refused("describe", url) == (2, f"sfdm: there is no map run in {url}\n")
    assert _refused("describe", "some")[0] == 2
    planned = PlannedMap(tmp_path, abs, [1], 1)
    url = planned.folder.url
    assert _refused("set", url) == (
        2,
        ("sfdm: limits: give max_concurrency, tolerated_failure_count or tolerated_failure_percentage\n"),
    )
    code, told = _refused("set", url, "--max-concurrency", "10001")
    assert code == 2 and told.startswith("sfdm: MaxConcurrency")
    assert _refused("set", url, "--tolerated-failure-percentage", "101")[0] == 2
    assert _refused("stop", planned.plan.map_run.arn)[0] == 2


@pytest.mark.parametrize("command", ["describe", "set", "stop", "redrive"])
@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ('{"version": 99}', "the plan has version 99; this release reads version 1"),
        ('{"version": 1}', "the plan is not what was written: KeyError('source')"),
        ('{"versi', "plan.json: it was not written whole"),
    ],
)
def test_a_plan_that_cannot_be_read(plan: str, told: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(plan)
    given = ("--max-concurrency", "1") if command == "set" else ()
    code, error = _refused(command, tmp_path.as_uri(), *given)
    assert (code, error.count("\n")) == (3, 1)
    assert error.startswith(f"sfdm: {tmp_path.as_uri()}") and told in error


def test_a_catalog_that_is_not_what_was_written(tmp_path: Path) -> None:
    planned = PlannedMap(tmp_path, abs, [1], 1)
    (tmp_path / "runs/~map-runs").mkdir()
    (tmp_path / "runs/~map-runs" / planned.plan.map_run.uuid).write_text("[")
    code, error = _refused("describe", planned.plan.map_run.arn, "--storage", str(tmp_path / "runs"))
    assert code == 2 and f"~map-runs/{planned.plan.map_run.uuid} is not what was written" in error
