"""The watch over a map, look by look, on a clock of the tests' own: no test waits."""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from airflow_provider_sfdm.aws.errors import (
    CredentialsRefused,
    NotFound,
    PermissionMissing,
    ServiceError,
    Throttled,
    Unreachable,
)
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.core.conditions import MapRunCondition, as_conditions
from airflow_provider_sfdm.core.counters import MapRunStatus
from airflow_provider_sfdm.core.executions import ExecutionStatus, MapRun
from airflow_provider_sfdm.core.map_run_updates import MapRunUpdate
from airflow_provider_sfdm.core.pacing import LONGEST, LONGEST_BACK_OFF, SHORTEST
from airflow_provider_sfdm.core.watching import Outcome, WatchOptions
from airflow_provider_sfdm.stepfunctions.call_budget import BURST, REFILL, CallBudget
from airflow_provider_sfdm.stepfunctions.watcher import (
    GIVE_UP_AFTER,
    LISTED_WITHIN,
    REDRIVEN_WITHIN,
    SETTLED_WITHIN,
    Look,
    MapRunWatcher,
)
from tests.stepfunctions.scripted import ONCE, Child, Map, ScriptedStepFunctions, Step
from tests.stepfunctions.scripted_model import StatesModel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since the epoch, as the test wants them; also those of the server."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Watch:
    """A watcher over an execution of the scripted server."""

    def __init__(
        self, server: ScriptedStepFunctions, steps: Sequence[Step], plan: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self.server = server
        self.clock = server.clock = Clock()
        self.calls = StepFunctions(server.client(ONCE))
        machine = server.add_machine("m")
        server.plan("m", steps, **(plan or {}))
        self.execution_arn = self.calls.start(machine, "e", "{}")
        for conditions in {"fail_when", "succeed_when"} & options.keys():
            options[conditions] = as_conditions(options[conditions], conditions)
        self.options = WatchOptions(**options)
        self.progress: list[str] = []
        self.renewals = 0
        self.looks: list[Look] = []
        self.watcher = self.make(execution_arn=self.execution_arn)
        server.calls.clear()

    def make(self, **watched: Any) -> MapRunWatcher:
        return MapRunWatcher(
            self.calls,
            self.options,
            on_progress=lambda map_run: self.progress.append(map_run.item_counts.outcome()),
            renew=self._renew,
            budget=CallBudget(),
            clock=self.clock,
            dice=lambda: 0.5,
            **watched,
        )

    def _renew(self) -> StepFunctions:
        self.renewals += 1
        return self.calls

    def look(self) -> Look:
        """Look once, and let the time pass until the next look."""
        found = self.watcher.look()
        self.looks.append(found)
        self.clock.now += found.wait
        return found

    def to_end(self, most: int = 500) -> Look:
        for _ in range(most):
            found = self.look()
            if found.judgement is not None:
                return found
        raise AssertionError(f"the watch has not ended after {most} looks")

    def outcome(self) -> Outcome:
        found = self.to_end()
        assert found.judgement is not None
        return found.judgement.outcome

    @property
    def elapsed(self) -> float:
        return self.clock.now - NOON


RUNNING = Map(items={"pending": 90, "running": 5, "succeeded": 4, "failed": 1})
DONE = Map(status="SUCCEEDED", items={"succeeded": 99, "failed": 1, "resultsWritten": 100})
SUCCEEDED = Step(status="SUCCEEDED", output=[], maps=[DONE])


# How a map ends


def test_a_map_that_succeeds(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(), Step(maps=[RUNNING]), Step(maps=[RUNNING]), SUCCEEDED])
    found = watch.to_end()
    assert found.judgement is not None
    assert (found.judgement.outcome, found.judgement.why, found.wait) == (Outcome.SUCCEEDED, None, 0.0)
    assert found.execution is not None
    assert found.map_run is not None
    assert (found.execution.status, found.map_run.status) == (ExecutionStatus.SUCCEEDED, MapRunStatus.SUCCEEDED)
    assert found.map_run.item_counts.succeeded == 99
    assert len(watch.looks) == 4
    assert step_functions.operations() == [
        *("DescribeExecution", "ListMapRuns"),
        *("DescribeExecution", "ListMapRuns", "DescribeMapRun"),
        *("DescribeExecution", "DescribeMapRun"),
        *("DescribeExecution", "ListMapRuns", "DescribeMapRun"),
    ]


