"""Every reader, end to end: the same items whatever the number of partitions, read in place or spooled."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from airflow_provider_sfdm import (
    CsvDelimiter,
    CsvHeaders,
    InputType,
    ItemBatcher,
    ItemReader,
    ItemReaderFailed,
    ManifestType,
    OutputType,
    ReaderTransformation,
    ResultWriter,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.sources import reader_items
from airflow_provider_sfdm.storage import Connections, Pin, open_folder
from airflow_provider_sfdm.storage.s3 import S3Store
from tests.runtime.helpers import counters, echo, inputs, on_s3, path_of, put, results, run, s3_client
from tools.servers import S3Endpoint

PARTITIONS = (1, 2, 7)

ROWS = [{"n": str(number), "text": f'é "{number}", \\ line\nfeed' if number % 7 == 0 else "x"} for number in range(40)]
VALUES: list[Any] = [[number, {"é": "x" * (number % 9)}] for number in range(40)]


class Source(NamedTuple):
    """A file, how it is read, its items, and whether the partitions read it where it is."""

    name: str
    data: bytes
    reader: Callable[[str], ItemReader]
    items: list[Any]
    in_place: bool


def _csv(rows: Sequence[dict[str, str]], delimiter: str = ",", *, header: bool = True) -> bytes:
    lines = [delimiter.join(rows[0])] if header else []
    for row in rows:
        lines.append(delimiter.join('"' + v.replace("\\", "\\\\").replace('"', '""') + '"' for v in row.values()))
    return "\r\n".join(lines).encode() + b"\r\n"


def _jsonl(values: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def _written(table: pa.Table, rows_per_group: int | None = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=rows_per_group)
    return buffer.getvalue()


def _parquet() -> bytes:
    return _written(pa.table({"n": list(range(40)), "text": [None if n % 3 else f"é{n}" for n in range(40)]}), 9)


PARQUET_ITEMS = [{"n": n, "text": None if n % 3 else f"é{n}"} for n in range(40)]
OBJECT = {f"k{number}": [number] for number in range(40)}

SOURCES = {
    "csv-first-row": Source("f.csv", _csv(ROWS), lambda url: S3CsvItemReader(url=url), ROWS, True),
    "csv-given": Source(
        "f.csv",
        _csv(ROWS, header=False),
        lambda url: S3CsvItemReader(url=url, csv_headers=CsvHeaders.use(["n", "text"])),
        ROWS,
        True,
    ),
    "csv-bom": Source("f.csv", b"\xef\xbb\xbf" + _csv(ROWS), lambda url: S3CsvItemReader(url=url), ROWS, True),
    "csv-max-items": Source("f.csv", _csv(ROWS), lambda url: S3CsvItemReader(url=url, max_items=33), ROWS[:33], True),
    "csv-gzip": Source("f.csv.gz", gzip.compress(_csv(ROWS)), lambda url: S3CsvItemReader(url=url), ROWS, False),
    "jsonl": Source("f.jsonl", _jsonl(VALUES), lambda url: S3JsonLItemReader(url=url), VALUES, True),
    "jsonl-blank-lines": Source(
        "f.jsonl",
        b"\n\n" + _jsonl(VALUES).replace(b"\n", b"\r\n \r\n"),
        lambda url: S3JsonLItemReader(url=url),
        VALUES,
        True,
    ),
    "jsonl-no-last-newline": Source(
        "f.jsonl", _jsonl(VALUES)[:-1], lambda url: S3JsonLItemReader(url=url, max_items=0), VALUES, True
    ),
    "jsonl-zstd": Source(
        "f.jsonl.zst",
        zstandard.ZstdCompressor().compress(_jsonl(VALUES)),
        lambda url: S3JsonLItemReader(url=url),
        VALUES,
        False,
    ),
    "jsonl-max-items": Source(
        "f.jsonl", _jsonl(VALUES), lambda url: S3JsonLItemReader(url=url, max_items=39), VALUES[:39], True
    ),
    "json-array": Source(
        "f.json", json.dumps(VALUES, indent=1).encode(), lambda url: S3JsonItemReader(url=url), VALUES, False
    ),
    "json-object": Source(
        "f.json",
        json.dumps(OBJECT).encode(),
        lambda url: S3JsonItemReader(url=url),
        [{"Key": key, "Value": value} for key, value in OBJECT.items()],
        False,
    ),
    "json-pointer": Source(
        "f.json",
        json.dumps({"a/b": [0, {"deep": VALUES}], "z": 1}).encode(),
        lambda url: S3JsonItemReader(url=url, items_pointer="/a~1b/1/deep", max_items=27),
        VALUES[:27],
        False,
    ),
    "parquet": Source("f.parquet", _parquet(), lambda url: S3ParquetItemReader(url=url), PARQUET_ITEMS, True),
    "parquet-max-items": Source(
        "f.parquet", _parquet(), lambda url: S3ParquetItemReader(url=url, max_items=31), PARQUET_ITEMS[:31], True
    ),
}


def _plan(folder: Path) -> dict[str, Any]:
    (stored,) = (folder / "runs").glob("*/plan.json")
    return MapRunFolder(open_folder(stored.parent.as_uri())).read("plan.json")


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("name", SOURCES)
def test_all_items_in_order(name: str, partitions: int, tmp_path: Path) -> None:
    source = SOURCES[name]
    url = put(tmp_path / source.name, source.data)
    summary = run(tmp_path, item_reader=source.reader(url), partitions=partitions)
    assert inputs(summary) == source.items
    assert [child.output for child in results(summary).succeeded()] == source.items
    total = len(source.items)
    assert counters(summary) == {"succeeded": total, "total": total, "resultsWritten": total}
    assert (_plan(tmp_path)["source"]["kind"] != "SPOOL") is source.in_place
    assert len(_plan(tmp_path)["partitions"]) == min(partitions, total)


@pytest.mark.parametrize("name", ["csv-first-row", "jsonl-zstd", "parquet"])
def test_more_partitions_than_children(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    url = put(tmp_path / source.name, source.data)
    summary = run(tmp_path, item_reader=source.reader(url), partitions=60)
    assert inputs(summary) == source.items
    assert len(_plan(tmp_path)["partitions"]) == len(source.items)


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    "batcher",
    [
        ItemBatcher(max_items_per_batch=7),
        ItemBatcher(max_items_per_batch=9, max_input_bytes_per_batch=400, batch_input={"day": "today"}),
        ItemBatcher(max_input_bytes_per_batch=300),
    ],
    ids=["count", "both", "bytes"],
)
def test_all_items_in_batches(name: str, batcher: ItemBatcher, partitions: int, tmp_path: Path) -> None:
    source = SOURCES[name]
    url = put(tmp_path / source.name, source.data)
    summary = run(tmp_path, item_reader=source.reader(url), partitions=partitions, item_batcher=batcher)
    batches = inputs(summary)
    assert [item for batch in batches for item in batch["Items"]] == source.items
    count, size = batcher.max_items_per_batch, batcher.max_input_bytes_per_batch
    assert isinstance(count, int | None) and isinstance(size, int | None)
    for number, batch in enumerate(batches):
        assert batch.get("BatchInput") == batcher.batch_input
        assert ("BatchInput" in batch) is (batcher.batch_input is not None)
        assert count is None or len(batch["Items"]) <= count
        assert size is None or _size(batch) <= size
        if number + 1 < len(batches):  # greedy: the next item did not fit
            fuller = {**batch, "Items": [*batch["Items"], batches[number + 1]["Items"][0]]}
            assert len(batch["Items"]) == count or (size is not None and _size(fuller) > size)


def _size(batch: Any) -> int:
    return len(json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.in_place])
def test_in_place_and_spooled_are_the_same(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    url = put(tmp_path / source.name, source.data)
    template = {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "s.$": "$$.Map.Item.Source", "in.$": "$.x"}
    batcher = ItemBatcher(max_items_per_batch=10)
    fields: dict[str, Any] = {"item_reader": source.reader(url), "item_batcher": batcher, "given": {"x": [1, 2]}}
    in_place = run(tmp_path / "a", item_selector=template, partitions=3, **fields)
    assert _plan(tmp_path / "a")["source"]["kind"] != "SPOOL"
    spooled = run(
        tmp_path / "b",
        item_selector=lambda item, context: {"v": item, "i": context["Index"], "s": context["Source"], "in": [1, 2]},
        partitions=3,
        **fields,
    )
    assert _plan(tmp_path / "b")["source"]["kind"] == "SPOOL"
    assert inputs(in_place) == inputs(spooled)
    assert inputs(in_place)[0]["Items"][0] == {"v": source.items[0], "i": 0, "s": url, "in": [1, 2]}


@pytest.mark.parametrize("per_batch", [None, 300])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_many_items(kind: str, per_batch: int | None, tmp_path: Path) -> None:
    # More than one block of every reader, and more children than places that are remembered.
    count = 5_000 if per_batch is None else 60_000
    rows = [{"n": str(n), "text": "two\nlines" if n % 1000 == 3 else "x" * (n % 60)} for n in range(count)]
    readers: dict[str, tuple[bytes, Callable[..., ItemReader]]] = {
        "csv": (_csv(rows), S3CsvItemReader),
        "jsonl": (_jsonl(rows), S3JsonLItemReader),
        "json": (json.dumps(rows).encode(), S3JsonItemReader),
        "parquet": (_written(pa.Table.from_pylist(rows)), S3ParquetItemReader),
    }
    data, reader = readers[kind]
    batcher = None if per_batch is None else ItemBatcher(max_items_per_batch=per_batch)
    config = WriterConfig(transformation=Transformation.FLATTEN, output_type=OutputType.JSONL)
    summary = run(
        tmp_path,
        echo if batcher is None else lambda batch: batch["Items"],
        item_reader=reader(url=put(tmp_path / f"f.{kind}", data)),
        item_batcher=batcher,
        partitions=7,
        result_writer=ResultWriter(url=(tmp_path / "results").as_uri(), writer_config=config),
    )
    assert [child.output for child in results(summary).succeeded()] == rows
    assert len(_plan(tmp_path)["partitions"]) == 7
    assert (_plan(tmp_path)["source"]["kind"] == "SPOOL") is (kind == "json")


@pytest.mark.parametrize("delimiter", list(CsvDelimiter))
def test_delimiters(delimiter: CsvDelimiter, tmp_path: Path) -> None:
    character = delimiter.character
    rows = [{"a": f"1{character}2", "b": "x"}, {"a": "", "b": character * 2}]
    url = put(tmp_path / "f.csv", _csv(rows, character))
    summary = run(tmp_path, item_reader=S3CsvItemReader(url=url, csv_delimiter=delimiter))
    assert inputs(summary) == rows


def test_variables_reach_a_selector_that_the_partitions_apply(tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", "a\n1\n2\n")
    summary = run(
        tmp_path,
        item_reader=S3CsvItemReader(url=url),
        item_selector={"bucket.$": "$bucket", "a.$": "$$.Map.Item.Value.a", "run.$": "$$.Execution.Input.n"},
        given={"n": 5},
        variables={"bucket": "B"},
    )
    assert inputs(summary) == [{"bucket": "B", "a": "1", "run": 5}, {"bucket": "B", "a": "2", "run": 5}]


# -- state data


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_an_array_in_the_input(partitions: int, tmp_path: Path) -> None:
    selector = {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source", "all.$": "$.n"}
    summary = run(
        tmp_path,
        given={"n": 9, "values": VALUES},
        items_path="$.values",
        item_selector=selector,
        partitions=partitions,
    )
    expected = [{"i": index, "v": value, "s": "STATE_DATA", "all": 9} for index, value in enumerate(VALUES)]
    assert inputs(summary) == expected


def test_the_input_itself_is_the_array(tmp_path: Path) -> None:
    assert inputs(run(tmp_path, given=["a", None, 1.5])) == ["a", None, 1.5]


@pytest.mark.parametrize("partitions", [1, 2])
def test_an_object_gives_keys_and_values(partitions: int, tmp_path: Path) -> None:
    items = {"a": 1, "b": {"c": 2}}
    expected = [{"Key": "a", "Value": 1}, {"Key": "b", "Value": {"c": 2}}]
    assert inputs(run(tmp_path / "1", items=items, partitions=partitions)) == expected
    selector = {"k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value"}
    summary = run(tmp_path / "2", items=items, partitions=partitions, item_selector=selector)
    assert inputs(summary) == [{"k": "a", "v": 1}, {"k": "b", "v": {"c": 2}}]


class Lazy(Sequence[Any]):
    """As Airflow's sequence of a mapped task's results: a request each time it is asked."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.requests = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        self.requests += 1
        return list(range(self.length))[index]


