"""Single plain files: written whole or not at all, read as they were pinned."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from .base import AccessDenied, ObjectChanged, ObjectNotFound, Pin, StorageError, StorageUnavailable
from .reasons import CANNOT_BE_WRITTEN

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 1 << 20

# Files being written. They are named so that no listing shows them and no key can name them.
TEMPORARY = re.compile(r"\.sfdm-[0-9a-f]{32}\.tmp")
# A file system without hard links answers with one of these.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV}
# What passes: a network, or a file server, that is away for a moment.
PASSING = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENOLCK,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.ESTALE,
    errno.ETIMEDOUT,
}

Result = TypeVar("Result")


class FileWriter:
    """A stream into a temporary file that takes its name at ``close``.

    An error ends it: what the operating system could not write it may have dropped, and would not write again.
    ``again``: whoever writes has all of it, and would begin anew.
    """

    def __init__(self, path: Path, url: str, *, again: bool = False) -> None:
        self._path = path
        self._url = url
        self._again = again
        self._temporary = _temporary_beside(path)
        self._file = self._temporary.open("xb", buffering=BUFFER)
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes, /) -> None:
        # Called once per record: a context manager would take longer than the write.
        try:
            self._file.write(data)
        except OSError as error:
            with file_errors(self._url, writing=True, passing=self._again):
                raise error
        self._size += len(data)

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            with file_errors(self._url, writing=True, passing=self._again):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self._path)
                _flush_folder(self._path)
        except BaseException:
            self._discard()
            raise

    def abort(self) -> None:
        if not self._file.closed:
            self._discard()

    def _discard(self) -> None:
        # What cannot be flushed (a full disk) or removed changes nothing: the object never appears.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class PinnedFile(io.FileIO):
    """A file that is compared with its pin after each read, and whose errors are ``StorageError``."""

    def __init__(self, path: Path, url: str, pin: Pin | None) -> None:
        super().__init__(path, "rb")
        self._url = url
        self._pin = pin

    def check(self) -> None:
        pin = self._pin
        if pin is None:
            return
        status = os.fstat(self.fileno())
        same = (
            status.st_size == pin.size
            and pin.modified_ns in (None, status.st_mtime_ns)
            and pin.etag in (None, etag_of(status))
        )
        if not same:
            now = f"it had {pin.size} bytes, now {status.st_size}"
            raise ObjectChanged(self._url, f"the file changed since it was first looked at: {now}")

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        return self._checked(lambda: super(PinnedFile, self).readinto(buffer))

    def readall(self) -> bytes:
        return self._checked(super().readall)

    def _checked(self, read: Callable[[], Result]) -> Result:
        with file_errors(self._url):
            result = read()
            self.check()
        return result


def etag_of(status: os.stat_result) -> str:
    return f'"{status.st_size:x}-{status.st_mtime_ns:x}"'


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_other_than_file(status: os.stat_result, url: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ObjectNotFound(url, "it is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(url, "it is not a plain file")


def _temporary_beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f".sfdm-{uuid.uuid4().hex}.tmp"


def link_if_absent(path: Path, data: bytes) -> bool:
    """Make a file, its whole content visible at once, unless its name is taken; tells whether it was made.

    On a file system without hard links only the name is taken atomically: for a moment another process may
    see the file shorter than it is.
    """
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_exclusively(path, data)
    finally:
        temporary.unlink()
    _flush_folder(path)
    return True


def _write_temporary(path: Path, data: bytes) -> Path:
    temporary = _temporary_beside(path)
    try:
        _create_exclusively(temporary, data)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _create_exclusively(path: Path, data: bytes) -> bool:
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    with file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return True


def _flush_folder(path: Path) -> None:
    """Make a new name durable, where the file system can do that for folders (some network mounts cannot)."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def file_errors(url: str, *, writing: bool = False, passing: bool = True) -> Iterator[None]:
    """Turn the operating system's errors into the store's. ``passing``: whether what failed may be called again."""
    prefix = CANNOT_BE_WRITTEN if writing else ""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFound(url, f"{prefix}no such file or folder") from error
    except PermissionError as error:
        raise AccessDenied(url, f"{prefix}the operating system refused: {error.strerror}") from error
    except (NotADirectoryError, FileExistsError) as error:
        if writing:
            raise StorageError(url, f"{prefix}a part of the key is the name of a file") from error
        raise ObjectNotFound(url, "no such file: a part of its path is a file") from error
    except OSError as error:
        kind = StorageUnavailable if passing and error.errno in PASSING else StorageError
        raise kind(url, prefix + (error.strerror or str(error))) from error