def test_progress_is_told_when_it_changes_and_not_all_the_time(
    step_functions: ScriptedStepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    going = [Step(maps=[Map(items={"succeeded": number, "pending": 100 - number})]) for number in range(50)]
    watch = Watch(step_functions, [*going, SUCCEEDED])
    with caplog.at_level(logging.INFO):
        watch.to_end()
    assert watch.progress[0] == "100 pending"
    assert 1 < len(watch.progress) <= 2 + watch.elapsed / 30
    assert "map run RUNNING: 100 items (100 pending)" in caplog.messages


def test_a_map_that_fails(step_functions: ScriptedStepFunctions) -> None:
    cause = "The specified tolerated failure threshold was exceeded"
    failed = Map(status="FAILED", items={"pending": 2, "failed": 1, "aborted": 1})
    step = Step(status="FAILED", error="States.ExceedToleratedFailureThreshold", cause=cause, maps=[failed])
    watch = Watch(step_functions, [Step(maps=[RUNNING]), step])
    found = watch.to_end()
    assert found.judgement is not None
    assert found.judgement.outcome is Outcome.FAILED
    assert found.execution is not None
    assert found.execution.cause == cause


def enum_of(shape: str) -> list[str]:
    found: Any = botocore.session.get_session().get_service_model("stepfunctions").shape_for(shape)
    return list(found.enum)


EXECUTION_OUTCOMES = {
    "RUNNING": None,
    "PENDING_REDRIVE": None,
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "TIMED_OUT": Outcome.FAILED,
    "ABORTED": Outcome.FAILED,
}
MAP_RUN_OUTCOMES = {
    "RUNNING": None,
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "ABORTED": Outcome.FAILED,
}


def outcome_of(look: Look) -> Outcome | None:
    return look.judgement.outcome if look.judgement else None


def test_the_statuses_are_those_of_aws() -> None:
    assert set(enum_of("ExecutionStatus")) == EXECUTION_OUTCOMES.keys() == set(ExecutionStatus)
    assert set(enum_of("MapRunStatus")) == MAP_RUN_OUTCOMES.keys() == set(MapRunStatus)


@pytest.mark.parametrize("status", enum_of("ExecutionStatus"))
def test_every_status_of_an_execution(status: str, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(status=status, output=[], maps=[DONE])])
    look = watch.look()
    assert outcome_of(look) is EXECUTION_OUTCOMES[status]
    assert (look.wait == 0) is (look.judgement is not None)


@pytest.mark.parametrize("status", enum_of("MapRunStatus"))
def test_every_status_of_a_map_run_that_is_watched_alone(status: str, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[Map(status=status)])], {"moves_on": None})
    (listed,) = watch.calls.list_map_runs(watch.execution_arn)
    step_functions.calls.clear()
    watch.watcher = watch.make(map_run_arn=listed.arn)
    look = watch.look()
    assert outcome_of(look) is MAP_RUN_OUTCOMES[status]
    assert (look.wait == 0) is (look.judgement is not None)
    assert step_functions.operations() == ["DescribeMapRun"]


@pytest.mark.parametrize("map_run", enum_of("MapRunStatus"))
@pytest.mark.parametrize("execution", enum_of("ExecutionStatus"))
def test_any_two_statuses_together_end_the_watch_or_do_not(
    execution: str, map_run: str, step_functions: ScriptedStepFunctions
) -> None:
    watch = Watch(step_functions, [Step(status=execution, output=[], maps=[Map(status=map_run)])])
    if EXECUTION_OUTCOMES[execution] is None:
        assert [watch.look().judgement for _ in range(5)] == [None] * 5
    else:
        assert watch.outcome() is EXECUTION_OUTCOMES[execution]


def test_a_map_run_watched_alone_to_its_end(step_functions: ScriptedStepFunctions) -> None:
    steps = [Step(maps=[RUNNING]), Step(maps=[RUNNING]), Step(maps=[DONE])]
    watch = Watch(step_functions, steps, {"moves_on": "DescribeMapRun"})
    step_functions.advance(watch.execution_arn)
    (listed,) = watch.calls.list_map_runs(watch.execution_arn)
    watch.watcher = watch.make(map_run_arn=listed.arn)
    assert watch.outcome() is Outcome.SUCCEEDED
    assert len(watch.looks) == 2


def test_one_of_the_two_is_watched(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [])
    for wrong in ({}, {"execution_arn": "e", "map_run_arn": "m"}):
        with pytest.raises(ValueError, match="execution_arn or map_run_arn"):
            watch.make(**wrong)


# Lists and ends that come late


def test_a_map_run_that_is_not_listed_yet(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [*[Step(maps=[RUNNING])] * 5, SUCCEEDED], {"listed_after": 3})
    found = watch.to_end()
    assert [look.map_run is not None for look in watch.looks] == [False] * 3 + [True] * 3
    assert outcome_of(found) is Outcome.SUCCEEDED


def test_a_map_run_that_is_not_listed_when_its_execution_has_ended(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [SUCCEEDED], {"listed_after": 3})
    found = watch.to_end()
    assert found.map_run is not None
    assert 0 < watch.elapsed < LISTED_WITHIN


