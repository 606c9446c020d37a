"""The summary of a map run: small, the same from both engines, with the names of DescribeMapRun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .counters import Counts, MapRunStatus, in_words
from .errors import (
    DataLimitExceeded,
    ExceedToleratedFailureThreshold,
    ItemReaderFailed,
    ResultWriterFailed,
    StatesError,
    StatesRuntime,
)

FAIL_WHEN = "MapRun.FailWhen"
"""The error of a map run that its author takes for a failure, by a condition."""
_ERRORS: dict[str, type[StatesError]] = {
    kind.error: kind
    for kind in (
        ItemReaderFailed,
        ResultWriterFailed,
        ExceedToleratedFailureThreshold,
        DataLimitExceeded,
        StatesRuntime,
    )
}


def states_error(error: str, cause: str) -> StatesError:
    """The exception of an error name."""
    kind = _ERRORS.get(error)
    return kind(cause) if kind else MapRunFailed(error, cause)


class MapRunFailed(StatesError):
    """A map run whose verdict is not SUCCEEDED, with an error name that has no class of its own."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error  # type: ignore[misc]  # the class's name is only the default

    def __reduce__(self) -> tuple[type[MapRunFailed], tuple[str, str]]:
        return type(self), (self.error, self.cause)


@dataclass(frozen=True, kw_only=True)
class MapRunSummary:
    """How a map run ended: verdict, counters, where the results are. Never the items.

    ``manifest`` is the URL of manifest.json. ``output`` is the state output: with a ResultWriter the object that AWS
    returns (MapRunArn, ResultWriterDetails), else the array of the children's outputs, up to 256 KiB.
    ``error`` and ``cause`` are those of the verdict; ``errors`` counts the error names of failed children
    (at most 100 names a partition; on Step Functions of as many children as were looked at).

    ``execution_arn`` is that of the execution around the map. On Step Functions there may be no ``map_run_arn`` (the
    execution failed before its map began) and no ``stop_date`` (it runs on), and ``succeed_when`` is the author's
    condition that was met: then the map is taken for a success, whatever its status. ``fail_when`` is one for a
    failure: then it is taken for one, whatever its status.
    """

    map_run_arn: str | None
    status: MapRunStatus
    item_counts: Counts
    execution_counts: Counts
    start_date: str
    stop_date: str | None
    max_concurrency: int
    tolerated_failure_count: int
    tolerated_failure_percentage: float
    redrive_count: int = 0
    redrive_date: str | None = None
    manifest: str | None = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    execution_arn: str | None = None
    succeed_when: str | None = None
    fail_when: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object, spelled as DescribeMapRun does; what is pushed as the XCom."""
        content: dict[str, Any] = {
            "mapRunArn": self.map_run_arn,
            "executionArn": self.execution_arn,
            "status": str(self.status),
            "startDate": self.start_date,
            "stopDate": self.stop_date,
            "maxConcurrency": self.max_concurrency,
            "toleratedFailureCount": self.tolerated_failure_count,
            "toleratedFailurePercentage": self.tolerated_failure_percentage,
            "itemCounts": self.item_counts.to_dict(),
            "executionCounts": self.execution_counts.to_dict(),
            "redriveCount": self.redrive_count,
            "manifest": self.manifest,
            "errors": dict(self.errors),
        }
        if self.redrive_date is not None:
            content["redriveDate"] = self.redrive_date
        if self.status is MapRunStatus.SUCCEEDED:
            content["output"] = self.output
        else:
            content |= {"error": self.error, "cause": self.cause}
        if self.succeed_when is not None:
            content["succeedWhen"] = self.succeed_when
        if self.fail_when is not None:
            content["failWhen"] = self.fail_when
        return content

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MapRunSummary:
        """Read ``to_dict``'s result back."""
        return cls(
            map_run_arn=data["mapRunArn"],
            status=MapRunStatus(data["status"]),
            item_counts=Counts.from_dict(data["itemCounts"]),
            execution_counts=Counts.from_dict(data["executionCounts"]),
            start_date=data["startDate"],
            stop_date=data["stopDate"],
            max_concurrency=data["maxConcurrency"],
            tolerated_failure_count=data["toleratedFailureCount"],
            tolerated_failure_percentage=data["toleratedFailurePercentage"],
            redrive_count=data.get("redriveCount", 0),
            redrive_date=data.get("redriveDate"),
            manifest=data.get("manifest"),
            output=data.get("output"),
            error=data.get("error"),
            cause=data.get("cause"),
            errors=data.get("errors", {}),
            execution_arn=data.get("executionArn"),
            succeed_when=data.get("succeedWhen"),
            fail_when=data.get("failWhen"),
        )

    def raise_for_status(self) -> MapRunSummary:
        """Return the summary itself if the map run succeeded, or is taken for a success (``succeed_when``).

        :raises StatesError: its error and cause, if it did not.
        """
        if self.fail_when is not None:
            raise states_error(FAIL_WHEN, self.fail_when)
        if self.status is MapRunStatus.SUCCEEDED or self.succeed_when is not None:
            return self
        cause = self.cause or f"the map run is {self.status}"
        raise states_error(self.error or f"MapRun{self.status.title()}", cause)

    def describe(self) -> str:
        """One line for a log: verdict, the counters that are not zero, and why it did not succeed."""
        line = f"map run {self.status}: {in_words(self.item_counts, self.execution_counts)}"
        why = ": ".join(filter(None, (self.error, self.cause)))
        if self.succeed_when is not None:
            why = f"taken for a success, as {self.succeed_when}"
        if self.fail_when is not None:
            why = f"taken for a failure, as {self.fail_when}"
        return f"{line}; {why}" if why else line
