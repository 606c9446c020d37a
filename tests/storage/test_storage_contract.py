"""What every store promises."""

from __future__ import annotations

import io
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_sfdm.storage.base import (
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    ObjectStore,
    Pin,
    StorageError,
)
from airflow_provider_sfdm.storage.local import LocalStore
from airflow_provider_sfdm.storage.mapped import MappedBucket


def listed(store: ObjectStore, prefix: str = "") -> list[ObjectInfo]:
    return [info for page in store.list(prefix) for info in page]


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in listed(store, prefix)]


def test_put_then_read(store: ObjectStore) -> None:
    store.put("deep/er/name", b"one")
    assert store.read("deep/er/name") == b"one"
    store.put("deep/er/name", b"")
    assert store.read("deep/er/name") == b""


@pytest.mark.parametrize("key", ["a b", "ä/ö.csv", "100%", "a+b=c&d", "x?y#z", "日本/語", "%41"])
def test_keys_are_kept_as_they_are(store: ObjectStore, key: str) -> None:
    store.put(key, b"data")
    assert store.read(key) == b"data"
    assert keys(store) == [key]
    local = isinstance(store, LocalStore)  # where URLs are decoded, so a percent sign is escaped
    assert store.url(key) == f"{store.root}/{key.replace('%', '%25') if local else key}"


def test_what_is_missing(store: ObjectStore) -> None:
    store.put("there", b"")
    for look in (store.pin, store.read, store.open, store.open_seekable):
        with pytest.raises(ObjectNotFound) as caught:
            look("missing")
        assert caught.value.url == store.url("missing")
        assert "\n" not in caught.value.reason
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), again.url, again.reason) == (ObjectNotFound, caught.value.url, caught.value.reason)


def test_open_from_an_offset(store: ObjectStore) -> None:
    store.put("k", bytes(range(100)))
    pin = store.pin("k")
    assert pin.size == 100
    for start in (0, 1, 99, 100):
        with store.open("k", pin, start) as file:
            assert file.read() == bytes(range(start, 100))
    with store.open("k", None, 98) as file:
        assert (file.read(1), file.read(5), file.read(5)) == (b"b", b"c", b"")
    with store.open("k", None, 500) as file:
        assert file.read() == b""


def test_an_empty_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    pin = store.pin("empty")
    assert pin.size == 0
    with store.open("empty", pin) as file:
        assert file.read() == b""
    with store.open_seekable("empty", pin) as file:
        assert file.read() == b""


def test_lines_of_a_big_object(store: ObjectStore) -> None:
    lines = [b"%d,%s\n" % (number, b"x" * (number % 97)) for number in range(120_000)]
    with store.create("big.csv") as writer:
        for line in lines:
            writer.write(line)
        assert writer.size == sum(map(len, lines))
    with store.open("big.csv", store.pin("big.csv")) as file:
        assert list(file) == lines
    with store.open("big.csv", start=len(lines[0])) as text:
        assert next(iter(text)) == lines[1]


def test_a_changed_object_is_refused(store: ObjectStore) -> None:
    store.put("k", b"first")
    pin = store.pin("k")
    store.put("k", b"other")
    same_size = Pin(5, pin.version_id, pin.etag, pin.modified_ns)
    for opened in (store.open, store.open_seekable):
        with pytest.raises(ObjectChanged), opened("k", same_size) as file:
            file.read()
    with pytest.raises(ObjectChanged), store.open("k", pin, 5) as file:
        file.read()


def test_a_listing_pins_as_well(store: ObjectStore) -> None:
    store.put("k", b"first")
    [info] = listed(store)
    pin = Pin(info.size, etag=info.etag)
    with store.open("k", pin) as file:
        assert file.read() == b"first"
    store.put("k", b"longer than it was")
    with pytest.raises(ObjectChanged), store.open("k", pin) as file:
        file.read()


def test_the_order_of_a_listing_is_that_of_s3(store: ObjectStore) -> None:
    names = ["a/b", "a.txt", "a-b", "a0", "a/c/d", "a/c.e", "a/c-f", "B", "b/\U0001f600", "b/\uffee", "é", "b/z"]
    for name in names:
        store.put(name, name.encode())
    ordered = sorted(names, key=str.encode)
    # SeaweedFS sorts names within folders ("a/b" before "a-b"); what it lists must still be right.
    order = sorted if store.root.startswith("s3://contract/") else list
    assert order(keys(store)) == order(ordered)
    for prefix in ("a", "a/", "a/c", "a/c/", "b", "zzz", "a/nothing/here", "a.txt/"):
        assert order(keys(store, prefix)) == order(name for name in ordered if name.startswith(prefix))
    for info in listed(store):
        assert info.size == len(info.key.encode())
        assert info.last_modified == int(info.last_modified) > 1_500_000_000