def test_an_execution_that_fails_before_its_map_begins(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(), Step(status="FAILED", error="States.Runtime", cause="no such path")])
    found = watch.to_end()
    assert outcome_of(found) is Outcome.FAILED
    assert found.map_run is None
    assert LISTED_WITHIN <= watch.elapsed < LISTED_WITHIN + 10


def test_a_map_run_that_exports_after_its_execution_has_ended(step_functions: ScriptedStepFunctions) -> None:
    exporting = Step(status="FAILED", error="E", maps=[RUNNING])
    settled = Map(status="FAILED", items={"failed": 6, "succeeded": 4, "pending": 90, "resultsWritten": 100})
    steps = [Step(maps=[RUNNING]), exporting, exporting, Step(status="FAILED", error="E", maps=[settled])]
    found = Watch(step_functions, steps).to_end()
    assert outcome_of(found) is Outcome.FAILED
    assert found.map_run is not None
    assert found.map_run.item_counts.results_written == 100


def test_a_map_run_that_never_settles_does_not_hold_the_watch_for_ever(
    step_functions: ScriptedStepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING]), Step(status="SUCCEEDED", output=[], maps=[RUNNING])])
    assert watch.outcome() is Outcome.SUCCEEDED
    assert SETTLED_WITHIN <= watch.elapsed < SETTLED_WITHIN + 10
    assert "its counters are not final" in caplog.text


# Several Map Runs


def two_maps(status: str = "RUNNING") -> list[Map]:
    return [
        Map(status="SUCCEEDED", label="First", items={"succeeded": 1}),
        Map(status=status, label="Second", items={"succeeded": 2}),
    ]


@pytest.mark.parametrize(("label", "succeeded"), [(None, 2), ("First", 1), ("Second", 2)])
def test_the_newest_map_run_is_watched_or_that_of_the_label(
    label: str | None, succeeded: int, step_functions: ScriptedStepFunctions
) -> None:
    now = iter(range(10))
    watch = Watch(
        step_functions, [Step(maps=two_maps()), Step(status="SUCCEEDED", maps=two_maps("SUCCEEDED"))], label=label
    )
    step_functions.clock = lambda: NOON + next(now)  # they begin one after the other
    found = watch.to_end()
    assert found.map_run is not None
    assert found.map_run.item_counts.succeeded == succeeded


def test_the_map_run_of_a_retry_takes_the_place_of_the_first(step_functions: ScriptedStepFunctions) -> None:
    first = Map(status="FAILED", items={"failed": 3})
    again = Map(run=2, items={"running": 3})
    done = Map(run=2, status="SUCCEEDED", items={"succeeded": 3})
    watch = Watch(
        step_functions,
        [
            Step(maps=[RUNNING]),
            Step(maps=[first]),
            Step(maps=[first, again]),
            Step(maps=[first, again]),
            Step(status="SUCCEEDED", maps=[first, done]),
        ],
        fail_when="failed > 5",
    )
    found = watch.to_end()
    assert outcome_of(found) is Outcome.SUCCEEDED
    assert found.map_run is not None
    assert found.map_run.item_counts.succeeded == 3
    statuses = [look.map_run.status if look.map_run else None for look in watch.looks]
    assert statuses == ["RUNNING", "FAILED", "RUNNING", "RUNNING", "SUCCEEDED"]


def test_a_label_that_no_map_run_has(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING]), SUCCEEDED], label="Other")
    found = watch.to_end()
    assert outcome_of(found) is Outcome.SUCCEEDED
    assert found.map_run is None


def test_a_map_inside_of_a_child(step_functions: ScriptedStepFunctions) -> None:
    inner = Map(label="Inner", items={"running": 5})
    outer = Map(label="Outer", items={"running": 1}, children=[Child(maps=[inner])])
    ended = Map(label="Inner", status="SUCCEEDED", items={"succeeded": 5})
    outer_ended = Map(label="Outer", items={"succeeded": 1}, children=[Child(status="SUCCEEDED", maps=[ended])])
    watch = Watch(step_functions, [Step(maps=[outer]), Step(maps=[outer_ended])], {"moves_on": None})
    (outer_run,) = watch.calls.list_map_runs(watch.execution_arn)
    (child,) = watch.calls.list_children(outer_run.arn)
    watch.watcher = watch.make(execution_arn=child.arn)
    assert watch.look().judgement is None
    step_functions.advance(watch.execution_arn)
    found = watch.to_end()
    assert found.map_run is not None
    assert found.map_run.item_counts.succeeded == 5


# The author's conditions


def failing(number: int) -> Map:
    return Map(items={"running": 2, "pending": 98 - number, "failed": number})


