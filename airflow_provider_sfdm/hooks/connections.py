"""How map runs reach services from within Airflow: through its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compat import ObjectStoragePath, conf, has_filesystem
from ..storage import RETRY_SECONDS, Connections
from .clients import AWS_CONN_ID as AWS_CONN_ID
from .clients import airflow_clients

if TYPE_CHECKING:
    from botocore.config import Config
    from fsspec import AbstractFileSystem
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client


def airflow_connections(aws_conn_id: str | None = AWS_CONN_ID) -> Connections:
    """Clients from Airflow connections; also for reading a map run's results in a task.

    ``s3://connection@bucket`` names its own connection, other S3 URLs take ``aws_conn_id``; the connection's
    endpoint_url, role and region are honoured. A connection that does not exist means boto3's own credentials, as
    everywhere in the amazon provider. Other URLs (``gs://connection@bucket``) go through ObjectStoragePath, and
    those whose scheme no installed provider knows (``https://``) through fsspec. A storage that does not answer is
    asked again for ``[sfdm] storage_retry_seconds``.
    """

    def s3_client(connection: str | None) -> S3Client:
        # Imported here, because a run on file:// needs no AWS client and these imports take a second.
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        client: S3Client = S3Hook(aws_conn_id=connection or aws_conn_id).get_conn()
        return client

    def lambda_client(config: Config) -> LambdaClient:
        from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

        client: LambdaClient = LambdaHook(aws_conn_id=aws_conn_id, config=config).get_conn()
        return client

    return Connections(
        s3_client=s3_client,
        filesystem=_filesystem,
        lambda_client=lambda_client,
        client=airflow_clients(aws_conn_id),
        retry_seconds=_retry_seconds(),
    )


def _retry_seconds() -> float:
    seconds: float = conf.getfloat("sfdm", "storage_retry_seconds", fallback=RETRY_SECONDS)
    if not 0 <= seconds < 3600:
        raise ValueError(f"[sfdm] storage_retry_seconds must be 0 or more and below 3600, got {seconds:g}")
    return seconds


def _filesystem(url: str) -> tuple[AbstractFileSystem, str]:
    if not has_filesystem(url.partition("://")[0]):
        # No installed provider knows the scheme, so there is no connection type for it either: plain fsspec.
        from fsspec.core import url_to_fs

        filesystem, plain = url_to_fs(url)
        return filesystem, plain
    path = ObjectStoragePath(url)
    return path.fs, path.path
