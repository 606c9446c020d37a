"""Listing S3 keys against a bare boto3 paginator: on a real S3 server, and on one that only lists."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from airflow_provider_sfdm import DistributedMap, S3ObjectsItemReader
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.storage import Connections
from tools.servers import REGION, S3Endpoint, s3_server

from .harness import ROOT, Row, in_turn, measure, middle, seconds
from .list_server import HOST

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bucket"
PREFIX = "folder/"
S3_KEYS = ("seaweed-access", "seaweed-secret")
_WRITERS = 16


def client(endpoint: str) -> S3Client:
    """A boto3 client of the endpoint; both sides use it."""
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint, aws_access_key_id=S3_KEYS[0], aws_secret_access_key=S3_KEYS[1], region_name=REGION
    )


def bare(endpoint: str) -> int:
    """What boto3 alone takes: all pages, their objects counted."""
    pages = client(endpoint).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    return sum(len(page.get("Contents", ())) for page in pages)


def planned(endpoint: str) -> int:
    """What read_items does: list, make every object an item, write the plan and the items. Returns their number."""
    definition = DistributedMap(item_processor=len, item_reader=S3ObjectsItemReader(bucket=BUCKET, prefix=PREFIX))
    connections = Connections(s3_client=lambda _: client(endpoint))
    with TemporaryDirectory() as folder:
        _, plan = plan_map_run(definition, name="bench", storage=Path(folder).as_uri(), connections=connections)
        return plan.items


def fill(endpoint: S3Endpoint, keys: int) -> None:
    """Put so many small objects. boto3's own client is five times slower at this, hence the bare requests."""
    endpoint.client().create_bucket(Bucket=BUCKET)
    credentials = Credentials(endpoint.access_key, endpoint.secret_key)
    host = urlsplit(endpoint.endpoint_url).netloc

    def put(numbers: Iterator[int]) -> None:
        connection = http.client.HTTPConnection(host)
        for number in numbers:
            path = f"/{BUCKET}/{PREFIX}part-{number:09d}.json"
            request = AWSRequest("PUT", f"{endpoint.endpoint_url}{path}", data=b"{}")
            S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
            connection.request("PUT", path, body=b"{}", headers=dict(request.headers.items()))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"PUT {path}: {answer.status} {answer.reason}")
        connection.close()

    with ThreadPoolExecutor(_WRITERS) as writers:
        shares = [itertools.islice(range(keys), first, None, _WRITERS) for first in range(_WRITERS)]
        list(writers.map(put, shares))


@contextmanager
def list_server(keys: int) -> Iterator[str]:
    """The server that only lists; its URL."""
    command = [sys.executable, "-m", "benchmarks.list_server", str(keys)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://{HOST}:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def _compare(name: str, endpoint: str, keys: int, pairs: int) -> Row:
    found = in_turn(lambda: measure(planned, endpoint=endpoint), lambda: measure(bare, endpoint=endpoint), pairs)
    assert all(sample.result == keys for sample in (*found.ours, *found.other))
    speed = 1 / found.ratio("wall")
    return Row(
        group="listing",
        name=f"{keys:,} keys from {name}; against a bare boto3 paginator",
        measured=seconds(found.ours) + f", {keys / middle(found.ours, 'wall'):,.0f} keys/s",
        compared=seconds(found.other),
        figure=f"{speed:.2f} x its speed",
        target="≥ 0.8 x",
        within=speed >= 0.8,
        details=found.details(),
    )


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    keys, pages = (10_000, 100_000) if quick else (100_000, 1_000_000)
    with TemporaryDirectory() as folder, s3_server(Path(folder)) as endpoint:
        assert (endpoint.access_key, endpoint.secret_key) == S3_KEYS
        fill(endpoint, keys)
        found = [_compare("SeaweedFS", endpoint.endpoint_url, keys, 2)]
    with list_server(pages) as url:
        found.append(_compare("a server that only lists", url, pages, 1))
    return found