def test_fail_when_stops_the_execution_and_waits_for_the_final_counters(
    step_functions: ScriptedStepFunctions,
) -> None:
    watch = Watch(step_functions, [Step(maps=[failing(number)]) for number in range(9)], fail_when="failed > 3")
    found = watch.to_end()
    assert found.judgement is not None
    assert found.judgement.outcome is Outcome.FAIL_WHEN
    assert found.judgement.why == "failed > 3 (4 items)"
    assert step_functions.called("StopExecution") == [
        {"executionArn": watch.execution_arn, "error": "MapRun.FailWhen", "cause": "failed > 3 (4 items)"}
    ]
    assert found.execution is not None
    assert found.map_run is not None
    assert (found.execution.status, found.map_run.status) == (ExecutionStatus.ABORTED, MapRunStatus.ABORTED)
    assert (found.map_run.item_counts.failed, found.map_run.item_counts.aborted) == (4, 2)


def test_fail_when_may_let_the_execution_run_on(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[failing(4)])], fail_when="failed > 3", stop_on_fail_when=False)
    found = watch.look()
    assert outcome_of(found) is Outcome.FAIL_WHEN
    assert found.execution is not None
    assert found.execution.status is ExecutionStatus.RUNNING
    assert step_functions.called("StopExecution") == []


def test_a_condition_that_is_met_between_the_last_two_looks(step_functions: ScriptedStepFunctions) -> None:
    """As with a look in between; there is nothing to stop any more."""
    ended = Map(status="SUCCEEDED", items={"failed": 9, "succeeded": 91})
    watch = Watch(step_functions, [Step(maps=[RUNNING]), Step(status="SUCCEEDED", maps=[ended])], fail_when="failed>3")
    assert watch.outcome() is Outcome.FAIL_WHEN
    assert step_functions.called("StopExecution") == []


def test_succeed_when_lets_the_execution_run_on(step_functions: ScriptedStepFunctions) -> None:
    good = Map(items={"running": 5, "succeeded": 95})
    watch = Watch(step_functions, [Step(maps=[RUNNING]), Step(maps=[good])], succeed_when="succeeded >= 95%")
    found = watch.to_end()
    assert found.judgement is not None
    assert found.judgement.outcome is Outcome.SUCCEED_WHEN
    assert found.judgement.why == "succeeded >= 95% (95 of 100 items: 95 %)"
    assert step_functions.called("StopExecution") == []


def test_succeed_when_may_stop_the_execution(step_functions: ScriptedStepFunctions) -> None:
    good = Map(items={"running": 5, "succeeded": 95})
    watch = Watch(
        step_functions, [Step(maps=[good])], succeed_when=["failed < 0", "succeeded > 90"], stop_on_succeed_when=True
    )
    found = watch.to_end()
    assert outcome_of(found) is Outcome.SUCCEED_WHEN
    assert step_functions.called("StopExecution")[0]["error"] == "MapRun.SucceedWhen"
    assert found.map_run is not None
    assert found.map_run.item_counts.aborted == 5


def test_a_failure_comes_before_a_success(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], fail_when="failed >= 1", succeed_when="succeeded >= 1")
    assert watch.outcome() is Outcome.FAIL_WHEN


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure"])
def test_a_stop_that_does_not_pass_is_tried_again(code: str, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[failing(4)])], fail_when="failed > 3")
    step_functions.fail("StopExecution", code, times=2)
    assert watch.outcome() is Outcome.FAIL_WHEN
    assert len(step_functions.called("StopExecution")) == 3
    assert step_functions.runs[watch.execution_arn].step.status == "ABORTED"


def test_an_execution_that_ends_before_the_stop_reaches_it(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[failing(4)]), SUCCEEDED], fail_when="failed > 3")
    step_functions.meanwhile("StopExecution", lambda: step_functions.advance(watch.execution_arn))
    found = watch.to_end()
    assert outcome_of(found) is Outcome.FAIL_WHEN
    assert found.execution is not None
    assert found.execution.status is ExecutionStatus.SUCCEEDED


def test_what_stopped_an_execution_is_known_to_who_looks_later(step_functions: ScriptedStepFunctions) -> None:
    aborted = Map(status="ABORTED", items={"aborted": 2, "failed": 4})
    stopped = Step(status="ABORTED", error="MapRun.FailWhen", cause="failed > 3 (4 items)", maps=[aborted])
    found = Watch(step_functions, [stopped]).to_end()
    assert found.judgement is not None
    assert (found.judgement.outcome, found.judgement.why) == (Outcome.FAIL_WHEN, "failed > 3 (4 items)")


# Time


