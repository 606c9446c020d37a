"""Kills what runs maps, at random moments and places, and shows that nothing is lost.

Usage: python -m tools.chaos [--trials 40] [--items 100000] [--executor local|celery|both] [--seed N] [--short]

A trial is one map run over the items, in a real Airflow (scheduler, PostgreSQL, S3 from a server; CeleryExecutor with
a broker and two workers). Exits with 1 when a child has no record, or more than one, when results or counters differ
from those of an undisturbed run, or when more than a few seconds of finished work were repeated.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tools.processes import signals_as_exit

from . import report
from .killing import plan
from .trials import Job, Outcome, Trials
from .world import EXECUTORS, airflow


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description="Kill what runs maps.")
    parser.add_argument("--trials", type=int, default=40, help="over all executors; default: 40")
    parser.add_argument("--items", type=int, default=100_000, help="of each trial; default: 100,000")
    parser.add_argument("--executor", choices=[*EXECUTORS, "both"], default="both")
    parser.add_argument("--at-once", type=int, default=3, help="trials that run at the same time; default: 3")
    parser.add_argument("--seed", type=int, help="of the kills; default: another one each time, which is printed")
    parser.add_argument("--short", action="store_true", help="4 trials of 10,000 items")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.trials, arguments.items = 4, 10_000
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    names = list(EXECUTORS) if arguments.executor == "both" else [arguments.executor]
    print(f"seed {seed}", flush=True)
    found: dict[str, tuple[Sequence[Outcome], float]] = {}
    for number, name in enumerate(names):
        # What cannot be divided goes to the last.
        trials = (arguments.trials + number) // len(names)
        began = time.monotonic()
        home = Path(tempfile.mkdtemp(prefix=f"sfdm-chaos-{name}-"))
        print(f"{EXECUTORS[name]}: {trials} trials of {arguments.items:,} items; logs and data: {home}", flush=True)
        with airflow(EXECUTORS[name], home) as world:
            random = Random(f"{seed} {name}")
            job = Job(world.write_items(arguments.items), arguments.items)
            plans = (plan(random, workers=world.workers) for _ in range(trials))
            outcomes = Trials(world, job, random).run(
                plans, arguments.at_once, lambda outcome: print(report.line(outcome), flush=True)
            )
        found[EXECUTORS[name]] = (outcomes, (time.monotonic() - began) / 60)
        if not any(outcome.failed for outcome in outcomes):
            shutil.rmtree(home)
    print(f"\n{report.table(found)}")
    return 1 if any(outcome.failed for outcomes, _ in found.values() for outcome in outcomes) else 0


if __name__ == "__main__":
    with signals_as_exit():
        sys.exit(main())
