"""How states and executions fail.

What the interpreter itself finds wrong is a :class:`~..core.errors.StatesError`; the state it happened in adds to the
cause where that was. What a service or a Fail state says is a :class:`StateFailed` and is passed on word for word.
"""

from __future__ import annotations

from ..core.errors import StatesError, StatesRuntime


class StateFailed(Exception):
    """A state failed; the nearest Retry or Catch may answer it, else the execution fails with it.

    :param error: the error's name, None where a Fail state names none.
    :param cause: the text for people, None where there is none.
    """

    def __init__(self, error: str | None, cause: str | None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.error or 'no error'}: {self.cause or ''}"

    def output(self) -> dict[str, str]:
        """The error output that a Catch hands on; what is missing is empty text there, as on AWS."""
        return {"Error": self.error or "", "Cause": self.cause or ""}


class ExecutionTimedOut(Exception):
    """The execution ran longer than its TimeoutSeconds. No Retry or Catch answers that."""


class QueryEvaluationError(StatesError):
    """A JSONata expression failed, returned nothing, or returned what its field cannot take."""

    error = "States.QueryEvaluationError"


class ReferencePathConflict(StatesError):
    """ItemsPath leads nowhere."""

    error = "States.ReferencePathConflict"


class ResultPathMatchFailure(StatesError):
    """ResultPath cannot be applied to the state's input."""

    error = "States.ResultPathMatchFailure"


class NotInvokable(StatesError):
    """A task that needs a service which was not given to the interpreter."""

    error = StatesRuntime.error