def test_the_time_of_the_execution(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], timeout=300)
    found = watch.to_end()
    assert found.judgement is not None
    assert found.judgement.why == "not done 300 seconds after it began"
    assert outcome_of(found) is Outcome.TIMED_OUT
    assert step_functions.called("StopExecution")[0]["error"] == "MapRun.Timeout"
    assert 300 <= watch.elapsed < 300 * 1.05 + 10


def test_the_time_of_the_attempt(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], deadline=NOON + 100, stop_on_timeout=False)
    found = watch.to_end()
    assert found.judgement is not None
    assert found.judgement.outcome is Outcome.TIMED_OUT
    assert "execution_timeout" in str(found.judgement.why)
    assert step_functions.called("StopExecution") == []


def test_the_time_counts_before_there_is_a_map_run(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step()], timeout=60)
    assert watch.outcome() is Outcome.TIMED_OUT
    assert step_functions.runs[watch.execution_arn].step.status == "ABORTED"


def test_the_looks_become_rarer(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], timeout=3600, stop_on_timeout=False)
    watch.to_end()
    waits = [look.wait for look in watch.looks[:-1]]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (SHORTEST, LONGEST)


def test_the_looks_are_as_far_apart_as_the_author_says(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], poll_interval=30)
    assert [watch.look().wait for _ in range(5)] == [30.0] * 5


# Redrives


FAILED = Step(status="FAILED", error="E", maps=[Map(status="FAILED", items={"failed": 5, "succeeded": 1})])
REDRIVEN = [
    Step(maps=[Map(items={"failed": 5, "succeeded": 1})]),  # recorded: the first sample has the old counters
    Step(maps=[Map(items={"running": 5, "succeeded": 1})]),
    *[Step(maps=[Map(items={"running": 3, "succeeded": 3})])] * 10,
    Step(status="SUCCEEDED", maps=[Map(status="SUCCEEDED", items={"succeeded": 6})]),
]


def redriven(server: ScriptedStepFunctions, redrive_steps: Sequence[Step], stale: int = 0, **options: Any) -> Watch:
    watch = Watch(
        server, [FAILED], {"redrives": [redrive_steps], "stale": stale, "listed_after": 0}, redrive_count=1, **options
    )
    server.advance(watch.execution_arn)
    watch.clock.now += 3600
    watch.calls.redrive(watch.execution_arn, "token")
    watch.watcher = watch.make(execution_arn=watch.execution_arn)
    server.calls.clear()
    return watch


def test_a_redrive_is_not_taken_for_the_failure_before_it(step_functions: ScriptedStepFunctions) -> None:
    watch = redriven(step_functions, REDRIVEN, stale=3, fail_when="failed >= 5")
    found = watch.to_end()
    assert outcome_of(found) is Outcome.SUCCEEDED
    assert [look.execution.redrive_count if look.execution else None for look in watch.looks[:4]] == [0, 0, 0, 1]
    assert found.map_run is not None
    assert (found.map_run.redrive_count, found.map_run.item_counts.succeeded) == (1, 6)


def test_conditions_are_judged_again_in_a_redrive(step_functions: ScriptedStepFunctions) -> None:
    bad = [*REDRIVEN[:4], *[Step(maps=[Map(items={"failed": 5, "succeeded": 1})])] * 20]
    watch = redriven(step_functions, bad, fail_when="failed >= 5")
    assert watch.outcome() is Outcome.FAIL_WHEN


def test_a_redrive_that_never_shows(step_functions: ScriptedStepFunctions) -> None:
    watch = redriven(step_functions, REDRIVEN, stale=1000)
    begun = watch.clock.now
    with pytest.raises(ServiceError, match="still shows FAILED with 0 redrives, 120 seconds after redrive 1"):
        watch.to_end()
    assert watch.clock.now - begun == pytest.approx(REDRIVEN_WITHIN, abs=5)


def test_the_time_counts_from_the_redrive(step_functions: ScriptedStepFunctions) -> None:
    watch = redriven(step_functions, [REDRIVEN[2]], timeout=600)
    begun = watch.clock.now
    assert watch.outcome() is Outcome.TIMED_OUT
    assert watch.clock.now - begun >= 600


# Changes of the limits


def limits_of(watch: Watch) -> dict[str, Any]:
    (map_run,) = watch.server.map_runs.values()
    return map_run.limits


def test_an_update_some_time_after_the_beginning(step_functions: ScriptedStepFunctions) -> None:
    updates = (
        MapRunUpdate(after=60, max_concurrency=500),
        MapRunUpdate(after=120, max_concurrency=5, tolerated_failure_count=3),
    )
    watch = Watch(step_functions, [Step(maps=[RUNNING])], updates=updates, timeout=300, stop_on_timeout=False)
    watch.to_end()
    changed = [
        {name: value for name, value in request.items() if name != "mapRunArn"}
        for request in step_functions.called("UpdateMapRun")
    ]
    assert changed == [{"maxConcurrency": 500}, {"maxConcurrency": 5, "toleratedFailureCount": 3}]


