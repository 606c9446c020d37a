"""The project's own tasks, against a local S3 server and the functions of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from airflow_provider_sfdm.aws.tasks.tasks import Tasks
from airflow_provider_sfdm.states.seam import Invoke

from .functions import Functions

if TYPE_CHECKING:
    from tools.servers import S3Endpoint

_REGION = "us-east-1"


def services(server: S3Endpoint | None, functions: Mapping[str, str]) -> Invoke:
    """What runs the tasks of a recording. ``server`` None: no service but Lambda answers."""
    answering = Functions(functions)

    def client(service: str, config: Config) -> Any:
        made = boto3.session.Session().client(  # type: ignore[call-overload]  # the stubs name every service
            service,
            endpoint_url=None if server is None else server.endpoint_url,
            aws_access_key_id="conformance" if server is None else server.access_key,
            aws_secret_access_key="conformance" if server is None else server.secret_key,
            region_name=_REGION,
            config=config,
        )
        if service == "lambda":
            return answering.attach(made)
        if service == "s3":
            made.meta.events.register("before-parse.s3", _as_aws)
        return made

    return Tasks(client)


def _as_aws(response_dict: dict[str, Any], **kwargs: object) -> None:
    """The headers that S3 itself sends and the local server leaves out: every object has been encrypted since
    January 2023, and an answer with a checksum has said its type since December 2024.
    """
    headers, operation = response_dict["headers"], kwargs["operation_model"]
    if response_dict["status_code"] < 300 and getattr(operation, "name", "") in ("GetObject", "PutObject"):
        headers.setdefault("x-amz-server-side-encryption", "AES256")
        if any(name.lower().startswith("x-amz-checksum-") for name in headers):
            headers.setdefault("x-amz-checksum-type", "FULL_OBJECT")
