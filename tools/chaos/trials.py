"""Trials: map runs that are disturbed, each compared with one that was not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from tools.airflow_api import DagRun

from .effects import Effects, Repeated
from .killing import Kill, carry_out
from .results import Results
from .world import BUCKET, CHECKPOINT_SECONDS, World, value

DAG = "chaos"
TASK = "effect.write_results"
POLL_SECONDS = 0.3
# An undisturbed run takes a tenth of it.
PATIENCE_SECONDS = 600.0
# What a killed process may have done in vain: what it had not stored yet. What is taken for lost and runs on looks once
# in so long whether it is; the rest is for a storage and a machine that are busy.
REPEATED_SECONDS = 5 * CHECKPOINT_SECONDS


@dataclass(frozen=True, slots=True)
class Job:
    """What each trial maps over."""

    source: str
    items: int
    batch: int = 25
    milliseconds: int = 20

    @property
    def children(self) -> int:
        """How many child executions that makes."""
        return -(-self.items // self.batch)

    def expected(self, child: int) -> Mapping[str, int] | None:
        """A child's output; None where it fails."""
        numbers = range(child * self.batch, min((child + 1) * self.batch, self.items))
        return None if child % 50 == 7 else {"first": numbers[0], "sum": sum(map(value, numbers))}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial."""

    number: int
    kills: tuple[Kill, ...]
    children: int
    lost: int
    duplicated: int
    repeated: Repeated
    differences: tuple[str, ...]
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether the trial showed a fault."""
        too_much = max(self.repeated.seconds, default=0.0) > REPEATED_SECONDS
        return bool(self.lost or self.duplicated or self.differences or too_much)


@dataclass(slots=True)
class _Trial:
    number: int
    run_id: str
    pending: list[Kill]
    effects: Effects
    began: float = field(default_factory=time.monotonic)
    done: list[Kill] = field(default_factory=list)


class Trials:
    """Runs trials in one world."""

    def __init__(self, world: World, job: Job, random: Random) -> None:
        self._world = world
        self._job = job
        self._random = random
        self._reference: Results | None = None

    def run(self, plans: Iterable[list[Kill]], at_once: int, on_outcome: Callable[[Outcome], None]) -> list[Outcome]:
        """Run one map in peace, then a trial for each plan, ``at_once`` of them at the same time."""
        first = self._begin(0, [])
        while not (run := self._state(first)).ended:
            self._check_time(first, run)
            time.sleep(POLL_SECONDS)
        self._reference = self._results(first)
        self._check_reference(self._reference)
        waiting = (self._begin(number, kills) for number, kills in enumerate(plans, 1))
        outcomes = []
        for outcome in self._all(waiting, at_once):
            on_outcome(outcome)
            outcomes.append(outcome)
        return outcomes

    def _all(self, waiting: Iterator[_Trial], at_once: int) -> Iterator[Outcome]:
        running: list[_Trial] = []
        while True:
            while len(running) < at_once and (trial := next(waiting, None)) is not None:
                running.append(trial)
            if not running:
                return
            for trial in list(running):
                trial.effects.look()
                if (state := self._state(trial)).ended:
                    running.remove(trial)
                    yield self._outcome(trial)
                    continue
                self._check_time(trial, state)
                self._disturb(trial)
            time.sleep(POLL_SECONDS)

    def _begin(self, number: int, kills: list[Kill]) -> _Trial:
        conf = {
            "source": self._job.source,
            "results": f"s3://{BUCKET}/results/{number}",
            "batch": self._job.batch,
            "milliseconds": self._job.milliseconds,
        }
        run_id = self._world.stack.trigger(DAG, conf)
        return _Trial(number, run_id, kills, Effects(self._world.effects / run_id))

    def _state(self, trial: _Trial) -> DagRun:
        return self._world.stack.api.dag_run(DAG, trial.run_id)

    def _check_time(self, trial: _Trial, run: DagRun) -> None:
        if time.monotonic() - trial.began > PATIENCE_SECONDS:
            told = self._world.stack.told(DAG, trial.run_id)
            raise TimeoutError(f"trial {trial.number} is {run.state} after {PATIENCE_SECONDS:.0f} s\n{told}")

    def _disturb(self, trial: _Trial) -> None:
        """Carry out the next kill when its time has come; what finds nothing to kill is tried again."""
        if not trial.pending or len(trial.effects.children) < trial.pending[0].at * self._job.children:
            return
        instances = self._world.stack.task_instances(DAG, trial.run_id)
        running = [instance for instance in instances if instance.state == "running"]
        self._random.shuffle(running)
        if carry_out(trial.pending[0], self._world.stack, running, trial.effects.processes):
            trial.done.append(trial.pending.pop(0))

    def _results(self, trial: _Trial) -> Results:
        summary = self._world.stack.api.xcom(DAG, trial.run_id, TASK)
        return Results.read(summary, self._world.connections)

    def _check_reference(self, reference: Results) -> None:
        """An undisturbed run that is wrong would prove nothing."""
        children = range(self._job.children)
        outputs = {child: record[2] for child, record in reference.records.items()}
        wrong = [child for child in children if outputs.get(child) != self._job.expected(child)]
        counts = reference.counters["itemCounts"]
        if wrong or reference.lost(len(children)) or reference.duplicated or counts["total"] != self._job.items:
            raise RuntimeError(f"the undisturbed run is not what it should be: {reference.counters}, {wrong[:3]}")

    def _outcome(self, trial: _Trial) -> Outcome:
        assert self._reference is not None
        seconds = time.monotonic() - trial.began
        trial.effects.look()
        results = self._results(trial)
        return Outcome(
            trial.number,
            tuple(trial.done),
            self._job.children,
            results.lost(self._job.children),
            results.duplicated,
            trial.effects.repeated(),
            tuple(results.differences(self._reference)),
            seconds,
        )
