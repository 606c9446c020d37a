"""From URLs to stores."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_sfdm.storage import (
    Connections,
    StorageError,
    open_folder,
    open_listing,
    open_object,
)
from airflow_provider_sfdm.storage.reasons import one_line, shown_url, without_secrets

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def connections(asked: list[Any]) -> Connections:
    def s3_client(connection: str | None) -> S3Client:
        asked.append(connection)
        return Mock()

    return Connections(s3_client=s3_client)


@pytest.mark.parametrize(
    ("url", "root", "key"),
    [
        ("s3://b/k", "s3://b", "k"),
        ("s3://b/a/k?x#y%20.csv", "s3://b", "a/k?x#y%20.csv"),
        ("s3://b/a//k", "s3://b", "a//k"),
        ("s3://aws_default@b/k", "s3://aws_default@b", "k"),
        ("S3://b/k", "s3://b", "k"),
        ("file:///folder/k.csv", "file:///folder", "k.csv"),
        ("file://localhost/folder/k.csv", "file:///folder", "k.csv"),
        ("/folder/k.csv", "file:///folder", "k.csv"),
        ("file:///k.csv", "file://", "k.csv"),
        ("memory://folder/k.csv", "memory://folder", "k.csv"),
        ("memory://k.csv", "memory://", "k.csv"),
    ],
)
def test_open_object(url: str, root: str, key: str) -> None:
    store, found = open_object(url, connections([]))
    assert (store.root, found) == (root, key)
    # What a store says opens the same object again, with the same connection.
    again, key_again = open_object(store.url(found), connections([]))
    assert (again.root, key_again) == (root, key)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("s3://b", "s3://b"),
        ("s3://b/", "s3://b"),
        ("s3://b/a/b/", "s3://b/a/b"),
        ("s3://c@b/a/b", "s3://c@b/a/b"),
        ("file:///", "file://"),
        ("file:///a/b/", "file:///a/b"),
        ("/a/b", "file:///a/b"),
        ("memory://a/b/", "memory://a/b"),
    ],
)
def test_open_folder(url: str, root: str) -> None:
    store = open_folder(url, connections([]))
    assert store.root == root
    assert open_folder(store.root + "/", connections([])).root == root


def test_the_connection_is_handed_over() -> None:
    asked: list[Any] = []
    open_object("s3://my_conn@b/k", connections(asked))
    open_folder("s3://b/k", connections(asked))
    assert asked == ["my_conn", None]


def test_open_listing(tmp_path: Path) -> None:
    store, prefix = open_listing("s3://b/in/part-", connections([]))
    assert repr(store) == "RetryingStore(S3Store('s3://b'))"
    assert (store.root, prefix) == ("s3://b", "in/part-")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "k").write_bytes(b"1")
    store, prefix = open_listing(f"file://{tmp_path}/in")
    assert [info.key for page in store.list(prefix) for info in page] == ["k"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "name.csv",
        "folder/name.csv",
        "://x",
        "s3://",
        "s3:///k",
        "s3://b",
        "s3://b/",
        "s3://conn@/k",
        "file://",
        "file://host/k",
        "file://relative",
        "file:///folder/",
        "memory://folder/",
        "file:///a\0b",
        "zip://a.csv::memory://a.zip",
        "nosuchscheme://a/b",
    ],
)
def test_urls_that_name_no_object(url: str) -> None:
    with pytest.raises(StorageError):
        open_object(url, connections([]))


def test_the_owner_is_for_s3_only() -> None:
    open_object("s3://b/k", connections([]), expected_bucket_owner="123456789012")
    for url in ("file:///a/k", "memory://a/k"):
        for opened in (open_object, open_folder, open_listing):
            with pytest.raises(StorageError, match="ExpectedBucketOwner"):
                opened(url, expected_bucket_owner="123456789012")


def test_a_file_that_is_a_link_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2026.csv").write_bytes(b"rows")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "current.csv").symlink_to(tmp_path / "data" / "2026.csv")
    store, key = open_object(f"file://{tmp_path}/links/current.csv")
    assert "LocalStore" in repr(store)
    assert store.read(key) == b"rows"
    assert store.url(key) == f"file://{tmp_path}/data/2026.csv"


@pytest.mark.parametrize("name", ["a b", "ä", "100 %", "a%20b", "a%2Fb"])
def test_a_file_url_may_be_escaped_or_not(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / name
    path.parent.mkdir()
    path.write_bytes(b"1")
    store, key = open_object(path.as_uri())
    assert store.read(key) == b"1"
    again, key = open_object(store.url(key))
    assert again.read(key) == b"1"
    assert again.root == store.root
    assert open_folder(store.root).read(name) == b"1"
    # A plain path is no URL.
    store, key = open_object(str(path))
    assert store.read(key) == b"1"


def test_a_filesystem_of_the_caller() -> None:
    filesystem = MemoryFileSystem(global_store=False, skip_instance_cache=True)
    asked: list[str] = []

    def make(url: str) -> tuple[Any, str]:
        asked.append(url)
        return filesystem, "/bucket/folder"

    store, key = open_object("gs://conn@bucket/folder/k", Connections(filesystem=make))
    store.put(key, b"1")
    assert asked == ["gs://conn@bucket/folder"]
    assert filesystem.cat("/bucket/folder/k") == b"1"
    assert store.url(key) == "gs://conn@bucket/folder/k"


def test_what_a_caller_raises() -> None:
    def fail(what: object) -> Any:
        raise LookupError("The conn_id `nope` isn't defined")

    failing = Connections(s3_client=fail, filesystem=fail)
    for url in ("s3://nope@b/k", "gs://nope@b/k"):
        with pytest.raises(StorageError, match="LookupError: The conn_id `nope` isn't defined"):
            open_object(url, failing)


def test_secrets_are_not_shown() -> None:
    assert without_secrets("GET https://h/a?sig=abc&x=1 failed") == "GET https://h/a?*** failed"
    assert without_secrets("sftp://me:secret@host/a refused") == "sftp://me:***@host/a refused"
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(ValueError("")) == "ValueError"
    assert len(one_line(ValueError("x" * 10_000))) == 500
    assert (
        without_secrets("Max retries exceeded with url: /a/b?sig=abc&x=1") == "Max retries exceeded with url: /a/b?***"
    )


@pytest.mark.parametrize(
    "url",
    [
        "sftp://bob:hunter2@host/x/y",
        "sftp://bob:hunter2@host:22/x/y",
        "sftp://bob:hun/ter2/hunter2@host/x/y",
        "SFTP://:hunter2@host/x/y",
        "s3://AKIA:hunter2@bucket/key",
        "s3://AKIA:hun/hunter2@bucket/key",
        "s3://arn:hunter2@bucket@other/key",
        "http://bob:hunter2@127.0.0.1/x/y",
        "nosuchscheme://me:hunter2@host/a/b",
        "simplecache::sftp://bob:hunter2@host/x/y",
        "zip://a.zip::sftp://bob:hunter2@host/x/y",
        "bob:hunter2@host/x/y",
        "host/x/y?sig=hunter2",
        "simplecache::https://host/x/y?sig=hunter2",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[Any] = []
    for opened in (open_object, open_folder, open_listing):
        with pytest.raises(StorageError) as caught:
            opened(url, connections(asked))
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
        assert "hunter2" not in shown.replace(repr(url), "")
        if "@host" in url:
            assert "an Airflow connection" in caught.value.reason
    assert asked == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://conn@b/a:b@c?x=1#y", "s3://conn@b/a:b@c?x=1#y"),
        ("s3://b/a:b@c", "s3://b/a:b@c"),
        (
            "s3://arn:aws:s3:us-west-2:123456789012:accesspoint:p/a@b",
            "s3://arn:aws:s3:us-west-2:123456789012:accesspoint:p/a@b",
        ),
        ("file:///a:b@c", "file:///a:b@c"),
        ("/a:b@c", "/a:b@c"),
        ("sftp://bob@host:22/a@b", "sftp://bob@host:22/a@b"),
        ("sftp://host:22/a@b", "sftp://host:22/a@b"),
        ("sftp://[fe80:0:0:0:0:0:0:1]:22/a@b", "sftp://[fe80:0:0:0:0:0:0:1]:22/a@b"),
        ("https://h:8443/a/b.gz?sig=SECRETSIG&x=a/b", "https://h:8443/a/b.gz"),
        ("HTTPS://h/a#token=SECRETSIG", "HTTPS://h/a"),
        ("https://h?sig=SECRETSIG", "https://h"),
        ("https://token@h/a@b", "https://h/a@b"),
        ("sftp://bob:hunter2@host/x", "sftp://***"),
        ("bob:hunter2@host/x", "***"),
    ],
)
def test_shown_urls(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    if "***" not in shown and not url.lower().startswith("http"):
        store, key = open_object(
            url, Connections(s3_client=lambda _: Mock(), filesystem=lambda _: (Mock(protocol="x"), ""))
        )
        assert store.shown(key) == store.url(key)


def test_a_traceback_shows_no_secret() -> None:
    def fail(url: str) -> Any:
        try:
            raise ValueError("GET https://h/a?sig=SECRETSIG")
        except ValueError as error:
            raise LookupError("no answer") from error

    with pytest.raises(StorageError, match="LookupError: no answer") as caught:
        open_folder("x://h/a", Connections(filesystem=fail))
    assert "SECRETSIG" not in "".join(traceback.format_exception(caught.value))


def test_boto3_and_fsspec_are_imported_when_they_are_needed() -> None:
    script = (
        "import sys\n"
        "from airflow_provider_sfdm.storage import open_folder\n"
        "open_folder('file:///tmp')\n"
        "loaded = {'airflow', 'boto3', 'botocore', 'fsspec'} & set(sys.modules)\n"
        "sys.exit(str(loaded) if loaded else 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
