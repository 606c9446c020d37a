"""Prints what was measured, and keeps it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .harness import Row

_HEAD = ("what", "measured", "compared with", "figure", "target", "")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, which reads well in a terminal too."""
    lines = [_HEAD, *((r.name, r.measured, r.compared, r.figure, r.target, _mark(r)) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def _mark(row: Row) -> str:
    return "" if row.within is None else "met" if row.within else "MISSED"


def machine() -> str:
    """What it was measured on, in one line."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} CPUs ({model}), Python {platform.python_version()}"


def write(rows: Sequence[Row], file: Path) -> None:
    """Write everything that was measured as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
