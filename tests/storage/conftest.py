"""The stores that the contract is tested on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_sfdm.storage.base import ObjectStore
from airflow_provider_sfdm.storage.fsspec import FsspecStore
from airflow_provider_sfdm.storage.local import LocalStore
from airflow_provider_sfdm.storage.mapped import MappedBucket
from airflow_provider_sfdm.storage.retrying import RetryingStore
from airflow_provider_sfdm.storage.s3 import S3Store
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def client(moto_server: S3Endpoint) -> Iterator[S3Client]:
    """A client of the server that knows versions and storage classes."""
    made = moto_server.client()
    yield made
    made.close()


@pytest.fixture(scope="session")
def seaweed(s3_server: S3Endpoint) -> Iterator[tuple[S3Client, str]]:
    """A client of the real server, and one bucket for all tests: it keeps seven files for each bucket."""
    made = s3_server.client()
    made.create_bucket(Bucket="contract")
    yield made, "contract"
    made.close()


@pytest.fixture
def bucket(client: S3Client) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which do not really happen."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture(params=["local", "s3", "s3-folder", "memory", "fsspec-local", "mapped", "retrying"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store; "s3" is a bucket on moto, "s3-folder" a folder with an odd name on SeaweedFS."""

    def s3_folder() -> ObjectStore:
        made, bucket = request.getfixturevalue("seaweed")
        return S3Store(made, bucket, f"a folder/{uuid.uuid4().hex} & more")

    makers: dict[str, Callable[[], ObjectStore]] = {
        "local": lambda: LocalStore(tmp_path),
        "s3": lambda: S3Store(request.getfixturevalue("client"), request.getfixturevalue("bucket")),
        "s3-folder": s3_folder,
        "memory": lambda: FsspecStore(
            MemoryFileSystem(global_store=False, skip_instance_cache=True), "/folder", "memory://folder"
        ),
        "fsspec-local": lambda: FsspecStore(LocalFileSystem(), str(tmp_path), f"file://{tmp_path}"),
        "retrying": lambda: RetryingStore(s3_folder()),
        "mapped": lambda: MappedBucket(LocalStore(tmp_path, "s3://mapped"), "s3://mapped", "some/folder/"),
    }
    return makers[request.param]()
