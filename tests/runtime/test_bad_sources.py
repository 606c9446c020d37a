"""Data that is missing, denied, malformed or changed: one clear error, and nothing that was finished is lost."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import gzip
import io
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_sfdm import (
    CsvHeaders,
    DataLimitExceeded,
    DistributedMap,
    InputType,
    ItemBatcher,
    ItemReader,
    ItemReaderFailed,
    JsonPath,
    ReaderTransformation,
    ResultWriterFailed,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
    StatesError,
    StatesRuntime,
)
from airflow_provider_sfdm.core.writer import ResultWriter
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.partition import run_partition
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import counters, echo, inputs, on_s3, put, records, results, run, s3_client
from tools.servers import S3Endpoint


def _fails(folder: Path, reader: ItemReader, *parts: str, **fields: Any) -> StatesError:
    """The map run cannot begin; the error's cause names all of ``parts``."""
    started: list[Any] = []
    with pytest.raises(StatesError) as caught:
        run(folder, started.append, item_reader=reader, **fields)
    for part in parts:
        assert part in caught.value.cause
    assert started == []
    return caught.value


# -- the file is not there, or not ours


def test_a_missing_file(tmp_path: Path) -> None:
    url = (tmp_path / "none.csv").as_uri()
    error = _fails(tmp_path, S3CsvItemReader(url=url), url)
    assert error.error == "States.ItemReaderFailed"


def test_a_missing_folder(tmp_path: Path) -> None:
    url = (tmp_path / "none").as_uri()
    assert _fails(tmp_path, S3ObjectsItemReader(url=url), url).error == "States.ItemReaderFailed"


