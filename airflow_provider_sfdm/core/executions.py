"""What Step Functions tells of an execution, a Map Run and a child execution, as values.

Each is made of a response of the service (``DescribeExecution``, ``DescribeMapRun``, ``ListExecutions``), whose
statuses are all named here: a status that AWS adds is an error, never taken for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .counters import Counts, MapRunStatus


class ExecutionStatus(StrEnum):
    """The status of an execution. Source: ``ExecutionStatus`` of the Step Functions API."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself: a child that waits for its redrive has not ended."""
        return self not in (ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE)

    @property
    def verdict(self) -> MapRunStatus:
        """The same in the words of a map run, which has no TIMED_OUT: one that ran out of time is ABORTED."""
        return _VERDICTS[self]


_VERDICTS = {
    ExecutionStatus.RUNNING: MapRunStatus.RUNNING,
    ExecutionStatus.PENDING_REDRIVE: MapRunStatus.RUNNING,
    ExecutionStatus.SUCCEEDED: MapRunStatus.SUCCEEDED,
    ExecutionStatus.FAILED: MapRunStatus.FAILED,
    ExecutionStatus.TIMED_OUT: MapRunStatus.ABORTED,
    ExecutionStatus.ABORTED: MapRunStatus.ABORTED,
}


class RedriveStatus(StrEnum):
    """Whether an execution can be redriven. Source: ``ExecutionRedriveStatus`` of the Step Functions API."""

    REDRIVABLE = "REDRIVABLE"
    NOT_REDRIVABLE = "NOT_REDRIVABLE"
    REDRIVABLE_BY_MAP_RUN = "REDRIVABLE_BY_MAP_RUN"


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """An execution; times are epoch seconds. ``input`` and ``output`` are JSON text, None where AWS shows none."""

    arn: str
    status: ExecutionStatus
    start: float
    stop: float | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    version_arn: str | None = None
    redrive_count: int = 0
    redrive_date: float | None = None
    redrive_status: RedriveStatus | None = None
    redrive_reason: str | None = None

    @property
    def began(self) -> float:
        """When it began, or was redriven last."""
        return self.redrive_date or self.start

    @classmethod
    def from_api(cls, response: Mapping[str, Any]) -> Execution:
        """Read the response of DescribeExecution."""
        redrivable = response.get("redriveStatus")
        return cls(
            arn=response["executionArn"],
            status=ExecutionStatus(response["status"]),
            start=_epoch(response["startDate"]),
            stop=_optional_epoch(response.get("stopDate")),
            input=response.get("input"),
            output=response.get("output"),
            error=response.get("error"),
            cause=response.get("cause"),
            version_arn=response.get("stateMachineVersionArn"),
            redrive_count=response.get("redriveCount", 0),
            redrive_date=_optional_epoch(response.get("redriveDate")),
            redrive_status=RedriveStatus(redrivable) if redrivable else None,
            redrive_reason=response.get("redriveStatusReason"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class MapRun:
    """A Map Run: its counters and its limits, which UpdateMapRun may have changed. Times are epoch seconds."""

    arn: str
    execution_arn: str
    status: MapRunStatus
    start: float
    stop: float | None = None
    max_concurrency: int = 0
    tolerated_failure_count: int = 0
    tolerated_failure_percentage: float = 0.0
    item_counts: Counts = field(default_factory=Counts)
    execution_counts: Counts = field(default_factory=Counts)
    redrive_count: int = 0
    redrive_date: float | None = None

    @classmethod
    def from_api(cls, response: Mapping[str, Any]) -> MapRun:
        """Read the response of DescribeMapRun."""
        return cls(
            arn=response["mapRunArn"],
            execution_arn=response["executionArn"],
            status=MapRunStatus(response["status"]),
            start=_epoch(response["startDate"]),
            stop=_optional_epoch(response.get("stopDate")),
            max_concurrency=response["maxConcurrency"],
            tolerated_failure_count=response["toleratedFailureCount"],
            tolerated_failure_percentage=_percentage(response["toleratedFailurePercentage"]),
            item_counts=Counts.from_dict(response["itemCounts"]),
            execution_counts=Counts.from_dict(response["executionCounts"]),
            redrive_count=response.get("redriveCount", 0),
            redrive_date=_optional_epoch(response.get("redriveDate")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class MapRunListed:
    """A Map Run as ListMapRuns shows it."""

    arn: str
    execution_arn: str
    start: float
    stop: float | None = None

    @classmethod
    def from_api(cls, item: Mapping[str, Any]) -> MapRunListed:
        """Read an element of ListMapRuns."""
        return cls(
            arn=item["mapRunArn"],
            execution_arn=item["executionArn"],
            start=_epoch(item["startDate"]),
            stop=_optional_epoch(item.get("stopDate")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildExecution:
    """A child execution. ``error`` and ``cause`` are None until it has been described."""

    arn: str
    name: str
    status: ExecutionStatus
    start: float
    stop: float | None = None
    items: int | None = None
    redrive_count: int = 0
    error: str | None = None
    cause: str | None = None

    @classmethod
    def from_api(cls, item: Mapping[str, Any]) -> ChildExecution:
        """Read an element of ListExecutions."""
        return cls(
            arn=item["executionArn"],
            name=item["name"],
            status=ExecutionStatus(item["status"]),
            start=_epoch(item["startDate"]),
            stop=_optional_epoch(item.get("stopDate")),
            items=item.get("itemCount"),
            redrive_count=item.get("redriveCount", 0),
        )


def _percentage(value: float) -> float:
    """AWS sends a 32-bit float as text: 1.1 may arrive as 1.10000002."""
    return float(f"{value:.6g}")


def _epoch(moment: datetime) -> float:
    return moment.timestamp()


def _optional_epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
