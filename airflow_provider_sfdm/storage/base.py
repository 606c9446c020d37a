"""The object-store seam: the few calls that the engine makes on whatever keeps its data.

A store is rooted somewhere (a bucket, a folder); keys are ``/``-separated and relative to that root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self


class StorageError(Exception):
    """A call to a store failed. ``url`` is the object, ``reason`` one line for a person (no secrets)."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[type[StorageError], tuple[str, str]]:
        return type(self), (self.url, self.reason)


class ObjectNotFound(StorageError):
    """No such object, bucket or folder."""


class AccessDenied(StorageError):
    """The store refused: permissions, wrong owner, or no credentials."""


class ObjectChanged(StorageError):
    """The object is no longer the one that was pinned."""


class StorageUnavailable(StorageError):
    """The store did not answer, or not now: the same call may get through later."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What makes an object the same object later: its version, or ETag, or (files) size and time."""

    size: int
    version_id: str | None = None
    etag: str | None = None
    modified_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One listed object. ``etag`` keeps its quotes, ``last_modified`` is in epoch seconds, as on S3."""

    key: str
    size: int
    etag: str | None
    last_modified: float
    storage_class: str | None = None


class ObjectWriter(Protocol):
    """A stream into one new object, which appears whole when ``close`` returns, or not at all.

    As a context manager: closes on success, aborts when the block raises.

    After ``StorageUnavailable`` nothing is lost: ``write(b"")``, or ``close()``, takes the same step again. After any
    other error the object is.
    """

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(Protocol):
    """Objects below one root. Every method raises a ``StorageError`` (never a client library's own error)."""

    @property
    def root(self) -> str:
        """The root's URL, without a trailing slash: ``s3://bucket`` or ``file:///folder``."""

    def url(self, key: str) -> str:
        """The URL of an object, which opens it again. It may hold a signature: never show it."""

    def shown(self, key: str) -> str:
        """The URL of an object without secrets: for messages, logs, labels and manifests."""

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        """Look an object up (HEAD)."""

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        """Stream an object from byte ``start`` to its end.

        With a pin, other content than the pinned raises ``ObjectChanged``, at once or at the first read.
        """

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        """Open for random access (Parquet): reads only the ranges that are asked for."""

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        """All objects whose key begins with ``prefix`` (a string prefix), in key order, page by page; only those whose
        key comes ``after`` that one.
        """

    def read(self, key: str) -> bytes:
        """A small object, whole."""

    def put(self, key: str, data: bytes) -> None:
        """Write a small object at once, replacing what was there."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write a small object unless the key exists already; tells whether it was written. Atomic.

        An answer may be lost, and the call made again: then what exists is its own, although it says no. To whom that
        matters, looks at the content.
        """

    def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is no error."""

    def create(self, key: str) -> ObjectWriter:
        """Open a stream into a new object, replacing what was there when it is closed."""
