"""Children that are tasks of their own: whatever the storage does, none is lost, and neither is a slot."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm import MapRunSummary
from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.runtime.children import Outcome
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.outside import child_to_start, record_child
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.slots import MustWait
from airflow_provider_sfdm.storage import open_folder
from tests.faults.faulty_store import Fault, Schedule
from tests.faults.map_runs import STORAGE, Case, Run, faulty

PLACES = [
    f"{method} {part}"
    for methods, part in [
        ("list put delete", "claims/"),
        ("read put_if_absent delete", "slots/"),
        ("list put_if_absent delete", "reclaims/"),
        ("put_if_absent", "partitions/"),
        ("read", "stop.json"),
        ("read", "plan.json"),
        ("list put", "progress/"),
        ("close", "results/"),
    ]
    for method in methods.split()
]


@dataclass
class Children:
    """The tasks of a map run whose children are task groups; Airflow runs them in any order."""

    run: Run
    chance: random.Random
    never_recorded: frozenset[int]
    """Whose last task dies for good."""
    limit: int
    ended: set[int] = field(default_factory=set)
    """What Airflow says has ended, recorded or not."""

    def to_their_end(self) -> MapRunSummary:
        url, plan = self.run.until_it_succeeds(self._plan)
        waiting, running = list(range(plan.children)), list[int]()
        for _ in range(1000):
            if not waiting and not running:
                break
            if waiting and (not running or self.chance.random() < 0.5):
                child = waiting.pop(self.chance.randrange(len(waiting)))
                started = self.run.until_it_succeeds(partial(self._start, url, child))
                (running if started else waiting).append(child)
                assert len(running) <= self.limit
            else:
                child = running.pop(self.chance.randrange(len(running)))
                if child not in self.never_recorded:
                    self.run.until_it_succeeds(partial(self._record, url, child))
                self.ended.add(child)
        assert not waiting and not running, "a slot was lost"
        return self.run.until_it_succeeds(partial(self.run.write_results, url, plan))

    def _plan(self) -> tuple[str, Plan]:
        folder, plan = plan_map_run(
            self.run.definition(frozenset()),
            name="dag.map",
            storage=STORAGE,
            connections=self.run.connections,
            run_input=list(range(self.run.case.items)),
            partitions=100,
            one_child_each=True,
        )
        return folder.url, plan

    def _folder(self, url: str) -> MapRunFolder:
        return MapRunFolder(open_folder(url, self.run.connections))

    def _start(self, url: str, child: int) -> bool:
        try:
            return child_to_start(self._folder(url), child, self.run.connections, self._which_ended) is not None
        except MustWait:
            return False

    def _which_ended(self, children: Collection[int]) -> set[int]:
        return self.ended & set(children)

    def _record(self, url: str, child: int) -> None:
        done = Outcome(ChildStatus.SUCCEEDED, 0.0, 1.0, {"done": child}, b'{"done":%d}' % child)
        record_child(self._folder(url), child, done, self.run.connections)


def check(case: Case, schedule: Schedule, seed: int, never_recorded: frozenset[int]) -> None:
    with faulty(case, schedule) as run:
        children = Children(run, random.Random(seed), never_recorded, case.concurrency)
        summary = children.to_their_end()
        lost = len(never_recorded)
        counts = summary.execution_counts
        assert (counts.succeeded, counts.pending, counts.total) == (case.items - lost, lost, case.items)
        assert sorted(run.ended(summary)["SUCCEEDED"]) == sorted(set(range(case.items)) - never_recorded)
        assert summary.status == ("FAILED" if lost else "SUCCEEDED")
        slots = {int(one.data) for url, one in run.memory.objects.items() if "/slots/" in url}
        claims = {int(url.split("/")[-2]) for url in run.memory.objects if "/claims/" in url}
        assert slots <= never_recorded and claims <= never_recorded, "all others have given theirs back"


@pytest.mark.parametrize("place", PLACES)
def test_each_call_that_may_matter(place: str) -> None:
    struck = 0
    for fault, time, patient in itertools.product(Fault, (1, 2), (True, False)):
        schedule = Schedule(aimed={(place, time): fault})
        check(Case(6, concurrency=2, patient=patient), schedule, 1, frozenset([2, 4]))
        struck += len(schedule.struck)
    assert struck >= len(Fault), "the place is right"


FAULTS = st.sampled_from(list(Fault))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    items=st.integers(1, 12),
    limit=st.integers(1, 4),
    patient=st.booleans(),
    seed=st.integers(0, 2**32),
    never_recorded=st.frozensets(st.integers(0, 11), max_size=3),
    schedule=st.builds(
        Schedule,
        faults=st.dictionaries(st.integers(1, 300), FAULTS, max_size=12),
        aimed=st.dictionaries(st.tuples(st.sampled_from(PLACES), st.integers(1, 8)), FAULTS, max_size=12),
        outages=st.dictionaries(st.integers(1, 300), st.integers(2, 20), max_size=2),
    ),
)
def test_whatever_happens(
    items: int, limit: int, patient: bool, seed: int, never_recorded: frozenset[int], schedule: Schedule
) -> None:
    lost = never_recorded & frozenset(range(items))
    check(Case(items, concurrency=limit, patient=patient), schedule, seed, lost)