def test_updates_by_time_of_day(step_functions: ScriptedStepFunctions) -> None:
    updates = (
        MapRunUpdate(at="12:10", max_concurrency=10),
        MapRunUpdate(at="13:30", timezone="Europe/Berlin", max_concurrency=50),  # 12:30 in UTC
    )
    watch = Watch(step_functions, [Step(maps=[RUNNING])], updates=updates, timeout=3600, stop_on_timeout=False)
    watch.to_end()
    # At the first look those of the day before hold, the latest last; then each as its time comes.
    changed = [request["maxConcurrency"] for request in step_functions.called("UpdateMapRun")]
    assert changed == [50, 10, 50]


def test_an_update_upon_a_condition_and_a_change_by_hand(step_functions: ScriptedStepFunctions) -> None:
    steps = [Step(maps=[Map(items={"succeeded": number * 10, "pending": 1000})]) for number in range(30)]
    update = MapRunUpdate(when="succeeded >= 100", max_concurrency=7)
    watch = Watch(step_functions, steps, updates=(update,))
    for _ in range(15):
        watch.look()
    assert limits_of(watch)["maxConcurrency"] == 7
    limits_of(watch)["maxConcurrency"] = 99  # somebody else, in the console
    for _ in range(15):
        watch.look()
    assert limits_of(watch)["maxConcurrency"] == 99
    assert len(step_functions.called("UpdateMapRun")) == 1


def test_limits_that_are_so_already_are_not_changed(step_functions: ScriptedStepFunctions) -> None:
    update = MapRunUpdate(after=0, max_concurrency=40)
    watch = Watch(step_functions, [Step(maps=[Map(max_concurrency=40)])], updates=(update,))
    watch.look()
    assert step_functions.called("UpdateMapRun") == []


def test_a_map_run_that_ends_before_its_limits_are_changed(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(
        step_functions,
        [Step(maps=[RUNNING]), SUCCEEDED],
        updates=(MapRunUpdate(after=0, max_concurrency=40),),
    )
    step_functions.meanwhile("UpdateMapRun", lambda: step_functions.advance(watch.execution_arn))
    assert watch.outcome() is Outcome.SUCCEEDED
    assert len(step_functions.called("UpdateMapRun")) == 1


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailable"])
def test_an_update_that_does_not_pass_is_tried_again(code: str, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], updates=(MapRunUpdate(after=0, max_concurrency=40),))
    step_functions.fail("UpdateMapRun", code, times=2)
    for _ in range(5):
        watch.look()
    assert limits_of(watch)["maxConcurrency"] == 40
    assert len(step_functions.called("UpdateMapRun")) == 3


# Faults


@pytest.mark.parametrize("operation", ["DescribeExecution", "ListMapRuns", "DescribeMapRun"])
def test_throttling_makes_the_looks_rarer_until_it_is_over(
    operation: str, step_functions: ScriptedStepFunctions
) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], poll_interval=2)
    step_functions.fail(operation, times=5)
    throttled = [watch.look().wait for _ in range(5)]
    assert throttled == [4, 8, 16, 32, 64]
    recovering = [watch.look().wait for _ in range(60)]
    assert recovering == sorted(recovering, reverse=True)
    assert recovering[-1] == 2


def test_throttling_of_an_old_map_does_not_make_the_looks_more_frequent(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])])
    watch.look()
    watch.clock.now += 1200
    assert watch.look().wait == LONGEST
    step_functions.fail("DescribeMapRun", times=1)
    assert watch.look().wait > LONGEST


def test_the_counters_of_the_last_look_are_kept_through_a_fault(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])])
    before = watch.look().map_run
    step_functions.fail("DescribeExecution", times=1)
    after = watch.look()
    assert (after.map_run, after.execution, after.judgement) == (before, None, None)


FAULTS: list[tuple[dict[str, Any], type[ServiceError]]] = [
    ({"code": "InternalFailure", "status": 503}, Unreachable),
    ({"status": 500, "body": False}, Unreachable),
    ({}, Throttled),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
def test_a_service_that_stays_out_of_reach(
    fault: dict[str, Any], kind: type[ServiceError], step_functions: ScriptedStepFunctions
) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])])
    step_functions.fail("DescribeExecution", times=None, **fault)
    with pytest.raises(kind):
        watch.to_end()
    assert GIVE_UP_AFTER < watch.elapsed <= GIVE_UP_AFTER + LONGEST_BACK_OFF


