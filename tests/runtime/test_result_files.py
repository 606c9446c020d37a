"""Result files and manifest, byte for byte; and the state output of a map that exports nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_sfdm import (
    DataLimitExceeded,
    ItemBatcher,
    OutputType,
    PythonFunction,
    ResultWriter,
    Transformation,
    WriterConfig,
)
from airflow_provider_sfdm.runtime.result_files import ResultFiles, StatusFiles
from airflow_provider_sfdm.storage.local import LocalStore
from tests.runtime.helpers import counters, echo, inputs, records, result_files, results, run

JSON, JSONL = OutputType.JSON, OutputType.JSONL
NONE, COMPACT, FLATTEN = Transformation.NONE, Transformation.COMPACT, Transformation.FLATTEN
TOLERANT: dict[str, Any] = {"tolerated_failure_percentage": 100}


def _writer(folder: Path, transformation: Transformation, output_type: OutputType) -> ResultWriter:
    config = WriterConfig(transformation=transformation, output_type=output_type)
    return ResultWriter(url=(folder / "results").as_uri(), writer_config=config)


def _pairs(item: int) -> Any:
    if item < 0:
        raise ValueError("negative")
    return [item, {"copy": item}]


@pytest.mark.parametrize(
    ("transformation", "output_type", "name", "data"),
    [
        # Recorded: FLATTEN and JSONL of two children that return [10,{"copy":10}] and [20,{"copy":20}].
        (FLATTEN, JSONL, "SUCCEEDED_0.jsonl", b'10\n{"copy":10}\n20\n{"copy":20}\n'),
        (FLATTEN, JSON, "SUCCEEDED_0.json", b'[10,{"copy":10},20,{"copy":20}]'),
        (COMPACT, JSONL, "SUCCEEDED_0.jsonl", b'[10,{"copy":10}]\n[20,{"copy":20}]\n'),
        (COMPACT, JSON, "SUCCEEDED_0.json", b'[[10,{"copy":10}],[20,{"copy":20}]]'),
    ],
)
@pytest.mark.parametrize("concurrency", [None, 2])
def test_outputs_only(
    transformation: Transformation,
    output_type: OutputType,
    name: str,
    data: bytes,
    concurrency: int | None,
    tmp_path: Path,
) -> None:
    writer = _writer(tmp_path, transformation, output_type)
    summary = run(tmp_path, _pairs, given=[10, 20], result_writer=writer, max_concurrency=concurrency)
    files = result_files(summary)
    assert files.keys() == {"manifest.json", name}
    assert files[name] == data


@pytest.mark.parametrize("output_type", [JSON, JSONL])
@pytest.mark.parametrize("transformation", [NONE, COMPACT, FLATTEN])
def test_failed_children_are_always_records(
    transformation: Transformation, output_type: OutputType, tmp_path: Path
) -> None:
    writer = _writer(tmp_path, transformation, output_type)
    summary = run(tmp_path, _pairs, given=[10, -1], result_writer=writer, **TOLERANT)
    data = result_files(summary)["FAILED_0.jsonl" if output_type is JSONL else "FAILED_0.json"]
    (failed,) = [json.loads(line) for line in data.splitlines()] if output_type is JSONL else json.loads(data)
    assert (failed["Input"], failed["Status"], failed["Error"]) == ("-1", "FAILED", "ValueError")


@pytest.mark.parametrize("output_type", [JSON, JSONL])
def test_records_field_by_field(output_type: OutputType, tmp_path: Path) -> None:
    summary = run(
        tmp_path, _pairs, given=[10, -1], result_writer=_writer(tmp_path, NONE, output_type), label="L", **TOLERANT
    )
    files = result_files(summary)
    suffix = "jsonl" if output_type is JSONL else "json"
    assert set(files) == {"manifest.json", f"SUCCEEDED_0.{suffix}", f"FAILED_0.{suffix}"}
    (good,), (bad,) = (
        [json.loads(line) for line in files[f"{status}_0.{suffix}"].splitlines()]
        if output_type is JSONL
        else json.loads(files[f"{status}_0.{suffix}"])
        for status in ("SUCCEEDED", "FAILED")
    )
    for record in (good, bad):
        assert list(record) == sorted(record)
        assert UUID(record["Name"]).version == 3
        assert record["ExecutionArn"] == record["StateMachineArn"].replace(":stateMachine:", ":execution:") + (
            f":{record['Name']}"
        )
        assert record["StateMachineArn"].endswith(":stateMachine:map/L")
        assert record["StartDate"] <= record["StopDate"]
        assert record["InputDetails"] == record["OutputDetails"] == {"Included": True}
        assert record["RedriveCount"] == 0
    assert (good["Input"], good["Output"], good["Status"]) == ("10", '[10,{"copy":10}]', "SUCCEEDED")
    assert good["RedriveStatus"] == "NOT_REDRIVABLE"
    assert bad["RedriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
    assert "Output" not in bad


def test_the_manifest(tmp_path: Path) -> None:
    summary = run(tmp_path, _pairs, given=[10, -1, 20, 30], partitions=2, **TOLERANT)
    uuid = str(summary.map_run_arn).rpartition(":")[2]
    assert UUID(uuid).version == 4
    files = result_files(summary)
    manifest = json.loads(files["manifest.json"])
    expected = {
        status: [
            {"Key": f"{uuid}/{name}", "Size": len(data)} for name, data in files.items() if name.startswith(status)
        ]
        for status in ("FAILED", "PENDING", "SUCCEEDED")
    }
    assert manifest == {
        "DestinationBucket": (tmp_path / "results").as_uri(),
        "MapRunArn": summary.map_run_arn,
        "ResultFiles": expected,
    }
    # A partition a file; and none for a status without records.
    assert set(files) == {"manifest.json", "FAILED_0.json", "SUCCEEDED_0.json", "SUCCEEDED_1.json"}


def test_results_are_in_item_order_whatever_ends_first(tmp_path: Path) -> None:
    async def function(item: int) -> int:
        await asyncio.sleep(0.002 * (10 - item))
        return item

    summary = run(tmp_path, function, given=list(range(10)), max_concurrency=10)
    assert inputs(summary) == list(range(10))


def test_an_output_that_changes_later_is_written_as_it_was_returned(tmp_path: Path) -> None:
    shared: list[int] = []

    async def function(item: int) -> list[int]:
        if item == 0:
            await asyncio.sleep(0.1)  # it holds the others' results back
        shared.append(item)
        return shared

    summary = run(
        tmp_path, function, given=[0, 1, 2], max_concurrency=3, result_writer=_writer(tmp_path, FLATTEN, JSONL)
    )
    assert result_files(summary)["SUCCEEDED_0.jsonl"] == b"1\n2\n0\n1\n1\n2\n"


# -- roll-over


@pytest.mark.parametrize("jsonl", [False, True])
def test_a_file_that_is_full_is_followed_by_another(jsonl: bool, tmp_path: Path) -> None:
    elements = [json.dumps("x" * 1000 + str(number)).encode() for number in range(2000)]
    store = LocalStore(tmp_path)
    files = StatusFiles(store, "run", "SUCCEEDED", JSONL if jsonl else JSON, 2, 5, max_bytes=600_000)
    for element in elements:
        files.add((element,))
    files.close()
    suffix = "jsonl" if jsonl else "json"
    # Numbers go up by the number of partitions, so that no two partitions meet.
    assert [file.key for file in files.files] == [f"run/SUCCEEDED_{number}.{suffix}" for number in (2, 7, 12)]
    found: list[Any] = []
    for file in files.files:
        data = store.read(file.key)
        assert len(data) == file.size
        assert file is files.files[-1] or 600_000 <= len(data) < 900_000
        found += [json.loads(line) for line in data.splitlines()] if jsonl else json.loads(data)
    assert found == [json.loads(element) for element in elements]


def test_a_file_that_is_full_at_the_very_end_leaves_no_empty_one(tmp_path: Path) -> None:
    files = StatusFiles(LocalStore(tmp_path), "run", "FAILED", JSON, 0, 1, max_bytes=1)
    files.add((b'"' + b"x" * 300_000 + b'"',))
    files.close()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["FAILED_0.json"]


def test_nothing_added_nothing_written(tmp_path: Path) -> None:
    files = ResultFiles(LocalStore(tmp_path), "run", JSON, 0, 1)
    files.close()
    assert files.files() == {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    files = ResultFiles(LocalStore(tmp_path), "run", JSON, 0, 1)
    files.of("FAILED").add((b"1",))
    files.close()
    files.of("SUCCEEDED").add((b"1" * 300_000,))
    files.discard()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# -- the state output


def test_outputs_are_returned_when_there_is_no_result_writer(tmp_path: Path) -> None:
    summary = run(tmp_path, _pairs, given=[1, 2], result_writer=None, partitions=2)
    assert summary.output == [[1, {"copy": 1}], [2, {"copy": 2}]]
    # They are kept as well, and counted as written (recorded).
    assert counters(summary) == {"succeeded": 2, "total": 2, "resultsWritten": 2}
    assert [child.output for child in results(summary).succeeded()] == summary.output


@pytest.mark.parametrize(
    ("transformation", "expected"),
    [(COMPACT, [[1, {"copy": 1}], [2, {"copy": 2}]]), (FLATTEN, [1, {"copy": 1}, 2, {"copy": 2}])],
)
def test_a_writer_config_alone_shapes_the_output(transformation: Transformation, expected: Any, tmp_path: Path) -> None:
    writer = ResultWriter(writer_config=WriterConfig(transformation=transformation))
    assert run(tmp_path, _pairs, given=[1, 2], result_writer=writer).output == expected


def test_a_writer_config_of_records_returns_records(tmp_path: Path) -> None:
    writer = ResultWriter(writer_config=WriterConfig(transformation=NONE))
    output = run(tmp_path, _pairs, given=[1], result_writer=writer).output
    assert [(record["Input"], record["Output"], record["Status"]) for record in output] == [
        ("1", '[1,{"copy":1}]', "SUCCEEDED")
    ]


def test_a_tolerated_failure_is_a_record_in_the_output(tmp_path: Path) -> None:
    output = run(tmp_path, _pairs, given=[1, -1, 2], result_writer=None, **TOLERANT).output
    assert [output[0], output[2]] == [[1, {"copy": 1}], [2, {"copy": 2}]]
    assert (output[1]["Status"], output[1]["Error"], output[1]["Input"]) == ("FAILED", "ValueError", "-1")


def _sized(total: int, count: int) -> list[str]:
    """``count`` strings whose array has ``total`` bytes of JSON."""
    texts = ["x" * 1000] * (count - 1)
    return [*texts, "x" * (total - len(json.dumps(texts, separators=(",", ":"))) - 3)]


@pytest.mark.parametrize("partitions", [1, 3])
def test_an_output_of_256_kib_is_returned_and_not_a_byte_more(partitions: int, tmp_path: Path) -> None:
    fits = _sized(262_144, 100)
    assert len(json.dumps(fits, separators=(",", ":"))) == 262_144
    assert run(tmp_path, echo, given=fits, result_writer=None, partitions=partitions).output == fits
    summary = run(tmp_path, echo, given=_sized(262_145, 100), result_writer=None, partitions=partitions)
    assert (summary.status, summary.error, summary.output) == ("FAILED", "States.DataLimitExceeded", None)
    with pytest.raises(DataLimitExceeded, match="ResultWriter"):
        summary.raise_for_status()
    # Nothing is lost.
    assert summary.cause is not None and str(summary.manifest) in summary.cause
    assert len(list(results(summary).succeeded())) == 100


def test_the_output_of_an_exported_map_says_where(tmp_path: Path) -> None:
    summary = run(tmp_path, _pairs, given=[1])
    uuid = str(summary.map_run_arn).rpartition(":")[2]
    details = {"Bucket": (tmp_path / "results").as_uri(), "Key": f"{uuid}/manifest.json"}
    assert summary.output == {"MapRunArn": summary.map_run_arn, "ResultWriterDetails": details}


def test_partial_batches_with_outputs_only(tmp_path: Path) -> None:
    summary = run(
        tmp_path,
        PythonFunction(lambda item: _pairs(item)[0], per_item=True),
        given=[1, -1, 2],
        item_batcher=ItemBatcher(max_items_per_batch=3),
        result_writer=_writer(tmp_path, FLATTEN, JSONL),
        **TOLERANT,
    )
    files = result_files(summary)
    assert files["SUCCEEDED_0.jsonl"] == b"1\n2\n"
    assert json.loads(files["FAILED_0.jsonl"])["Input"] == '{"Items":[-1]}'


def test_records_of_express_children(tmp_path: Path) -> None:
    from airflow_provider_sfdm import ExecutionType

    summary = run(tmp_path, _pairs, given=[1], execution_type=ExecutionType.EXPRESS)
    (record,) = records(summary, "SUCCEEDED")
    assert record["ExecutionArn"].split(":")[5] == "express"
    assert "RedriveStatus" not in record
