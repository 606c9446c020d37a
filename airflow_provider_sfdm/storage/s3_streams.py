"""Streams from and to S3: a download that survives broken connections, and a multipart upload."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from .base import StorageError
from .s3_errors import s3_errors, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIB = 1 << 20
# A single PUT up to here, and the size of the first parts beyond.
PART = 8 * MIB
# S3 takes 10,000 parts; they grow by PART after each thousand, which makes room for 430 GiB.
_PARTS_OF_ONE_SIZE = 1000
MOST_PARTS = 10_000
# What AWS's own ResultWriter gives its result files.
_CONTENT_TYPE = "binary/octet-stream"

# Attempts in a row that bring no byte before a download is given up, and the waits between them (seconds).
ATTEMPTS = 6
FIRST_WAIT = 0.25
# A connection that broke, as opposed to an answer of S3.
BROKEN = (
    IncompleteReadError,
    ResponseStreamingError,
    HTTPClientError,
    BotoConnectionError,
    HTTPError,
    OSError,
)


def backoff(attempt: int) -> None:
    """Wait before the attempt after ``attempt`` failed ones in a row."""
    time.sleep(FIRST_WAIT * 2 ** (attempt - 1))


class Download(io.RawIOBase):
    """The bytes of one object from ``start`` to ``stop``, going on where a broken connection left off.

    ``fetch(position)`` opens the same object (by ETag) at a position; ``body`` is what the first call gave.
    """

    def __init__(
        self,
        body: StreamingBody,
        start: int,
        stop: int,
        fetch: Callable[[int], StreamingBody],
        url: str,
        where: str,
    ) -> None:
        self._body: StreamingBody | None = body
        self._position = start
        self._stop = stop
        self._fetch = fetch
        self._url = url
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        attempts = 0
        while True:
            try:
                if self._body is None:
                    self._body = self._fetch(self._position)
                count = self._body.readinto(buffer)  # type: ignore[arg-type]  # the stubs say IO
                if not count and self._position < self._stop and len(memoryview(buffer)):
                    raise IncompleteReadError(actual_bytes=self._position, expected_bytes=self._stop)
            except BROKEN as error:
                self._drop()
                if self._position >= self._stop:
                    return 0
                attempts += 1
                if attempts == ATTEMPTS:
                    raise translated(error, self._url, self._where) from error
                backoff(attempts)
            except (BotoCoreError, ClientError) as error:
                # S3 refuses to go on, or a checksum does not match: what was read cannot be taken back.
                raise translated(error, self._url, self._where) from error
            else:
                self._position += count
                return count

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


class Upload:
    """A stream into one object: a single PUT when it is small, a multipart upload when it is not.

    ``place`` are the arguments Bucket, Key and ExpectedBucketOwner. Nothing is visible before ``close``
    returns; a process that is killed leaves at most an unfinished multipart upload, which no listing shows.
    """

    def __init__(self, client: S3Client, place: dict[str, Any], url: str, where: str) -> None:
        self._client = client
        self._place = place
        self._url = url
        self._where = where
        self._buffer = bytearray()
        self._size = 0
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._open = True

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes, /) -> None:
        if not self._open:
            raise ValueError("write to a closed stream")
        self._buffer += data
        self._size += len(data)
        # More than one part: an object of exactly one part is a single PUT.
        while len(self._buffer) > self._part_size():
            self._send_part(self._part_size())

    def close(self) -> None:
        if not self._open:
            return
        try:
            if self._upload_id is None:
                with s3_errors(self._url, self._where):
                    self._client.put_object(**self._place, Body=bytes(self._buffer), ContentType=_CONTENT_TYPE)
            else:
                self._send_part(len(self._buffer))
                with s3_errors(self._url, self._where):
                    self._client.complete_multipart_upload(
                        **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                    )
        except BaseException:
            self.abort()
            raise
        self._end()

    def abort(self) -> None:
        """Forget what was written. That this fails is no error: the object does not appear either way."""
        upload_id = self._upload_id
        if not self._open:
            return
        self._end()
        if upload_id is not None:
            try:
                with s3_errors(self._url, self._where):
                    self._client.abort_multipart_upload(**self._place, UploadId=upload_id)
            except StorageError:
                return  # the bucket's lifecycle rule removes unfinished uploads

    def _end(self) -> None:
        self._open = False
        self._buffer = bytearray()

    def _part_size(self) -> int:
        return PART * (1 + len(self._parts) // _PARTS_OF_ONE_SIZE)

    def _send_part(self, size: int) -> None:
        number = len(self._parts) + 1
        if number > MOST_PARTS:
            raise StorageError(self._url, f"{self._where} would need more than {MOST_PARTS} parts")
        with s3_errors(self._url, self._where):
            if self._upload_id is None:
                answer = self._client.create_multipart_upload(**self._place, ContentType=_CONTENT_TYPE)
                self._upload_id = answer["UploadId"]
            body = bytes(memoryview(self._buffer)[:size])
            part = self._client.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=body)
        self._parts.append({"ETag": part["ETag"], "PartNumber": number})
        del self._buffer[:size]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
