"""The ten counters: how they move, add up and are spelled."""

from __future__ import annotations

import pytest

from airflow_provider_sfdm.core.counters import ChildStatus, Counts, MapRunStatus, counted, in_words

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


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "item", "1 item"),
        (0, "item", "0 items"),
        (2_000, "child execution", "2,000 child executions"),
        (1, "batch", "1 batch"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_number_with_its_noun(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


def test_counters_in_words() -> None:
    items = Counts(succeeded=1_200, failed=2, timed_out=1, aborted=3, running=4, pending=5, total=1_215)
    assert items.outcome() == "1,200 succeeded, 2 failed, 1 timed out, 3 aborted, 4 running, 5 pending"
    assert Counts(succeeded=999, failed=1, total=1_000).outcome("item", ok="ok") == "999 items ok, 1 failed"
    assert Counts(failed=1, pending=5, total=6).outcome("item", ok="ok") == "1 item failed, 5 pending"
    assert Counts().outcome("item") == ""
    one = Counts(succeeded=1, total=1)
    assert in_words(one, one) == "1 item (1 succeeded)"
    assert in_words(Counts(failed=2, total=2), Counts(failed=1, total=1)) == (
        "2 items (2 failed); 1 child execution (1 failed)"
    )
    assert in_words(Counts(), Counts()) == "0 items"
