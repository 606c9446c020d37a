"""A bucket that is somewhere else on this run: a folder in place of S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from .base import ObjectInfo, ObjectStore, ObjectWriter, Pin


class MappedBucket:
    """The objects of a bucket, or below one prefix of it, that another store keeps.

    * ``inside`` holds the whole bucket: a bucket's key is its key, so what it refuses (a ``LocalStore``: "..", empty
      parts, links that lead out) is refused here.
    * URLs are the bucket's, ``name`` (``s3://bucket``) and the key, so that plans, items' sources and manifests are
      those of AWS. Errors are those of ``inside``, so it should go by the same name.
    """

    def __init__(self, inside: ObjectStore, name: str, prefix: str = "") -> None:
        self._inside = inside
        self._name = name
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""

    def __repr__(self) -> str:
        return f"MappedBucket({self.root!r}, {self._inside!r})"

    @property
    def root(self) -> str:
        return self.url("")[:-1]

    def url(self, key: str) -> str:
        return f"{self._name}/{self._prefix}{key}"

    def shown(self, key: str) -> str:
        return self.url(key)

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        return self._inside.pin(self._prefix + key, version_id)

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        return self._inside.open(self._prefix + key, pin, start)

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        return self._inside.open_seekable(self._prefix + key, pin)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        cut = len(self._prefix)
        for page in self._inside.list(self._prefix + prefix, self._prefix + after if after else ""):
            yield [replace(info, key=info.key[cut:]) for info in page] if cut else page

    def read(self, key: str) -> bytes:
        return self._inside.read(self._prefix + key)

    def put(self, key: str, data: bytes) -> None:
        self._inside.put(self._prefix + key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._inside.put_if_absent(self._prefix + key, data)

    def delete(self, key: str) -> None:
        self._inside.delete(self._prefix + key)

    def create(self, key: str) -> ObjectWriter:
        return self._inside.create(self._prefix + key)
