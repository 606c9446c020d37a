"""Runs child executions as invocations of an AWS Lambda function."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..core.errors import ChildFailed
from ..core.json import dumps, loads
from ..core.processors import LambdaFunction

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# A function may run for 15 minutes; the answer must not be given up before.
_READ_TIMEOUT_SECONDS = 15 * 60 + 30
_MAX_CONNECTIONS = 1000


def client_config(concurrency: int) -> Config:
    """How the client must be set up: one connection a child in flight, and no retries of its own.

    The SDK would invoke a function again whose answer it missed; Step Functions does not ("SDK Attempt Count: 1").
    Retrying is what the map's ``retry`` says.
    """
    return Config(
        read_timeout=_READ_TIMEOUT_SECONDS,
        max_pool_connections=min(max(concurrency, 1), _MAX_CONNECTIONS),
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,
    )


def lambda_invoke(function: LambdaFunction, client: LambdaClient) -> Callable[[Any], Any]:
    """An invocation that calls the function with the child's input as its event and returns its decoded payload.

    Failures carry Step Functions' names: the function's own error type with the whole error payload as the cause, or
    ``Lambda.<code>`` with the service's message when the call itself fails.
    """
    arguments: dict[str, str] = {"FunctionName": function.function_name}
    if function.qualifier is not None:
        arguments["Qualifier"] = function.qualifier

    def invoke(child_input: Any) -> Any:
        try:
            answer = client.invoke(**arguments, InvocationType="RequestResponse", Payload=dumps(child_input))  # type: ignore[arg-type]
            payload = answer["Payload"].read()
        except ClientError as error:
            message = error.response.get("Error", {}).get("Message") or str(error)
            raise ChildFailed(f"Lambda.{_code(error)}", message) from error
        except BotoCoreError as error:
            raise ChildFailed("Lambda.SdkClientException", str(error)) from error
        if "FunctionError" in answer:
            raise _function_failed(payload)
        if not payload:
            return None
        try:
            return loads(payload)
        except ValueError as error:
            raise ChildFailed("Lambda.Unknown", f"the function's answer is not JSON: {error}") from error

    return invoke


def _code(error: ClientError) -> str:
    """The service's error code. A gateway's 5xx has none (the SDK shows the status, or nothing): ServiceException.

    That is the name of Lambda's own 5xx, the one the retriers that AWS recommends match.
    """
    code = error.response.get("Error", {}).get("Code") or "Unknown"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "ServiceException" if status >= 500 and (code == "Unknown" or code.isdigit()) else code


def _function_failed(payload: bytes) -> ChildFailed:
    cause = payload.decode(errors="replace")
    try:
        content = json.loads(cause)
    except ValueError:
        content = None
    error = content.get("errorType") if isinstance(content, dict) else None
    return ChildFailed(error if isinstance(error, str) and error else "Lambda.Unknown", cause)