@pytest.mark.parametrize(
    "make",
    [
        lambda bucket: S3CsvItemReader(bucket=bucket, key="none.csv"),
        lambda bucket: S3JsonItemReader(bucket=bucket, key="none.json"),
        lambda bucket: S3JsonLItemReader(bucket=bucket, key="none.jsonl.gz"),
        lambda bucket: S3ParquetItemReader(bucket=bucket, key="none.parquet"),
        lambda bucket: S3ManifestItemReader(bucket=bucket, key="none.json"),
    ],
    ids=["csv", "json", "jsonl.gz", "parquet", "manifest"],
)
def test_a_missing_key_or_bucket(
    make: Callable[[str], ItemReader], s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    bucket, connections = s3_bucket(), on_s3(s3_server)
    error = _fails(tmp_path, make(bucket), f"s3://{bucket}/none.", connections=connections)
    assert error.error == "States.ItemReaderFailed"
    error = _fails(tmp_path, make("no-such-bucket"), "s3://no-such-bucket/none.", connections=connections)
    assert error.error == "States.ItemReaderFailed"


def test_a_missing_bucket_of_a_listing(s3_server: S3Endpoint, tmp_path: Path) -> None:
    reader = S3ObjectsItemReader(bucket="no-such-bucket", prefix="x")
    error = _fails(tmp_path, reader, "no-such-bucket", "NoSuchBucket", connections=on_s3(s3_server))
    assert error.error == "States.ItemReaderFailed"


def test_access_denied(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket = s3_bucket()
    stranger = dataclasses.replace(s3_server, access_key="nobody", secret_key="wrong")
    for reader in (S3CsvItemReader(bucket=bucket, key="f.csv"), S3ObjectsItemReader(bucket=bucket)):
        error = _fails(tmp_path, reader, f"s3://{bucket}", connections=on_s3(stranger))
        assert error.error == "States.ItemReaderFailed"
        assert "wrong" not in error.cause


# -- malformed before anything can run


def _csv(url: str) -> ItemReader:
    return S3CsvItemReader(url=url)


def _jsonl(url: str) -> ItemReader:
    return S3JsonLItemReader(url=url)


def _json(url: str) -> ItemReader:
    return S3JsonItemReader(url=url)


@pytest.mark.parametrize(
    ("name", "data", "make", "parts"),
    [
        ("f.csv.gz", gzip.compress(b"a\n" + b"1\n" * 9999)[:-20], _csv, ["f.csv.gz", "cut off"]),
        ("f.jsonl.gz", b"plain text", _jsonl, ["f.jsonl.gz", "not valid"]),
        ("f.jsonl.zst", b"plain text", _jsonl, ["f.jsonl.zst", "not valid"]),
        ("f.csv", b"a,b\n1,2\n3,\xff\n", _csv, ["f.csv line 3", "UTF-8"]),
        ("f.csv", b'a,b\n1,2\n3,"open\n4,5\n', _csv, ["f.csv line 3"]),
        ("f.csv", b"a,b,a\n1,2,3\n", _csv, ["CSV headers cannot contain duplicates."]),
        ("f.csv", b"", _csv, ["f.csv", "empty"]),
        ("f.csv", b"\xef\xbb\xbf", _csv, ["f.csv", "empty"]),
        ("f.jsonl.gz", gzip.compress(b"1\n2\n{oops\n"), _jsonl, ["f.jsonl.gz line 3"]),
        ("f.json", b"", _json, ["f.json"]),
        ("f.json", b"[1, 2, oops]", _json, ["f.json"]),
        ("f.json", b"[1, 2", _json, ["f.json"]),
        ("f.json", b'["\xff"]', _json, ["f.json"]),
        ("f.json", b"7", _json, ["Attempting to map over non-iterable node."]),
        ("f.json", b'"text"', _json, ["Attempting to map over non-iterable node."]),
        ("f.json", b"null", _json, ["Attempting to map over non-iterable node."]),
        ("f.parquet", b"PAR1 no PAR1", lambda url: S3ParquetItemReader(url=url), ["f.parquet"]),
        ("manifest.json", b"{}", lambda url: S3ManifestItemReader(url=url), ["manifest.json"]),
    ],
)
def test_a_malformed_file(
    name: str, data: bytes, make: Callable[[str], ItemReader], parts: list[str], tmp_path: Path
) -> None:
    error = _fails(tmp_path, make(put(tmp_path / name, data)), *parts)
    assert error.error == "States.ItemReaderFailed"
    assert "\n" not in error.cause


def test_given_headers_that_repeat(tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", b"1,2\n")
    reader = S3CsvItemReader(url=url, csv_headers=CsvHeaders.use(["a", "a"]))
    assert _fails(tmp_path, reader).cause == "CSV headers cannot contain duplicates."


@pytest.mark.parametrize("pointer", ["/none", "/a/3", "/a/x", "/b/c"])
def test_a_pointer_that_misses(pointer: str, tmp_path: Path) -> None:
    url = put(tmp_path / "f.json", b'{"a": [1, 2], "b": 1}')
    error = _fails(tmp_path, S3JsonItemReader(url=url, items_pointer=pointer))
    assert error.cause == (
        "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure."
    )


def test_a_pointer_to_a_scalar(tmp_path: Path) -> None:
    url = put(tmp_path / "f.json", b'{"a": [1, 2], "b": 1}')
    error = _fails(tmp_path, S3JsonItemReader(url=url, items_pointer="/b"))
    assert error.cause == "Attempting to map over non-iterable node."


# -- odd, and no error


def test_ragged_rows_are_filled_and_cut(tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", b"a,b,c\n1\n1,2,3,4,5\n,,\n")
    assert inputs(run(tmp_path, item_reader=S3CsvItemReader(url=url))) == [
        {"a": "1", "b": "", "c": ""},
        {"a": "1", "b": "2", "c": "3"},
        {"a": "", "b": "", "c": ""},
    ]


@pytest.mark.parametrize(
    ("name", "data", "make"),
    [
        ("f.csv", b"a,b\n", _csv),
        ("f.csv", b"", lambda url: S3CsvItemReader(url=url, csv_headers=CsvHeaders.use(["a"]))),
        ("f.jsonl", b"", _jsonl),
        ("f.jsonl", b"\xef\xbb\xbf\n\n", _jsonl),
        ("f.jsonl.gz", gzip.compress(b""), _jsonl),
        ("f.json", b"[]", _json),
        ("f.json", b"{}", _json),
    ],
)
def test_no_items_succeed_with_a_warning(
    name: str,
    data: bytes,
    make: Callable[[str], ItemReader],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = put(tmp_path / name, data)
    with caplog.at_level(logging.WARNING):
        summary = run(tmp_path, item_reader=make(url), partitions=3)
    assert (summary.status, counters(summary), inputs(summary)) == ("SUCCEEDED", {}, [])
    assert "no items" in caplog.text


def test_an_empty_prefix(
    s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = s3_bucket()
    reader = S3ObjectsItemReader(bucket=bucket, prefix="nothing/")
    with caplog.at_level(logging.WARNING):
        summary = run(tmp_path, item_reader=reader, connections=on_s3(s3_server))
    assert (summary.status, summary.item_counts.total) == ("SUCCEEDED", 0)
    assert f"s3://{bucket}/nothing/" in caplog.text


def test_parquet_columns_that_json_does_not_have(tmp_path: Path) -> None:
    when = datetime.datetime(2026, 11, 23, 15, 4, 5, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "price": pa.array([decimal.Decimal("1.50")], pa.decimal128(10, 2)),
            "when": pa.array([when], pa.timestamp("ms", "UTC")),
            "nested": pa.array([{"list": [1, None], "text": "é"}]),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    url = put(tmp_path / "f.parquet", buffer.getvalue())
    for partitions in (1, 2):
        assert inputs(run(tmp_path, item_reader=S3ParquetItemReader(url=url), partitions=partitions)) == [
            {"price": "1.50", "when": "2026-11-23T15:04:05.000Z", "nested": {"list": [1, None], "text": "é"}}
        ]


# -- malformed in the middle, found while children run


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_bad_line_found_by_a_partition(partitions: int, tmp_path: Path) -> None:
    lines = [json.dumps(number) for number in range(30)]
    lines[20] = "{oops"
    url = put(tmp_path / "f.jsonl", "\n".join(lines))
    summary = run(tmp_path, item_reader=S3JsonLItemReader(url=url), partitions=partitions)
    assert (summary.status, summary.error) == ("FAILED", "States.ItemReaderFailed")
    assert summary.cause is not None
    assert f"{url} line 21:" in summary.cause
    # What was finished before is in the result files, and only that.
    assert inputs(summary) == list(range(20))
    # What comes after the bad line in its partition has no record.
    assert counters(summary) == {"succeeded": 20, "pending": 10, "total": 30, "resultsWritten": 20}
    assert records(summary, "PENDING") == []
    with pytest.raises(ItemReaderFailed):
        summary.raise_for_status()


def test_a_line_that_is_not_utf8(tmp_path: Path) -> None:
    url = put(tmp_path / "f.jsonl", b'"a"\n"\xff"\n"c"\n')
    summary = run(tmp_path, item_reader=S3JsonLItemReader(url=url))
    assert (summary.status, summary.error) == ("FAILED", "States.ItemReaderFailed")
    assert summary.cause is not None and f"{url} line 2:" in summary.cause
    assert inputs(summary) == ["a"]


def test_a_bad_file_of_a_listing(tmp_path: Path) -> None:
    put(tmp_path / "data/1.jsonl", b"1\n")
    url = put(tmp_path / "data/2.jsonl", b"2\noops\n")
    reader = S3ObjectsItemReader(
        url=(tmp_path / "data").as_uri(),
        transformation=ReaderTransformation.LOAD_AND_FLATTEN,
        input_type=InputType.JSONL,
    )
    assert _fails(tmp_path, reader, f"{url} line 2:").error == "States.ItemReaderFailed"


def test_a_bad_line_within_a_batch(tmp_path: Path) -> None:
    url = put(tmp_path / "f.jsonl", "1\n2\n3\n4\noops\n6\n")
    reader, batcher = S3JsonLItemReader(url=url), ItemBatcher(max_items_per_batch=2)
    summary = run(tmp_path, item_reader=reader, item_batcher=batcher)
    assert inputs(summary) == [{"Items": [1, 2]}, {"Items": [3, 4]}]
    assert summary.cause is not None and "line 5" in summary.cause


@pytest.mark.parametrize("change", ["longer", "same size", "gone"])
def test_a_source_that_changed_after_planning(change: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    url = put(path, b"a\n" + b"".join(b"%d\n" % number for number in range(10, 60)))
    definition = DistributedMap(
        item_processor=echo,
        item_reader=S3CsvItemReader(url=url),
        result_writer=ResultWriter(url=(tmp_path / "results").as_uri()),
    )
    connections = Connections()
    folder, _ = plan_map_run(
        definition, name="m", storage=(tmp_path / "runs").as_uri(), connections=connections, partitions=2
    )
    ready = invocation_factory(definition, connections)
    run_partition(definition, folder, 0, ready, connections)
    if change == "gone":
        path.unlink()
    else:
        data = path.read_bytes().replace(b"5", b"6") + (b"99\n" if change == "longer" else b"")
        before = path.stat()
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    end = run_partition(definition, folder, 1, ready, connections)
    assert end.error is not None and end.error.error == "States.ItemReaderFailed"
    assert url in end.error.cause
    assert (end.items.succeeded, end.items.pending) == (0, 25)
    summary = write_results(folder, connections)
    assert (summary.status, summary.error) == ("FAILED", "States.ItemReaderFailed")
    assert inputs(summary) == [{"a": str(number)} for number in range(10, 35)]


def test_an_object_that_changed_after_planning(
    s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    bucket, client, connections = s3_bucket(), s3_client(s3_server), on_s3(s3_server)
    client.put_object(Bucket=bucket, Key="f.jsonl", Body=b"1\n2\n3\n4\n")
    definition = DistributedMap(item_processor=echo, item_reader=S3JsonLItemReader(bucket=bucket, key="f.jsonl"))
    storage = (tmp_path / "runs").as_uri()
    folder, _ = plan_map_run(definition, name="m", storage=storage, connections=connections, partitions=2)
    client.put_object(Bucket=bucket, Key="f.jsonl", Body=b"5\n6\n7\n8\n")
    ready = invocation_factory(definition, connections)
    for index in (0, 1):
        end = run_partition(definition, folder, index, ready, connections)
    summary = write_results(folder, connections)
    assert end.items.succeeded == 0
    assert summary.error == "States.ItemReaderFailed"
    assert summary.cause is not None and "changed" in summary.cause


# -- sizes


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz"])
def test_an_item_over_256_kib(name: str, tmp_path: Path) -> None:
    text = b'1\n"' + b"x" * 262_143 + b'"\n'
    url = put(tmp_path / name, gzip.compress(text) if name.endswith("gz") else text)
    error = _fails(tmp_path, S3JsonLItemReader(url=url), "Item 1 ", name, "262,144")
    assert isinstance(error, DataLimitExceeded)


def test_a_selector_that_cuts_a_large_item_down(tmp_path: Path) -> None:
    url = put(tmp_path / "f.jsonl", json.dumps({"big": "x" * 300_000, "small": 1}))
    reader = S3JsonLItemReader(url=url)
    assert inputs(run(tmp_path, item_reader=reader, item_selector={"s.$": "$$.Map.Item.Value.small"})) == [{"s": 1}]


@pytest.mark.parametrize(
    "batcher",
    [
        ItemBatcher(max_input_bytes_per_batch=30),
        ItemBatcher(max_input_bytes_per_batch=30, max_items_per_batch=5),
        ItemBatcher(max_items_per_batch=2, batch_input={"filler": "x" * 262_130}),
    ],
    ids=["bytes", "both", "batch-input"],
)
def test_batch_limits_that_cannot_hold_one_item(batcher: ItemBatcher, tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", b"a\n1\n" + b"2" * 40 + b"\n")
    error = _fails(tmp_path, S3CsvItemReader(url=url), "Item ", url, "over the limit", item_batcher=batcher)
    assert isinstance(error, DataLimitExceeded)


# -- values of the input


@pytest.mark.parametrize("value", [-1, 1.5, "two", None, [1], {}, True])
def test_numbers_from_the_input_that_are_no_numbers(value: Any, tmp_path: Path) -> None:
    for field in ("max_concurrency_path", "tolerated_failure_count_path", "tolerated_failure_percentage_path"):
        if value == 1.5 and "percentage" in field:
            continue
        fields: dict[str, Any] = {field: "$.n"}
        with pytest.raises(StatesRuntime) as caught:
            run(tmp_path, given={"n": value, "items": []}, items_path="$.items", **fields)
        assert "An error occurred while executing the state 'map'" in caught.value.cause
        assert "".join(part.title() for part in field.split("_")[:2]) in caught.value.cause


@pytest.mark.parametrize("value", [-1, 0, 1.5, "two", None])
def test_batch_limits_from_the_input_that_are_no_limits(value: Any, tmp_path: Path) -> None:
    for field, name in (
        ("max_items_per_batch_path", "MaxItemsPerBatch"),
        ("max_input_bytes_per_batch_path", "MaxInputBytesPerBatch"),
    ):
        with pytest.raises(StatesRuntime, match=name):
            run(tmp_path, given={"n": value, "i": []}, items_path="$.i", item_batcher=ItemBatcher(**{field: "$.n"}))


def test_numbers_from_the_input_may_be_text(tmp_path: Path) -> None:
    summary = run(
        tmp_path,
        given={"n": "2", "p": "50", "items": [1, 2, 3]},
        items_path="$.items",
        max_concurrency_path="$.n",
        tolerated_failure_count_path="$.n",
        tolerated_failure_percentage_path="$.p",
        item_batcher=ItemBatcher(max_items_per_batch_path="$.n"),
    )
    assert inputs(summary) == [{"Items": [1, 2]}, {"Items": [3]}]
    limits = (summary.max_concurrency, summary.tolerated_failure_count, summary.tolerated_failure_percentage)
    assert limits == (2, 2, 50.0)


@pytest.mark.parametrize(("value", "error"), [(-1, ItemReaderFailed), (1.5, StatesRuntime), ("x", StatesRuntime)])
def test_max_items_from_the_input(value: Any, error: type[StatesError], tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", b"a\n1\n2\n")
    with pytest.raises(error, match="MaxItems"):
        run(tmp_path, given={"n": value}, item_reader=S3CsvItemReader(url=url, max_items_path="$.n"))


def test_a_bucket_from_the_input(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket = s3_bucket()
    s3_client(s3_server).put_object(Bucket=bucket, Key="f.jsonl", Body=b"1\n")
    reader = S3JsonLItemReader(bucket=JsonPath("$.bucket"), key=JsonPath("$.key"))
    fields: dict[str, Any] = {"item_reader": reader, "connections": on_s3(s3_server)}
    assert inputs(run(tmp_path, given={"bucket": bucket, "key": "f.jsonl"}, **fields)) == [1]
    with pytest.raises(StatesRuntime, match=r"\$\.bucket"):
        run(tmp_path, given={"key": "f.jsonl"}, **fields)


@pytest.mark.parametrize("value", [{"a": 1}, "text", 7, None])
def test_an_items_path_to_what_is_no_array(value: Any, tmp_path: Path) -> None:
    with pytest.raises(StatesRuntime, match=r'Reference path "\$\.x" must point to array\.'):
        run(tmp_path, given={"x": value}, items_path="$.x")


@pytest.mark.parametrize("item", [float("nan"), datetime.datetime(2026, 1, 1), {1, 2}, b"bytes"])
def test_items_that_are_not_json(item: Any, tmp_path: Path) -> None:
    with pytest.raises(StatesError, match="item 1 of STATE_DATA is not JSON"):
        run(tmp_path, items=[1, item])
    with pytest.raises(StatesRuntime, match="item 1 of the input of the map is not JSON"):
        run(tmp_path, given=[1, item])


def test_a_selector_that_misses_names_the_item(tmp_path: Path) -> None:
    url = put(tmp_path / "f.jsonl", '{"a":1}\n{"b":2}\n')
    selector = {"x.$": "$$.Map.Item.Value.a"}
    summary = run(tmp_path, item_reader=S3JsonLItemReader(url=url), item_selector=selector)
    assert (summary.status, summary.error) == ("FAILED", "States.Runtime")
    assert summary.cause is not None and "$$.Map.Item.Value.a" in summary.cause
    assert inputs(summary) == [{"x": 1}]


def test_a_selector_function_that_raises_names_the_item(tmp_path: Path) -> None:
    with pytest.raises(StatesRuntime, match="ItemSelector function failed for item 1: KeyError"):
        run(tmp_path, given=[{"a": 1}, {}], item_selector=lambda item: item["a"])


@pytest.mark.parametrize("value", [datetime.datetime(2026, 1, 1), float("nan"), {1}])
def test_an_input_that_is_not_json(value: Any, tmp_path: Path) -> None:
    url = put(tmp_path / "f.csv", b"a\n1\n")
    selector, batcher = {"v.$": "$.v"}, ItemBatcher(max_items_per_batch=1, batch_input={"v.$": "$.v"})
    for fields in ({}, {"max_concurrency_path": "$.v"}, {"item_selector": selector}, {"item_batcher": batcher}):
        with pytest.raises(StatesRuntime, match="the input of the map is not JSON"):
            run(tmp_path, given={"v": value}, item_reader=S3CsvItemReader(url=url), **fields)


# -- the result location


def test_results_that_cannot_be_written_are_found_out_before_any_child_runs(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    put(blocker, b"in the way")
    ran: list[Any] = []
    with pytest.raises(ResultWriterFailed, match=blocker.as_uri()):
        run(tmp_path, ran.append, given=[1], result_writer=ResultWriter(url=(blocker / "below").as_uri()))
    assert ran == []


def test_a_result_bucket_that_is_missing(moto_server: S3Endpoint, tmp_path: Path) -> None:
    ran: list[Any] = []
    writer = ResultWriter(bucket="no-such-bucket", prefix="out")
    with pytest.raises(ResultWriterFailed, match="no-such-bucket"):
        run(tmp_path, ran.append, given=[1], result_writer=writer, connections=on_s3(moto_server))
    assert ran == []


def test_a_result_bucket_that_denies(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket, ran = s3_bucket(), list[Any]()
    stranger = dataclasses.replace(s3_server, access_key="nobody", secret_key="wrong")
    with pytest.raises(ResultWriterFailed, match=bucket):
        run(tmp_path, ran.append, given=[1], result_writer=ResultWriter(bucket=bucket), connections=on_s3(stranger))
    assert ran == []


@pytest.mark.parametrize("prefix", ["/out", "/out/", "//out", "/"])
def test_a_slash_that_begins_the_prefix_begins_the_keys(prefix: str, moto_server: S3Endpoint, tmp_path: Path) -> None:
    bucket, connections = "slashes", on_s3(moto_server)
    s3_client(moto_server).create_bucket(Bucket=bucket)
    writer = ResultWriter(bucket=bucket, prefix=prefix)
    summary = run(tmp_path, given=[1], result_writer=writer, connections=connections)
    folder = f"{prefix.rstrip('/')}/{str(summary.map_run_arn).rpartition(':')[2]}"
    listed = s3_client(moto_server).list_objects_v2(Bucket=bucket, Prefix=f"{folder}/")["Contents"]
    assert [one["Key"] for one in listed] == [f"{folder}/SUCCEEDED_0.json", f"{folder}/manifest.json"]
    assert summary.output["ResultWriterDetails"]["Key"] == f"{folder}/manifest.json"
    assert [child.output for child in results(summary, connections).succeeded()] == [1]


def test_a_slash_that_begins_the_prefix_of_a_folder_is_found_out_before_any_child_runs(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    connections = Connections(buckets={"results": (tmp_path / "out").as_uri()})
    ran: list[Any] = []
    writer = ResultWriter(bucket="results", prefix="/out")
    with pytest.raises(ResultWriterFailed, match=r"s3://results//out/.*: a key must be a relative path"):
        run(tmp_path, ran.append, given=[1], result_writer=writer, connections=connections)
    assert ran == []


def test_the_write_test_leaves_nothing(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket, connections = s3_bucket(), on_s3(s3_server)
    summary = run(tmp_path, given=[1], result_writer=ResultWriter(bucket=bucket), connections=connections)
    uuid = str(summary.map_run_arn).rpartition(":")[2]
    listed = s3_client(s3_server).list_objects_v2(Bucket=bucket)["Contents"]
    assert [found["Key"] for found in listed] == [f"{uuid}/SUCCEEDED_0.json", f"{uuid}/manifest.json"]
    assert [child.output for child in results(summary, connections).succeeded()] == [1]
