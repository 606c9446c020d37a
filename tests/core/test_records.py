"""The records of result files, field by field as recorded on AWS."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from airflow_provider_sfdm.core.counters import ChildStatus
from airflow_provider_sfdm.core.names import MapRunName
from airflow_provider_sfdm.core.records import EncodedArray, Ended, RecordFormat, result_elements, timestamp
from airflow_provider_sfdm.core.writer import Transformation

RUN = MapRunName.new("NAME", "LABEL", UUID("4a0e1f5c-0000-4000-8000-000000000001"))
START, STOP = 1790204391.875, 1790204392.125
HEAD = "arn:aws:states:airflow:000000000000"


def _succeeded(index: int = 0, output: bytes | None = b'{"b":1}') -> Ended:
    return Ended(index, ChildStatus.SUCCEEDED, b'{"a":"\xc3\xa9"}', START, STOP, output)


def test_a_succeeded_standard_child() -> None:
    name = RUN.child_name(0)
    data = RecordFormat(RUN).record(_succeeded())
    assert json.loads(data) == {
        "ExecutionArn": f"{HEAD}:execution:NAME/LABEL:{name}",
        "Input": '{"a":"é"}',
        "InputDetails": {"Included": True},
        "Name": name,
        "Output": '{"b":1}',
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE",
        "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
        "StartDate": "2026-09-23T22:59:51.875Z",
        "StateMachineArn": f"{HEAD}:stateMachine:NAME/LABEL",
        "Status": "SUCCEEDED",
        "StopDate": "2026-09-23T22:59:52.125Z",
    }


@pytest.mark.parametrize("status", [ChildStatus.FAILED, ChildStatus.TIMED_OUT])
def test_a_failed_standard_child(status: ChildStatus) -> None:
    ended = Ended(3, status, b'"in"', START, STOP, error="E", cause='say "why"')
    name = RUN.child_name(3)
    assert json.loads(RecordFormat(RUN).record(ended)) == {
        "Cause": 'say "why"',
        "Error": "E",
        "ExecutionArn": f"{HEAD}:execution:NAME/LABEL:{name}",
        "Input": '"in"',
        "InputDetails": {"Included": True},
        "Name": name,
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "REDRIVABLE_BY_MAP_RUN",
        "StartDate": "2026-09-23T22:59:51.875Z",
        "StateMachineArn": f"{HEAD}:stateMachine:NAME/LABEL",
        "Status": status.value,
        "StopDate": "2026-09-23T22:59:52.125Z",
    }


def test_an_aborted_child_has_a_cause_and_no_error() -> None:
    record = json.loads(RecordFormat(RUN).record(Ended(0, ChildStatus.ABORTED, b"1", START, STOP, cause="why")))
    assert record["Status"] == "ABORTED"
    assert record["Cause"] == "why"
    assert "Error" not in record


def test_express_records_say_nothing_of_redriving() -> None:
    express = RecordFormat(RUN, express=True)
    done = json.loads(express.record(_succeeded()))
    failed = json.loads(express.record(Ended(0, ChildStatus.FAILED, b"1", START, STOP, error="E", cause="C")))
    name = RUN.child_name(0)
    for record in (done, failed):
        assert "RedriveStatus" not in record
        assert "RedriveStatusReason" not in record
        assert record["RedriveCount"] == 0
        assert record["Name"] == name
        assert record["ExecutionArn"].startswith(f"{HEAD}:express:NAME/LABEL:{name}:")


def test_a_pending_child_has_no_name() -> None:
    expected = b'{"Input":"{\\"Items\\":[1]}","InputDetails":{"Included":true},"Status":"PENDING"}'
    assert RecordFormat.pending(b'{"Items":[1]}') == expected
    assert RecordFormat(RUN).record(Ended(0, ChildStatus.PENDING, b'{"Items":[1]}', 0, 0)) == expected


@pytest.mark.parametrize("express", [False, True])
def test_records_are_compact_and_their_keys_alphabetical(express: bool) -> None:
    records = RecordFormat(RUN, express=express)
    for data in (
        records.record(_succeeded()),
        records.record(Ended(0, ChildStatus.FAILED, b"1", START, STOP, error="E", cause="C")),
        records.pending(b"1"),
    ):
        record = json.loads(data)
        assert list(record) == sorted(record)
        assert json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() == data


def test_percent_signs_in_data_are_data() -> None:
    ended = Ended(0, ChildStatus.FAILED, b'"100 %s %d"', START, STOP, error="%s", cause="50 %")
    record = json.loads(RecordFormat(RUN).record(ended))
    assert (record["Input"], record["Error"], record["Cause"]) == ('"100 %s %d"', "%s", "50 %")


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1790204391.8759, "2026-09-23T22:59:51.875Z"),
        (1790204391.9999, "2026-09-23T22:59:51.999Z"),
        (1790204392, "2026-09-23T22:59:52.000Z"),
    ],
)
def test_timestamps_have_milliseconds(epoch: float, text: str) -> None:
    assert timestamp(epoch) == text


@pytest.mark.parametrize(
    ("output", "flattened"),
    [
        ([10, {"copy": 10}], (b"10", b'{"copy":10}')),
        ([[1], [2]], (b"[1]", b"[2]")),  # one level only
        ((1, 2), (b"1", b"2")),
        ([], ()),
        ([{}], (b"{}",)),
        ([{}, {"a": "\n"}, {}], (b"{}", b'{"a":"\\n"}', b"{}")),
        ([{"a": [{}, {}]}, {}], (b'{"a":[{},{}]}', b"{}")),
        ([{"a": "},{"}, {}], (b'{"a":"},{"}', b"{}")),
        ([1, {"a": "},{"}], (b"1", b'{"a":"},{"}')),
        ([2**70, {1: None}], (b"1180591620717411303424", b'{"1":null}')),
        ({"a": 1}, (b'{"a":1}',)),
        ("text", (b'"text"',)),
        (None, (b"null",)),
        (EncodedArray([b"1", b"[2]"]), (b"1", b"[2]")),
    ],
)
def test_what_an_output_adds_to_the_results(output: object, flattened: tuple[bytes, ...]) -> None:
    whole = output.to_json() if isinstance(output, EncodedArray) else json.dumps(output, separators=(",", ":")).encode()
    assert result_elements(output, whole, Transformation.FLATTEN) == flattened
    assert result_elements(output, whole, Transformation.COMPACT) == (whole,)
