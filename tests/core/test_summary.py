"""The summary of a map run, of either engine."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.counters import COUNTERS, Counts, MapRunStatus
from airflow_provider_sfdm.core.errors import (
    DataLimitExceeded,
    ExceedToleratedFailureThreshold,
    ItemReaderFailed,
    ResultWriterFailed,
    StatesError,
    StatesRuntime,
)
from airflow_provider_sfdm.core.summary import MapRunFailed, MapRunSummary, states_error

SUMMARY = MapRunSummary(
    map_run_arn="arn:aws:states:eu-west-1:123456789012:mapRun:m/l:u",
    status=MapRunStatus.SUCCEEDED,
    item_counts=Counts(succeeded=9, failed=1, total=10, results_written=10),
    execution_counts=Counts(succeeded=2, failed=1, total=3, results_written=3),
    start_date="2026-11-24T10:00:00.000Z",
    stop_date="2026-11-24T10:05:00.000Z",
    max_concurrency=1000,
    tolerated_failure_count=5,
    tolerated_failure_percentage=12.5,
    manifest="s3://out/p/u/manifest.json",
    output={"MapRunArn": "…"},
    errors={"ValueError": 1},
    execution_arn="arn:aws:states:eu-west-1:123456789012:execution:m:e",
)
FAILED = replace(
    SUMMARY,
    status=MapRunStatus.FAILED,
    output=None,
    error="States.ExceedToleratedFailureThreshold",
    cause=ExceedToleratedFailureThreshold.CAUSE,
)
# What only Step Functions has: an execution that failed before its map began, and one that runs on.
NEVER_BEGAN = replace(
    FAILED, map_run_arn=None, item_counts=Counts(), execution_counts=Counts(), error="States.Runtime", cause="no role"
)
RUNS_ON = replace(
    SUMMARY, status=MapRunStatus.RUNNING, output=None, stop_date=None, succeed_when="succeeded >= 80% (9 of 10 items)"
)


def test_it_is_spelled_as_the_service_does() -> None:
    assert SUMMARY.to_dict() == {
        "mapRunArn": SUMMARY.map_run_arn,
        "executionArn": SUMMARY.execution_arn,
        "status": "SUCCEEDED",
        "startDate": "2026-11-24T10:00:00.000Z",
        "stopDate": "2026-11-24T10:05:00.000Z",
        "maxConcurrency": 1000,
        "toleratedFailureCount": 5,
        "toleratedFailurePercentage": 12.5,
        "itemCounts": SUMMARY.item_counts.to_dict(),
        "executionCounts": SUMMARY.execution_counts.to_dict(),
        "redriveCount": 0,
        "manifest": "s3://out/p/u/manifest.json",
        "errors": {"ValueError": 1},
        "output": {"MapRunArn": "…"},
    }
    failed = FAILED.to_dict()
    assert (failed["error"], failed["cause"]) == (FAILED.error, FAILED.cause)
    assert "output" not in failed
    assert "succeedWhen" not in failed
    assert RUNS_ON.to_dict()["succeedWhen"] == RUNS_ON.succeed_when
    assert (RUNS_ON.to_dict()["stopDate"], NEVER_BEGAN.to_dict()["mapRunArn"]) == (None, None)


@st.composite
def summaries(draw: st.DrawFn) -> MapRunSummary:
    counts = st.builds(Counts, **dict.fromkeys(COUNTERS.values(), st.integers(0, 10**9)))
    text = st.none() | st.text(max_size=5)
    made: dict[str, Any] = {
        "status": draw(st.sampled_from(MapRunStatus)),
        "item_counts": draw(counts),
        "execution_counts": draw(counts),
        "start_date": draw(st.text(max_size=5)),
        "max_concurrency": draw(st.integers(0, 10_000)),
        "tolerated_failure_count": draw(st.integers(0)),
        "tolerated_failure_percentage": draw(st.floats(0, 100)),
        "redrive_count": draw(st.integers(0, 1000)),
        "errors": draw(st.dictionaries(st.text(max_size=5), st.integers(1), max_size=3)),
    }
    for name in ("map_run_arn", "execution_arn", "stop_date", "manifest", "succeed_when"):
        made[name] = draw(text)
    if made["status"] is MapRunStatus.SUCCEEDED:
        made["output"] = draw(st.none() | st.lists(st.integers()) | st.dictionaries(st.text(max_size=3), st.text()))
    else:
        made |= {"error": draw(text), "cause": draw(text)}
    return MapRunSummary(**made)


@given(summaries())
def test_it_goes_through_an_xcom(summary: MapRunSummary) -> None:
    assert MapRunSummary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary


@pytest.mark.parametrize("summary", [SUMMARY, FAILED, NEVER_BEGAN, RUNS_ON])
def test_every_field_is_read_back(summary: MapRunSummary) -> None:
    read_back = MapRunSummary.from_dict(summary.to_dict())
    for one in fields(MapRunSummary):
        assert getattr(read_back, one.name) == getattr(summary, one.name), one.name


def test_a_summary_of_an_earlier_release_can_be_read() -> None:
    stored = SUMMARY.to_dict()
    for newer in ("executionArn", "errors", "redriveCount", "manifest"):
        del stored[newer]
    read_back = MapRunSummary.from_dict(stored)
    assert (read_back.execution_arn, read_back.succeed_when, read_back.redrive_count) == (None, None, 0)
    assert read_back.errors == {}


class TestVerdict:
    @pytest.mark.parametrize("status", MapRunStatus)
    def test_only_a_success_is_one(self, status: MapRunStatus) -> None:
        summary = replace(SUMMARY, status=status)
        if status is MapRunStatus.SUCCEEDED:
            assert summary.raise_for_status() is summary
            return
        with pytest.raises(MapRunFailed, match=f"the map run is {status}") as failed:
            summary.raise_for_status()
        assert failed.value.error == f"MapRun{status.title()}"

    @pytest.mark.parametrize("status", MapRunStatus)
    def test_what_the_author_takes_for_a_success(self, status: MapRunStatus) -> None:
        summary = replace(FAILED, status=status, succeed_when="succeeded >= 80%")
        assert summary.raise_for_status() is summary

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            ("States.ItemReaderFailed", ItemReaderFailed),
            ("States.ResultWriterFailed", ResultWriterFailed),
            ("States.ExceedToleratedFailureThreshold", ExceedToleratedFailureThreshold),
            ("States.DataLimitExceeded", DataLimitExceeded),
            ("States.Runtime", StatesRuntime),
            ("States.Timeout", MapRunFailed),
            ("MapRun.FailWhen", MapRunFailed),
            ("My.Own", MapRunFailed),
        ],
    )
    def test_its_error_has_a_class(self, error: str, kind: type[StatesError]) -> None:
        with pytest.raises(kind) as failed:
            replace(FAILED, error=error, cause="why").raise_for_status()
        assert type(failed.value) is kind
        assert (failed.value.error, failed.value.cause, str(failed.value)) == (error, "why", f"{error}: why")

    def test_an_error_survives_another_process(self) -> None:
        for error in ("States.Runtime", "My.Own"):
            read_back = pickle.loads(pickle.dumps(states_error(error, "why")))
            assert (type(read_back), read_back.error, read_back.cause) == (
                type(states_error(error, "why")),
                error,
                "why",
            )


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (
            SUMMARY,
            "map run SUCCEEDED: 10 items (9 succeeded, 1 failed); 3 child executions (2 succeeded, 1 failed)",
        ),
        (
            FAILED,
            "map run FAILED: 10 items (9 succeeded, 1 failed); 3 child executions (2 succeeded, 1 failed); "
            "States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded",
        ),
        (NEVER_BEGAN, "map run FAILED: 0 items; States.Runtime: no role"),
        (replace(NEVER_BEGAN, error=None), "map run FAILED: 0 items; no role"),
        (replace(NEVER_BEGAN, status=MapRunStatus.ABORTED, error=None, cause=None), "map run ABORTED: 0 items"),
        (
            RUNS_ON,
            "map run RUNNING: 10 items (9 succeeded, 1 failed); 3 child executions (2 succeeded, 1 failed); "
            "taken for a success, as succeeded >= 80% (9 of 10 items)",
        ),
    ],
)
def test_one_line_for_a_log(summary: MapRunSummary, line: str) -> None:
    assert summary.describe() == line


def test_what_the_author_takes_for_a_failure_raises_whatever_its_status() -> None:
    """A condition may be met by the last counters only, when the execution has succeeded."""
    summary = replace(
        RUNS_ON, status=MapRunStatus.SUCCEEDED, succeed_when=None, fail_when="failed > 2% (3 of 100 items)"
    )
    assert MapRunSummary.from_dict(summary.to_dict()) == summary
    assert summary.describe().endswith("; taken for a failure, as failed > 2% (3 of 100 items)")
    with pytest.raises(StatesError, match=r"^MapRun\.FailWhen: failed > 2% \(3 of 100 items\)$"):
        summary.raise_for_status()
