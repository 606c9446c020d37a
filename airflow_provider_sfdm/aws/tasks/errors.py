"""From what botocore raises to error names and causes as Step Functions shows them.

==========  =====================================  ================================================================
resource    error                                  cause
==========  =====================================  ================================================================
aws-sdk     ``S3.NoSuchKeyException``,             ``… (Service: S3, Status Code: 404, Request ID: …, Extended
            ``DynamoDb.DynamoDbException``         Request ID: …) (SDK Attempt Count: 1)``
optimized   ``Lambda.ResourceNotFoundException``,  ``… (Service: AWSLambda; Status Code: 404; Error Code:
            ``DynamoDB.AmazonDynamoDBException``   ResourceNotFoundException; Request ID: …; Proxy: null)``
==========  =====================================  ================================================================

Both forms are recorded on AWS. An error that the service's model does not have gets the name of the SDK's base class;
no answer at all is ``<Service>.SdkClientException``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
)
from botocore.model import OperationModel, Shape

from ...core.errors import StatesError
from ...states.failures import ExecutionTimedOut
from ...states.lifetime import Aborted
from ...states.seam import TaskFailed
from ...storage.reasons import cause_to_show, without_secrets
from .models import Service
from .names import exception_v1, exception_v2

# A service that refuses a signature repeats the request that it saw, with its token.
_SIGNED = re.compile(
    r"(?i)(x-amz-security-token\s*[:=]\s*|security-?token\s*[:=]\s*|Credential=|Signature=|AWSAccessKeyId=?\s*)[^\s,;&'\"]+"
)

# The model has it since 2026, for one operation; what handlers are written for, and what Step Functions has shown for
# every denied call, is S3.S3Exception.
_TOO_NEW = {("s3", "AccessDenied")}


def _safe(text: str) -> str:
    return _SIGNED.sub(r"\1***", without_secrets(text))


@dataclass(frozen=True)
class FirstSdk:
    """What an optimized integration's service is called: by Step Functions, and by SDK version 1 in two places.

    :param empty_lists: the classes of the SDK's oldest services make a list when it is looked at, so that one that the
        service has not sent is shown as empty.
    """

    prefix: str
    base_exception: str
    service: str
    empty_lists: bool = False


def failure_v1(error: ClientError, service: Service, sdk: FirstSdk) -> TaskFailed:
    """The failure of an optimized integration."""
    content = error.response.get("Error", {})
    code, shape = content.get("Code", ""), _error_shape(error, service)
    name = sdk.base_exception if shape is None else exception_v1(shape)
    details = (
        f"(Service: {sdk.service}; Status Code: {_status(error)}; Error Code: {code or 'null'}; "
        f"Request ID: {_request_id(error)}; Proxy: null)"
    )
    return TaskFailed(f"{sdk.prefix}.{name}", _safe(f"{_message(error, None)} {details}"))


def failure_v2(error: ClientError, service: Service, operation: OperationModel) -> TaskFailed:
    """The failure of an ``aws-sdk`` task."""
    shape = _error_shape(error, service) or _head_shape(service, operation, error)
    name = f"{service.name}Exception" if shape is None else exception_v2(shape)
    details = [f"Service: {service.name}", f"Status Code: {_status(error)}", f"Request ID: {_request_id(error)}"]
    extended = error.response.get("ResponseMetadata", {}).get("HostId")
    if extended:
        details.append(f"Extended Request ID: {extended}")
    text = f"{_message(error, operation)} ({', '.join(details)}) (SDK Attempt Count: 1)"
    return TaskFailed(f"{service.name}.{name}", _safe(text))


@contextmanager
def failures(prefix: str, refused: Callable[[ClientError], TaskFailed]) -> Iterator[None]:
    """Around one call.

    :param refused: what a service's refusal becomes.
    """
    try:
        yield
    except ClientError as error:
        raise refused(error) from cause_to_show(error)
    except BotoCoreError as error:
        raise _client_side(prefix, error) from cause_to_show(error)
    except (TaskFailed, StatesError, ExecutionTimedOut, Aborted):
        raise
    except Exception as error:
        # Data that no request can be made of (a line break in a header, say) is refused below botocore, in many ways.
        text = f"Unable to make the request: {type(error).__name__}: {_safe(str(error))}"
        raise TaskFailed(f"{prefix}.SdkClientException", text) from cause_to_show(error)


def _client_side(prefix: str, error: BotoCoreError) -> TaskFailed:
    text = _safe(str(error))
    if isinstance(error, HTTPClientError | ConnectionError):
        text = f"Unable to execute HTTP request: {text}"
    return TaskFailed(f"{prefix}.SdkClientException", text)


def _error_shape(error: ClientError, service: Service) -> str | None:
    """The modelled error. A service that has changed its protocol has two codes for one."""
    content: dict[str, Any] = dict(error.response.get("Error", {}))
    for code in (content.get("Code"), content.get("QueryErrorCode")):
        if isinstance(code, str):
            # Some servers write the namespace in front, or the address of a page behind.
            plain = code.rpartition("#")[2].partition(":")[0]
            shape: Shape | None = service.model.shape_for_error_code(plain)  # type: ignore[arg-type]  # wrong stubs
            if shape is not None and (service.boto3_name, shape.name) not in _TOO_NEW:
                return shape.name
    return None


def _head_shape(service: Service, operation: OperationModel, error: ClientError) -> str | None:
    """A HEAD has no body to name the error in; SDK version 2 does it for S3."""
    if service.boto3_name != "s3" or _status(error) != 404:
        return None
    return {"HeadObject": "NoSuchKey", "HeadBucket": "NoSuchBucket"}.get(operation.name)


def _message(error: ClientError, operation: OperationModel | None) -> str:
    if operation is not None and operation.http.get("method") == "HEAD":
        return "null"
    return error.response.get("Error", {}).get("Message") or "null"


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _request_id(error: ClientError) -> str:
    return error.response.get("ResponseMetadata", {}).get("RequestId") or "null"
