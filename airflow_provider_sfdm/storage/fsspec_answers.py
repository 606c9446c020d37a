"""What fsspec's file systems answer, each in its own spelling: facts about a file, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from .base import AccessDenied, ObjectNotFound, StorageError, StorageUnavailable
from .files import PASSING
from .reasons import CANNOT_BE_WRITTEN, cause_to_show, one_line

# The names file systems give to what identifies a content, and to its time; the first one found counts.
_IDENTITY = ("ETag", "etag", "e_tag", "generation", "md5Hash", "content_md5", "checksum")
_TIME = ("LastModified", "last_modified", "mtime", "modified", "updated", "time_modified", "created")

_BY_STATUS: dict[str | None, type[StorageError]] = {
    "401": AccessDenied,
    "403": AccessDenied,
    "404": ObjectNotFound,
    **dict.fromkeys(("408", "429", "500", "502", "503", "504"), StorageUnavailable),
}
# What client libraries raise for a connection that is not made, or that breaks: aiohttp, requests, Azure's, Google's.
_BROKEN = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "ChunkedEncodingError",
    "ServiceRequestError",
    "ServiceResponseError",
    "TransportError",
    "Timeout",
    "TimeoutError",
}


@contextmanager
def fsspec_errors(url: str, *, writing: bool = False) -> Iterator[None]:
    """Raise a ``StorageError`` about ``url`` (as it may be shown) for any exception: file systems raise their
    libraries' own."""
    prefix = CANNOT_BE_WRITTEN if writing else ""
    try:
        yield
    except StorageError:
        raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ObjectNotFound(url, f"{prefix}no such object") from cause_to_show(error)
    except PermissionError as error:
        raise AccessDenied(url, prefix + one_line(error)) from cause_to_show(error)
    except Exception as error:
        kind = _BY_STATUS.get(_status(error)) or (StorageUnavailable if _is_broken(error) else StorageError)
        raise kind(url, f"{prefix}{type(error).__name__}: {one_line(error)}") from cause_to_show(error)


def _is_broken(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in PASSING:
        return True
    return any(kind.__name__ in _BROKEN for kind in type(error).__mro__)


def _status(error: Exception) -> str | None:
    """The HTTP status of a client library's error, by the names that Google's, Azure's and aiohttp's give it."""
    values = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return next((str(value) for value in values if value is not None), None)


def identity(info: dict[str, Any]) -> str | None:
    """What identifies a content, if the file system says anything of the kind."""
    return next((str(info[name]) for name in _IDENTITY if info.get(name)), None)


def same_etag(one: str, other: str | None) -> bool:
    """Whether two ETags are the same; Azure's listings leave out the quotes that its other answers have."""
    return other is not None and one.strip('"') == other.strip('"')


def modified(info: dict[str, Any]) -> float | None:
    """Epoch seconds, from any of the spellings of file systems."""
    for name in _TIME:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def nanoseconds(seconds: float | None) -> int | None:
    """The same in whole microseconds, for a pin."""
    # A float of today's seconds is exact to the microsecond.
    return None if seconds is None else round(seconds * 1_000_000) * 1000
