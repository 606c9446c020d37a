"""Responses of Step Functions as values, statuses and all."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import botocore.session
import pytest

from airflow_provider_sfdm.core.counters import Counts, MapRunStatus
from airflow_provider_sfdm.core.executions import (
    ChildExecution,
    Execution,
    ExecutionStatus,
    MapRun,
    MapRunListed,
    RedriveStatus,
)

PLACE = "arn:aws:states:us-west-2:123456789012"
PARENT = f"{PLACE}:execution:flights:run-1"
MAP_RUN = f"{PLACE}:mapRun:flights/delays:4a0e7c1e-8d1f-4f0e-9f5c-0d3c2b1a0f9e"
CHILD = f"{PLACE}:execution:flights/delays:3318ddf7-9a0e-3259-a825-55a4e8e3e9b1"
START = datetime(2026, 9, 23, 22, 59, 51, 865000, UTC)
STOP = datetime(2026, 9, 23, 23, 1, 2, 500000, UTC)
REDRIVEN = datetime(2026, 9, 24, 3, 2, 58, tzinfo=UTC)


def counts(**given: int) -> dict[str, int]:
    return Counts().to_dict() | given


def described(**more: Any) -> dict[str, Any]:
    return {"executionArn": PARENT, "status": "RUNNING", "startDate": START, **more}


def map_run(**more: Any) -> dict[str, Any]:
    return {
        "mapRunArn": MAP_RUN,
        "executionArn": PARENT,
        "status": "RUNNING",
        "startDate": START,
        "maxConcurrency": 2,
        "toleratedFailurePercentage": 0.0,
        "toleratedFailureCount": 0,
        "itemCounts": counts(),
        "executionCounts": counts(),
        "redriveCount": 0,
        **more,
    }


def listed(**more: Any) -> dict[str, Any]:
    return {"executionArn": CHILD, "name": CHILD[-36:], "status": "RUNNING", "startDate": START, **more}


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (ExecutionStatus, "ExecutionStatus"),
        (MapRunStatus, "MapRunStatus"),
        (RedriveStatus, "ExecutionRedriveStatus"),
    ],
)
def test_our_statuses_are_those_of_the_service(kind: type[StrEnum], shape: str) -> None:
    model = botocore.session.Session().get_service_model("stepfunctions")
    # The stubs know shapes in general only, and of those none has an enum.
    members: list[str] = getattr(model.shape_for(shape), "enum")  # noqa: B009
    assert sorted(kind) == sorted(members)
    for member in members:
        assert kind(member).value == member


@pytest.mark.parametrize(
    ("status", "ended", "verdict"),
    [
        ("RUNNING", False, MapRunStatus.RUNNING),
        ("PENDING_REDRIVE", False, MapRunStatus.RUNNING),
        ("SUCCEEDED", True, MapRunStatus.SUCCEEDED),
        ("FAILED", True, MapRunStatus.FAILED),
        ("TIMED_OUT", True, MapRunStatus.ABORTED),
        ("ABORTED", True, MapRunStatus.ABORTED),
    ],
)
def test_what_a_status_means(status: str, ended: bool, verdict: MapRunStatus) -> None:
    found = ExecutionStatus(status)
    assert (found.ended, found.verdict) == (ended, verdict)


def test_every_status_has_a_verdict() -> None:
    assert {status: status.verdict for status in ExecutionStatus}.keys() == set(ExecutionStatus)
    assert all((status.verdict is MapRunStatus.RUNNING) != status.ended for status in ExecutionStatus)


def test_an_execution_that_runs() -> None:
    running = described(
        stateMachineArn=f"{PLACE}:stateMachine:flights",
        name="run-1",
        input="{}",
        inputDetails={"included": True},
        redriveCount=0,
        redriveStatus="NOT_REDRIVABLE",
        redriveStatusReason="Execution is RUNNING and cannot be redriven",
    )
    found = Execution.from_api(running)
    assert found == Execution(
        arn=PARENT,
        status=ExecutionStatus.RUNNING,
        start=START.timestamp(),
        input="{}",
        redrive_status=RedriveStatus.NOT_REDRIVABLE,
        redrive_reason="Execution is RUNNING and cannot be redriven",
    )
    assert found.began == START.timestamp()


def test_an_execution_that_failed_after_a_redrive() -> None:
    failed = described(
        status="FAILED",
        stopDate=STOP,
        input="{}",
        error="States.ExceedToleratedFailureThreshold",
        cause="The specified tolerated failure threshold was exceeded",
        stateMachineVersionArn=f"{PLACE}:stateMachine:flights:3",
        redriveCount=1,
        redriveDate=REDRIVEN,
        redriveStatus="REDRIVABLE",
    )
    found = Execution.from_api(failed)
    assert (found.stop, found.output, found.redrive_count) == (STOP.timestamp(), None, 1)
    assert (found.error, found.cause) == (failed["error"], failed["cause"])
    assert found.version_arn == f"{PLACE}:stateMachine:flights:3"
    assert found.redrive_status is RedriveStatus.REDRIVABLE
    assert found.began == REDRIVEN.timestamp() == found.redrive_date


def test_an_execution_with_nothing_but_what_must_be_there() -> None:
    assert Execution.from_api(described(status="SUCCEEDED", output='{"a":1}')) == Execution(
        arn=PARENT, status=ExecutionStatus.SUCCEEDED, start=START.timestamp(), output='{"a":1}'
    )


def test_a_map_run_that_ended() -> None:
    # Recorded: four items one at a time, of which the first failed, and two never began.
    four = counts(pending=2, succeeded=1, failed=1, total=4, resultsWritten=4)
    ended = map_run(status="FAILED", stopDate=STOP, maxConcurrency=1, itemCounts=four, executionCounts=four)
    assert MapRun.from_api(ended) == MapRun(
        arn=MAP_RUN,
        execution_arn=PARENT,
        status=MapRunStatus.FAILED,
        start=START.timestamp(),
        stop=STOP.timestamp(),
        max_concurrency=1,
        item_counts=Counts(pending=2, succeeded=1, failed=1, total=4, results_written=4),
        execution_counts=Counts(pending=2, succeeded=1, failed=1, total=4, results_written=4),
    )


def test_a_map_run_that_was_redriven() -> None:
    items = counts(running=2, succeeded=2, pending=2, total=6, failuresNotRedrivable=1, pendingRedrive=1)
    found = MapRun.from_api(map_run(itemCounts=items, redriveCount=1, redriveDate=REDRIVEN))
    assert (found.redrive_count, found.redrive_date) == (1, REDRIVEN.timestamp())
    assert (found.item_counts.failures_not_redrivable, found.item_counts.pending_redrive) == (1, 1)
    assert found.execution_counts == Counts()


def test_a_map_run_without_what_newer_services_tell() -> None:
    before_redrives = map_run()
    del before_redrives["redriveCount"]
    found = MapRun.from_api(before_redrives)
    assert (found.redrive_count, found.redrive_date, found.stop) == (0, None, None)


@pytest.mark.parametrize("percentage", [0.0, 0.1, 0.5, 1.1, 3.3, 33.3, 66.667, 99.9, 99.99, 100.0])
def test_a_percentage_is_the_one_that_was_set(percentage: float) -> None:
    (narrow,) = struct.unpack("f", struct.pack("f", percentage))
    for sent in (percentage, narrow, float(f"{narrow:.9g}")):
        assert MapRun.from_api(map_run(toleratedFailurePercentage=sent)).tolerated_failure_percentage == percentage


def test_a_map_run_in_a_list() -> None:
    item = {
        "mapRunArn": MAP_RUN,
        "executionArn": PARENT,
        "stateMachineArn": f"{PLACE}:stateMachine:flights/delays",
        "startDate": START,
    }
    running = MapRunListed(arn=MAP_RUN, execution_arn=PARENT, start=START.timestamp())
    assert MapRunListed.from_api(item) == running
    assert MapRunListed.from_api(item | {"stopDate": STOP}).stop == STOP.timestamp()


def test_a_child_execution() -> None:
    assert ChildExecution.from_api(listed()) == ChildExecution(
        arn=CHILD, name=CHILD[-36:], status=ExecutionStatus.RUNNING, start=START.timestamp()
    )
    ended = ChildExecution.from_api(
        listed(status="TIMED_OUT", stopDate=STOP, mapRunArn=MAP_RUN, itemCount=500, redriveCount=2)
    )
    assert (ended.status, ended.items, ended.redrive_count) == (ExecutionStatus.TIMED_OUT, 500, 2)
    assert (ended.error, ended.cause) == (None, None)


def test_a_status_that_nobody_knows_is_an_error() -> None:
    new = {"status": "PAUSED"}
    with pytest.raises(ValueError, match="'PAUSED' is not a valid ExecutionStatus"):
        Execution.from_api(described(**new))
    with pytest.raises(ValueError, match="'PAUSED' is not a valid ExecutionStatus"):
        ChildExecution.from_api(listed(**new))
    with pytest.raises(ValueError, match="'TIMED_OUT' is not a valid MapRunStatus"):
        MapRun.from_api(map_run(status="TIMED_OUT"))
    with pytest.raises(ValueError, match="'MAYBE' is not a valid RedriveStatus"):
        Execution.from_api(described(redriveStatus="MAYBE"))
