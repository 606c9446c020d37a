"""manifest.json: the list of a map run's result files, in AWS's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import StatesRuntime
from .json import dumps, loads

STATUSES = ("FAILED", "PENDING", "SUCCEEDED")
# AWS starts a new result file past 5 GB.
MAX_FILE_BYTES = 5 * 1000**3


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One result file: its key in the destination and its size in bytes."""

    key: str
    size: int

    def to_dict(self) -> dict[str, Any]:
        return {"Key": self.key, "Size": self.size}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a map run's results are. ``files`` maps FAILED, PENDING and SUCCEEDED to their files."""

    destination_bucket: str
    map_run_arn: str
    files: Mapping[str, tuple[ResultFile, ...]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The bytes of manifest.json; statuses without records have an empty list."""
        files = {status: [file.to_dict() for file in self.files.get(status, ())] for status in STATUSES}
        return dumps(
            {
                "DestinationBucket": self.destination_bucket,
                "MapRunArn": self.map_run_arn,
                "ResultFiles": files,
            }
        )

    @classmethod
    def from_json(cls, data: bytes, source: str) -> Manifest:
        """Read a manifest, ours or AWS's.

        :raises StatesRuntime: it is not a manifest; names ``source`` and what is missing.
        """
        try:
            content = loads(data)
            files = {
                status: tuple(ResultFile(str(f["Key"]), int(f["Size"])) for f in content["ResultFiles"].get(status, ()))
                for status in STATUSES
            }
            return cls(str(content["DestinationBucket"]), str(content["MapRunArn"]), files)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StatesRuntime(f"{source} is not the manifest of a map run: {error!r}") from error


def result_key(status: str, number: int, jsonl: bool) -> str:
    """The name of a result file: ``SUCCEEDED_0.json``, ``FAILED_3.jsonl``."""
    return f"{status}_{number}.{'jsonl' if jsonl else 'json'}"
