"""All operations of all services: whatever a model can say is read, sent, answered and written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.model import OperationModel
from moto.core.model import ServiceModel
from moto.core.serialize import SERIALIZERS, SerializationContext

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.aws.tasks.arguments import Arguments
from airflow_provider_sfdm.aws.tasks.models import Service, sdk_services, service
from airflow_provider_sfdm.aws.tasks.names import exception_v2
from airflow_provider_sfdm.aws.tasks.results import Results
from airflow_provider_sfdm.aws.tasks.spelling import V1, V2, Spelling
from airflow_provider_sfdm.states.seam import TaskFailed

from .helpers import CALL, SDK
from .model_samples import sample

SERVICES = sdk_services()


def operations(known: Service) -> Iterator[tuple[str, OperationModel]]:
    """The actions that can be a task."""
    for action, name in known.actions.items():
        operation = known.model.operation_model(name)
        if not (operation.has_event_stream_input or operation.has_event_stream_output):
            yield action, operation


def differences(operation: OperationModel, spelling: Spelling) -> Any:
    """What of a request is lost on its way to Step Functions' spelling and back."""
    shape = operation.input_shape
    if shape is None:
        return None
    given = sample(shape)
    # A body is sent as the JSON text of its value, which is no inverse.
    body = {name: b'"bytes"' for name, member in shape.members.items() if member.serialization.get("streaming")}
    written = Results(spelling, "r").write(given, shape)
    reading = Arguments(spelling)
    read = reading.read(json.loads(json.dumps(written)), shape)
    expected = given | {name: read[name] for name in body}
    return reading.problems or ([] if read == expected else [given, read])


@pytest.mark.parametrize("initial", sorted({name[0] for name in SERVICES}))
def test_a_request_as_a_task_writes_it_is_the_request(initial: str) -> None:
    """Names do not collide, and every type can be written and read."""
    found = {
        f"{ours}:{action}": problems
        for ours, theirs in SERVICES.items()
        if ours.startswith(initial)
        for action, operation in operations(service(theirs))
        if (problems := differences(operation, V2))
    }
    assert found == {}


@pytest.mark.parametrize(
    "name", ["athena", "batch", "dynamodb", "ecs", "events", "glue", "sns", "sqs", "stepfunctions"]
)
def test_so_it_is_for_optimized_integrations(name: str) -> None:
    found = {action: lost for action, operation in operations(service(name)) if (lost := differences(operation, V1))}
    assert found == {}


class Raw(io.BytesIO):
    """An HTTP answer's body, as urllib3 hands it out."""

    def stream(self, **options: Any) -> Iterator[bytes]:
        yield self.read()


class Stub:
    """boto3 clients whose requests are answered before they are sent, with what `answer` is serialized to."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"body": b"", "headers": {}, "status_code": 200}
        self.urls: list[str] = []

    def client(self, name: str, config: Config) -> Any:
        made = boto3.session.Session().client(name, region_name="us-east-1", config=config)  # type: ignore[call-overload]
        made.meta.events.register_first("before-send", self.send)
        return made

    def send(self, request: Any, **more: Any) -> AWSResponse:
        self.urls.append(request.url)
        body = self.answer["body"]
        raw = Raw(body.encode() if isinstance(body, str) else body)
        headers = {name: str(value) for name, value in self.answer["headers"].items()}
        return AWSResponse(request.url, self.answer["status_code"], headers, raw)  # type: ignore[arg-type]


def moto_model(known: Service) -> ServiceModel:
    """moto serializes with shapes of its own."""
    return ServiceModel(create_loader().load_service_model(known.boto3_name, "service-2"), known.boto3_name)


def answered(model: ServiceModel, operation: OperationModel, answer: Any) -> dict[str, Any]:
    """The HTTP answer that says it, or the exception."""
    serializer = SERIALIZERS[operation.service_model.resolved_protocol]
    return dict(serializer(model.operation_model(operation.name), SerializationContext("r-1")).serialize(answer))


# One or two of each protocol, with bodies, headers, flattened lists, documents, unions and shapes that hold themselves.
CALLED = [
    "cloudfront",
    "cloudwatchlogs",
    "dynamodb",
    "ebs",
    "ec2",
    "iam",
    "lambda",
    "route53",
    "s3",
    "ses",
    "sfn",
    "sns",
    "sqs",
    "ssm",
    "transcribe",
    "wafv2",
]
# What moto takes from the HTTP answer itself, and a region that is the whole of an answer.
OF_THE_ANSWER = {"ContentType", "LocationConstraint", "Status", "StatusCode"}


@pytest.mark.parametrize("name", CALLED)
def test_a_call_and_its_answer(name: str) -> None:
    known, stub = service(SERVICES[name]), Stub()
    tasks, model = Tasks(stub.client), moto_model(known)
    found = {}
    for action, operation in operations(known):
        shape, output = operation.input_shape, operation.output_shape
        stub.answer = answered(model, operation, sample(output) if output else {})
        arguments = Results(V2, "r").write(sample(shape), shape) if shape else {}
        try:
            result = tasks(f"{SDK}{name}:{action}", arguments, CALL)
        except TaskFailed as failed:
            found[action] = str(failed)
            continue
        expected = Results(V2, "r").write(sample(output), output) if output else {}
        differing = {key for key in {*result, *expected} - OF_THE_ANSWER if result.get(key) != expected.get(key)}
        if differing:
            found[action] = f"{differing} of {json.dumps(result)}"
    assert found == {}
    assert stub.urls


@pytest.mark.parametrize("name", CALLED)
def test_every_error_has_its_name(name: str) -> None:
    known, stub = service(SERVICES[name]), Stub()
    tasks, model = Tasks(stub.client), moto_model(known)
    action, operation = next(operations(known))
    shape = operation.input_shape
    arguments = Results(V2, "r").write(sample(shape), shape) if shape else {}
    names, expected = [], []
    for error in known.model.error_shapes:
        raised = type(
            error.name,
            (Exception,),
            {"code": error.metadata.get("error", {}).get("code", error.name), "message": "why"},
        )()
        stub.answer = answered(model, operation, raised)
        with pytest.raises(TaskFailed, match=r"why \(Service: ") as failed:
            tasks(f"{SDK}{name}:{action}", arguments, CALL)
        names.append(failed.value.error)
        # As SDK version 2 had it before the model did.
        known_late = (name, error.name) == ("s3", "AccessDenied")
        expected.append("S3.S3Exception" if known_late else f"{known.name}.{exception_v2(error.name)}")
    assert names == expected
