"""What may import what: each folder only what is below it. Also what is imported inside of functions counts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "airflow_provider_sfdm"
# From the pure core up; a folder may import itself and what is named.
BELOW = {
    "core": set(),
    "states": {"core"},
    "local": {"core", "states"},
    "storage": {"core"},
    "aws": {"core", "states", "local", "storage"},
    "runtime": {"core", "states", "local", "storage", "aws"},
    "stepfunctions": {"core", "storage", "aws", "runtime"},
}


def imported(path: Path) -> set[str]:
    """The folders (or modules) of this package that a module imports."""
    own = path.relative_to(PACKAGE.parent).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = own[: len(own) - node.level]
            names = [[*base, *node.module.split(".")]] if node.module else [[*base, name.name] for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")]
        elif isinstance(node, ast.Import):
            names = [name.name.split(".") for name in node.names]
        else:
            continue
        found |= {parts[1] for parts in names if parts[0] == PACKAGE.name and len(parts) > 1}
    return found


@pytest.mark.parametrize("folder", BELOW)
def test_only_what_is_below(folder: str) -> None:
    modules = sorted((PACKAGE / folder).rglob("*.py"))
    assert modules
    beyond = {
        f"{path.relative_to(PACKAGE)}: {name}" for path in modules for name in imported(path) - BELOW[folder] - {folder}
    }
    assert beyond == set()


def test_the_check_finds_something() -> None:
    assert imported(PACKAGE / "runtime" / "asl_children.py") >= {"aws", "core", "states", "storage"}


@pytest.mark.parametrize(
    ("names", "without"),
    [
        ("send_task_heartbeat", ("airflow", "boto3", "botocore", "asyncio.base_events")),
        ("DistributedMap, run_map, MapRunResults", ("airflow", "boto3", "botocore")),
    ],
)
def test_what_is_imported_costs_no_more_than_it_needs(names: str, without: tuple[str, ...]) -> None:
    code = (
        f"import sys; from airflow_provider_sfdm import {names}; print(*[m for m in {without!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.split() == []
