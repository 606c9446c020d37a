"""The Lambda functions of recorded executions, by what the recordings say they do: a Lambda service inside of boto3.

The client is real, and so is all that the project's tasks do with it; only the request is answered here instead of
being sent.
"""

from __future__ import annotations

import base64
import io
import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from botocore.awsrequest import AWSResponse, HeadersDict

_RAISE = 'raise Exception("Some exception was raised.")'


class Functions:
    """Answers the requests of a boto3 client."""

    def __init__(self, functions: Mapping[str, str]) -> None:
        """``functions``: name -> behaviour."""
        self._functions = functions

    def attach(self, client: Any) -> Any:
        """Let ``client`` be answered here; returns it."""
        client.meta.events.register("before-send.lambda.Invoke", self._answer)
        return client

    def _answer(self, request: Any, **kwargs: object) -> AWSResponse:
        name = unquote(request.url.partition("/functions/")[2].partition("/")[0]).partition(":function:")
        function = (name[2] or name[0]).partition(":")[0]
        behaviour = self._functions.get(function)
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
        if behaviour is None:
            arn = f"arn:aws:lambda:us-east-1:111111111111:function:{function}:$LATEST"
            body = json.dumps({"Type": "User", "Message": f"Function not found: {arn}"}).encode()
            headers["x-amzn-ErrorType"] = "ResourceNotFoundException"
            return _response(request.url, 404, headers, body)
        headers["X-Amz-Executed-Version"] = "$LATEST"
        if request.headers.get("X-Amz-Log-Type") in ("Tail", b"Tail"):
            headers["X-Amz-Log-Result"] = base64.b64encode(b"START").decode()
        if behaviour == "raise":
            headers["X-Amz-Function-Error"] = "Unhandled"
        event = json.loads(request.body or b"{}")
        body = json.dumps(_result(behaviour, event)).encode()
        return _response(request.url, 200, headers | {"Content-Length": str(len(body))}, body)


def _result(behaviour: str, event: Any) -> Any:
    results = {
        "identity": event,
        "hello": {"Return": "HelloWorld"},
        "string": "HelloWorld!",
        "decorated": f"input-event-{event}",
        "raise": {
            "errorMessage": "Some exception was raised.",
            "errorType": "Exception",
            "requestId": str(uuid.uuid4()),
            "stackTrace": [f'  File "/var/task/handler.py", line 2, in handler\n    {_RAISE}\n'],
        },
    }
    return results[behaviour]


class _Raw(io.BytesIO):
    """A body as botocore streams it."""

    def stream(self, **kwargs: object) -> Any:
        yield self.read()


def _response(url: str, status: int, headers: dict[str, str], body: bytes) -> AWSResponse:
    sent = HeadersDict(headers)
    return AWSResponse(url, status, sent, _Raw(body))  # type: ignore[arg-type]  # the stubs want http.client's headers
