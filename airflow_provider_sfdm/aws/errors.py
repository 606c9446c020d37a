"""What a call of Step Functions fails with, in words that say what to do.

::

    ServiceError                    refused, or without an answer; names the call, the code and the message
    ├── Transient                   the same call may pass later
    │   ├── Throttled               too many calls
    │   └── Unreachable             no connection, no answer, or an error of the service's own
    ├── PermissionMissing           names the IAM action
    ├── CredentialsRefused          expired, wrong, or none at all
    ├── NotFound                    there is no such execution, state machine or Map Run
    ├── InvalidStateMachine         the service refuses the definition; has its diagnostics
    ├── ExecutionNameTaken          an execution of that name has ended, or has another input
    └── NotRedrivable               AWS says why
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

_THROTTLED = {
    "BandwidthLimitExceeded",
    "KmsThrottlingException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "KmsAccessDeniedException", "UnauthorizedOperation"}
_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
_UNREACHABLE = {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "RequestTimeout"}
# A server of its own kind (an emulator) that has no such call.
_UNKNOWN_CALL = {"InvalidAction", "UnknownOperationException"}
_NOT_FOUND = {"ExecutionDoesNotExist", "StateMachineDoesNotExist", "ResourceNotFound"}
_ACTION = re.compile(r"(?:not authorized to perform:?|perform) (?P<action>[a-z0-9-]+:[A-Za-z*]+)")


class ServiceError(Exception):
    """A call that failed. ``code`` and ``reason`` are the service's."""

    def __init__(self, operation: str, code: str, reason: str, hint: str = "") -> None:
        super().__init__(operation, code, reason, hint)
        self.operation = operation
        self.code = code
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.operation}: {self.code}: {self.reason.rstrip('. ')}"
        return f"{text}; {self.hint}" if self.hint else text


class Transient(ServiceError):
    """The same call may pass later."""


class Throttled(Transient):
    """There were too many calls."""


class Unreachable(Transient):
    """The service did not answer, or with an error of its own."""


class PermissionMissing(ServiceError):
    """The caller may not do this. ``action`` is the IAM action that is missing; None where it is the role's trust."""

    def __init__(self, operation: str, code: str, reason: str, hint: str = "") -> None:
        super().__init__(operation, code, reason, hint)
        self.action = missing_action(reason) or (None if hint else f"states:{operation}")
        if not hint:
            self.hint = f"the IAM action that is missing is {self.action}"


class CredentialsRefused(ServiceError):
    """The credentials have expired, are wrong, or there are none."""


class NotFound(ServiceError):
    """There is no such execution, state machine or Map Run."""


class ExecutionNameTaken(ServiceError):
    """An execution of that name has ended already, or runs with another input."""


class NotRedrivable(ServiceError):
    """The execution cannot be redriven; ``reason`` says why."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of the service about a definition; ``location`` is a JSON pointer into it."""

    severity: str
    code: str
    message: str
    location: str = ""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        return f"{where}{self.message} ({self.code})"


class InvalidStateMachine(ServiceError):
    """The service refuses a definition. ``diagnostics`` are its findings, errors and warnings."""

    def __init__(self, operation: str, code: str, reason: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(operation, code, reason)
        self.diagnostics = tuple(diagnostics)

    def __reduce__(self) -> tuple[type[InvalidStateMachine], tuple[str, str, str, tuple[Diagnostic, ...]]]:
        return type(self), (self.operation, self.code, self.reason, self.diagnostics)


def missing_action(message: str) -> str | None:
    """The IAM action that an "is not authorized to perform" message names."""
    match = _ACTION.search(message)
    return match["action"] if match else None


@contextmanager
def calling(operation: str) -> Iterator[None]:
    """Around one call of the service: what it fails with becomes a :class:`ServiceError`."""
    try:
        yield
    except ClientError as error:
        raise _refused(operation, error) from error
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        hint = "give the Airflow connection a key pair or a role, or the machine one"
        raise CredentialsRefused(operation, type(error).__name__, str(error), hint) from error
    except (ConnectionError, HTTPClientError) as error:
        raise Unreachable(operation, type(error).__name__, str(error)) from error
    except BotoCoreError as error:
        raise ServiceError(operation, type(error).__name__, str(error)) from error


def _refused(operation: str, error: ClientError) -> ServiceError:
    content = error.response.get("Error", {})
    code, reason = str(content.get("Code") or "Unknown"), str(content.get("Message") or error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED or status == 429:
        return Throttled(operation, code, reason)
    if code in _DENIED:
        return PermissionMissing(operation, code, reason, _role_hint(reason))
    if code in _CREDENTIALS:
        return CredentialsRefused(operation, code, reason, "renew the credentials of the Airflow connection")
    if code in _UNREACHABLE or status >= 500:
        return Unreachable(operation, code, reason)
    if code in _NOT_FOUND:
        return NotFound(operation, code, reason)
    if code == "InvalidDefinition":
        return InvalidStateMachine(operation, code, reason)
    if code == "ExecutionAlreadyExists":
        return ExecutionNameTaken(operation, code, reason)
    if code == "ExecutionNotRedrivable" or (operation == "RedriveExecution" and code in _UNKNOWN_CALL):
        return NotRedrivable(operation, code, reason)
    return ServiceError(operation, code, reason, _HINTS.get(code, ""))


def _role_hint(reason: str) -> str:
    """CreateStateMachine says so when it cannot assume the role; then no action of the caller is missing."""
    if missing_action(reason) is not None or "assume" not in reason:
        return ""
    return "role_arn must name a role that exists and that states.amazonaws.com may assume (its trust policy)"


_HINTS = {
    "StateMachineDeleting": "one of that name is being deleted: try again in a minute, or take another name",
    "StateMachineLimitExceeded": "the account has as many state machines as it may have",
    "ExecutionLimitExceeded": "the account has as many open executions as it may have",
    "ServiceQuotaExceededException": (
        "a state machine has at most 1,000 versions: delete old ones, and put what changes from run to run into the "
        "input (JsonPath), not into the definition"
    ),
}
