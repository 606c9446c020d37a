"""Objects in an S3 bucket, through boto3: ``s3://``."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import ClientError

from .base import ObjectChanged, ObjectInfo, Pin, StorageError
from .ranges import range_file
from .s3_errors import DENIED, NAMELESS, code_of, refuse_other, s3_errors
from .s3_streams import MIB, Download, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ObjectTypeDef

# What marks who wrote an object with put_if_absent.
_WRITER = "sfdm-writer"


class S3Store:
    """The objects of one bucket, or those below one prefix of it.

    * ``prefix`` is a folder: keys are relative to it ("" is the whole bucket).
    * ``expected_bucket_owner``, an account id, goes along with every call: S3 answers 403 for a bucket of
      another account, which is ``AccessDenied``.
    * ``connection`` is the part before "@" of ``s3://connection@bucket``; it is kept in the URLs of this
      store, so that they open again with the same credentials.
    * A pin is the ETag, and the VersionId where there is one. Downloads ask for that ETag.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        prefix: str = "",
        *,
        expected_bucket_owner: str | None = None,
        connection: str | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._client = client
        self._owner: dict[str, Any] = {"ExpectedBucketOwner": expected_bucket_owner} if expected_bucket_owner else {}
        self._authority = f"{connection}@{bucket}" if connection else bucket

    def __repr__(self) -> str:
        return f"S3Store({self.root!r})"

    @property
    def root(self) -> str:
        return f"s3://{self._authority}/{self.prefix}"[:-1]

    def url(self, key: str) -> str:
        return f"s3://{self._authority}/{self.prefix}{key}"

    def shown(self, key: str) -> str:
        return self.url(key)

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        version: dict[str, Any] = {"VersionId": version_id} if version_id is not None else {}
        place = self._place(key)
        with self._errors(key):
            try:
                answer = self._client.head_object(**place, **version)
            except ClientError as error:
                if code_of(error) in NAMELESS:
                    self._ask_why(place | version)
                raise
        # S3 says "null" for what was written without versioning; it may be replaced, so the ETag counts.
        found = answer.get("VersionId")
        return Pin(
            size=answer["ContentLength"],
            version_id=version_id or (found if found != "null" else None),
            etag=answer["ETag"],
        )

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        with self._errors(key):
            try:
                answer = self._get(key, pin, start)
            except ClientError as error:
                if code_of(error) not in ("InvalidRange", "416"):
                    raise
                self._check_end(key, pin)
                return io.BytesIO()
        raw = Download(answer["Body"], answer["ContentLength"], self.url(key), self._where(key))
        return io.BufferedReader(raw, MIB)

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        pinned = pin or self.pin(key)

        def fetch(start: int, stop: int) -> bytes:
            return self._range(key, pinned, start, stop)

        return range_file(pinned.size, fetch)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        """As the protocol says. The marker object ``prefix/`` of this store's own folder has no key in it."""
        cut = len(self.prefix)
        start: Any = {"StartAfter": self.prefix + after} if after else {}
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self.prefix + prefix,
                **start,
                **self._owner,
            )
        )
        while True:
            with self._errors(prefix):
                page = next(pages, None)
            if page is None:
                return
            infos = [_info(found, cut) for found in page.get("Contents", ()) if len(found["Key"]) > cut]
            if infos:
                yield infos

    def read(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def put(self, key: str, data: bytes) -> None:
        place = self._place(key)
        with self._errors(key):
            self._client.put_object(**place, Body=data, ContentType="application/octet-stream")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As the protocol says, by ``If-None-Match: *``."""
        place = self._place(key)
        writer = uuid.uuid4().hex
        with self._errors(key):
            try:
                self._client.put_object(
                    **place,
                    Body=data,
                    IfNoneMatch="*",
                    ContentType="application/octet-stream",
                    Metadata={_WRITER: writer},
                )
            except ClientError as error:
                if code_of(error) not in ("PreconditionFailed", "412"):
                    raise
                return self._was_written_by(place, writer, error)
        return True

    def delete(self, key: str) -> None:
        place = self._place(key)
        with self._errors(key):
            self._client.delete_object(**place)

    def create(self, key: str) -> Upload:
        return Upload(self._client, self._place(key), self.url(key), self._where(key))

    def _place(self, key: str) -> dict[str, Any]:
        if not key:
            raise StorageError(self.url(key), "a key must not be empty")
        return {"Bucket": self.bucket, "Key": self.prefix + key, **self._owner}

    def _where(self, key: str) -> str:
        return f"bucket {self.bucket!r}, key {self.prefix + key!r}"

    def _errors(self, key: str) -> AbstractContextManager[None]:
        return s3_errors(self.url(key), self._where(key))

    def _get(self, key: str, pin: Pin | None, start: int, stop: int | None = None) -> GetObjectOutputTypeDef:
        """GET from ``start`` (to before ``stop``); another object than the pinned one is ``ObjectChanged``."""
        answer = self._get_object(self._place(key), pin, start, stop)
        try:
            refuse_other(answer["ETag"], pin.etag if pin else None, self.url(key), self._where(key))
        except ObjectChanged:
            answer["Body"].close()
            raise
        return answer

    def _get_object(
        self, place: dict[str, Any], pin: Pin | None, start: int, stop: int | None
    ) -> GetObjectOutputTypeDef:
        arguments = dict(place)
        if stop is not None:
            arguments["Range"] = f"bytes={start}-{stop - 1}"
        elif start:
            arguments["Range"] = f"bytes={start}-"
        if pin is not None and pin.etag is not None:
            arguments["IfMatch"] = pin.etag
        if pin is None or pin.version_id is None:
            return self._client.get_object(**arguments)
        try:
            return self._client.get_object(**arguments, VersionId=pin.version_id)
        except ClientError as denied:
            if code_of(denied) not in DENIED or pin.etag is None:
                raise
            # Reading by version takes a permission of its own (s3:GetObjectVersion). While the version is
            # still the current one, its ETag does as well.
            try:
                return self._client.get_object(**arguments)
            except ClientError:
                raise denied from None

    def _range(self, key: str, pin: Pin, start: int, stop: int) -> bytes:
        with self._errors(key):
            data = self._get(key, pin, start, stop)["Body"].read()
        if len(data) != stop - start:
            raise ObjectChanged(self.url(key), f"{self._where(key)} is shorter than when it was looked at")
        return data

    def _ask_why(self, place: dict[str, Any]) -> None:
        """Raise what S3 answers to a GET of one byte: unlike that of a HEAD, this answer names its reason."""
        try:
            answer = self._client.get_object(**place, Range="bytes=0-0")
        except ClientError as error:
            # An empty object has no first byte: then this answer says less than that of the HEAD.
            if code_of(error) not in ("InvalidRange", "416"):
                raise
        else:
            answer["Body"].close()

    def _check_end(self, key: str, pin: Pin | None) -> None:
        """An object was opened at or after its end: nothing to read, if it is still the same object."""
        now = self.pin(key, pin.version_id if pin else None)
        refuse_other(now.etag, pin.etag if pin else None, self.url(key), self._where(key))

    def _was_written_by(self, place: dict[str, Any], writer: str, error: ClientError) -> bool:
        """Whether the object that is there is ours: S3 may have stored it and its answer got lost, so that the
        client's repeated request finds it."""
        if not error.response.get("ResponseMetadata", {}).get("RetryAttempts"):
            return False
        return self._client.head_object(**place)["Metadata"].get(_WRITER) == writer


def _info(found: ObjectTypeDef, cut: int) -> ObjectInfo:
    return ObjectInfo(
        found["Key"][cut:],
        found["Size"],
        found.get("ETag"),
        found["LastModified"].timestamp(),
        found.get("StorageClass"),
    )
