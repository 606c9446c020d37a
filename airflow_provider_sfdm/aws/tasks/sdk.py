"""``arn:aws:states:::aws-sdk:<service>:<action>``: any operation of any service that boto3 knows.

Source: "Learning to use AWS service SDK integrations" in the AWS Step Functions guide; the shapes of arguments, results
and errors as recorded.
"""

from __future__ import annotations

import difflib
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel

from .arguments import Arguments, TaskProblem
from .calls import Surroundings, refuse_arguments
from .errors import failure_v2, failures
from .models import Service, sdk_services, service
from .resources import Refused, SdkAction, unknown
from .results import Results
from .spelling import V2


class SdkTask:
    """One operation.

    :raises Refused: there is no such service or action.
    """

    def __init__(self, resource: str, action: SdkAction) -> None:
        self._resource = resource
        self._service = _service(resource, action.service)
        self._operation = _operation(resource, self._service, action.action)

    def check(self, arguments: Any) -> list[TaskProblem]:
        reading = Arguments(V2)
        reading.read(arguments, self._operation.input_shape)
        return reading.problems

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        reading = Arguments(V2)
        request = reading.read(arguments, self._operation.input_shape)
        refuse_arguments(arguments, reading.problems, surroundings.call)
        known, operation = self._service, self._operation

        def call() -> Any:
            client = surroundings.clients.once(known.boto3_name, surroundings.bounds.seconds)
            answer = getattr(client, xform_name(operation.name))(**request)
            # Here, as a body may be read with it.
            return Results(V2, self._resource).write(answer, operation.output_shape)

        with failures(known.name, lambda error: failure_v2(error, known, operation)):
            return surroundings.bounds.run(call)


def _service(resource: str, name: str) -> Service:
    services = sdk_services()
    if name not in services:
        theirs = {boto3: ours for ours, boto3 in services.items()}
        alike = [theirs[name]] if name in theirs else difflib.get_close_matches(name, services, 1, 0.7)
        hint = f"{name!r} is no service" + (f"; did you mean {alike[0]!r}?" if alike else ".")
        raise unknown(resource, hint)
    return service(services[name])


def _operation(resource: str, known: Service, action: str) -> OperationModel:
    operation = known.operation(action)
    if operation is None:
        alike = [name for name in known.actions if name.lower() == action.lower().replace("_", "")]
        alike = alike or difflib.get_close_matches(action, known.actions, 1, 0.7)
        hint = f"{known.name} has no action {action!r}" + (f"; did you mean {alike[0]!r}?" if alike else ".")
        raise unknown(resource, hint)
    if operation.has_event_stream_input or operation.has_event_stream_output:
        raise Refused(f"{resource}: an operation whose answer is a stream of events cannot be a task.")
    return operation
