"""Plain files: nothing leaves the root, nothing half written is ever seen."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_sfdm.storage.base import AccessDenied, ObjectChanged, ObjectNotFound, StorageError
from airflow_provider_sfdm.storage.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "key",
    [
        "..",
        "../secret",
        "a/../../secret",
        "a/..",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a\0b",
        "\ud800",
        ".sfdm-0123456789abcdef0123456789abcdef.tmp",
    ],
)
def test_keys_that_are_no_path_below_the_root(root: Path, key: str) -> None:
    store = LocalStore(root)
    for call in (store.pin, store.open, store.open_seekable, store.read, store.create, store.delete):
        with pytest.raises(StorageError):
            call(key)
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StorageError):
            write(key, b"harm")
    assert (root.parent / "secret").read_text() == "secret"
    assert sorted(path.name for path in root.parent.iterdir()) == ["root", "secret"]
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("prefix", ["../", "../sec", "/", "a/../../"])
def test_a_listing_stays_below_the_root(root: Path, prefix: str) -> None:
    with pytest.raises(StorageError):
        list(LocalStore(root).list(prefix))


def test_links_out_of_the_root_are_refused(root: Path) -> None:
    (root / "file").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    store = LocalStore(root)
    for key in ("file", "folder/secret"):
        with pytest.raises(StorageError, match="symbolic link leads out"):
            store.read(key)
        with pytest.raises(StorageError, match="symbolic link leads out"):
            store.put(key, b"harm")
    with pytest.raises(StorageError, match="symbolic link leads out"):
        list(store.list(""))
    assert (root.parent / "secret").read_text() == "secret"


def test_a_root_of_a_similar_name_is_outside(root: Path) -> None:
    beside = root.with_name("root-2")
    beside.mkdir()
    (beside / "x").write_text("")
    (root / "link").symlink_to(beside / "x")
    with pytest.raises(StorageError, match="leads out"):
        LocalStore(root).read("link")


def test_links_inside_the_root(root: Path) -> None:
    store = LocalStore(root)
    store.put("day/1", b"one")
    (root / "latest").symlink_to(root / "day")
    (root / "one").symlink_to(root / "day" / "1")
    (root / "loop").symlink_to(root)
    (root / "gone").symlink_to(root / "nothing")
    assert store.read("latest/1") == b"one"
    assert [info.key for page in store.list("") for info in page] == ["day/1", "one"]


def test_a_link_that_leads_out_is_no_business_of_other_listings(root: Path) -> None:
    store = LocalStore(root)
    (root / "day").mkdir()
    (root / "day" / "1").write_bytes(b"1")
    (root / "stray").symlink_to(root.parent)
    (root / os.fsdecode(b"\xff")).mkdir()
    assert [info.key for page in store.list("day/") for info in page] == ["day/1"]
    assert [info.key for page in store.list("d") for info in page] == ["day/1"]
    for prefix in ("", "s", "stray"):
        with pytest.raises(StorageError, match="symbolic link leads out"):
            list(store.list(prefix))
    (root / "stray").unlink()
    with pytest.raises(StorageError, match="not valid UTF-8"):
        list(store.list(""))


def test_a_root_that_is_a_link(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    store = LocalStore(link)
    store.put("k", b"data")
    assert store.root == f"file://{link}"
    assert (root / "k").read_bytes() == b"data"


def test_a_file_rewritten_in_place_while_it_is_read(root: Path) -> None:
    store = LocalStore(root)
    store.put("k", b"a" * (3 << 20))
    with store.open("k", store.pin("k")) as file:
        assert file.read(10) == b"a" * 10
        with (root / "k").open("r+b") as other:
            other.write(b"b" * 100)
        os.utime(root / "k", ns=(1, 1))
        with pytest.raises(ObjectChanged, match="changed since it was first looked at"):
            file.read()


def test_a_replaced_file_is_read_to_its_end(root: Path) -> None:
    store = LocalStore(root)
    store.put("k", b"a" * (3 << 20))
    with store.open("k", store.pin("k")) as file:
        file.read(10)
        store.put("k", b"b")
        assert file.read() == b"a" * ((3 << 20) - 10)


@pytest.mark.parametrize("written", [10, 5 << 20])
def test_a_process_killed_while_it_writes_leaves_nothing_to_see(root: Path, written: int) -> None:
    store = LocalStore(root)
    store.put("k", b"before")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from airflow_provider_sfdm.storage.local import LocalStore\n"
        "writer = LocalStore(Path(sys.argv[1])).create('k')\n"
        "writer.write(b'x' * int(sys.argv[2]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(root), str(written)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert store.read("k") == b"before"
    assert len(list(root.iterdir())) == 2  # the temporary file is there, and is not listed
    assert [info.key for page in store.list("") for info in page] == ["k"]


def test_a_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("airflow_provider_sfdm.storage.files.os.fsync", full)
    store = LocalStore(root)
    with pytest.raises(StorageError, match="No space left on device"):
        store.put("k", b"data")
    assert list(root.iterdir()) == []


def test_a_disk_that_fills_up_while_writing(root: Path) -> None:
    store = LocalStore(root)

    def full(data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device"), store.create("k") as writer:
        writer._file.write = full  # type: ignore[method-assign, assignment]
        writer.write(b"data")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_put_if_absent_without_hard_links(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(*args: object, **kwargs: object) -> None:
        raise OSError(number, "no links here")

    monkeypatch.setattr("airflow_provider_sfdm.storage.files.os.link", link)
    store = LocalStore(root)
    assert store.put_if_absent("k", b"1")
    assert not store.put_if_absent("k", b"2")
    assert store.read("k") == b"1"
    assert [path.name for path in root.iterdir()] == ["k"]


def test_denied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root)
    store.put("k", b"1")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("airflow_provider_sfdm.storage.local.PinnedFile", refuse)
    with pytest.raises(AccessDenied, match="Permission denied"):
        store.open("k")


def test_folders_are_no_objects(root: Path) -> None:
    store = LocalStore(root)
    store.put("folder/k", b"1")
    for call in (store.pin, store.open, store.read):
        with pytest.raises(ObjectNotFound, match="folder"):
            call("folder")
        with pytest.raises(ObjectNotFound):
            call("folder/k/below")
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StorageError, match="cannot be written: a part of the key is the name of a file"):
            write("folder/k/below", b"")
    with pytest.raises(StorageError, match="cannot be written: there is a folder of this name"):
        store.put("folder", b"")


def test_a_named_pipe_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    store = LocalStore(root)
    with pytest.raises(StorageError, match="not a plain file"):
        store.open("pipe")
    assert list(store.list("")) == []


def test_a_write_that_fails_says_that_it_is_one() -> None:
    # /proc takes no folders, whoever asks.
    store = LocalStore(Path("/proc/nothing"))
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StorageError, match=r"^file:///proc/nothing/k: cannot be written: "):
            write("k", b"")
    with pytest.raises(ObjectNotFound) as caught:
        store.read("k")
    assert "written" not in str(caught.value)


def test_a_missing_root(root: Path) -> None:
    store = LocalStore(root / "nothing")
    with pytest.raises(ObjectNotFound):
        list(store.list(""))
    store.put("k", b"made")
    assert store.read("k") == b"made"


def test_a_name_that_is_not_utf8(root: Path) -> None:
    (root / os.fsdecode(b"\xff")).write_text("")
    with pytest.raises(StorageError, match="not valid UTF-8"):
        list(LocalStore(root).list(""))


def test_versions_are_refused(root: Path) -> None:
    store = LocalStore(root)
    store.put("k", b"")
    with pytest.raises(StorageError, match="no versions"):
        store.pin("k", "v1")


def test_the_etag_is_the_same_in_a_pin_and_a_listing(root: Path) -> None:
    store = LocalStore(root)
    store.put("k", b"0123456789abcdef")
    [[info]] = store.list("")
    pin = store.pin("k")
    assert info.etag == pin.etag == f'"10-{pin.modified_ns:x}"'
    assert info.storage_class is None