def test_a_listing_comes_in_pages(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"p/{number:04}", b""), range(1003)))
    pages = list(store.list("p/"))
    assert [len(page) for page in pages] == [1000, 3]
    assert [info.key for page in pages for info in page] == [f"p/{number:04}" for number in range(1003)]


def test_put_if_absent(store: ObjectStore) -> None:
    assert store.put_if_absent("f/lock", b"mine")
    assert not store.put_if_absent("f/lock", b"yours")
    assert store.read("f/lock") == b"mine"
    store.delete("f/lock")
    assert store.put_if_absent("f/lock", b"yours")


def test_put_if_absent_has_one_winner(store: ObjectStore) -> None:
    together = threading.Barrier(8)

    def take(number: int) -> bool:
        together.wait(30)
        return store.put_if_absent("lock", b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(take, range(8)))
    assert won.count(True) == 1
    assert store.read("lock") == b"%d" % won.index(True)


def test_delete(store: ObjectStore) -> None:
    store.put("f/a", b"")
    store.delete("f/a")
    store.delete("f/a")
    store.delete("never/was")
    assert keys(store) == []


@pytest.mark.parametrize("size", [0, 10, 9 << 20])
def test_an_object_appears_when_its_stream_is_closed(store: ObjectStore, size: int) -> None:
    store.put("out/k", b"before")
    with store.create("out/k") as writer:
        writer.write(b"x" * size)
        assert store.read("out/k") == b"before"
        assert keys(store) == ["out/k"]
    assert store.read("out/k") == b"x" * size
    writer.close()
    writer.abort()
    assert keys(store) == ["out/k"]


@pytest.mark.parametrize("size", [10, 20 << 20])
def test_an_object_does_not_appear_when_its_stream_is_aborted(store: ObjectStore, size: int) -> None:
    store.put("other", b"")
    with pytest.raises(ZeroDivisionError), store.create("out/k") as writer:
        writer.write(b"x" * size)
        raise ZeroDivisionError
    assert keys(store) == ["other"]
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"more")


def test_seeking(store: ObjectStore) -> None:
    data = bytes(number % 251 for number in range(3_000_000))
    store.put("k", data)
    with store.open_seekable("k", store.pin("k")) as file:
        assert file.seekable()
        assert file.seek(-8, io.SEEK_END) == len(data) - 8
        assert file.read() == data[-8:]
        for start, count in ((0, 10), (2_999_990, 50), (1_000_000, 1_500_000), (999_995, 10), (5, 3)):
            assert file.seek(start) == start
            assert file.read(count) == data[start : start + count]
            assert file.tell() == min(start + count, len(data))
        file.seek(4_000_000)
        assert file.read() == b""
        file.seek(0)
        assert file.read() == data


def test_parquet(store: ObjectStore) -> None:
    table = pa.table({"n": list(range(50_000)), "text": [f"row {number}" for number in range(50_000)]})
    with store.create("t.parquet") as writer:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=7_000)
        writer.write(buffer.getvalue())
    with store.open_seekable("t.parquet", store.pin("t.parquet")) as file, pq.ParquetFile(file) as parquet:
        assert parquet.read_row_group(3).to_pylist() == table.slice(21_000, 7_000).to_pylist()
        assert pa.Table.from_batches(parquet.iter_batches(999)).equals(table)


def test_errors_come_through_pyarrow(store: ObjectStore) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(2_000_000))}), buffer, compression="none", use_dictionary=False)
    store.put("t.parquet", buffer.getvalue())
    with store.open_seekable("t.parquet", store.pin("t.parquet")) as file, pq.ParquetFile(file) as parquet:
        store.put("t.parquet", buffer.getvalue() + b"longer")
        if isinstance(store, LocalStore | MappedBucket):
            # The replaced file stays readable as it was while it is open.
            assert parquet.read().num_rows == 2_000_000
        else:
            with pytest.raises(ObjectChanged):
                parquet.read()


def test_no_key_is_empty(store: ObjectStore) -> None:
    for call in (store.pin, store.open, store.read, store.create, store.delete):
        with pytest.raises(StorageError):
            call("")
    with pytest.raises(StorageError):
        store.put("", b"")
