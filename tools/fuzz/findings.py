"""What is kept of a breach: a small file that runs again."""

from __future__ import annotations

import json
from pathlib import Path

from .worker import Input, Problem

FOLDER = Path(".reports/fuzz")


def store(folder: Path, seed: int, number: int, given: Input, problem: Problem) -> Path:
    """Write a finding; what it says is enough to repeat it, with the seed or with the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{given.target}-{seed}-{number}.json"
    content = {
        "target": given.target,
        "seed": seed,
        "number": number,
        "input": given.value,
        "problem": problem.text.splitlines(),
        "repeat": f'make fuzz ARGS="--repeat {path}"',
    }
    path.write_text(json.dumps(content, indent=2) + "\n")  # ASCII: an input may hold half a surrogate pair
    return path


def load(path: Path) -> Input:
    """The input of a finding."""
    content = json.loads(path.read_text())
    return Input(content["target"], content["input"])
