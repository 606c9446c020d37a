"""The optimized integrations: what they take and answer differs from the SDK's own calls.

Source: "Integrating optimized services with Step Functions" in the AWS Step Functions guide, one page a service. All go
through SDK version 1: results have its SdkHttpMetadata, errors its names, timestamps are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from ...core.json import dumps
from ...states.seam import TaskCall, TaskFailed
from .arguments import Arguments, TaskProblem
from .calls import Surroundings, refuse_arguments
from .errors import FirstSdk, failure_v1, failures
from .jobs import JOBS, Job
from .models import service
from .polling import run_job
from .resources import OptimizedAction, unknown
from .results import Results, sdk_metadata
from .spelling import V1

_SDKS = {
    "athena": FirstSdk("Athena", "AmazonAthenaException", "AmazonAthena"),
    "batch": FirstSdk("Batch", "AWSBatchException", "AWSBatch"),
    "dynamodb": FirstSdk("DynamoDB", "AmazonDynamoDBException", "AmazonDynamoDBv2"),
    "ecs": FirstSdk("ECS", "AmazonECSException", "AmazonECS", empty_lists=True),
    "events": FirstSdk("EventBridge", "AmazonEventBridgeException", "AmazonEventBridge"),
    "glue": FirstSdk("Glue", "AWSGlueException", "AWSGlue"),
    "sns": FirstSdk("SNS", "AmazonSNSException", "AmazonSNS"),
    "sqs": FirstSdk("SQS", "AmazonSQSException", "AmazonSQS"),
    "states": FirstSdk("StepFunctions", "AWSStepFunctionsException", "AWSStepFunctions"),
}
_BOTO3 = {"states": "stepfunctions"}
# Strings to the service, any JSON to the author.
_JSON_TEXT = {
    ("sqs", "sendMessage"): frozenset({"MessageBody"}),
    ("sns", "publish"): frozenset({"Message"}),
    ("events", "putEvents"): frozenset({"Detail"}),
    ("states", "startExecution"): frozenset({"Input"}),
}
_ACTIONS = {
    "athena": ("startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"),
    "batch": ("submitJob",),
    "dynamodb": ("getItem", "putItem", "updateItem", "deleteItem"),
    "ecs": ("runTask",),
    "events": ("putEvents",),
    "glue": ("startJobRun",),
    "sns": ("publish",),
    "sqs": ("sendMessage",),
    "states": ("startExecution",),
}


@dataclass(frozen=True)
class _Change:
    """What Step Functions does besides calling: to the request, and to the result."""

    request: Callable[[dict[str, Any], TaskCall], None] = lambda request, call: None
    result: Callable[[dict[str, Any], dict[str, Any]], None] = lambda result, request: None


def _name_the_execution(request: dict[str, Any], call: TaskCall) -> None:
    """EventBridge: "the execution ARN and the state machine ARN are automatically appended to the Resources field"."""
    ids = (call.context.get(name, {}).get("Id") for name in ("Execution", "StateMachine"))
    arns = [arn for arn in ids if arn]
    for entry in request.get("Entries", []):
        entry["Resources"] = [*entry.get("Resources", []), *arns]


def _refuse_failed_entries(result: dict[str, Any], request: dict[str, Any]) -> None:
    """EventBridge: "if FailedEntryCount is greater than zero, the task fails with EventBridge.FailedEntry"."""
    if result.get("FailedEntryCount"):
        raise TaskFailed("EventBridge.FailedEntry", dumps(result).decode())


def _started_by_step_functions(request: dict[str, Any], call: TaskCall) -> None:
    """ECS: seen in the descriptions of all tasks that Step Functions has run."""
    request.setdefault("startedBy", "AWS Step Functions")


def _name_the_job(result: dict[str, Any], request: dict[str, Any]) -> None:
    """Glue: "The JobName field is extracted from the request and inserted into the response"."""
    result["JobName"] = request["JobName"]


_CHANGES = {
    ("ecs", "runTask"): _Change(request=_started_by_step_functions),
    ("events", "putEvents"): _Change(_name_the_execution, _refuse_failed_entries),
    ("glue", "startJobRun"): _Change(result=_name_the_job),
}


class OptimizedTask:
    """One action of an optimized integration.

    :raises Refused: there is no such integration.
    """

    def __init__(self, resource: str, action: OptimizedAction) -> None:
        if action.action not in _ACTIONS.get(action.service, ()):
            raise unknown(resource)
        self._job = _job(resource, action)
        self._resource = resource
        self._pattern = action.pattern
        self._sdk = _SDKS[action.service]
        self._service = service(_BOTO3.get(action.service, action.service))
        operation = self._service.operation(action.action)
        assert operation is not None, action
        self._operation = operation
        key = (action.service, action.action)
        self._json_text = _JSON_TEXT.get(key, frozenset())
        self._change = _CHANGES.get(key, _Change())

    def check(self, arguments: Any) -> list[TaskProblem]:
        reading = Arguments(V1, self._json_text)
        reading.read(arguments, self._operation.input_shape)
        return reading.problems

    def run(self, arguments: Any, surroundings: Surroundings) -> Any:
        reading = Arguments(V1, self._json_text)
        request = reading.read(arguments, self._operation.input_shape)
        refuse_arguments(arguments, reading.problems, surroundings.call)
        self._change.request(request, surroundings.call)
        results = Results(V1, self._resource, empty_lists=self._sdk.empty_lists)

        def call() -> Any:
            # What starts a job is waited for beyond the task's own time: the job has to be known to be stopped.
            seconds = surroundings.bounds.seconds if self._job is None else None
            client = surroundings.clients.once(self._service.boto3_name, seconds)
            return getattr(client, xform_name(self._operation.name))(**request)

        with failures(self._sdk.prefix, lambda error: failure_v1(error, self._service, self._sdk)):
            if self._job is None:
                answer = surroundings.bounds.run(call)
                result = results.write(answer, self._operation.output_shape)
                self._change.result(result, request)
                return result | sdk_metadata(answer)
            ended = run_job(self._job, self._service.boto3_name, request, call, surroundings)
            member = self._job.member(self._service.model)
            return self._job.outcome(results.write(ended, member), ended, self._pattern)


def _job(resource: str, action: OptimizedAction) -> Job | None:
    if not action.pattern:
        return None
    job = JOBS.get((action.service, action.action))
    if job is None or action.pattern not in job.patterns:
        raise unknown(resource)
    return job
