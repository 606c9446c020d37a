"""Measures functions in fresh processes, two against each other in turn, and judges the ratio.

A comparison runs its two sides as pairs (A B A B …), so that both see the same machine, and takes the median of the
pairs' ratios: a busy minute spoils one pair, not the answer. Importing a side's module is not timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

DATA = Path(__file__).parent / ".data"
ROOT = Path(__file__).parent.parent
Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one call cost: seconds of wall and CPU time (all threads), bytes of peak memory; and its result."""

    wall: float
    cpu: float
    peak: int
    result: Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report. ``within`` is None for a line that is only there to compare with."""

    group: str
    name: str
    measured: str
    compared: str = ""
    figure: str = ""
    target: str = ""
    within: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


def data_file(suffix: str, rows: int) -> str:
    """The path of the synthetic rows as ``csv``, ``jsonl`` or ``parquet``; written when it is first asked for."""
    path = DATA / f"rows-{rows}.{suffix}"
    if not path.exists():
        from .data import WRITERS  # it takes pyarrow, whose memory must not be in a measured process

        DATA.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole: an interrupted run must not leave a short file behind.
        WRITERS[suffix](path.with_name(f".{path.name}"), rows).rename(path)
    return str(path)


class MeasurementFailed(RuntimeError):
    """A measured function did not end well."""


def measure(job: Callable[..., Any], /, **arguments: Any) -> Sample:
    """Run ``job`` (a function at the top of a module of benchmarks) in a process of its own.

    :raises MeasurementFailed: with what the process wrote.
    """
    command = [sys.executable, "-m", "benchmarks.job", f"{job.__module__}:{job.__name__}", json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasurementFailed(f"{job.__module__}.{job.__name__} failed:\n{done.stdout}{done.stderr}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The samples of two sides, measured in turn."""

    ours: list[Sample]
    other: list[Sample]

    def ratio(self, clock: Clock) -> float:
        """The median of ours divided by the other's."""
        pairs = zip(self.ours, self.other, strict=True)
        return float(median(getattr(a, clock) / getattr(b, clock) for a, b in pairs))

    def details(self) -> dict[str, Any]:
        """All that was measured, for results.json."""
        sides = {"ours": self.ours, "other": self.other}
        numbers = {
            name: {what: [getattr(one, what) for one in samples] for what in ("wall", "cpu", "peak")}
            for name, samples in sides.items()
        }
        return {**numbers, "ratio_wall": self.ratio("wall"), "ratio_cpu": self.ratio("cpu")}


def in_turn(ours: Callable[[], Sample], other: Callable[[], Sample], pairs: int) -> Pairs:
    """Measure the two sides, one after the other, ``pairs`` times."""
    found = Pairs([], [])
    for _ in range(pairs):
        found.other.append(other())
        found.ours.append(ours())
    return found


def middle(samples: list[Sample], clock: Clock) -> float:
    """The median of the samples' seconds."""
    return float(median(getattr(sample, clock) for sample in samples))


def seconds(samples: list[Sample]) -> str:
    """``2.31 s (CPU 2.29)``: medians of wall and CPU."""
    return f"{middle(samples, 'wall'):.2f} s (CPU {middle(samples, 'cpu'):.2f})"


def compared(group: str, name: str, found: Pairs, clock: Clock, limit: float) -> Row:
    """A line that says how many times the other side's time ours may take, and takes."""
    ratio = found.ratio(clock)
    return Row(
        group=group,
        name=name,
        measured=seconds(found.ours),
        compared=seconds(found.other),
        figure=f"{ratio:.2f} x {clock if clock == 'wall' else 'CPU'}",
        target=f"≤ {limit:g} x",
        within=ratio <= limit,
        details=found.details(),
    )
