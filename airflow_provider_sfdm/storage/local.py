"""Plain files below a folder: ``file://``."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .base import ObjectInfo, ObjectNotFound, Pin, StorageError
from .files import (
    BUFFER,
    TEMPORARY,
    FileWriter,
    PinnedFile,
    etag_of,
    file_errors,
    is_text,
    link_if_absent,
    refuse_other_than_file,
)
from .reasons import CANNOT_BE_WRITTEN
from .tree import Node, in_key_order, pages

# What is wrong with an entry is raised when it is its turn: only a listing that its name belongs to minds it.
Nodes = list[Node[Path | StorageError]]


class LocalStore:
    """The files below one folder, by keys that are their relative paths.

    * A key never leads out of the root: "..", empty parts, NUL and symbolic links to elsewhere are refused
      with a ``StorageError``. Links that stay inside are followed (a listing does not descend into linked
      folders: what they hold is listed where it is).
    * An object appears whole or not at all: it is written to a temporary file beside it, flushed to the disk
      and renamed. What a killed process leaves behind is never listed.
    * A pin is the size and the modification time. While a pinned file is read, both are compared after each
      read of 1 MiB, so that a file rewritten in place is noticed before its bytes are used.
    * ETags are ``"<size>-<mtime in ns>"`` in hexadecimal digits, not an MD5. There are no versions.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        """``name``: the URL that the root goes by, where that is not its own: of the bucket that it stands for."""
        # Resolved for the check of links; the URL stays the one that was asked for.
        self._shown = str(root.absolute())
        self._root = os.path.realpath(root)
        self._name = name

    def __repr__(self) -> str:
        return f"LocalStore({self._shown!r})"

    @property
    def root(self) -> str:
        if self._name is not None:
            return self._name
        # Only what would be taken for an escape is escaped, so that the URL stays readable.
        return "file://" + self._shown.rstrip("/").replace("%", "%25")

    def url(self, key: str) -> str:
        return f"{self.root}/{key if self._name is not None else key.replace('%', '%25')}"

    def shown(self, key: str) -> str:
        return self.url(key)

    def pin(self, key: str, version_id: str | None = None) -> Pin:
        path = self._path(key)
        if version_id is not None:
            raise StorageError(self.url(key), f"plain files have no versions such as {version_id!r}")
        with file_errors(self.url(key)):
            status = path.stat()
        refuse_other_than_file(status, self.url(key))
        return Pin(status.st_size, etag=etag_of(status), modified_ns=status.st_mtime_ns)

    def open(self, key: str, pin: Pin | None = None, start: int = 0) -> BinaryIO:
        file = self.open_seekable(key, pin)
        file.seek(start)
        return file

    def open_seekable(self, key: str, pin: Pin | None = None) -> BinaryIO:
        path, url = self._path(key), self.url(key)
        with file_errors(url):
            # Before it is opened: opening a named pipe would wait for its writer.
            refuse_other_than_file(path.stat(), url)
            raw = PinnedFile(path, url, pin)
            try:
                raw.check()
            except BaseException:
                raw.close()
                raise
        return io.BufferedReader(raw, BUFFER)

    def list(self, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
        """As the protocol says. A missing root is ``ObjectNotFound``; nothing below it, an empty listing."""
        if "/" in prefix:
            self._path(prefix.rpartition("/")[0])
        elif "\0" in prefix:
            raise StorageError(self.url(prefix), "a key must not contain NUL")
        with file_errors(self.root):
            if not stat.S_ISDIR(Path(self._root).stat().st_mode):
                raise ObjectNotFound(self.root, "not a folder")
        return pages(self._list(prefix), after)

    def read(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def put(self, key: str, data: bytes) -> None:
        with self._create(key, again=True) as writer:
            writer.write(data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As the protocol says. On a file system without hard links only the name is taken atomically: for a
        moment another process may see the file shorter than it is."""
        path, url = self._path(key), self.url(key)
        with file_errors(url, writing=True):
            return link_if_absent(path, data)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with file_errors(self.url(key), writing=True), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def create(self, key: str) -> FileWriter:
        return self._create(key)

    def _create(self, key: str, *, again: bool = False) -> FileWriter:
        path, url = self._path(key), self.url(key)
        with file_errors(url, writing=True):
            if path.is_dir():
                raise StorageError(url, f"{CANNOT_BE_WRITTEN}there is a folder of this name")
            return FileWriter(path, url, again=again)

    def _path(self, key: str) -> Path:
        """The file of a key; raises ``StorageError`` for a key that is no path below the root."""
        problem = None
        if any(part in ("", ".", "..") for part in key.split("/")):
            problem = 'a key must be a relative path without empty, "." or ".." parts'
        elif "\0" in key:
            problem = "a key must not contain NUL"
        elif any(TEMPORARY.fullmatch(part) for part in key.split("/")):
            problem = "this name is kept for files being written"
        elif not is_text(key):
            problem = "a key must be valid UTF-8"
        if problem:
            raise StorageError(self.url(key), problem)
        path = Path(self._root, key)
        with file_errors(self.url(key)):
            if not self._is_inside(os.path.realpath(path)):
                raise StorageError(self.url(key), f"a symbolic link leads out of {self.root}")
        return path

    def _is_inside(self, real: str) -> bool:
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key, path in in_key_order(self._list_folder, prefix):
            if isinstance(path, StorageError):
                raise path
            with file_errors(self.url(key)):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # deleted since its folder was read, or a link to nothing
            if stat.S_ISREG(status.st_mode):
                yield ObjectInfo(key, status.st_size, etag_of(status), float(int(status.st_mtime)))

    def _list_folder(self, folder: str) -> Nodes:
        path = Path(self._root, folder)
        nodes: Nodes = []
        with file_errors(self.url(folder)):
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if TEMPORARY.fullmatch(entry.name):
                            continue
                        if not is_text(entry.name):
                            problem = StorageError(self.url(folder), f"{entry.name!r} is not valid UTF-8")
                            nodes.append(Node(entry.name, False, problem))
                            continue
                        if entry.is_symlink():
                            if not self._is_inside(os.path.realpath(entry.path)):
                                link = self.url(f"{folder}/{entry.name}" if folder else entry.name)
                                problem = StorageError(link, f"a symbolic link leads out of {self.root}")
                                nodes.append(Node(entry.name, False, problem))
                                continue
                            if entry.is_dir():
                                continue  # its files are listed where they are
                        nodes.append(Node(entry.name, entry.is_dir(), Path(entry.path)))
            except (FileNotFoundError, NotADirectoryError):
                return []
        return nodes