def test_a_lazy_sequence_is_read_in_slices(tmp_path: Path) -> None:
    from airflow_provider_sfdm.runtime.sources import state_data

    lazy = Lazy(1201)
    assert [value for value, _, _ in state_data(lazy)] == list(range(1201))
    assert lazy.requests == 3


def test_an_empty_array_succeeds_with_nothing(tmp_path: Path) -> None:
    summary = run(tmp_path, given=[], partitions=4)
    assert (summary.status, counters(summary)) == ("SUCCEEDED", {})
    assert run(tmp_path, given=[], result_writer=None).output == []


# -- listings


def _tree(folder: Path) -> dict[str, bytes]:
    contents = {f"{number:04d}.jsonl": f'{{"n":{number}}}\n[{number}]\n'.encode() for number in range(30)}
    for name, content in contents.items():
        put(folder / "part" / name, content)
    return contents


def test_a_folder_lists_its_files(tmp_path: Path) -> None:
    contents = _tree(tmp_path / "data")
    summary = run(tmp_path, item_reader=S3ObjectsItemReader(url=(tmp_path / "data").as_uri()), partitions=7)
    found = inputs(summary)
    assert [item["Key"] for item in found] == [f"part/{name}" for name in contents]
    first = tmp_path / "data/part/0000.jsonl"
    assert found[0] == {
        "Etag": found[0]["Etag"],
        "Key": "part/0000.jsonl",
        "LastModified": int(first.stat().st_mtime),
        "Size": len(contents["0000.jsonl"]),
        "StorageClass": "STANDARD",
    }
    assert found[0]["Etag"].startswith('"') and found[0]["Etag"].endswith('"')


