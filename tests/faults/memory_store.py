"""An object store in memory, as S3 is: atomic, and what was written is there at once."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from airflow_provider_sfdm.storage.base import ObjectChanged, ObjectInfo, ObjectNotFound, Pin


class Stored(NamedTuple):
    """One object."""

    data: bytes
    etag: str


class Memory:
    """All objects, by URL; many stores are folders of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, Stored] = {}
        self._versions = itertools.count()

    def store(self, url: str, data: bytes) -> None:
        self.objects[url] = Stored(data, f'"{next(self._versions)}"')


class MemoryStore:
    def __init__(self, memory: Memory, root: str) -> None:
        self._memory = memory
        self._root = root

    @property
    def root(self) -> str:
        return self._root

    def url(self, key: str) -> str:
        return f"{self._root}/{key}"

    def shown(self, key: str) -> str:
        return self.url(key)

    def _find(self, key: str, pin: Pin | None = None) -> Stored:
        found = self._memory.objects.get(self.url(key))
        if found is None:
            raise ObjectNotFound(self.url(key), "no such object")
        if pin is not None and pin.etag not in (None, found.etag):
            raise ObjectChanged(self.url(key), "it changed")
        return found

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        found = self._find(key)
        return Pin(len(found.data), etag=found.etag)

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        return io.BytesIO(self._find(key, pin).data[start:])

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        return self.open(key, pin)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        cut = len(self.url(""))
        with self._memory.lock:
            urls = sorted(url for url in self._memory.objects if url.startswith(self.url(prefix)))
            found = [(url[cut:], self._memory.objects[url]) for url in urls if url[cut:] > after]
        for first in range(0, len(found), 3):
            yield [ObjectInfo(key, len(one.data), one.etag, 0.0) for key, one in found[first : first + 3]]

    def read(self, key: str) -> bytes:
        return self._find(key).data

    def put(self, key: str, data: bytes) -> None:
        with self._memory.lock:
            self._memory.store(self.url(key), data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._memory.lock:
            if self.url(key) in self._memory.objects:
                return False
            self._memory.store(self.url(key), data)
            return True

    def delete(self, key: str) -> None:
        with self._memory.lock:
            self._memory.objects.pop(self.url(key), None)

    def create(self, key: str) -> MemoryWriter:
        return MemoryWriter(self, key)


class MemoryWriter:
    def __init__(self, store: MemoryStore, key: str) -> None:
        self._store = store
        self._key = key
        self._data = bytearray()
        self._open = True

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, data: bytes, /) -> None:
        assert self._open
        self._data += data

    def close(self) -> None:
        if self._open:
            self._store.put(self._key, bytes(self._data))
        self._open = False

    def abort(self) -> None:
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
