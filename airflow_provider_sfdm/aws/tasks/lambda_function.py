"""Lambda functions as tasks, by their ARN and through ``lambda:invoke``.

Source: "Invoke an AWS Lambda function with Step Functions" in the AWS Step Functions guide; errors as recorded. By ARN,
the event is the state's input or arguments, the result the bare payload and the cause of a failure what the function
wrote; through ``lambda:invoke`` the payload is one field of the result, and a cause is written anew, compactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.json import dumps, loads
from ...states.seam import TaskFailed
from .arguments import Arguments, TaskProblem
from .calls import Surroundings, refuse_arguments
from .errors import FirstSdk, failure_v1, failures
from .models import service
from .resources import FunctionArn, OptimizedAction, unknown
from .results import Results, sdk_metadata
from .spelling import V1

_SDK = FirstSdk("Lambda", "AWSLambdaException", "AWSLambda")


class FunctionTask:
    """A function by its ARN."""

    def __init__(self, function: FunctionArn) -> None:
        self._arn = function.arn

    def check(self, arguments: Any) -> list[TaskProblem]:
        return []  # whatever they are, they are the function's event

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        _, payload = _invoke({"FunctionName": self._arn, "Payload": dumps(arguments)}, surroundings, compact=False)
        if not payload:
            return None
        try:
            return loads(payload)
        except ValueError as error:
            raise TaskFailed("Lambda.Unknown", f"the function's answer is not JSON: {error}") from error


class InvokeTask:
    """``lambda:invoke``."""

    def __init__(self, resource: str, action: OptimizedAction) -> None:
        if action != OptimizedAction("lambda", "invoke"):
            raise unknown(resource)
        self._resource = resource
        operation = service("lambda").model.operation_model("Invoke")
        self._input, self._output = operation.input_shape, operation.output_shape

    def check(self, arguments: Any) -> list[TaskProblem]:
        return self._read(arguments)[1]

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        request, problems = self._read(arguments)
        refuse_arguments(arguments, problems, surroundings.call)
        payload = arguments.get("Payload")
        if payload is not None:
            # A string is sent as it is: recorded with Payload "true", of which the function got true.
            request["Payload"] = payload.encode(errors="replace") if isinstance(payload, str) else dumps(payload)
        answer, payload = _invoke(request, surroundings, compact=True)
        members = {name: value for name, value in answer.items() if name != "Payload"}
        result = Results(V1, self._resource).write(members, self._output)
        return result | {"Payload": _decoded(payload)} | sdk_metadata(answer)

    def _read(self, arguments: Any) -> tuple[dict[str, Any], list[TaskProblem]]:
        reading = Arguments(V1)
        if isinstance(arguments, dict):
            arguments = {name: value for name, value in arguments.items() if name != "Payload"}
        return reading.read(arguments, self._input), reading.problems


def _invoke(request: dict[str, Any], surroundings: Surroundings, *, compact: bool) -> tuple[Mapping[str, Any], bytes]:
    known = service("lambda")

    def call() -> tuple[Mapping[str, Any], bytes]:
        answer = surroundings.clients.once("lambda", surroundings.bounds.seconds).invoke(**request)
        return answer, answer["Payload"].read()

    with failures(_SDK.prefix, lambda error: failure_v1(error, known, _SDK)):
        answer, payload = surroundings.bounds.run(call)
    if "FunctionError" in answer:
        raise _function_failed(payload, compact=compact)
    return answer, payload


def _function_failed(payload: bytes, *, compact: bool) -> TaskFailed:
    text = payload.decode(errors="replace")
    try:
        content = loads(payload)
    except ValueError:
        content = None
    else:
        text = dumps(content).decode() if compact else text
    error = content.get("errorType") if isinstance(content, dict) else None
    if isinstance(error, str) and error:
        return TaskFailed(error, text)
    cause = "The cause could not be determined because Lambda did not return an error type. Returned payload: "
    return TaskFailed("Lambda.Unknown", cause + text)


def _decoded(payload: bytes) -> Any:
    """The payload as JSON; what is none (a runtime of one's own may answer anything) stays text."""
    try:
        return loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
