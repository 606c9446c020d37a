from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.readers import (
    CsvDelimiter,
    CsvHeaderLocation,
    CsvHeaders,
    InputType,
    ItemReader,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)

CONFIG = "ItemReader.ReaderConfig"
PARAMETERS = "ItemReader.Parameters"


def test_url_and_bucket_with_key_are_equal_values() -> None:
    by_url = S3CsvItemReader(url="s3://flights/2026/a.csv")
    assert by_url == S3CsvItemReader(bucket="flights", key="2026/a.csv")
    assert by_url.location == "s3://flights/2026/a.csv"
    assert replace(by_url, max_items=3).key == "2026/a.csv"


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://flights/{{ ds }}.csv", "flights", "{{ ds }}.csv"),
        ("s3://{{ params['a/b'] }}/x/y", "{{ params['a/b'] }}", "x/y"),
        ("S3://b/k", "b", "k"),
        ("s3://b//k?x#y", "b", "/k?x#y"),
    ],
)
def test_url_is_split_where_the_key_begins(url: str, bucket: str, key: str) -> None:
    reader = S3JsonLItemReader(url=url)
    assert (reader.url, reader.bucket, reader.key) == (None, bucket, key)


@pytest.mark.parametrize("url", ["file:///data/a.csv", "gs://b/a.csv", "{{ var.value.source }}"])
def test_other_urls_stay(url: str) -> None:
    reader = S3CsvItemReader(url=url)
    assert (reader.url, reader.bucket, reader.key) == (url, None, None)
    assert reader.location == url


def test_location_of_a_listing() -> None:
    assert S3ObjectsItemReader(url="s3://b").location == "s3://b"
    assert S3ObjectsItemReader(url="s3://b/").location == "s3://b"
    assert S3ObjectsItemReader(bucket="b", prefix="p/").location == "s3://b/p/"
    assert S3ObjectsItemReader(url="file:///data").location == "file:///data"


