"""Measures what the package promises about speed and memory.

Usage: python -m benchmarks [--quick] [GROUP …]        BENCH=quick does the same as --quick

Exits with 1 when a target is missed. All that was measured goes to benchmarks/.data/results.json.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from . import concurrency, dag, listing, load, memory, reading, report, runtime, states
from .harness import DATA, Row

GROUPS: dict[str, Callable[[bool], list[Row]]] = {
    "runtime": runtime.run,
    "concurrency": concurrency.run,
    "reading": reading.run,
    "memory": memory.run,
    "listing": listing.run,
    "states": states.run,
    "dag": dag.run,
    "load": load.run,
}
# It takes 10 GB of disk for a while.
NOT_BY_DEFAULT = "load"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of: {', '.join(GROUPS)}; default: all but load")
    parser.add_argument("--quick", action="store_true", help="smaller data and fewer repetitions")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    quick = arguments.quick or os.environ.get("BENCH") == "quick"
    print(f"{report.machine()}{'; quick: smaller data' if quick else ''}\n", flush=True)
    rows: list[Row] = []
    for name in arguments.groups or [name for name in GROUPS if name != NOT_BY_DEFAULT]:
        began = time.perf_counter()
        found = GROUPS[name](quick)
        print(f"{name} ({time.perf_counter() - began:.0f} s)\n\n{report.table(found)}\n", flush=True)
        rows += found
    report.write(rows, DATA / "results.json")
    missed = [row.name for row in rows if row.within is False]
    print(f"missed: {'; '.join(missed)}" if missed else "every target met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