def test_a_service_that_comes_back_in_time(step_functions: ScriptedStepFunctions) -> None:
    """What counts is how long it is out of reach at a stretch, not in all."""
    watch = Watch(step_functions, [*[Step(maps=[RUNNING])] * 40, SUCCEEDED], poll_interval=30)
    for _ in range(2):
        step_functions.fail("DescribeExecution", "InternalFailure", status=500, times=4)
        assert [watch.look().wait for _ in range(4)] == [60, 120, 240, 480]
        for _ in range(15):
            assert watch.look().execution is not None
    assert watch.elapsed > 2 * GIVE_UP_AFTER
    assert watch.outcome() is Outcome.SUCCEEDED


def test_a_server_that_is_gone(step_functions: ScriptedStepFunctions) -> None:
    with ScriptedStepFunctions() as gone:
        client = gone.client(ONCE)
    watch = Watch(step_functions, [])
    watch.calls = StepFunctions(client)
    watch.watcher = watch.make(execution_arn=watch.execution_arn)
    with pytest.raises(Unreachable, match="Could not connect"):
        watch.to_end()


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_breaks_in_a_look(after: bool, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING]), Step(maps=[RUNNING]), SUCCEEDED])
    step_functions.reset("DescribeMapRun", after=after)
    assert watch.outcome() is Outcome.SUCCEEDED


def expire(server: ScriptedStepFunctions, times: int) -> None:
    server.fail("DescribeExecution", "ExpiredTokenException", "The token is expired", times=times)


def test_expired_credentials_are_read_again(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [*[Step(maps=[RUNNING])] * 3, SUCCEEDED])
    expire(step_functions, 1)
    assert watch.look().judgement is None
    assert watch.renewals == 1
    assert watch.look().execution is not None
    expire(step_functions, 1)  # an hour later, say
    assert watch.outcome() is Outcome.SUCCEEDED
    assert watch.renewals == 2


def test_expired_credentials_that_are_no_better_when_read_again(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])])
    expire(step_functions, 2)
    watch.look()
    with pytest.raises(CredentialsRefused, match="renew the credentials"):
        watch.look()
    assert watch.renewals == 1


@pytest.mark.parametrize("operation", ["DescribeExecution", "ListMapRuns", "DescribeMapRun"])
def test_what_is_not_allowed_ends_the_watch_at_once(operation: str, step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])])
    step_functions.deny(operation)
    with pytest.raises(PermissionMissing) as caught:
        watch.look()
    assert caught.value.action == f"states:{operation}"


# Many watches at once


class DirectClient:
    """The server's model without HTTP in between: for very many calls."""

    def __init__(self, model: StatesModel) -> None:
        self.model = model
        self.meta = SimpleNamespace(region_name="us-east-1")
        self.calls: Counter[str] = Counter()
        self.by_map_run: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = name.title().replace("_", "")

        def call(**request: Any) -> Any:
            self.calls[operation] += 1
            if operation == "DescribeMapRun":
                self.by_map_run[request["mapRunArn"]] += 1
            return getattr(self.model, operation)(request)

        return call


def test_many_watches_share_the_calls_of_an_account() -> None:
    """An hour of 50 maps that all begin at once, and of 50 more that began an hour before."""
    model = StatesModel()
    clock = model.clock = Clock()
    client: Any = DirectClient(model)
    calls = StepFunctions(client)
    machine = model.add_machine("m")
    model.plan("m", [Step(maps=[RUNNING])], moves_on=None)
    arns = [calls.start(machine, f"old-{number}", "{}") for number in range(50)]
    clock.now += 3600
    arns += [calls.start(machine, f"new-{number}", "{}") for number in range(50)]
    client.calls.clear()
    budget, begin = CallBudget(), clock.now
    # A spread of the dice that is the same at every run.
    dice = iter(number * 0.618 % 1 for number in range(1_000_000))
    watchers = [
        MapRunWatcher(calls, WatchOptions(), execution_arn=one, budget=budget, clock=clock, dice=lambda: next(dice))
        for one in arns
    ]
    due = [(begin, number) for number in range(len(watchers))]
    while due[0][0] < begin + 3600:
        clock.now, number = heapq.heappop(due)
        heapq.heappush(due, (clock.now + watchers[number].look().wait, number))

    budgeted = client.calls["DescribeMapRun"] + client.calls["ListMapRuns"]
    assert budgeted <= BURST + REFILL * 3600
    assert client.calls["DescribeMapRun"] <= REFILL * 3600
    assert client.calls["DescribeExecution"] / 3600 < 10  # what AWS refills
    # And every map is looked at.
    assert len(client.by_map_run) == len(watchers)
    assert min(client.by_map_run.values()) >= 5


