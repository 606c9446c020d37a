"""Executions recorded on AWS, run on the airflow engine: those with a Distributed Map that the glue can lead into.

The recordings are not part of this repository. ``SFDM_CONFORMANCE_DIR`` says where they are (default: the folder
``shared/conformance`` beside the repository); without them there is nothing to run here, and the project's own
table of cases (test_own.py) is what is left.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_sfdm.core.errors import StatesError
from airflow_provider_sfdm.storage import Connections
from tests.conformance.comparing import differences
from tests.conformance.glue import STATES, Machine
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = Path(
    os.environ.get("SFDM_CONFORMANCE_DIR")
    or Path(__file__).resolve().parent.parent.parent.parent / "shared" / "conformance"
)


def _states(machine: Any) -> Iterator[dict[str, Any]]:
    """All states of a definition, nested ones included."""
    if isinstance(machine, dict):
        for state in machine.get("States", {}).values():
            yield state
            for nested in ("ItemProcessor", "Iterator"):
                yield from _states(state.get(nested))
            for branch in state.get("Branches", ()):
                yield from _states(branch)


def _is_distributed(state: dict[str, Any]) -> bool:
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def _wanted(case: dict[str, Any]) -> bool:
    states = list(_states(case["definition"]))
    maps = [state for state in states if state["Type"] == "Map"]
    return (
        bool(maps)
        and all(map(_is_distributed, maps))
        and case["query_language"] == "JSONPath"
        and {state["Type"] for state in states} <= STATES
        and set(case.get("lambdas", {}).values()) <= {"identity"}
    )


def _cases() -> list[Any]:
    cases = []
    for path in sorted(FOLDER.glob("*.json")):
        for case in json.loads(path.read_bytes()):
            if _wanted(case):
                cases.append(pytest.param(case, id=case["id"].rpartition("::")[2]))
    if not cases:
        skip = pytest.mark.skip(reason=f"no recorded executions in {FOLDER}")
        return [pytest.param(None, id="none", marks=skip)]
    return cases


@pytest.fixture(scope="module")
def s3(moto_server: S3Endpoint) -> S3Client:
    return moto_server.client()


@pytest.fixture
def connections(s3: S3Client, request: pytest.FixtureRequest) -> Iterator[Connections]:
    """Of the S3 server, with the case's buckets and objects."""
    case = request.getfixturevalue("case")
    for bucket in case["buckets"]:
        s3.create_bucket(Bucket=bucket)
    for found in case["objects"]:
        body = base64.b64decode(found["body_base64"]) if "body_base64" in found else found["body"].encode()
        s3.put_object(Bucket=found["bucket"], Key=found["key"], Body=body)
    yield Connections(s3_client=lambda _: s3)
    for found in case["objects"]:
        s3.delete_object(Bucket=found["bucket"], Key=found["key"])
    for bucket in case["buckets"]:
        s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("case", _cases())
def test_recorded_execution(case: dict[str, Any], connections: Connections, tmp_path: Path) -> None:
    machine = Machine(tmp_path.as_uri(), connections, case["lambdas"])
    execution_input = {} if case["input"] is None else case["input"]
    try:
        actual = {"status": "SUCCEEDED", "output": machine.run(case["definition"], execution_input)}
    except StatesError as error:
        actual = {"status": "FAILED", "error": error.error, "cause": error.cause}
    assert differences(case["expected"], actual, case["wildcards"]) == []
