"""Writes one partition's result files: SUCCEEDED_n, FAILED_n and PENDING_n, as children end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator

from ..core.errors import ResultWriterFailed
from ..core.manifest import MAX_FILE_BYTES, ResultFile, result_key
from ..core.writer import OutputType
from ..storage.base import ObjectStore, ObjectWriter, StorageError

# Handing bytes on in blocks: a call a record would cost more than the record.
_BLOCK_BYTES = 256 * 1024
_FILES_OF_AN_ATTEMPT = 1000

RESUME = "RESUME"
"""Of the file that says, for failed children that are states, where a redrive goes on."""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise ResultWriterFailed(str(error)) from error


class StatusFiles:
    """The files of one status. Created with the first record; past 5 GB the next begins.

    File numbers are ``partition + k * partitions``, so that partitions never meet; those of another attempt begin
    beyond, so that two of one partition never do. Everything raises ResultWriterFailed when the destination refuses.
    """

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        status: str,
        output_type: OutputType,
        partition: int,
        partitions: int,
        attempt: int = 0,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self._store = store
        self._folder = folder
        self._status = status
        self._jsonl = output_type is OutputType.JSONL
        self._number = partition + attempt * _FILES_OF_AN_ATTEMPT * partitions
        self._step = partitions
        self._max_bytes = max_bytes
        self._writer: ObjectWriter | None = None
        self._key = ""
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._first = True
        self.files: list[ResultFile] = []
        self.on_block: Callable[[int], None] = lambda size: None
        """Called with the size of each block that was handed on."""

    def add(self, elements: Iterable[bytes]) -> None:
        """Append elements (compact JSON each)."""
        buffer = self._buffer
        for element in elements:
            if self._jsonl:
                buffer += (element, b"\n")
            else:
                buffer += (b"[" if self._first else b",", element)
            self._first = False
            self._buffered += len(element) + 1
        if self._buffered >= _BLOCK_BYTES:
            self._write_out()
            if self._writer is not None and self._writer.size >= self._max_bytes:
                self.close()
                self._number += self._step

    def _write_out(self) -> None:
        with _writing():
            if self._writer is None:
                self._key = f"{self._folder}/{result_key(self._status, self._number, self._jsonl)}"
                self._writer = self._store.create(self._key)
            self._writer.write(b"".join(self._buffer))
        self.on_block(self._buffered)
        self._buffer.clear()
        self._buffered = 0

    def close(self) -> None:
        """Finish the current file, if there is one."""
        if self._first:
            return
        if not self._jsonl:
            self._buffer.append(b"]")
        self._write_out()
        if self._writer is not None:
            with _writing():
                self._writer.close()
            self.files.append(ResultFile(self._key, self._writer.size))
        self._writer = None
        self._first = True

    def abort(self) -> None:
        """Drop the current file; nothing of it becomes visible."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    def discard(self) -> None:
        """Leave nothing behind, of the finished files either. What cannot be deleted is logged."""
        self.abort()
        for file in self.files:
            try:
                self._store.delete(file.key)
            except StorageError as error:
                log.warning("%s is in no manifest, and could not be deleted: %s", file.key, error)


class ResultFiles:
    """A partition's three kinds of result files; its user calls ``close``, or ``discard`` after an exception."""

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        output_type: OutputType,
        partition: int,
        partitions: int,
        attempt: int = 0,
        *,
        map_run: ObjectStore | None = None,
    ) -> None:
        """:param map_run: the map run's folder, for what is no result: where failed children would go on."""
        self._by_status = {
            status: StatusFiles(store, folder, status, output_type, partition, partitions, attempt)
            for status in ("SUCCEEDED", "FAILED", "PENDING")
        }
        if map_run is not None:
            jsonl = OutputType.JSONL
            self._by_status[RESUME] = StatusFiles(map_run, "resume", RESUME, jsonl, partition, partitions, attempt)

    def of(self, status: str) -> StatusFiles:
        """The files of one status."""
        return self._by_status[status]

    def files(self) -> dict[str, list[ResultFile]]:
        """What was written, by status; complete once closed."""
        return {status: found.files for status, found in self._by_status.items()}

    def on_block(self, callback: Callable[[int], None]) -> None:
        """Have ``callback`` called with the size of every block that was handed on."""
        for found in self._by_status.values():
            found.on_block = callback

    def close(self) -> None:
        for found in self._by_status.values():
            found.close()

    def discard(self) -> None:
        """Take back what was written: another attempt writes it, or has."""
        for found in self._by_status.values():
            found.discard()
