"""Where data is: any URL opened as an object store.

========================  ==============================================================================
``s3://bucket/key``       ``S3Store``, through boto3 (imported when the first such URL is opened)
(bucket mapped)           ``MappedBucket``: the folder or URL that ``Connections.buckets`` has for it
``file:///folder/name``   ``LocalStore``, plain files; an absolute path without a scheme means the same
any other                 ``FsspecStore``, through fsspec
========================  ==============================================================================

Each is within a ``RetryingStore``: what does not answer is asked again, for ``Connections.retry_seconds``.

URLs are taken as they are, as ``ObjectStoragePath`` and the AWS command line take them: a ``?`` or ``#`` is part of
a key, and nothing is percent-decoded but ``file://`` URLs, which is what ``Path.as_uri()`` makes.
``s3://connection@bucket/key`` names a connection. Credentials (``user:password@``) are refused: URLs are kept in plans
and manifests. A signed URL of the web is read; ``shown_url`` is how it may be shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .base import (
    AccessDenied,
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    ObjectStore,
    ObjectWriter,
    Pin,
    StorageError,
    StorageUnavailable,
)
from .local import LocalStore
from .mapped import MappedBucket
from .reasons import cause_to_show, holds_credentials, is_web, one_line, shown_url, without_secrets
from .retrying import RETRY_SECONDS, RetryingStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.config import Config
    from fsspec import AbstractFileSystem
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

__all__ = [
    "RETRY_SECONDS",
    "AccessDenied",
    "Connections",
    "ObjectChanged",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectStore",
    "ObjectWriter",
    "Pin",
    "StorageError",
    "StorageUnavailable",
    "open_folder",
    "open_listing",
    "open_object",
    "shown_url",
]

_S3 = ("s3", "s3a", "s3n")


def _boto3_client(connection: str | None) -> S3Client:
    """A client with boto3's own credentials; ``connection`` is the name of an AWS profile."""
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(profile_name=connection)
    # Few attempts: the store tries again, too, and a server that hangs takes a whole read timeout for each.
    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
    return session.client("s3", config=config)


def _boto3_lambda_client(config: Config) -> LambdaClient:
    """A client with boto3's own credentials and region."""
    import boto3

    return boto3.session.Session().client("lambda", config=config)


def _boto3_any_client(service: str, config: Config) -> Any:
    """A client of any service with boto3's own credentials and region."""
    import boto3

    # The stubs name every service that they know; ours is whatever a definition says.
    return boto3.session.Session().client(service, config=config)  # type: ignore[call-overload]


