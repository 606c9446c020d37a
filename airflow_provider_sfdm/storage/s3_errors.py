"""What S3 and botocore raise, in the words of the storage seam."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from .base import AccessDenied, ObjectChanged, ObjectNotFound, StorageError, StorageUnavailable
from .reasons import one_line

# HEAD has no body, so that botocore names its errors by their status. 400 is a token that has expired, among others.
NAMELESS = {"400", "403", "404"}
_NOT_FOUND = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound", "404"}
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "NotSignedUp",
    "SignatureDoesNotMatch",
    "401",
    "403",
}
_CHANGED = {"PreconditionFailed", "412"}
# S3 asks to try again: it is busy, or failed, or another write of the key is under way, or the request came in parts.
_PASSING = {
    "ConditionalRequestConflict",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "409",
    "429",
}
_PASSING_STATUSES = {429, 500, 502, 503, 504}
# A connection that broke, or was not made, as opposed to an answer of S3.
_BROKEN = (
    IncompleteReadError,
    ResponseStreamingError,
    HTTPClientError,
    BotoConnectionError,
    HTTPError,
    OSError,
)
_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)


@contextmanager
def s3_errors(url: str, where: str) -> Iterator[None]:
    """Raise a ``StorageError`` about ``url`` for what a call raises; ``where`` names bucket and key."""
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError, OSError) as error:
        raise translated(error, url, where) from error


def code_of(error: BaseException) -> str:
    """AWS's error code, or "" for what is not an answer of AWS."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _status_of(error: ClientError) -> int | None:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")


def translated(error: BaseException, url: str, where: str) -> StorageError:
    """The error to raise instead. Its reason holds AWS's code and message."""
    kind: type[StorageError] = StorageError
    if isinstance(error, ClientError):
        code = code_of(error)
        message = error.response.get("Error", {}).get("Message", "")
        operation = error.operation_name
        if code in _NOT_FOUND:
            kind = ObjectNotFound
        elif code in DENIED:
            kind = AccessDenied
        elif code in _CHANGED:
            kind = ObjectChanged
            message = f"the object changed since it was first looked at ({message})"
        elif code in _PASSING or _status_of(error) in _PASSING_STATUSES:
            kind = StorageUnavailable
        elif code == "InvalidObjectState":
            message = f"{message} (it must be restored from the archive first)"
        reason = f"{operation} of {where}: {code}: {one_line(ValueError(message))}"
    else:
        if isinstance(error, _NO_CREDENTIALS):
            kind = AccessDenied
        elif isinstance(error, _BROKEN):
            kind = StorageUnavailable
        reason = f"{where}: {type(error).__name__}: {one_line(error)}"
    return kind(url, reason)


def refuse_other(etag: str | None, pinned: str | None, url: str, where: str) -> None:
    """Raise ``ObjectChanged`` when an answer is about another object than the pinned one.

    S3 refuses by itself (If-Match); some services with S3's interface ignore that header.
    """
    if pinned is not None and etag != pinned:
        raise ObjectChanged(url, f"{where} changed since it was first looked at: ETag {pinned}, now {etag}")
