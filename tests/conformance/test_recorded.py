"""Executions recorded on AWS, run by this interpreter on this engine.

The recordings are not part of this repository. ``SFDM_CONFORMANCE_DIR`` says where they are (default: the folder
``shared/conformance`` beside the repository); without them there is nothing to run here, and the project's own tables
of cases (test_own.py, tests/states) are what is left. ``python tests/conformance/run.py --cases DIR`` does the same
from the command line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.recorded import Runner, difference
from tests.conformance.run import EXCEPTIONS, cases

FOLDER = Path(
    os.environ.get("SFDM_CONFORMANCE_DIR")
    or Path(__file__).resolve().parent.parent.parent.parent / "shared" / "conformance"
)


def _groups() -> list[Any]:
    """One test a file: a case takes milliseconds."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, case in cases(FOLDER):
        groups.setdefault(group, []).append(case)
    if not groups:
        skip = pytest.mark.skip(reason=f"no recorded executions in {FOLDER}")
        return [pytest.param([], id="none", marks=skip)]
    return [pytest.param(found, id=group) for group, found in groups.items()]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as made:
        yield made


@pytest.mark.parametrize("group", _groups())
def test_recorded_executions(group: list[dict[str, Any]], runner: Runner) -> None:
    excused = {one["id"] for one in json.loads(EXCEPTIONS.read_text())}
    differing = {case["id"]: difference(case, runner.run(case)) for case in group if case["id"] not in excused}
    assert {case: found for case, found in differing.items() if found is not None} == {}
