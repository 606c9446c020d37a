"""Lambda functions on an emulator."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import boto3

from tools.servers import REGION, S3Endpoint

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_lambda import LambdaClient


def lambda_client(server: S3Endpoint, config: Config | None = None) -> LambdaClient:
    """A new client of the server's Lambda."""
    return boto3.session.Session().client(
        "lambda",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=REGION,
        config=config,
    )


def make_function(server: S3Endpoint, name: str, code: str) -> None:
    """Create a function whose ``handler`` the code defines, if there is none of that name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", code)
    client = lambda_client(server)
    if any(function["FunctionName"] == name for function in client.list_functions()["Functions"]):
        return
    client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/functions",
        Handler="index.handler",
        Code={"ZipFile": content.getvalue()},
    )
