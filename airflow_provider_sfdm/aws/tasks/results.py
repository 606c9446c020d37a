"""From what boto3 returns to a task's result: JSON in Step Functions' spelling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from ...core.limits import MAX_PAYLOAD_BYTES
from ...states.seam import TaskFailed
from .spelling import Spelling

# Headers come in lower case from botocore. These are spelled otherwise by the services, as recorded.
_HEADERS = {
    name.lower(): name
    for name in (
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Date",
        "Server",
        "X-Amz-Executed-Version",
        "X-Amz-Function-Error",
        "X-Amz-Log-Result",
        "X-Amzn-Trace-Id",
        "x-amzn-Remapped-Content-Length",
        "x-amzn-RequestId",
    )
}


class Results:
    """Writes results of one resource.

    :param resource: for the message about a result that is too large.
    :param empty_lists: whether a list that the service has not sent is shown as an empty one.
    """

    def __init__(self, spelling: Spelling, resource: str, *, empty_lists: bool = False) -> None:
        self._spelling = spelling
        self._resource = resource
        self._empty_lists = empty_lists

    def write(self, answer: Mapping[str, Any], shape: StructureShape | None) -> dict[str, Any]:
        """The members that an answer has; what botocore adds (ResponseMetadata) is no member."""
        return {} if shape is None else self._structure(answer, shape)

    def _structure(self, value: Mapping[str, Any], shape: StructureShape) -> dict[str, Any]:
        written = {}
        for name, member in shape.members.items():
            given = value.get(name)
            if given is None and self._empty_lists and isinstance(member, ListShape):
                given = []
            if given is not None:
                written[self._spelling.member(name, shape.name)] = self._value(given, member)
        return written

    def _value(self, value: Any, shape: Shape) -> Any:
        if value is None or getattr(shape, "is_document_type", False):
            return value
        if isinstance(shape, StructureShape):
            return self._structure(value, shape)
        if isinstance(shape, ListShape):
            return [self._value(item, shape.member) for item in value]
        if isinstance(shape, MapShape):
            return {key: self._value(item, shape.value) for key, item in value.items()}
        if hasattr(value, "read"):
            return self.body(value).decode(errors="replace")
        if isinstance(value, bytes | bytearray):
            return self._spelling.encode(bytes(value))
        if isinstance(value, datetime):
            return self._spelling.timestamp(value)
        if shape.serialization.get("jsonvalue") and not isinstance(value, str):
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return value

    def body(self, stream: Any) -> bytes:
        """A streaming body, unless it is larger than a result may be."""
        try:
            # A result has no more: a body may have gigabytes.
            data: bytes = stream.read(MAX_PAYLOAD_BYTES + 1)
        finally:
            stream.close()
        if len(data) > MAX_PAYLOAD_BYTES:
            raise self.too_large()
        return data

    def too_large(self) -> TaskFailed:
        return TaskFailed(
            "States.DataLimitExceeded",
            f"The state/task '{self._resource}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )


def sdk_metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What SDK version 1 shows of the HTTP answer, in the result of every optimized integration."""
    metadata = answer.get("ResponseMetadata", {})
    headers = {_HEADERS.get(name, name): value for name, value in metadata.get("HTTPHeaders", {}).items()}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": metadata.get("HTTPStatusCode"),
        },
        "SdkResponseMetadata": {"RequestId": metadata.get("RequestId")},
    }