@pytest.mark.parametrize("partitions", [1, 7])
def test_load_and_flatten_reads_what_is_in_the_files(partitions: int, tmp_path: Path) -> None:
    contents = _tree(tmp_path / "data")
    put(tmp_path / "data/part/more.jsonl.gz", gzip.compress(b'"more"\n'))
    put(tmp_path / "data/part/empty.jsonl", b"")
    reader = S3ObjectsItemReader(
        url=(tmp_path / "data").as_uri(),
        transformation=ReaderTransformation.LOAD_AND_FLATTEN,
        input_type=InputType.JSONL,
    )
    selector = {"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"}
    summary = run(tmp_path, item_reader=reader, item_selector=selector, partitions=partitions)
    base = (tmp_path / "data/part").as_uri()
    expected = []
    for number, name in enumerate(contents):
        expected += [{"v": {"n": number}, "s": f"{base}/{name}"}, {"v": [number], "s": f"{base}/{name}"}]
    assert inputs(summary) == [*expected, {"v": "more", "s": f"{base}/more.jsonl.gz"}]


@pytest.mark.parametrize("kind", [InputType.CSV, InputType.JSON, InputType.PARQUET])
def test_load_and_flatten_of_the_other_formats(kind: InputType, tmp_path: Path) -> None:
    names = {InputType.CSV: "csv-first-row", InputType.JSON: "json-object", InputType.PARQUET: "parquet"}
    source = SOURCES[names[kind]]
    put(tmp_path / "data/1" / source.name, source.data)
    put(tmp_path / "data/2" / source.name, source.data)
    reader = S3ObjectsItemReader(
        url=(tmp_path / "data").as_uri(), transformation=ReaderTransformation.LOAD_AND_FLATTEN, input_type=kind
    )
    assert inputs(run(tmp_path, item_reader=reader, partitions=3)) == source.items * 2


