"""The Lambda functions of recorded executions, by what the recordings say they do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

_INVOKE = "arn:aws:states:::lambda:invoke"


class Functions:
    """An `Invoke` for functions by ARN and by ``lambda:invoke``."""

    def __init__(self, functions: Mapping[str, str]) -> None:
        """``functions``: name -> behaviour."""
        self._functions = functions

    def __call__(self, resource: str, arguments: Any, call: TaskCall) -> Any:
        if resource != _INVOKE:
            return self._invoke(resource.rpartition(":")[2], arguments, spaced=True)
        name = str(arguments["FunctionName"]).rpartition(":")[2]
        event = arguments.get("Payload")
        if call.query_language == "JSONPath" and isinstance(event, str):
            # Recorded: a text is handed over as the JSON it holds.
            event = json.loads(event)
        if event is None:
            event = {}
        answer = {
            "ExecutedVersion": "$LATEST",
            "Payload": self._invoke(name, event, spaced=False),
            "StatusCode": 200,
            "SdkHttpMetadata": {},
            "SdkResponseMetadata": {},
        }
        if arguments.get("LogType") == "Tail":
            answer["LogResult"] = "TE9H"
        return answer

    def _invoke(self, name: str, event: Any, *, spaced: bool) -> Any:
        behaviour = self._functions.get(name)
        if behaviour is None:
            arn = f"arn:aws:lambda:us-east-1:111111111111:function:{name}:$LATEST"
            details = "Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException"
            cause = f"Function not found: {arn} ({details}; Request ID: {uuid.uuid4()}; Proxy: null)"
            raise TaskFailed("Lambda.ResourceNotFoundException", cause)
        if behaviour == "raise":
            raise TaskFailed("Exception", _raised(spaced=spaced))
        results = {
            "identity": event,
            "hello": {"Return": "HelloWorld"},
            "string": "HelloWorld!",
            "decorated": f"input-event-{event}",
        }
        return results[behaviour]


def _raised(*, spaced: bool) -> str:
    """The cause of a function's exception. Recorded: a function named by its ARN answers with the spaces of Python's
    json, lambda:invoke writes it anew without.
    """
    line = 'raise Exception("Some exception was raised.")'
    told = {
        "errorMessage": "Some exception was raised.",
        "errorType": "Exception",
        "requestId": str(uuid.uuid4()),
        "stackTrace": [f'  File "/var/task/handler.py", line 2, in handler\n    {line}\n'],
    }
    return json.dumps(told) if spaced else json.dumps(told, separators=(",", ":"))
