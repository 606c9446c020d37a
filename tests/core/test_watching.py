"""Where the watch over a map ends, and as what."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.conditions import MapRunCondition, as_conditions
from airflow_provider_sfdm.core.counters import Counts, MapRunStatus
from airflow_provider_sfdm.core.executions import Execution, ExecutionStatus, MapRun
from airflow_provider_sfdm.core.map_run_updates import MapRunUpdate
from airflow_provider_sfdm.core.watching import (
    KILLED,
    RESET_SECONDS,
    STOP_ERRORS,
    Judgement,
    Outcome,
    WatchOptions,
    judge,
)

START = 1_800_000_000.0
FAIL = as_conditions("failed > 10%", "fail_when")
SUCCEED = as_conditions("succeeded >= 50%", "succeed_when")
PLAIN = WatchOptions()
BOTH = WatchOptions(fail_when=FAIL, succeed_when=SUCCEED)

NOTHING = Counts(pending=100, total=100)
FAILING = Counts(succeeded=1, failed=9, pending=90, total=100)
SUCCEEDING = Counts(succeeded=60, failed=1, pending=39, total=100)
BAD_AND_GOOD = Counts(succeeded=60, failed=30, pending=10, total=100)
COUNTERS = {"nothing": NOTHING, "failing": FAILING, "succeeding": SUCCEEDING, "both": BAD_AND_GOOD}


def execution(status: str = "RUNNING", **more: Any) -> Execution:
    return Execution(arn="execution", status=ExecutionStatus(status), start=START, **more)


def map_run(counts: Counts = NOTHING, status: str = "RUNNING", **more: Any) -> MapRun:
    return MapRun(
        arn="map run",
        execution_arn="execution",
        status=MapRunStatus(status),
        start=START,
        item_counts=counts,
        execution_counts=counts,
        **more,
    )


def outcome(judgement: Judgement | None) -> Outcome | None:
    return None if judgement is None else judgement.outcome


# What each execution status is by itself; PENDING_REDRIVE is a child's that will run on.
ENDS = {
    "RUNNING": None,
    "PENDING_REDRIVE": None,
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "TIMED_OUT": Outcome.FAILED,
    "ABORTED": Outcome.FAILED,
}
MET = {
    "nothing": None,
    "failing": Outcome.FAIL_WHEN,
    "succeeding": Outcome.SUCCEED_WHEN,
    "both": Outcome.FAIL_WHEN,
}


def test_the_table_has_every_status() -> None:
    assert ENDS.keys() == set(ExecutionStatus)
    assert set(STOP_ERRORS) == set(Outcome) - {Outcome.SUCCEEDED, Outcome.FAILED}


@pytest.mark.parametrize(("status", "counters"), list(product(ExecutionStatus, COUNTERS)))
def test_an_execution_with_its_map_run(status: str, counters: str) -> None:
    """Conditions come before the status, and are judged at the end, too."""
    running = execution(status)
    found = judge(BOTH, running, map_run(COUNTERS[counters]), START)
    assert outcome(found) == (MET[counters] or ENDS[status])
    # Without conditions the counters say nothing.
    assert outcome(judge(PLAIN, running, map_run(COUNTERS[counters]), START)) == ENDS[status]
    # Nor is there anything to judge before the Map Run is known.
    assert outcome(judge(BOTH, running, None, START)) == ENDS[status]


@pytest.mark.parametrize(("status", "counters"), list(product(MapRunStatus, COUNTERS)))
def test_a_map_run_alone(status: str, counters: str) -> None:
    ends = {"RUNNING": None, "SUCCEEDED": Outcome.SUCCEEDED, "FAILED": Outcome.FAILED, "ABORTED": Outcome.FAILED}
    watched = map_run(COUNTERS[counters], status)
    assert outcome(judge(BOTH, None, watched, START)) == (MET[counters] or ends[status])
    assert outcome(judge(PLAIN, None, watched, START)) == ends[status]


@pytest.mark.parametrize("status", MapRunStatus)
def test_the_execution_has_the_verdict_where_both_are_watched(status: str) -> None:
    # A later state may still fail, and a Catch may make good for a map that failed.
    assert judge(PLAIN, execution(), map_run(status=status), START) is None
    assert outcome(judge(PLAIN, execution("SUCCEEDED"), map_run(status=status), START)) is Outcome.SUCCEEDED
    assert outcome(judge(PLAIN, execution("FAILED"), map_run(status=status), START)) is Outcome.FAILED


def test_a_watch_that_knows_nothing_yet_goes_on() -> None:
    assert judge(BOTH, None, None, START) is None
    assert judge(replace(BOTH, timeout=5), None, None, START) is None


def test_the_condition_that_was_met_is_told() -> None:
    options = WatchOptions(fail_when=as_conditions(["timedOut > 1", "failed > 10%", "failed > 1"], "fail_when"))
    assert judge(options, execution(), map_run(FAILING), START) == Judgement(
        Outcome.FAIL_WHEN, "failed > 10% (9 of 10 items: 90 %)"
    )
    assert judge(options, execution("SUCCEEDED"), map_run(NOTHING), START) == Judgement(Outcome.SUCCEEDED)


def test_conditions_on_child_executions() -> None:
    options = WatchOptions(succeed_when=as_conditions("executions.succeeded >= 1", "succeed_when"))
    watched = replace(map_run(SUCCEEDING), execution_counts=Counts(running=2, total=2))
    assert judge(options, execution(), watched, START) is None
    watched = replace(map_run(), execution_counts=Counts(succeeded=1, running=1, total=2))
    assert outcome(judge(options, execution(), watched, START)) is Outcome.SUCCEED_WHEN


class TestStoppedByUs:
    @pytest.mark.parametrize(("meant", "error"), STOP_ERRORS.items())
    @pytest.mark.parametrize("counters", COUNTERS)
    def test_what_it_was_stopped_for_stands(self, meant: Outcome, error: str, counters: str) -> None:
        stopped = execution("ABORTED", error=error, cause="failed > 2% (3 of 100 items: 3 %)")
        found = judge(BOTH, stopped, map_run(COUNTERS[counters], "ABORTED"), START)
        assert found == Judgement(meant, "failed > 2% (3 of 100 items: 3 %)")
        assert judge(PLAIN, stopped, None, START) == found

    @pytest.mark.parametrize("error", [KILLED, None, "SomebodyElse", "MapRun"])
    def test_what_somebody_else_stopped_has_failed(self, error: str | None) -> None:
        stopped = execution("ABORTED", error=error, cause="why")
        assert judge(PLAIN, stopped, map_run(status="ABORTED"), START) == Judgement(Outcome.FAILED)

    @pytest.mark.parametrize("error", STOP_ERRORS.values())
    def test_an_error_of_that_name_stops_nothing(self, error: str) -> None:
        failed = execution("FAILED", error=error, cause="a Fail state")
        assert judge(PLAIN, failed, None, START) == Judgement(Outcome.FAILED)


class TestRedrive:
    REDRIVEN = START + 1000

    def redriven(self, status: str = "RUNNING") -> Execution:
        return execution(status, redrive_count=1, redrive_date=self.REDRIVEN)

    @pytest.mark.parametrize("seconds", [0.0, 1.0, RESET_SECONDS - 0.1])
    def test_the_counters_may_be_those_of_the_run_before(self, seconds: float) -> None:
        now = self.REDRIVEN + seconds
        assert judge(BOTH, self.redriven(), map_run(FAILING), now) is None
        watched = map_run(FAILING, redrive_date=self.REDRIVEN)
        assert judge(BOTH, None, watched, now) is None

    def test_then_they_count(self) -> None:
        now = self.REDRIVEN + RESET_SECONDS
        assert outcome(judge(BOTH, self.redriven(), map_run(FAILING), now)) is Outcome.FAIL_WHEN
        watched = map_run(FAILING, redrive_date=self.REDRIVEN)
        assert outcome(judge(BOTH, None, watched, now)) is Outcome.FAIL_WHEN

    @pytest.mark.parametrize("status", ["FAILED", "ABORTED", "SUCCEEDED"])
    def test_a_map_run_that_is_about_to_be_redriven(self, status: str) -> None:
        """The execution runs again, and its Map Run still shows the end of the run before."""
        now = self.REDRIVEN + 10 * RESET_SECONDS
        assert judge(BOTH, self.redriven(), map_run(FAILING, status), now) is None

    @pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
    def test_at_the_end_they_count_at_once(self, status: str) -> None:
        ended = self.redriven(status)
        assert outcome(judge(BOTH, ended, map_run(FAILING, "FAILED"), self.REDRIVEN)) is Outcome.FAIL_WHEN
        assert outcome(judge(BOTH, ended, map_run(NOTHING, "FAILED"), self.REDRIVEN)) == ENDS[status]

    def test_the_time_begins_anew(self) -> None:
        options = WatchOptions(timeout=60)
        assert judge(options, self.redriven(), map_run(), self.REDRIVEN + 59) is None
        assert outcome(judge(options, self.redriven(), map_run(), self.REDRIVEN + 60)) is Outcome.TIMED_OUT
        watched = map_run(redrive_date=self.REDRIVEN)
        assert judge(options, None, watched, self.REDRIVEN + 59) is None
        assert outcome(judge(options, None, watched, self.REDRIVEN + 60)) is Outcome.TIMED_OUT


class TestTime:
    def test_seconds_since_the_execution_began(self) -> None:
        options = WatchOptions(timeout=60)
        assert judge(options, execution(), None, START + 59.9) is None
        assert judge(options, execution(), map_run(), START + 60) == Judgement(
            Outcome.TIMED_OUT, "not done 60 seconds after it began"
        )
        assert outcome(judge(options, None, map_run(), START + 60)) is Outcome.TIMED_OUT

    def test_the_deadline_of_the_attempt(self) -> None:
        options = WatchOptions(deadline=START + 30)
        assert judge(options, execution(), map_run(), START + 29.9) is None
        assert judge(options, execution(), map_run(), START + 30) == Judgement(
            Outcome.TIMED_OUT, "not done when the execution_timeout of the task was over"
        )
        assert outcome(judge(options, None, None, START + 30)) is Outcome.TIMED_OUT

    @pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
    def test_what_has_ended_is_not_out_of_time(self, status: str) -> None:
        """It may be looked at long after: by the next attempt, or by a sensor."""
        options = WatchOptions(timeout=1, deadline=START + 1)
        assert outcome(judge(options, execution(status), map_run(), START + 9999)) == ENDS[status]

    def test_conditions_come_before_the_time(self) -> None:
        options = replace(BOTH, timeout=1, deadline=START + 1)
        assert outcome(judge(options, execution(), map_run(SUCCEEDING), START + 9)) is Outcome.SUCCEED_WHEN
        assert outcome(judge(options, execution(), map_run(FAILING), START + 9)) is Outcome.FAIL_WHEN
        assert outcome(judge(options, execution(), map_run(NOTHING), START + 9)) is Outcome.TIMED_OUT


CONDITIONS = st.lists(
    st.sampled_from(["failed > 2% after 1000", "executions.timedOut >= 10", "succeeded >= 0.1% of finished"]).map(
        MapRunCondition.parse
    ),
    max_size=3,
).map(tuple)
UPDATES = st.lists(
    st.sampled_from(
        [
            MapRunUpdate(after=600, max_concurrency=500),
            MapRunUpdate(at="22:00", timezone="Europe/Berlin", max_concurrency=0, tolerated_failure_count=3),
            MapRunUpdate(when="failed > 2% of total", tolerated_failure_percentage=1.1),
        ]
    ),
    max_size=3,
).map(tuple)
SECONDS = st.none() | st.integers(1, 10**9) | st.floats(0.1, 1e10)


@given(
    st.builds(
        WatchOptions,
        fail_when=CONDITIONS,
        succeed_when=CONDITIONS,
        stop_on_fail_when=st.booleans(),
        stop_on_succeed_when=st.booleans(),
        stop_on_timeout=st.booleans(),
        timeout=SECONDS,
        deadline=SECONDS,
        updates=UPDATES,
        label=st.none() | st.text(),
        redrive_count=st.integers(0, 1000),
        poll_interval=SECONDS,
    )
)
def test_options_go_through_json(options: WatchOptions) -> None:
    assert WatchOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