def test_load_and_flatten_takes_the_pins_from_the_listing(
    s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, client = s3_bucket(), s3_client(s3_server)
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"in/{number}.jsonl", Body=f"{number}\n".encode())
    looked_up: list[str] = []
    pin = S3Store.pin

    def count(self: S3Store, key: str, version_id: str | None = None) -> Pin:
        looked_up.append(key)
        return pin(self, key, version_id)

    monkeypatch.setattr(S3Store, "pin", count)
    reader = S3ObjectsItemReader(
        bucket=bucket, prefix="in/", transformation=ReaderTransformation.LOAD_AND_FLATTEN, input_type=InputType.JSONL
    )
    assert inputs(run(tmp_path, item_reader=reader, connections=on_s3(s3_server))) == [0, 1, 2]
    assert looked_up == []


def test_load_and_flatten_notices_what_changed_since_the_listing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(2):
        put(data / f"{number}.jsonl", f"{number}\n")
    reader = S3ObjectsItemReader(
        url=data.as_uri(), transformation=ReaderTransformation.LOAD_AND_FLATTEN, input_type=InputType.JSONL
    )
    items = reader_items(reader, Connections())
    assert next(items)[0] == 0
    put(data / "1.jsonl", "other\n")
    with pytest.raises(ItemReaderFailed, match=r"1\.jsonl: the file changed"):
        next(items)