@pytest.mark.parametrize(
    ("reader", "field"),
    [
        (S3CsvItemReader(bucket=JsonPath("$.b"), key="k"), f"{PARAMETERS}.Bucket"),
        (S3CsvItemReader(bucket="b", key=JsonPath("$.k")), f"{PARAMETERS}.Key"),
        (S3ObjectsItemReader(bucket="b", prefix=JsonPath("$.p")), f"{PARAMETERS}.Prefix"),
        (S3CsvItemReader(url=JsonPath("$.u")), "ItemReader"),
    ],
)
def test_location_is_not_known_before_paths_are_resolved(reader: ItemReader, field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        _ = reader.location
    assert caught.value.field == field
    assert "$." in caught.value.problem


def test_input_types() -> None:
    assert S3CsvItemReader(bucket="b", key="k").input_type is InputType.CSV
    assert S3JsonItemReader(bucket="b", key="k").input_type is InputType.JSON
    assert S3JsonLItemReader(bucket="b", key="k").input_type is InputType.JSONL
    assert S3ParquetItemReader(bucket="b", key="k").input_type is InputType.PARQUET
    assert S3ManifestItemReader(bucket="b", key="k").input_type is None
    assert S3ObjectsItemReader(bucket="b").input_type is None


def test_plain_strings_stand_for_enums() -> None:
    reader: Any = S3ObjectsItemReader
    listing = reader(bucket="b", transformation="LOAD_AND_FLATTEN", input_type="CSV", csv_delimiter="PIPE")
    assert listing.transformation is ReaderTransformation.LOAD_AND_FLATTEN
    assert listing.input_type is InputType.CSV
    assert listing.csv_delimiter is CsvDelimiter.PIPE
    assert listing.csv_delimiter.character == "|"
    assert {one.character for one in CsvDelimiter} == set(",|; \t")


@pytest.mark.parametrize("max_items", [0, 1, 100_000_000, "{{ params.n }}", "{% $states.input.n %}", None])
def test_max_items_allowed(max_items: Any) -> None:
    assert S3CsvItemReader(bucket="b", key="k", max_items=max_items).max_items == max_items


FILE = {"bucket": "b", "key": "k"}
ATHENA = {**FILE, "manifest_type": "ATHENA_DATA"}
LOAD = {"bucket": "b", "transformation": "LOAD_AND_FLATTEN"}


@pytest.mark.parametrize(
    ("kind", "arguments", "field", "problem"),
    [
        (ItemReader, {"bucket": "b"}, "ItemReader", "reader of a format"),
        (S3CsvItemReader, {}, f"{PARAMETERS}.Bucket", "give bucket and key, or url"),
        (S3CsvItemReader, {"bucket": "b"}, f"{PARAMETERS}.Key", "must be a string"),
        (S3CsvItemReader, {"key": "k"}, f"{PARAMETERS}.Bucket", "give bucket"),
        (S3CsvItemReader, {"bucket": "", "key": "k"}, f"{PARAMETERS}.Bucket", "empty"),
        (S3CsvItemReader, {"bucket": "b", "key": "a\ud800"}, f"{PARAMETERS}.Key", "UTF-8"),
        (S3CsvItemReader, {"bucket": 7, "key": "k"}, f"{PARAMETERS}.Bucket", "got 7"),
        (S3CsvItemReader, {**FILE, "url": "s3://b/k"}, "ItemReader", "not both"),
        (S3ObjectsItemReader, {"prefix": "p", "url": "s3://b/k"}, "ItemReader", "not both"),
        (S3CsvItemReader, {"url": "s3://b"}, f"{PARAMETERS}.Key", "no key"),
        (S3CsvItemReader, {"url": "s3:///k"}, f"{PARAMETERS}.Bucket", "no bucket"),
        (S3CsvItemReader, {"url": "/data/a.csv"}, "ItemReader", "scheme"),
        (S3CsvItemReader, {"url": "file:///a", "version_id": "1"}, f"{PARAMETERS}.VersionId", "for S3"),
        (
            S3ObjectsItemReader,
            {"url": "file:///a", "expected_bucket_owner": "1"},
            f"{PARAMETERS}.ExpectedBucketOwner",
            "for S3",
        ),
        (S3CsvItemReader, {**FILE, "version_id": ""}, f"{PARAMETERS}.VersionId", "empty"),
        (S3CsvItemReader, {**FILE, "max_items": -1}, f"{CONFIG}.MaxItems", "from 0 to 100,000,000, got -1"),
        (S3CsvItemReader, {**FILE, "max_items": 100_000_001}, f"{CONFIG}.MaxItems", "got 100000001"),
        (S3CsvItemReader, {**FILE, "max_items": 1.5}, f"{CONFIG}.MaxItems", "integer"),
        (S3CsvItemReader, {**FILE, "max_items": 2.0}, f"{CONFIG}.MaxItems", "integer"),
        (S3CsvItemReader, {**FILE, "max_items": True}, f"{CONFIG}.MaxItems", "integer"),
        (S3CsvItemReader, {**FILE, "max_items": "2"}, f"{CONFIG}.MaxItems", "Jinja"),
        (S3CsvItemReader, {**FILE, "max_items": 1, "max_items_path": "$.n"}, f"{CONFIG}.MaxItems", "both"),
        (S3CsvItemReader, {**FILE, "max_items_path": "n"}, f"{CONFIG}.MaxItemsPath", "path"),
        (
            S3CsvItemReader,
            {**FILE, "max_items_path": "$$.Execution.Input.n"},
            f"{CONFIG}.MaxItemsPath",
            "context object",
        ),
        (S3CsvItemReader, {**FILE, "max_items_path": "$.n[*]"}, f"{CONFIG}.MaxItemsPath", "reference path"),
        (S3CsvItemReader, {**FILE, "csv_delimiter": ";"}, f"{CONFIG}.CSVDelimiter", "COMMA, PIPE"),
        (S3CsvItemReader, {**FILE, "csv_headers": ["a"]}, f"{CONFIG}.CSVHeaders", "CsvHeaders.use"),
        (S3CsvItemReader, {**FILE, "csv_headers": None}, f"{CONFIG}.CSVHeaderLocation", "given"),
        (S3JsonItemReader, {**FILE, "items_pointer": "a"}, f"{CONFIG}.ItemsPointer", "begin with"),
        (S3JsonItemReader, {**FILE, "items_pointer": "/a~2"}, f"{CONFIG}.ItemsPointer", "~0"),
        (S3JsonItemReader, {**FILE, "items_pointer": "/a~"}, f"{CONFIG}.ItemsPointer", "~0"),
        (S3JsonItemReader, {**FILE, "items_pointer": 1}, f"{CONFIG}.ItemsPointer", "JSON Pointer"),
        (S3ManifestItemReader, ATHENA, f"{CONFIG}.InputType", "needs an InputType"),
        (S3ManifestItemReader, {**ATHENA, "input_type": "JSON"}, f"{CONFIG}.InputType", "got JSON"),
        (S3ManifestItemReader, {**ATHENA, "input_type": "MANIFEST"}, f"{CONFIG}.InputType", "got MANIFEST"),
        (S3ManifestItemReader, {**FILE, "input_type": "CSV"}, f"{CONFIG}.InputType", "no InputType"),
        (S3ManifestItemReader, {**FILE, "manifest_type": "X"}, f"{CONFIG}.ManifestType", "ATHENA_DATA"),
        (
            S3ManifestItemReader,
            {**FILE, "csv_headers": CsvHeaders.use(["a"])},
            f"{CONFIG}.CSVHeaderLocation",
            "fileSchema",
        ),
        (S3ObjectsItemReader, LOAD, f"{CONFIG}.InputType", "needs an InputType"),
        (S3ObjectsItemReader, {**LOAD, "input_type": "MANIFEST"}, f"{CONFIG}.InputType", "got MANIFEST"),
        (S3ObjectsItemReader, {"bucket": "b", "input_type": "CSV"}, f"{CONFIG}.InputType", "LOAD_AND"),
        (S3ObjectsItemReader, {"bucket": "b", "transformation": "X"}, f"{CONFIG}.Transformation", "NONE"),
        (
            S3ObjectsItemReader,
            {**LOAD, "input_type": "JSON", "csv_headers": CsvHeaders.use_first_row()},
            f"{CONFIG}.CSVHeaderLocation",
            "CSV only",
        ),
        (S3ObjectsItemReader, {"bucket": "b", "csv_delimiter": "TAB"}, f"{CONFIG}.CSVDelimiter", "CSV only"),
    ],
)
def test_refused(kind: type[ItemReader], arguments: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        kind(**arguments)
    assert caught.value.field == field
    assert problem in caught.value.problem


def test_parquet_takes_no_version_id() -> None:
    parquet: Any = S3ParquetItemReader
    with pytest.raises(TypeError, match="version_id"):
        parquet(bucket="b", key="k", version_id="1")


@pytest.mark.parametrize(
    ("location", "headers", "problem"),
    [
        ("GIVEN", (), "at least one"),
        ("FIRST_ROW", ("a",), "FIRST_ROW"),
        ("GIVEN", "abc", "list"),
        ("GIVEN", ("a", 1), "strings"),
        ("GIVEN", ("x" * 10_241,), "10,240"),
        ("GIVEN", ("é" * 5_121,), "10,240"),
        ("SECOND_ROW", ("a",), "FIRST_ROW, GIVEN"),
    ],
)
def test_headers_refused(location: Any, headers: Any, problem: str) -> None:
    with pytest.raises(InvalidDefinition, match=problem):
        CsvHeaders(location, headers)


def test_headers_allowed() -> None:
    assert CsvHeaders.use(["a", "a", ""]).headers == ("a", "a", "")  # AWS refuses repeated names in the run
    assert CsvHeaders.use(["x" * 10_240]).location is CsvHeaderLocation.GIVEN
    assert CsvHeaders.use_first_row() == CsvHeaders(CsvHeaderLocation.FIRST_ROW)
    one_string: Any = "abc"
    with pytest.raises(InvalidDefinition, match="list of column names"):
        CsvHeaders.use(one_string)


def test_readers_survive_pickling() -> None:
    readers = [
        S3CsvItemReader(bucket=JsonPath("$.b"), key="k", csv_headers=CsvHeaders.use(["a"])),
        S3ManifestItemReader(bucket="b", key="k", manifest_type=ManifestType.ATHENA_DATA, input_type=InputType.PARQUET),
        S3ObjectsItemReader(url="file:///data"),
    ]
    assert pickle.loads(pickle.dumps(readers)) == readers


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (S3ObjectsItemReader, {"bucket": "b", "arguments": {"Key": "k"}}, "ItemReader.Parameters.Key"),
        (S3ObjectsItemReader, {"bucket": "b", "arguments": []}, "ItemReader.Parameters"),
        (S3ObjectsItemReader, {"bucket": "b", "arguments": "{% $a %}"}, "ItemReader.Arguments"),
        (S3ObjectsItemReader, {"arguments": "all"}, "ItemReader.Arguments"),
        (S3ObjectsItemReader, {"url": "file:///a", "arguments": {"MaxKeys": 1}}, "ItemReader.Parameters.MaxKeys"),
        (S3CsvItemReader, {"bucket": "b", "key": "k", "arguments": {"MaxKeys": 1}}, "ItemReader.Parameters.MaxKeys"),
    ],
)
def test_further_arguments_refused(kind: type[ItemReader], fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        kind(**fields)
    assert caught.value.field == field


def test_a_reader_with_arguments_is_a_value() -> None:
    one = S3ObjectsItemReader(bucket="b", arguments={"MaxKeys": 1})
    assert one == S3ObjectsItemReader(bucket="b", arguments={"MaxKeys": 1})
    assert hash(one) == hash(S3ObjectsItemReader(bucket="b", arguments={"MaxKeys": 1}))
    assert S3ObjectsItemReader(bucket="b", arguments={}) == S3ObjectsItemReader(bucket="b")
