"""Short ways to run a map and to see what became of it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from airflow_provider_sfdm import (
    DistributedMap,
    MapRunResults,
    MapRunSummary,
    ResultWriter,
    WriterConfig,
    run_map,
)
from airflow_provider_sfdm.core.values import UNSET
from airflow_provider_sfdm.runtime.stop import StopSignal
from airflow_provider_sfdm.storage import Connections
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECORDS = WriterConfig()
"""A record of each child, with its input."""


def echo(value: Any) -> Any:
    return value


def put(path: Path, data: bytes | str) -> str:
    """Write a file and return its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path.as_uri()


def run(
    folder: Path,
    function: Any = echo,
    *,
    given: Any = UNSET,
    partitions: int = 1,
    connections: Connections | None = None,
    stop: StopSignal | None = None,
    variables: dict[str, Any] | None = None,
    **fields: Any,
) -> MapRunSummary:
    """Run a map whose runs are kept below ``folder``, its results as records in ``folder/results``."""
    fields.setdefault("result_writer", ResultWriter(url=(folder / "results").as_uri(), writer_config=RECORDS))
    return run_map(
        DistributedMap(item_processor=function, **fields),
        given,
        (folder / "runs").as_uri(),
        partitions=partitions,
        connections=connections,
        stop=stop,
        variables=variables,
    )


def results(summary: MapRunSummary, connections: Connections | None = None) -> MapRunResults:
    return MapRunResults.from_summary(summary, connections)


def inputs(summary: MapRunSummary, connections: Connections | None = None) -> list[Any]:
    """The inputs of the children that succeeded, in the order of the result files."""
    return [child.input for child in results(summary, connections).succeeded()]


def path_of(url: str) -> Path:
    return Path(urlparse(url).path)


def result_files(summary: MapRunSummary) -> dict[str, bytes]:
    """Name and content of every file beside the manifest."""
    assert summary.manifest is not None
    return {path.name: path.read_bytes() for path in sorted(path_of(summary.manifest).parent.iterdir())}


def records(summary: MapRunSummary, status: str) -> list[dict[str, Any]]:
    """All records of the JSON files of one status."""
    found: list[dict[str, Any]] = []
    for name, content in result_files(summary).items():
        if name.startswith(f"{status}_"):
            found += json.loads(content)
    return found


@cache
def s3_client(endpoint: S3Endpoint) -> S3Client:
    """One client an endpoint: making one takes longer than most tests."""
    return endpoint.client()


def on_s3(endpoint: S3Endpoint) -> Connections:
    client = s3_client(endpoint)
    return Connections(s3_client=lambda _: client)


def counters(summary: MapRunSummary, kind: str = "itemCounts") -> dict[str, int]:
    """The counters that are not zero, as DescribeMapRun spells them."""
    counts: dict[str, int] = summary.to_dict()[kind]
    return {name: number for name, number in counts.items() if number}
