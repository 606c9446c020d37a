"""Streams from and to S3: a download that notices what breaks off, and a multipart upload."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError, IncompleteReadError

from .base import StorageError, StorageUnavailable
from .s3_errors import code_of, s3_errors

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


class Download(io.RawIOBase):
    """The bytes of one object, of which ``size`` are to come."""

    def __init__(self, body: StreamingBody, size: int, url: str, where: str) -> None:
        self._body = body
        self._left = size
        self._url = url
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._left:
            return 0  # what breaks now has brought all of it
        with s3_errors(self._url, self._where):
            count = self._body.readinto(buffer)  # type: ignore[arg-type]  # the stubs say IO
            if not count and len(memoryview(buffer)):
                raise IncompleteReadError(actual_bytes=0, expected_bytes=self._left)
        self._left -= count
        return count

    def close(self) -> None:
        self._body.close()
        super().close()


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
                if self._buffer:
                    self._send_part(len(self._buffer))
                with s3_errors(self._url, self._where):
                    self._complete(self._upload_id)
        except StorageUnavailable:
            raise  # what has not been sent is here still
        except BaseException:
            self.abort()
            raise
        self._end()

    def _complete(self, upload_id: str) -> None:
        try:
            self._client.complete_multipart_upload(
                **self._place, UploadId=upload_id, MultipartUpload={"Parts": self._parts}
            )
        except ClientError as error:
            # It may have been completed already, and the answer got lost: then there is no such upload any more.
            if code_of(error) != "NoSuchUpload" or not self._is_there():
                raise

    def _is_there(self) -> bool:
        """Whether the key has an object of so many bytes in so many parts."""
        try:
            found = self._client.head_object(**self._place)
        except ClientError:
            return False
        return found["ContentLength"] == self._size and found["ETag"].endswith(f'-{len(self._parts)}"')

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
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()
