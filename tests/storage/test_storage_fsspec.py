"""fsspec: its exceptions, its spellings of times, its renames."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_sfdm.storage.base import (
    AccessDenied,
    ObjectChanged,
    ObjectNotFound,
    Pin,
    StorageError,
    StorageUnavailable,
)
from airflow_provider_sfdm.storage.fsspec import FsspecStore
from airflow_provider_sfdm.storage.retrying import RetryingStore


class HttpError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__("see https://host/k?sig=secret\nfor more")
        self.code = code


@pytest.fixture
def filesystem() -> MemoryFileSystem:
    return MemoryFileSystem(global_store=False, skip_instance_cache=True)


@pytest.fixture
def store(filesystem: MemoryFileSystem) -> FsspecStore:
    return FsspecStore(filesystem, "/f", "memory://me:password@f")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("k"), ObjectNotFound),
        (IsADirectoryError("k"), ObjectNotFound),
        (PermissionError("no"), AccessDenied),
        (HttpError(403), AccessDenied),
        (HttpError(401), AccessDenied),
        (HttpError(404), ObjectNotFound),
        (HttpError(400), StorageError),
        (HttpError(429), StorageUnavailable),
        (HttpError(500), StorageUnavailable),
        (OSError("broken"), StorageError),
        (OSError(errno.ESTALE, "stale"), StorageUnavailable),
        (OSError(errno.ENOSPC, "full"), StorageError),
        (ConnectionResetError("reset"), StorageUnavailable),
        (TimeoutError(), StorageUnavailable),
        (aiohttp.ServerDisconnectedError(), StorageUnavailable),
        (aiohttp.ClientPayloadError(), StorageUnavailable),
        (requests.ConnectionError(), StorageUnavailable),
        (KeyError("k"), StorageError),
    ],
)
def test_any_exception_becomes_a_storage_error(
    store: FsspecStore,
    filesystem: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[StorageError],
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    for name in ("info", "cat_file", "pipe_file", "put_file", "ls"):
        monkeypatch.setattr(filesystem, name, fail)
    calls: list[Any] = [
        lambda: store.pin("k"),
        lambda: store.open("k"),
        lambda: store.open_seekable("k"),
        lambda: store.read("k"),
        lambda: store.put("k", b""),
    ]
    if not isinstance(error, FileNotFoundError):
        calls.append(lambda: list(store.list("")))
    for call in calls:
        with pytest.raises(StorageError) as caught:
            call()
        assert type(caught.value) is kind
        assert "secret" not in str(caught.value)
        assert "password" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("info", "etag", "modified"),
    [
        ({"ETag": '"e"', "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}, '"e"', 1767225600),
        ({"generation": 17, "mtime": "2026-01-01T00:00:00Z"}, "17", 1767225600),
        ({"last_modified": datetime(2026, 1, 1)}, None, 1767225600),
        ({"mtime": 1767225600.25}, None, 1767225600.25),
        ({"mtime": "Thu, 01 Jan 2026", "md5Hash": "m"}, "m", None),
        ({}, None, None),
    ],
)
def test_pins_from_the_spellings_of_file_systems(
    store: FsspecStore,
    filesystem: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    info: dict[str, Any],
    etag: str | None,
    modified: float | None,
) -> None:
    entry = {"name": "/f/k", "type": "file", "size": 3, **info}
    monkeypatch.setattr(filesystem, "info", lambda path: entry)
    monkeypatch.setattr(filesystem, "ls", lambda path, detail: [entry])
    pin = store.pin("k")
    assert (pin.size, pin.etag) == (3, etag)
    assert pin.modified_ns == (None if modified is None else int(modified * 100) * 10_000_000)
    [[listed]] = store.list("")
    assert (listed.key, listed.size, listed.etag, listed.last_modified) == ("k", 3, etag, int(modified or 0))


def test_an_unknown_size(store: FsspecStore, filesystem: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "info", lambda path: {"name": path, "type": "file", "size": None})
    with pytest.raises(StorageError, match="size is unknown"):
        store.pin("k")


def test_an_object_replaced_while_it_is_read(store: FsspecStore) -> None:
    store.put("k", b"x" * (10 << 20))
    with store.open("k", store.pin("k")) as file:
        assert file.read(10) == b"x" * 10
        store.put("k", b"y" * (10 << 20))
        with pytest.raises(ObjectChanged, match="changed since it was first looked at"):
            file.read()


@pytest.mark.parametrize("key", ["../k", "/k", "a//b", "a/", ".", "a\0b", ".sfdm-" + "0" * 32 + ".tmp"])
def test_keys_that_are_no_path_below_the_root(store: FsspecStore, key: str) -> None:
    for call in (store.pin, store.open, store.read, store.create, store.delete):
        with pytest.raises(StorageError):
            call(key)


def test_versions_are_refused(store: FsspecStore) -> None:
    store.put("k", b"")
    with pytest.raises(StorageError, match="by version"):
        store.pin("k", "v1")


def test_an_upload_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = LocalFileSystem()
    store = FsspecStore(filesystem, str(tmp_path), f"file://{tmp_path}")
    store.put("a/k", b"before")

    def half(path: str, value: bytes, **kwargs: object) -> None:
        Path(path).write_bytes(value[: len(value) // 2])
        raise OSError("connection lost")

    monkeypatch.setattr(filesystem, "pipe_file", half)
    with pytest.raises(StorageError, match="connection lost"):
        store.put("a/k", b"after")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["k"]
    assert store.read("a/k") == b"before"


def test_a_rename_that_does_not_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = LocalFileSystem()
    store = FsspecStore(filesystem, str(tmp_path), f"file://{tmp_path}")
    move = filesystem.mv

    def refusing(source: str, target: str, **kwargs: object) -> None:
        if Path(target).exists():
            raise FileExistsError(target)
        move(source, target)

    monkeypatch.setattr(filesystem, "mv", refusing)
    store.put("k", b"1")
    store.put("k", b"2")
    assert store.read("k") == b"2"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_etags_that_are_quoted_in_some_answers_only(
    store: FsspecStore, filesystem: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on Azure, whose listings leave the quotes out.
    store.put("k", b"1")
    answer = {"name": "/f/k", "type": "file", "size": 1, "etag": '"0x8D"'}
    monkeypatch.setattr(filesystem, "info", lambda path: answer)
    assert store.open("k", Pin(1, etag="0x8D")).read() == b"1"
    answer["etag"] = '"0x8E"'
    with pytest.raises(ObjectChanged):
        store.open("k", Pin(1, etag="0x8D"))


def test_what_cannot_be_looked_up_is_not_taken_for_absent(
    store: FsspecStore, filesystem: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec's own ``exists`` says no to any error; then what is there would be replaced."""
    store.put("k", b"theirs")

    def unreachable(path: str, **arguments: Any) -> Any:
        raise ConnectionResetError("reset")

    monkeypatch.setattr(store, "_renames", True)
    with monkeypatch.context() as patch, pytest.raises(StorageUnavailable):
        patch.setattr(filesystem, "info", unreachable)
        store.put_if_absent("k", b"mine")
    assert store.read("k") == b"theirs"


def test_an_upload_that_fails_is_gone_on_with(
    store: FsspecStore, filesystem: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    put_file, left = filesystem.put_file, [2]

    def flaky(*arguments: Any, **more: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ConnectionResetError("reset")
        put_file(*arguments, **more)

    monkeypatch.setattr(filesystem, "put_file", flaky)
    with RetryingStore(store).create("large") as writer:
        writer.write(bytes(5 << 20))
        writer.write(b"end")
    assert store.read("large") == bytes(5 << 20) + b"end"
    assert len(waits) == 2


def test_a_short_answer_is_asked_for_again(
    store: FsspecStore, filesystem: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    store.put("k", b"0123456789")
    cat_file, left = filesystem.cat_file, [1]

    def short(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        data = cat_file(*arguments, **more)
        return data[:3] if left[0] == 0 else data

    monkeypatch.setattr(filesystem, "cat_file", short)
    with RetryingStore(store).open("k", start=2) as file:
        assert file.read() == b"23456789"
    assert len(waits) == 1
