"""The servers that other tests rely on do what is expected of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, text

from tools import servers
from tools.servers import S3Endpoint


def test_s3_server_keeps_objects_and_refuses_a_wrong_key(s3_server: S3Endpoint, s3_bucket: Callable[[], str]) -> None:
    bucket = s3_bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a/b", Body=b"0123456789")
    answer = client.get_object(Bucket=bucket, Key="a/b", Range="bytes=2-4")
    assert answer["Body"].read() == b"234"
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="a/b", Body=b"x", IfNoneMatch="*")
    stranger = S3Endpoint(
        endpoint_url=s3_server.endpoint_url, access_key="nobody", secret_key="wrong", pid=s3_server.pid
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.client().list_objects_v2(Bucket=bucket)


def test_moto_server_knows_versions_and_storage_classes(moto_server: S3Endpoint) -> None:
    client = moto_server.client()
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket="versions", Key="k", Body=b"1")["VersionId"]
    client.put_object(Bucket="versions", Key="k", Body=b"2", StorageClass="GLACIER")
    assert client.get_object(Bucket="versions", Key="k", VersionId=first)["Body"].read() == b"1"
    with pytest.raises(ClientError, match="InvalidObjectState"):
        client.get_object(Bucket="versions", Key="k")


def test_postgres_answers(postgres: str) -> None:
    engine = create_engine(postgres)
    with engine.connect() as connection:
        assert connection.execute(text("select 20 + 22")).scalar_one() == 42
    engine.dispose()


def test_valkey_answers_and_is_gone_after_its_block(tmp_path: Path) -> None:
    with servers.valkey(tmp_path) as url:
        client = redis.Redis.from_url(url)
        client.rpush("queue", "first")
        assert client.lpop("queue") == b"first"
        client.close()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def test_a_server_is_gone_after_its_block(tmp_path_factory: pytest.TempPathFactory) -> None:
    with servers.moto_server(tmp_path_factory.mktemp("moto")) as endpoint:
        assert psutil.pid_exists(endpoint.pid)
    assert not psutil.pid_exists(endpoint.pid)
