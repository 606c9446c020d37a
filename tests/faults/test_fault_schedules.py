"""Whatever the storage does, and whenever a process dies: each child once, the books add up, the verdict is right."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.faulty_store import Fault, Schedule
from tests.faults.map_runs import Case, faulty

ITEMS = st.integers(0, 40)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    items = draw(ITEMS)
    some = st.frozensets(st.integers(0, max(0, items - 1)), max_size=5) if items else st.just(frozenset[int]())
    bad = draw(some)
    batch = draw(st.none() | st.integers(1, 5))
    return Case(
        items=items,
        bad=bad,
        still_bad=draw(some) & bad,
        batch=batch,
        per_item=batch is not None and draw(st.booleans()),
        partitions=draw(st.integers(1, 3)),
        concurrency=draw(st.sampled_from([0, 3, 10])),
        is_async=draw(st.booleans()),
        percentage=draw(st.sampled_from([0.0, 0.0, 20.0, 100.0])),
        in_place=draw(st.booleans()),
        exported=draw(st.booleans()),
        jsonl=draw(st.booleans()),
        patient=draw(st.booleans()),
        small_blocks=draw(st.booleans()),
        at_once=draw(st.booleans()),
        twice=draw(st.sampled_from([False, False, True])),
    )


CALLS = st.integers(1, 150)
# What a map run and its redrive call, each of which may be the one that matters.
PLACES = [
    f"{method} {part}"
    for methods, part in [
        ("list delete put_if_absent", "attempts/"),
        ("list delete put", "journal/"),
        ("list put", "progress/"),
        ("read put_if_absent", "partitions/"),
        ("read put_if_absent", "stop.json"),
        ("read pin put_if_absent", "plan.json"),
        ("read put", "summary.json"),
        ("read put_if_absent", "last.json"),
        ("put", "manifest.json"),
        ("create write close open stream", "children-"),
        ("open stream", "items.jsonl"),
        ("create write close open stream", "items-"),
        ("put put_if_absent", "reading/"),
        ("create write close open stream read delete", "results/"),
    ]
    for method in methods.split()
]
FAULTS = st.sampled_from(list(Fault))
SCHEDULES = st.builds(
    Schedule,
    faults=st.dictionaries(CALLS, FAULTS, max_size=12),
    aimed=st.dictionaries(st.tuples(st.sampled_from(PLACES), st.integers(1, 5)), FAULTS, max_size=12),
    outages=st.dictionaries(CALLS, st.integers(5, 40), max_size=2),
    stale=st.sampled_from([0, 0, 5, 30]),
    chunk=st.sampled_from([5, 64, 1 << 20]),
)


@pytest.mark.parametrize("place", PLACES)
def test_each_call_that_may_matter(place: str) -> None:
    """One fault at a time: each kind, the first and the second time that it is called."""
    struck = 0
    for fault, time, patient in itertools.product(Fault, (1, 2), (True, False)):
        case = Case(
            12, frozenset([2, 9]), batch=2, partitions=2, small_blocks=True,
            patient=patient, in_place=patient, exported=not patient,
        )  # fmt: skip
        schedule = Schedule(aimed={(place, time): fault})
        with faulty(case, schedule) as run:
            run.seconds = 0.002  # long enough for checkpoints
            summary = run.to_its_end()
            assert summary.status == "FAILED"
            run.check(summary, case.bad)
            redriven = run.redriven()
            assert redriven is not None and redriven.status == "SUCCEEDED"
            run.check(redriven, case.still_bad)
        struck += len(schedule.struck)
    assert struck >= len(Fault), "the place is right"


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), schedule=SCHEDULES)
def test_each_child_once_whatever_happens(case: Case, schedule: Schedule) -> None:
    with faulty(case, schedule) as run:
        summary = run.to_its_end()
        ended = run.check(summary, case.bad)
        run.calls.clear()
        redriven = run.redriven()
        if redriven is None:
            assert summary.status == "SUCCEEDED"
            return
        assert summary.status == "FAILED"
        assert redriven.map_run_arn == summary.map_run_arn
        again = run.check(redriven, case.still_bad)
        done = set(map(json.dumps, ended["SUCCEEDED"]))
        assert done <= set(map(json.dumps, again["SUCCEEDED"])), "what had succeeded stays"
        assert done.isdisjoint(map(json.dumps, run.calls)), "and does not run again"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    case=cases(),
    schedule=SCHEDULES,
    dies_for_good=st.frozensets(st.integers(0, 2), min_size=1),
    dies_after=st.integers(0, 25),
)
def test_a_redrive_goes_on_from_what_was_recorded(
    case: Case, schedule: Schedule, dies_for_good: frozenset[int], dies_after: int
) -> None:
    """Of partitions whose tasks died for good, and left no end."""
    case = replace(case, dies_for_good=dies_for_good, dies_after=dies_after, twice=False)
    with faulty(case, schedule) as run:
        summary = run.to_its_end()
        done = run.recorded_without_an_end() | set(map(json.dumps, run.ended(summary)["SUCCEEDED"]))
        run.calls.clear()
        redriven = run.redriven()
        assert (redriven is None) == (summary.status == "SUCCEEDED")
        if redriven is None:
            run.check(summary, case.bad)
            return
        run.check(redriven, case.still_bad)
        if not schedule.stale:
            again = done.intersection(map(json.dumps, run.calls))
            assert all(case.fails(json.loads(one), case.bad) for one in again), "what had succeeded does not run again"
