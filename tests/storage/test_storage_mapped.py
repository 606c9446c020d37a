"""Buckets that are folders: S3's names, and nothing outside of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from airflow_provider_sfdm.storage import Connections, StorageError, open_folder, open_listing, open_object


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    (tmp_path / "sales").mkdir()
    return Connections(s3_client=Mock(), buckets={"sales": (tmp_path / "sales").as_uri()})


def test_what_is_written_is_in_the_folder(connections: Connections, tmp_path: Path) -> None:
    store = open_folder("s3://sales/2026/", connections)
    store.put("a/b.csv", b"rows")
    assert (tmp_path / "sales/2026/a/b.csv").read_bytes() == b"rows"
    assert (store.root, store.url("a/b.csv")) == ("s3://sales/2026", "s3://sales/2026/a/b.csv")
    again, key = open_object(store.url("a/b.csv"), connections)
    assert (again.read(key), again.shown(key)) == (b"rows", "s3://sales/2026/a/b.csv")


def test_a_prefix_is_text_as_on_s3(connections: Connections) -> None:
    bucket = open_folder("s3://sales", connections)
    for key in ("a/1", "ab", "b"):
        bucket.put(key, b"")
    store, prefix = open_listing("s3://sales/a", connections, expected_bucket_owner="123456789012")
    assert [info.key for page in store.list(prefix) for info in page] == ["a/1", "ab"]


@pytest.mark.parametrize(
    "key", ["../secret", "a/../../secret", "/etc/passwd", "linked", "link/secret", "a//b", "folder/"]
)
def test_keys_do_not_leave_the_folder(key: str, connections: Connections, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "sales/linked").symlink_to(tmp_path / "secret")
    (tmp_path / "sales/link").symlink_to(tmp_path)
    store, found = open_object(f"s3://sales/{key}", connections)
    with pytest.raises(StorageError):
        store.pin(found)
    with pytest.raises(StorageError):
        store.put(found, b"mine")
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("prefix", ["../", "a/../../", "/"])
def test_listings_do_not_leave_the_folder(prefix: str, connections: Connections) -> None:
    store, found = open_listing(f"s3://sales/{prefix}", connections)
    with pytest.raises(StorageError):
        list(store.list(found))


@pytest.mark.parametrize("place", ["local", "fsspec"])
def test_errors_name_the_bucket(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "100% of sales"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "file").write_text("rows")
    url = folder.as_uri() if place == "local" else f"local://{folder}"
    store = open_folder("s3://sales/", Connections(s3_client=Mock(), buckets={"sales": url}))
    pin = store.pin("file")

    def changed() -> None:
        with store.open("file", pin) as file:
            (folder / "file").write_text("other rows")
            file.read()

    calls: list[tuple[str, Callable[[], object]]] = [
        ("none", lambda: store.pin("none")),
        ("50%", lambda: store.open("50%")),
        ("a//b", lambda: store.create("a//b")),
        ("file/below", lambda: store.put("file/below", b"")),
        ("file", lambda: store.pin("file", "a version")),
        ("file", changed),
    ]
    if place == "local":
        calls.append(("link", lambda: list(store.list(""))))
    for key, call in calls:
        with pytest.raises(StorageError) as caught:
            call()
        assert caught.value.url == f"s3://sales/{key}"
        if place == "local":  # a library's own words may name what it looked for
            assert folder.name not in str(caught.value)


def test_the_name_of_a_connection_stays_in_urls(connections: Connections) -> None:
    store = open_folder("s3://conn@sales/a", connections)
    assert store.root == "s3://conn@sales/a"
    assert "S3Store" not in repr(store)


def test_other_buckets_are_on_s3(connections: Connections) -> None:
    assert repr(open_folder("s3://other", connections)) == "RetryingStore(S3Store('s3://other'))"


def test_what_stands_for_a_bucket_is_not_looked_up_again() -> None:
    swapped = Connections(s3_client=Mock(), buckets={"a": "s3://b/of-a", "b": "s3://a"})
    assert repr(open_folder("s3://a", swapped)) == "RetryingStore(MappedBucket('s3://a', S3Store('s3://b/of-a')))"
