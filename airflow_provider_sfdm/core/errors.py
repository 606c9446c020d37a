"""The errors of a map run, named as AWS names them.

::

    Exception
    ├── StatesError                        an error a map run or a child execution ends with: error name and cause
    │   ├── ItemReaderFailed               States.ItemReaderFailed
    │   ├── ResultWriterFailed             States.ResultWriterFailed
    │   ├── ExceedToleratedFailureThreshold
    │   ├── DataLimitExceeded              States.DataLimitExceeded
    │   └── StatesRuntime                  States.Runtime
    ├── ChildFailed                        what a child execution's processor failed with: any error name and cause
    │   └── ChildExecutionFailed           the same of one that is FAILED, never TIMED_OUT
    └── InvalidDefinition (ValueError)     a definition that cannot be: names the field
        └── UnsupportedField               a valid field that the chosen engine cannot honour
"""

from __future__ import annotations

from typing import ClassVar

TIMEOUT, HEARTBEAT = "States.Timeout", "States.HeartbeatTimeout"
"""Of children and tasks, which end with any error name; these two are asked for."""


class StatesError(Exception):
    """An error with AWS's two parts: a short ``error`` name and a ``cause`` for people.

    Source of the names: "Handling errors in Step Functions workflows" in the AWS Step Functions guide.
    """

    error: ClassVar[str] = "States.TaskFailed"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.error}: {self.cause}"


class ItemReaderFailed(StatesError):
    """The data set could not be read: missing, denied, malformed, changed while it was read."""

    error = "States.ItemReaderFailed"


class ResultWriterFailed(StatesError):
    """The results could not be written where the ResultWriter says."""

    error = "States.ResultWriterFailed"


class ExceedToleratedFailureThreshold(StatesError):
    """More items failed than ToleratedFailureCount or ToleratedFailurePercentage allow."""

    error = "States.ExceedToleratedFailureThreshold"
    # Recorded on AWS; it is the same text for every map, never the failing child's own error.
    CAUSE: ClassVar[str] = "The specified tolerated failure threshold was exceeded"

    def __init__(self, cause: str = CAUSE) -> None:
        super().__init__(cause)


class DataLimitExceeded(StatesError):
    """A payload is over AWS's 256 KiB."""

    error = "States.DataLimitExceeded"


class StatesRuntime(StatesError):
    """A value that a path refers to at run time cannot be used."""

    error = "States.Runtime"


class ChildFailed(Exception):
    """A processor's failure that already has AWS's two parts (a Lambda function's, say)."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class ChildExecutionFailed(ChildFailed):
    """A child execution that is FAILED even if its error is States.Timeout: one of its states took too long, not it."""


class ChildAborted(Exception):
    """A child execution that ended because its map run did, neither succeeded nor failed."""


class InvalidDefinition(ValueError):
    """A definition that cannot be. ``field`` is the field's path as AWS spells it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type[InvalidDefinition], tuple[str, str]]:
        return type(self), (self.field, self.problem)


class UnsupportedField(InvalidDefinition):
    """A field that is valid in the Amazon States Language and that the chosen engine cannot honour."""