def test_accounts_and_regions_have_budgets_of_their_own() -> None:
    budget = CallBudget(refill=0.5, burst=2)
    # Two at once, and then one every two seconds, in the order in which they were asked for.
    assert [budget.turn("us-east-1:1", 0.0) for _ in range(5)] == [-2.0, 0.0, 2.0, 4.0, 6.0]
    assert budget.turn("us-east-1:2", 0.0) <= 0.0
    assert budget.turn("us-east-1:1", 3.0) == 8.0
    assert [budget.turn("us-east-1:1", 1000.0) <= 1000.0 for _ in range(3)] == [True, True, False]


def test_without_a_call_left_the_last_counters_stand(step_functions: ScriptedStepFunctions) -> None:
    steps = [Step(maps=[Map(items={"succeeded": number, "pending": 9})]) for number in range(5)]
    watch = Watch(step_functions, [*steps, SUCCEEDED])
    watch.watcher = MapRunWatcher(
        watch.calls,
        watch.options,
        execution_arn=watch.execution_arn,
        budget=CallBudget(refill=1e-9, burst=2),
        clock=watch.clock,
        dice=lambda: 0.5,
    )
    found = watch.to_end()
    seen = [look.map_run.item_counts.succeeded if look.map_run else None for look in watch.looks]
    assert seen == [0, 0, 0, 0, 0, 99]  # at the end it asks in any case
    assert outcome_of(found) is Outcome.SUCCEEDED
    assert len(step_functions.called("DescribeMapRun")) == 2


# What AWS shows late, and what it does not allow


def test_what_was_started_may_not_be_found_at_once(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING]), SUCCEEDED], is_known=True)
    step_functions.fail("DescribeExecution", "ExecutionDoesNotExist", "not there", times=3)
    assert [watch.look().execution for _ in range(3)] == [None] * 3
    assert outcome_of(watch.to_end()) is Outcome.SUCCEEDED


def test_what_is_never_found_is_an_error(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [Step(maps=[RUNNING])], is_known=True)
    step_functions.fail("DescribeExecution", "ExecutionDoesNotExist", "not there", times=None)
    with pytest.raises(NotFound):
        watch.to_end()
    unknown = Watch(step_functions, [Step(maps=[RUNNING])])
    with pytest.raises(NotFound):
        unknown.look()


def test_a_map_run_that_is_listed_may_not_be_found_at_once(step_functions: ScriptedStepFunctions) -> None:
    watch = Watch(step_functions, [*[Step(maps=[RUNNING])] * 4, SUCCEEDED])
    step_functions.fail("DescribeMapRun", "ResourceNotFound", "not there", times=2)
    assert [watch.look().map_run for _ in range(2)] == [None, None]
    assert outcome_of(watch.to_end()) is Outcome.SUCCEEDED


@pytest.mark.parametrize("option", ["fail_when", "succeed_when"])
def test_a_stop_that_is_not_allowed_leaves_the_judgement(option: str, step_functions: ScriptedStepFunctions) -> None:
    conditions: dict[str, Any] = {option: (MapRunCondition.parse("running >= 1"),), "stop_on_succeed_when": True}
    watch = Watch(step_functions, [Step(maps=[RUNNING])] * 3, **conditions)
    step_functions.deny("StopExecution", times=None)
    judgement = watch.to_end().judgement
    assert judgement is not None
    assert judgement.outcome == option
    assert judgement.why is not None
    assert "the execution could not be stopped: StopExecution: AccessDeniedException" in judgement.why
    assert "states:StopExecution" in judgement.why


def test_limits_that_may_not_be_changed_do_not_end_the_watch(
    step_functions: ScriptedStepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(
        step_functions, [*[Step(maps=[RUNNING])] * 4, SUCCEEDED], updates=(MapRunUpdate(after=0, max_concurrency=3),)
    )
    step_functions.deny("UpdateMapRun", times=None)
    assert outcome_of(watch.to_end()) is Outcome.SUCCEEDED
    assert len(step_functions.called("UpdateMapRun")) == 1
    assert "could not be changed (MaxConcurrency 3): UpdateMapRun: AccessDeniedException" in caplog.text


def test_progress_that_cannot_be_shown_does_not_end_the_watch(
    step_functions: ScriptedStepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    def show(map_run: MapRun) -> None:
        raise RuntimeError("the API server is gone")

    watch = Watch(step_functions, [Step(maps=[RUNNING]), SUCCEEDED])
    watch.watcher = MapRunWatcher(
        watch.calls, watch.options, execution_arn=watch.execution_arn, clock=watch.clock, on_progress=show
    )
    assert outcome_of(watch.to_end()) is Outcome.SUCCEEDED
    assert "The counters could not be shown: RuntimeError: the API server is gone" in caplog.text
