"""The ten counters: how they move, add up and are spelled."""

from __future__ import annotations

import pytest

from airflow_provider_sfdm.core.counters import ChildStatus, Counts, MapRunStatus

# The ten names of DescribeMapRun's itemCounts and executionCounts, in the API's words.
TEN = {
    "pending",
    "running",
    "succeeded",
    "failed",
    "timedOut",
    "aborted",
    "total",
    "resultsWritten",
    "failuresNotRedrivable",
    "pendingRedrive",
}


def test_the_names_are_those_of_the_api() -> None:
    assert Counts().to_dict().keys() == TEN
    assert set(Counts().to_dict().values()) == {0}


def test_a_map_run_has_four_statuses() -> None:
    assert set(MapRunStatus) == {"RUNNING", "SUCCEEDED", "FAILED", "ABORTED"}


def test_every_counter_survives_its_dictionary() -> None:
    counts = Counts(1, 2, 3, 4, 5, 6, 21, 7, 8, 9)
    assert Counts.from_dict(counts.to_dict()) == counts
    assert counts.to_dict()["timedOut"] == 5
    assert counts.to_dict()["failuresNotRedrivable"] == 8


def test_counters_that_are_missing_are_zero() -> None:
    assert Counts.from_dict({"total": 3, "failed": 1}) == Counts(failed=1, total=3)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (ChildStatus.SUCCEEDED, "succeeded"),
        (ChildStatus.FAILED, "failed"),
        (ChildStatus.TIMED_OUT, "timed_out"),
        (ChildStatus.ABORTED, "aborted"),
        (ChildStatus.PENDING, "pending"),
    ],
)
def test_a_child_starts_and_ends(status: ChildStatus, name: str) -> None:
    counts = Counts(pending=10, total=10)
    counts.start(4)
    assert (counts.pending, counts.running) == (6, 4)
    before = getattr(counts, name)
    counts.end(status, 4)
    assert getattr(counts, name) == before + 4
    assert counts.running == 0
    six = counts.pending + counts.running + counts.succeeded + counts.failed + counts.timed_out + counts.aborted
    assert six == counts.total == 10


def test_what_counts_for_the_tolerance_and_what_has_ended() -> None:
    counts = Counts(pending=1, running=2, succeeded=3, failed=4, timed_out=5, aborted=6, total=21)
    assert counts.unsuccessful == 9
    assert counts.finished == 18


def test_adding_adds_every_counter() -> None:
    one = Counts(1, 2, 3, 4, 5, 6, 21, 7, 8, 9)
    assert one + one == Counts(2, 4, 6, 8, 10, 12, 42, 14, 16, 18)
    assert one == Counts(1, 2, 3, 4, 5, 6, 21, 7, 8, 9)


def test_a_copy_is_independent() -> None:
    counts = Counts(pending=2, total=2)
    copy = counts.copy()
    counts.start(2)
    assert copy == Counts(pending=2, total=2)
