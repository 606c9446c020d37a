"""Any other URL, through fsspec: ``gs://``, ``abfs://``, ``memory://``, ``sftp://``, …"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from .base import ObjectChanged, ObjectInfo, ObjectNotFound, Pin, StorageError, StorageUnavailable
from .files import TEMPORARY, file_errors
from .fsspec_answers import fsspec_errors, identity, modified, nanoseconds, same_etag
from .ranges import range_file
from .reasons import shown_url
from .tree import Node, in_key_order, pages

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# These show an object when its upload is complete. Elsewhere it is written under another name and renamed.
_OBJECT_STORES = {"gs", "gcs", "s3", "s3a", "abfs", "abfss", "az", "adl", "oss", "oci", "r2", "memory"}
# A stream reads blocks of this size; what is written is kept in memory up to it.
_BLOCK = 4 << 20

# fsspec's memory file system looks and writes in two steps.
_CREATING = threading.Lock()

Nodes = list[Node[dict[str, Any]]]


class FsspecStore:
    """The files below ``path`` of an fsspec file system; ``url`` is the URL that this folder goes by.

    * Uses nothing but fsspec's ``AbstractFileSystem``, and its answers about ranges (``cat_file``).
    * A pin is the ETag or what the file system has in its place, the modification time, and the size. Where
      it has neither of the first two, only a changed size is noticed. It is compared after each block read.
    * What is written is kept on the local disk and uploaded at ``close``. It appears at once on object stores
      (Google, Azure, S3 and relatives) and in memory; elsewhere by a rename, as far as that file system's
      rename replaces a file at once (SFTP, HDFS).
    * ``put_if_absent`` is atomic on Google Cloud Storage, Azure and S3, where the file systems pass the
      condition on, and in memory. Elsewhere (SFTP, FTP, SMB, HDFS, …) it is best effort: two writers at the
      same moment may both believe that they were first.
    """

    def __init__(self, filesystem: AbstractFileSystem, path: str, url: str) -> None:
        self._fs = filesystem
        self._path_of_root = path.rstrip("/")
        self._root = url if url.endswith("://") else url.rstrip("/")
        protocol = filesystem.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._renames = not names & _OBJECT_STORES

    def __repr__(self) -> str:
        return f"FsspecStore({shown_url(self._root)!r})"

    @property
    def root(self) -> str:
        return self._root

    def url(self, key: str) -> str:
        return self._root + key if self._root.endswith("://") else f"{self._root}/{key}"

    def shown(self, key: str) -> str:
        return shown_url(self.url(key))

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        path = self._path(key)
        if version_id is not None:
            raise self._error(key, f"objects cannot be asked for by version here (VersionId {version_id!r})")
        with self._errors(key):
            self._fs.invalidate_cache(path)
            info = self._fs.info(path)
        if info.get("type") == "directory":
            raise ObjectNotFound(self.shown(key), "it is a folder, not a file")
        if info.get("size") is None:
            raise self._error(key, "its size is unknown")
        return Pin(int(info["size"]), etag=identity(info), modified_ns=nanoseconds(modified(info)))

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        file = self._open(key, pin, read_ahead=_BLOCK, windows=1)
        file.seek(start)
        return file

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        return self._open(key, pin)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        """As the protocol says. A missing folder is an empty listing: object stores know no folders."""
        if "/" in prefix:
            self._path(prefix.rpartition("/")[0])
        return pages(self._list(prefix), after)

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with self._errors(key):
            data: bytes = self._fs.cat_file(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._errors(key, writing=True), self._appearing(path) as target:
            self._fs.pipe_file(target, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As the protocol says; where it is atomic, the class tells."""
        path = self._path(key)
        with self._errors(key, writing=True), _CREATING:
            self._fs.invalidate_cache(path)
            if self._exists(path):
                return False
            if self._renames:
                with self._appearing(path) as target:
                    self._fs.pipe_file(target, data)
                return True
            try:
                self._fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            self._fs.invalidate_cache(path)
        return True

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors(key), suppress(FileNotFoundError):
            self._fs.rm_file(path)
            self._fs.invalidate_cache(path)

    def create(self, key: str) -> SpooledWriter:
        self._path(key)
        return SpooledWriter(self, key)

    def upload(self, key: str, file: str) -> None:
        """Store a local file as an object."""
        path = self._path(key)
        with self._errors(key, writing=True), self._appearing(path) as target:
            self._fs.put_file(file, target)

    def _exists(self, path: str) -> bool:
        # fsspec's own takes any error for a no.
        try:
            self._fs.info(path)
        except FileNotFoundError:
            return False
        return True

    def _open(self, key: str, pin: Pin | None, **sizes: int) -> BinaryIO:
        path = self._path(key)
        pinned = self._unchanged(key, pin) if pin else self.pin(key)

        def fetch(start: int, stop: int) -> bytes:
            with self._errors(key):
                data: bytes = self._fs.cat_file(path, start=start, end=stop)
            self._unchanged(key, pinned)
            if len(data) != stop - start:
                raise StorageUnavailable(self.shown(key), f"{stop - start} bytes were asked for, {len(data)} came")
            return data

        return range_file(pinned.size, fetch, **sizes)

    def _unchanged(self, key: str, pin: Pin) -> Pin:
        now = self.pin(key)
        same = (
            now.size == pin.size
            and (pin.etag is None or same_etag(pin.etag, now.etag))
            # A pin from a listing has the ETag only.
            and pin.modified_ns in (None, now.modified_ns)
        )
        if not same:
            raise ObjectChanged(
                self.shown(key),
                f"it changed since it was first looked at: it had {pin.size} bytes, now {now.size}",
            )
        return pin

    @contextmanager
    def _appearing(self, path: str) -> Iterator[str]:
        """Where to write what is to appear at ``path`` when the block ends."""
        if not self._renames:
            yield path
            self._fs.invalidate_cache(path)
            return
        folder = path.rpartition("/")[0]
        self._fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.sfdm-{uuid.uuid4().hex}.tmp"
        try:
            yield temporary
            try:
                self._fs.mv(temporary, path)
            except FileExistsError:
                # A rename that does not replace: the object is missing for a moment.
                self._fs.rm_file(path)
                self._fs.mv(temporary, path)
        except BaseException:
            # The first error counts; what stays behind is never listed.
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise
        self._fs.invalidate_cache(path)

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key, info in in_key_order(self._list_folder, prefix):
            seconds = int(modified(info) or 0)
            yield ObjectInfo(key, int(info.get("size") or 0), identity(info), float(seconds))

    def _list_folder(self, folder: str) -> Nodes:
        path = f"{self._path_of_root}/{folder}" if folder else self._path_of_root
        with self._errors(folder):
            self._fs.invalidate_cache(path)
            try:
                found = self._fs.ls(path or self._fs.root_marker, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        nodes: Nodes = []
        for info in found:
            whole = info["name"].strip("/")
            name = whole.rpartition("/")[2]
            # Some answer with the folder's own marker object, or with the file when it is no folder.
            if whole != path.strip("/") and not TEMPORARY.fullmatch(name):
                nodes.append(Node(name, info["type"] == "directory", info))
        return nodes

    def _path(self, key: str) -> str:
        if any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
            raise self._error(key, 'a key must be a relative path without empty, "." or ".." parts, or NUL')
        if any(TEMPORARY.fullmatch(part) for part in key.split("/")):
            raise self._error(key, "this name is kept for files being written")
        return f"{self._path_of_root}/{key}"

    def _error(self, key: str, reason: str) -> StorageError:
        return StorageError(self.shown(key), reason)

    @contextmanager
    def _errors(self, key: str, *, writing: bool = False) -> Iterator[None]:
        with fsspec_errors(self.shown(key), writing=writing):
            yield


class SpooledWriter:
    """A stream that is kept in memory, then on the local disk, and uploaded at ``close``."""

    def __init__(self, store: FsspecStore, key: str) -> None:
        self._store = store
        self._key = key
        self._buffer = bytearray()
        self._spool: tempfile._TemporaryFileWrapper[bytes] | None = None
        self._size = 0
        self._open = True

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes, /) -> None:
        if not self._open:
            raise ValueError("write to a closed stream")
        self._buffer += data
        self._size += len(data)
        if len(self._buffer) > _BLOCK:
            self._flush()

    def close(self) -> None:
        if not self._open:
            return
        try:
            if self._spool is None:
                self._store.put(self._key, bytes(self._buffer))
            else:
                self._flush()
                self._store.upload(self._key, self._spool.name)
        except StorageUnavailable:
            raise  # all of it is here still
        except BaseException:
            self.abort()
            raise
        self.abort()

    def abort(self) -> None:
        self._open = False
        self._buffer = bytearray()
        spool, self._spool = self._spool, None
        if spool is not None:
            # A full disk shows again when what is buffered is flushed here; nothing depends on it any more.
            with suppress(OSError):
                spool.close()

    def _flush(self) -> None:
        with file_errors(self._store.shown(self._key), writing=True, passing=False):
            if self._spool is None:
                self._spool = tempfile.NamedTemporaryFile(prefix="sfdm-")  # noqa: SIM115 closed by abort()
            self._spool.write(self._buffer)
            self._spool.flush()
        self._buffer = bytearray()

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
