"""``sfdm run`` against local servers: Lambda functions, Distributed Maps over S3 with a ResultWriter."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stepfunctions.functions import make_function
from tools.servers import REGION, S3Endpoint

from .running import one, run, sfdm

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def _reached(server: S3Endpoint) -> dict[str, Any]:
    return {"env": {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}}


def test_lambda(ministack: S3Endpoint) -> None:
    make_function(ministack, "cli-double", "def handler(event, context):\n    return event['n'] * 2\n")
    machine = one({"Type": "Task", "Resource": f"arn:aws:lambda:{REGION}:000000000000:function:cli-double"})
    given = ("--endpoint-url", ministack.endpoint_url, "--region", REGION)
    assert run(machine, {"n": 21}, *given, **_reached(ministack)) == (0, {"status": "SUCCEEDED", "output": 42})
    code, told = run(machine, {}, *given, **_reached(ministack))
    assert (code, told["status"]) == (1, "FAILED")  # the error is ministack's own: Runtime.HandlerError


def test_a_map_over_csv_with_a_result_writer(s3_server: S3Endpoint, s3_bucket: Callable[[], str]) -> None:
    bucket, s3 = s3_bucket(), s3_server.client()
    s3.put_object(Bucket=bucket, Key="in.csv", Body=b"id,name\n1,ada\n2,bob\n3,eve\n")
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket.$": "$.bucket", "Key": "in.csv"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **one({"Type": "Pass", "Parameters": {"hello.$": "$.name"}}),
        },
        "End": True,
    }
    given = ("--endpoint-url", s3_server.endpoint_url, "--region", REGION)
    code, told = run(state, {"bucket": bucket}, *given, **_reached(s3_server))
    assert (code, told["output"]) == (0, [{"hello": "ada"}, {"hello": "bob"}, {"hello": "eve"}])

    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket.$": "$.bucket", "Prefix": "out"},
    }
    code, told = run({**state, "ResultWriter": writer}, {"bucket": bucket}, *given, **_reached(s3_server))
    details = told["output"]["ResultWriterDetails"]
    assert (code, details["Bucket"]) == (0, bucket)
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=details["Key"])["Body"].read())
    assert len(manifest["ResultFiles"]["SUCCEEDED"]) == 1


def test_map_runs_in_a_bucket(s3_server: S3Endpoint, s3_bucket: Callable[[], str], tmp_path: Path) -> None:
    bucket = s3_bucket()
    state = {
        "Type": "Map",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **one({"Type": "Pass"}),
        },
        "End": True,
    }
    given = ("--endpoint-url", s3_server.endpoint_url, "--region", REGION, "--storage", f"s3://{bucket}/runs")
    assert run(state, [1, 2], *given, **_reached(s3_server)) == (0, {"status": "SUCCEEDED", "output": [1, 2]})
    found = s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]
    assert all(one["Key"].startswith("runs/") for one in found)


def test_an_address_where_nobody_answers() -> None:
    """It is tried more than once, and that is said at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues"}
        given = ("--endpoint-url", url, "--region", REGION)
        done = sfdm("run", "-", *given, stdin=json.dumps(one(state)).encode(), env=KEYS)
    assert done.returncode == 1
    assert f'Could not connect to the endpoint URL: "{url}/"; trying again'.encode() in done.stderr