def _fsspec_filesystem(url: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(url)
    return filesystem, path


@dataclass(frozen=True)
class Connections:
    """How to reach services; each is called once per store that is opened (or per partition that runs).

    * ``s3_client(connection)`` makes an S3 client; ``connection`` is what stands before "@" in the URL, or
      None. By default plain boto3, where it is a profile.
    * ``lambda_client(config)`` makes a Lambda client, set up as ``config`` says; by default plain boto3.
    * ``client(service, config)`` makes a client of any service, for the Task states of children.
    * ``filesystem(url)`` makes an fsspec file system and the path in it, as ``fsspec.core.url_to_fs`` does,
      which is the default. In Airflow: ``path = ObjectStoragePath(url); return path.fs, path.path``.
    * ``buckets`` has the URLs of folders that stand for buckets: a definition that reads and writes S3 runs without
      it. ExpectedBucketOwner is not looked at there. Other buckets are on S3.
    * ``retry_seconds`` is how long a call is tried again that a store does not answer. 0: the clients alone do.
    """

    s3_client: Callable[[str | None], S3Client] = _boto3_client
    filesystem: Callable[[str], tuple[AbstractFileSystem, str]] = _fsspec_filesystem
    lambda_client: Callable[[Config], LambdaClient] = _boto3_lambda_client
    client: Callable[[str, Config], Any] = _boto3_any_client
    buckets: Mapping[str, str] = field(default_factory=dict)
    retry_seconds: float = RETRY_SECONDS


def open_object(
    url: str, connections: Connections | None = None, *, expected_bucket_owner: str | None = None
) -> tuple[ObjectStore, str]:
    """The store that holds an object, and the object's key in it. Nothing is looked up yet.

    On S3 the store is the bucket; elsewhere it is the folder. A file that is a symbolic link is replaced by
    what it leads to. Raises ``StorageError`` for a URL that names no object or that no store can open;
    ``expected_bucket_owner`` means something on S3 only and is refused elsewhere.
    """
    store, key = _object(url, connections, expected_bucket_owner)
    return _retrying(store, connections), key


def _object(url: str, connections: Connections | None, expected_bucket_owner: str | None) -> tuple[ObjectStore, str]:
    scheme, rest = _split(url, expected_bucket_owner)
    if url.endswith("/") and scheme not in _S3:
        raise StorageError(shown_url(url), "this names a folder, not an object")
    if scheme in _S3:
        connection, bucket, key = _s3_parts(url, rest)
        if not key:
            raise StorageError(url, "this names a bucket, not an object")
        return _s3_store(url, connection, bucket, "", connections, expected_bucket_owner), key
    if scheme == "file":
        path = _local_path(url, rest)
        if path.is_symlink():
            path = Path(os.path.realpath(path))
        return LocalStore(path.parent), path.name
    base, question, query = rest.partition("?") if is_web(url) else (rest, "", "")
    folder, _, name = base.rpartition("/")
    return _fsspec_store(f"{scheme}://{folder}", connections), name + question + query


def open_folder(
    url: str, connections: Connections | None = None, *, expected_bucket_owner: str | None = None
) -> ObjectStore:
    """The store of what is below a folder (on S3: below a bucket, or a prefix that ends at a "/")."""
    return _retrying(_folder(url, connections, expected_bucket_owner), connections)


def open_listing(
    url: str, connections: Connections | None = None, *, expected_bucket_owner: str | None = None
) -> tuple[ObjectStore, str]:
    """The store and the prefix with which to list what a URL stands for.

    On S3 the prefix is a string, as in list_objects_v2 (``s3://bucket/a`` lists "a/1" and "ab"), and keys are
    the bucket's; elsewhere the URL is a folder, and keys are relative to it.
    """
    scheme, rest = _split(url, expected_bucket_owner)
    if scheme in _S3:
        connection, bucket, prefix = _s3_parts(url, rest)
        store = _s3_store(url, connection, bucket, "", connections, expected_bucket_owner)
        return _retrying(store, connections), prefix
    return open_folder(url, connections), ""


def _retrying(store: ObjectStore, connections: Connections | None) -> RetryingStore:
    return RetryingStore(store, connections.retry_seconds if connections else RETRY_SECONDS)


def _folder(
    url: str, connections: Connections | None, expected_bucket_owner: str | None = None, name: str | None = None
) -> ObjectStore:
    """``name``: the URL that the folder goes by, if not its own. What is on S3 keeps its own."""
    scheme, rest = _split(url, expected_bucket_owner)
    if scheme in _S3:
        connection, bucket, prefix = _s3_parts(url, rest)
        return _s3_store(url, connection, bucket, prefix, connections, expected_bucket_owner)
    if scheme == "file":
        return LocalStore(_local_path(url, rest), name)
    return _fsspec_store(url, connections, name)


def _split(url: str, expected_bucket_owner: str | None) -> tuple[str, str]:
    if holds_credentials(url):
        raise StorageError(
            shown_url(url),
            "credentials do not belong in a URL, as plans, logs and manifests show it: put them into an Airflow "
            "connection (outside Airflow: an AWS profile, or what the service's own library reads) and write its "
            "name before the @",
        )
    if url.startswith("/"):
        url = f"file://{url.replace('%', '%25')}"
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme:
        raise StorageError(without_secrets(url), "not a URL such as s3://bucket/key or file:///folder/name")
    if scheme not in (*_S3, "file") and "::" in url:
        raise StorageError(without_secrets(url), 'chained URLs ("::") are not supported')
    if expected_bucket_owner is not None and scheme not in _S3:
        raise StorageError(shown_url(url), "ExpectedBucketOwner is for S3 only")
    return scheme, rest


def _s3_parts(url: str, rest: str) -> tuple[str | None, str, str]:
    authority, _, key = rest.partition("/")
    connection, _, bucket = authority.rpartition("@")
    if not bucket:
        raise StorageError(url, "the URL names no bucket")
    return connection or None, bucket, key


def _local_path(url: str, rest: str) -> Path:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise StorageError(url, "a file's URL must be absolute, with three slashes: file:///folder/name")
    path = unquote(path)
    if "\0" in path:
        raise StorageError(url, "a path must not contain NUL")
    return Path("/" + path.strip("/"))


def _s3_store(
    url: str,
    connection: str | None,
    bucket: str,
    prefix: str,
    connections: Connections | None,
    expected_bucket_owner: str | None,
) -> ObjectStore:
    connections = connections or Connections()
    if bucket in connections.buckets:
        # What stands for a bucket is taken as it is: were it looked up in turn, two could stand for each other.
        name = f"s3://{connection}@{bucket}" if connection else f"s3://{bucket}"
        inside = _folder(connections.buckets[bucket], replace(connections, buckets={}), name=name)
        return MappedBucket(inside, name, prefix)
    with _opening(url):
        from .s3 import S3Store

        client = connections.s3_client(connection)
    return S3Store(client, bucket, prefix, expected_bucket_owner=expected_bucket_owner, connection=connection)


def _fsspec_store(url: str, connections: Connections | None, name: str | None = None) -> ObjectStore:
    with _opening(url):
        from .fsspec import FsspecStore

        filesystem, path = (connections or Connections()).filesystem(url)
        return FsspecStore(filesystem, path, name or url)


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """What makes clients is the caller's and may raise anything (no such connection, a missing package)."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        reason = f"it cannot be opened: {type(error).__name__}: {one_line(error)}"
        raise StorageError(shown_url(url), reason) from cause_to_show(error)
