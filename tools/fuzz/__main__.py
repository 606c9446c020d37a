"""Fuzz for a while. Exit code 1: something was found.

Usage: python -m tools.fuzz [--minutes 10] [--seed 1] [--repeat FILE]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .findings import FOLDER, load, store
from .worker import Input, Problem, made, problem_of, work

HANGS = 6.0
"""Seconds that one input may take."""
_TOLD_EVERY = 5.0


class Fuzzing:
    """One run: a worker, started again after each input that it does not survive."""

    def __init__(self, seed: int, folder: Path, work: Callable[..., None] = work) -> None:
        self._seed = seed
        self._work = work
        self._folder = folder
        self._context = multiprocessing.get_context("spawn")
        self._current = self._context.Value("q", -1, lock=False)
        self._seen: Counter[tuple[str, str]] = Counter()
        self._started = time.monotonic()
        self._first = 0
        self._start()

    @property
    def inputs(self) -> int:
        """How many inputs have been run."""
        return max(self._first, int(self._current.value))

    def run(self, seconds: float) -> int:
        """Fuzz that long; returns the number of different findings."""
        told = at_number = self._started
        number = -1
        while (now := time.monotonic()) < self._started + seconds:
            if self._results.poll(0.1) and self._receive():
                continue
            if (current := int(self._current.value)) != number:
                number, at_number = current, now
            elif not self._worker.is_alive():
                self._replace(number, Problem(f"the process ended with {self._worker.exitcode}", "dead"))
            elif number >= 0 and now - at_number > HANGS:
                self._replace(number, Problem(f"took longer than {HANGS:g} seconds", "hang"))
            if now - told >= _TOLD_EVERY:
                told = now
                self.tell()
        self._stop()
        while self._results.poll() and self._receive():
            pass
        self.tell()
        return len(self._seen)

    def tell(self) -> None:
        """Print how far it is."""
        seconds = max(time.monotonic() - self._started, 0.001)
        print(
            f"{seconds:6.0f} s  {self.inputs:11,} inputs  {self.inputs / seconds:7,.0f}/s  {len(self._seen)} findings",
            flush=True,
        )

    def _start(self) -> None:
        self._results, sender = self._context.Pipe(duplex=False)
        self._worker = self._context.Process(
            target=self._work, args=(self._seed, self._first, self._current, sender), daemon=True
        )
        self._worker.start()
        sender.close()

    def _stop(self) -> None:
        self._worker.kill()
        self._worker.join()

    def _replace(self, number: int, problem: Problem) -> None:
        self._stop()
        self._found(number, problem)
        self._first = number + 1
        self._current.value = -1
        self._start()

    def _receive(self) -> bool:
        """Take one finding; False where the worker is gone, and with it whatever it wanted to say."""
        try:
            number, problem = self._results.recv()
        except EOFError:
            return False
        self._found(number, problem)
        return True

    def _found(self, number: int, problem: Problem) -> None:
        """Keep the first finding of each kind."""
        given: Input = made(self._seed, number)
        self._seen[given.target, problem.place] += 1
        if self._seen[given.target, problem.place] == 1:
            path = store(self._folder, self._seed, number, given, problem)
            print(f"{path}: {problem.text.strip().splitlines()[-1][:200]}", flush=True)


def repeat(path: Path) -> int:
    """Run a finding again, in this process, so that a debugger can look at it."""
    begun = time.monotonic()
    problem = problem_of(load(path))
    print(problem.text if problem else "nothing wrong", f"({time.monotonic() - begun:.1f} s)")
    return 1 if problem else 0


def main() -> int:
    parser = argparse.ArgumentParser("tools.fuzz", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seed", type=int, default=None, help="the same inputs again (default: others each time)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where findings are stored (default: {FOLDER})")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="run one finding again")
    options = parser.parse_args()
    if options.repeat is not None:
        return repeat(options.repeat)
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    return 1 if Fuzzing(seed, options.folder).run(options.minutes * 60) else 0


if __name__ == "__main__":
    sys.exit(main())
