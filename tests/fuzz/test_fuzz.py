"""The fuzzer, for a moment and with a fixed seed; and that it would tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tools.fuzz.__main__ import Fuzzing, repeat
from tools.fuzz.findings import store
from tools.fuzz.targets import NAMES, TARGETS, Target
from tools.fuzz.worker import Input, Problem, made, problem_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_fine(name: str) -> None:
    for value in TARGETS[name].seeds:
        assert problem_of(Input(name, value)) is None


def test_a_few_thousand_inputs() -> None:
    for number in range(4000):
        given = made(1, number)
        assert problem_of(given) is None, given


def test_an_input_depends_on_seed_and_number_alone() -> None:
    assert [made(2, number) for number in range(60)] == [made(2, number) for number in range(60)]
    assert made(2, 7) != made(3, 7)


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.fuzz", "--minutes", "0.05", "--seed", "1", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 1\n")
    assert done.stdout.endswith(" 0 findings\n")


def test_a_finding_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(value: Any) -> None:
        raise KeyError(value)

    monkeypatch.setitem(TARGETS, "path", Target((), (), check))
    given = Input("path", "\ud800")
    problem = problem_of(given)
    assert isinstance(problem, Problem)
    path = store(tmp_path, 1, 15, given, problem)
    assert path.name == "path-1-15.json"
    assert repeat(path) == 1
    assert "KeyError" in capsys.readouterr().out


def _hangs_then_dies(seed: int, first: int, current: Any, results: Any) -> None:
    current.value = first
    if first == 0:
        time.sleep(60)
    os._exit(3)


def test_what_hangs_or_dies_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.fuzz.__main__.HANGS", 1.0)
    assert Fuzzing(1, tmp_path, _hangs_then_dies).run(8) >= 2
    told = {path.name: json.loads(path.read_text())["problem"] for path in tmp_path.iterdir()}
    assert told["path-1-0.json"] == ["took longer than 1 seconds"]
    assert told["intrinsic-1-1.json"] == ["the process ended with 3"]


def test_growth_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter((0, 400 << 20))
    monkeypatch.setattr("tools.fuzz.worker._peak", lambda: next(peaks))
    assert problem_of(Input("timestamp", "now")) == Problem("grew by 400 MB", "memory")