def test_a_prefix_with_more_than_a_thousand_keys(
    s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    bucket, connections = s3_bucket(), on_s3(s3_server)
    client = s3_client(s3_server)
    for number in range(1005):
        client.put_object(Bucket=bucket, Key=f"in/{number:05d}", Body=b"x")
    client.put_object(Bucket=bucket, Key="other", Body=b"x")
    reader = S3ObjectsItemReader(bucket=bucket, prefix="in/")
    selector = {"k.$": "$$.Map.Item.Value.Key", "s.$": "$$.Map.Item.Source", "m.$": "$$.Map.Item.Value"}
    writer = ResultWriter(bucket=bucket, prefix="out")
    summary = run(
        tmp_path, item_reader=reader, item_selector=selector, partitions=2, connections=connections,
        result_writer=writer, item_batcher=ItemBatcher(max_items_per_batch=100),
    )  # fmt: skip
    items = [item for batch in inputs(summary, connections) for item in batch["Items"]]
    assert [item["k"] for item in items] == [f"in/{number:05d}" for number in range(1005)]
    assert {item["s"] for item in items} == {f"s3://{bucket}"}
    assert items[0]["m"].keys() == {"Etag", "Key", "LastModified", "Size", "StorageClass"}
    assert items[0]["m"]["Etag"] == f'"{hashlib.md5(b"x").hexdigest()}"'
    assert isinstance(items[0]["m"]["LastModified"], float)
    arn, uuid = summary.map_run_arn, str(summary.map_run_arn).rpartition(":")[2]
    details = {"Bucket": bucket, "Key": f"out/{uuid}/manifest.json"}
    assert summary.output == {"MapRunArn": arn, "ResultWriterDetails": details}
    # MaxItems counts objects of a listing too.
    few = run(tmp_path, item_reader=S3ObjectsItemReader(bucket=bucket, prefix="in/", max_items=7),
              connections=connections)  # fmt: skip
    assert few.item_counts.total == 7


@pytest.mark.parametrize("name", ["csv-first-row", "jsonl", "parquet", "json-pointer", "jsonl-zstd"])
def test_files_on_s3(name: str, s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    source, bucket, connections = SOURCES[name], s3_bucket(), on_s3(s3_server)
    s3_client(s3_server).put_object(Bucket=bucket, Key=source.name, Body=source.data)
    summary = run(
        tmp_path,
        item_reader=source.reader(f"s3://{bucket}/{source.name}"),
        item_selector={"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"},
        partitions=3,
        connections=connections,
    )
    label = f"s3://{bucket}/{source.name}"
    values = [{"v": item["Value"] if "object" in name else item, "s": label} for item in source.items]
    assert inputs(summary) == values


def test_a_version_on_s3(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket, client = s3_bucket(), s3_client(s3_server)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket=bucket, Key="f.jsonl", Body=b"1\n2\n")["VersionId"]
    client.put_object(Bucket=bucket, Key="f.jsonl", Body=b"3\n")
    for version, expected in ((first, [1, 2]), (None, [3])):
        reader = S3JsonLItemReader(bucket=bucket, key="f.jsonl", version_id=version)
        assert inputs(run(tmp_path, item_reader=reader, connections=on_s3(s3_server))) == expected


# -- manifests


def test_an_s3_inventory(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket, client = s3_bucket(), s3_client(s3_server)
    files = []
    for number in range(2):
        rows = "".join(f'"source","key%20{number}-{row}","{row}"\n' for row in range(3))
        data = gzip.compress(rows.encode())
        key = f"inv/data/{number}.csv.gz"
        client.put_object(Bucket=bucket, Key=key, Body=data)
        files.append({"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()})
    manifest = {
        "sourceBucket": "source",
        "destinationBucket": f"arn:aws:s3:::{bucket}",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": files,
    }
    client.put_object(Bucket=bucket, Key="inv/manifest.json", Body=json.dumps(manifest).encode())
    for partitions in (1, 4):
        reader = S3ManifestItemReader(bucket=bucket, key="inv/manifest.json")
        summary = run(tmp_path, item_reader=reader, partitions=partitions, connections=on_s3(s3_server))
        found = inputs(summary)
        assert [item["Size"] for item in found] == ["0", "1", "2"] * 2
        assert found[0].keys() == {"Bucket", "Key", "Size"}
        assert found[0]["Bucket"] == "source"


@pytest.mark.parametrize("kind", [InputType.CSV, InputType.JSONL, InputType.PARQUET])
def test_an_athena_manifest(
    kind: InputType, s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    bucket, client = s3_bucket(), s3_client(s3_server)
    names = {InputType.CSV: "csv-given", InputType.JSONL: "jsonl", InputType.PARQUET: "parquet"}
    source = SOURCES[names[kind]]
    urls = []
    for number in range(2):
        client.put_object(Bucket=bucket, Key=f"unload/{number}-{source.name}", Body=source.data)
        urls.append(f"s3://{bucket}/unload/{number}-{source.name}")
    client.put_object(Bucket=bucket, Key="q-manifest.csv", Body="\n".join(urls).encode() + b"\n")
    reader = S3ManifestItemReader(
        bucket=bucket,
        key="q-manifest.csv",
        manifest_type=ManifestType.ATHENA_DATA,
        input_type=kind,
        csv_headers=CsvHeaders.use(["n", "text"]) if kind is InputType.CSV else None,
    )
    for partitions in (1, 5):
        summary = run(tmp_path, item_reader=reader, partitions=partitions, connections=on_s3(s3_server))
        assert inputs(summary) == source.items * 2


def test_the_summary_leads_to_the_results(tmp_path: Path) -> None:
    summary = run(tmp_path, given=[1, 2, 3], partitions=2)
    assert summary.manifest is not None
    assert path_of(summary.manifest).name == "manifest.json"
    assert path_of(summary.manifest).parent.parent == tmp_path / "results"
