"""What a call of Step Functions fails with: which class, and what it says."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from types import SimpleNamespace

import boto3
import botocore.session
import pytest
from botocore.config import Config

from airflow_provider_sfdm.aws import errors
from airflow_provider_sfdm.aws.errors import (
    CredentialsRefused,
    Diagnostic,
    ExecutionNameTaken,
    InvalidStateMachine,
    NotFound,
    NotRedrivable,
    PermissionMissing,
    ServiceError,
    Throttled,
    Transient,
    Unreachable,
    missing_action,
)
from airflow_provider_sfdm.aws.state_machines import StateMachineContent
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from tests.stepfunctions.scripted import ONCE, ScriptedStepFunctions, arn

MAP_RUN = arn("mapRun", "m/Map:1")
USER = "User: arn:aws:sts::123456789012:assumed-role/x/y is not authorized to perform: "


@pytest.fixture
def server() -> Iterator[ScriptedStepFunctions]:
    with ScriptedStepFunctions() as started:
        yield started


def failure(server: ScriptedStepFunctions, config: Config = ONCE) -> ServiceError:
    """What DescribeMapRun fails with now."""
    with pytest.raises(ServiceError) as caught:
        StepFunctions(server.client(config)).get_map_run(MAP_RUN)
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Throttled),
        ("Throttling", Throttled),
        ("TooManyRequestsException", Throttled),
        ("RequestLimitExceeded", Throttled),
        ("AccessDeniedException", PermissionMissing),
        ("AccessDenied", PermissionMissing),
        ("ExpiredTokenException", CredentialsRefused),
        ("ExpiredToken", CredentialsRefused),
        ("UnrecognizedClientException", CredentialsRefused),
        ("InvalidSignatureException", CredentialsRefused),
        ("InvalidClientTokenId", CredentialsRefused),
        ("MissingAuthenticationTokenException", CredentialsRefused),
        ("RequestExpired", CredentialsRefused),
        ("IncompleteSignature", CredentialsRefused),
        ("ServiceUnavailable", Unreachable),
        ("InternalFailure", Unreachable),
        ("InternalServerError", Unreachable),
        ("ResourceNotFound", NotFound),
        ("ExecutionDoesNotExist", NotFound),
        ("StateMachineDoesNotExist", NotFound),
        ("InvalidDefinition", InvalidStateMachine),
        ("ExecutionAlreadyExists", ExecutionNameTaken),
        ("ExecutionNotRedrivable", NotRedrivable),
        ("ValidationException", ServiceError),
        ("InvalidArn", ServiceError),
        ("SomethingNew", ServiceError),
    ],
)
def test_the_code_decides_which_error_it_is(code: str, kind: type[ServiceError], server: ScriptedStepFunctions) -> None:
    server.fail("DescribeMapRun", code, "in AWS's words.")
    error = failure(server)
    assert type(error) is kind
    assert (error.operation, error.code, error.reason) == ("DescribeMapRun", code, "in AWS's words.")
    assert str(error).startswith(f"DescribeMapRun: {code}: in AWS's words")


def test_every_error_that_the_service_declares_is_one_of_ours(server: ScriptedStepFunctions) -> None:
    service = botocore.session.get_session().get_service_model("stepfunctions")
    codes = sorted(shape.name for shape in service.error_shapes)
    client = StepFunctions(server.client(ONCE))
    for code in codes:
        server.fail("DescribeMapRun", code, "m")
        with pytest.raises(ServiceError, match=f"DescribeMapRun: {code}: m"):
            client.get_map_run(MAP_RUN)
    assert "KmsThrottlingException" in codes


def test_throttling_by_kms_is_throttling_too(server: ScriptedStepFunctions) -> None:
    server.fail("DescribeMapRun", "KmsThrottlingException", "Rate exceeded")
    assert isinstance(failure(server), Throttled)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (500, Unreachable), (502, Unreachable), (503, Unreachable)]
)
@pytest.mark.parametrize("body", [True, False], ids=["with a body", "without a body"])
def test_a_status_without_a_known_code(
    status: int, kind: type[ServiceError], body: bool, server: ScriptedStepFunctions
) -> None:
    server.fail("DescribeMapRun", "Strange", "m", status, body=body)
    error = failure(server)
    assert type(error) is kind
    assert isinstance(error, Transient)


def test_botocore_has_tried_again_before(server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    server.fail("DescribeMapRun", times=None)
    failure(server, Config(retries={"mode": "standard", "total_max_attempts": 3}))
    assert len(server.calls) == 3


DENIED = [
    (
        USER + "states:DescribeMapRun on resource: arn:aws:states:us-east-1:123456789012:mapRun:m/Map:1 because no "
        "identity-based policy allows the states:DescribeMapRun action",
        "states:DescribeMapRun",
    ),
    (
        USER + "iam:PassRole on resource: arn:aws:iam::123456789012:role/map because no identity-based policy allows "
        "the iam:PassRole action",
        "iam:PassRole",
    ),
    (USER + "kms:Decrypt on the resource associated with this ciphertext", "kms:Decrypt"),
    (
        "User: arn:aws:iam::123456789012:user/a is not authorized to perform states:StopExecution",
        "states:StopExecution",
    ),
    ("Access Denied", "states:DescribeMapRun"),
]


@pytest.mark.parametrize(("message", "action"), DENIED, ids=[action for _, action in DENIED])
def test_the_missing_action_is_named(message: str, action: str, server: ScriptedStepFunctions) -> None:
    server.fail("DescribeMapRun", "AccessDeniedException", message)
    error = failure(server)
    assert isinstance(error, PermissionMissing)
    assert error.action == action
    assert str(error).endswith(f"the IAM action that is missing is {action}")


def test_a_caller_who_may_assume_a_role_but_not_do_the_thing(server: ScriptedStepFunctions) -> None:
    """The ARN of whoever calls has "assumed-role" in it: that says nothing of the machine's role."""
    server.deny("DescribeMapRun", MAP_RUN)
    error = failure(server)
    assert isinstance(error, PermissionMissing)
    assert "states:DescribeMapRun" in error.hint
    assert "role_arn" not in error.hint


@pytest.mark.parametrize(
    "message",
    [
        "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the "
        "provided role.",
        "The principal states.amazonaws.com is not authorized to assume the provided role.",
    ],
)
def test_a_role_that_step_functions_may_not_assume(message: str, server: ScriptedStepFunctions) -> None:
    server.fail("CreateStateMachine", "AccessDeniedException", message)
    content = StateMachineContent(
        name="m",
        definition={"StartAt": "A", "States": {"A": {"Type": "Succeed"}}},
        role_arn="arn:aws:iam::123456789012:role/map",
    )
    with pytest.raises(PermissionMissing, match="role_arn must name a role that exists") as caught:
        StepFunctions(server.client(ONCE)).create_or_update_state_machine(content)
    assert "trust policy" in str(caught.value)
    assert "IAM action that is missing" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (USER + "s3:PutObject on resource: arn:aws:s3:::b/k", "s3:PutObject"),
        ("is not authorized to perform: states:StartExecution on resource: *", "states:StartExecution"),
        ("it could not perform the task", None),
        ("", None),
    ],
)
def test_actions_in_causes(text: str, action: str | None) -> None:
    assert missing_action(text) == action


def test_an_expired_token_says_what_to_do(server: ScriptedStepFunctions) -> None:
    server.fail("DescribeMapRun", "ExpiredTokenException", "The security token included in the request is expired")
    assert str(failure(server)) == (
        "DescribeMapRun: ExpiredTokenException: The security token included in the request is expired; "
        "renew the credentials of the Airflow connection"
    )


@pytest.mark.parametrize("code", ["StateMachineDeleting", "ExecutionLimitExceeded", "ServiceQuotaExceededException"])
def test_limits_say_what_to_do(code: str, server: ScriptedStepFunctions) -> None:
    server.fail("DescribeMapRun", code, "m")
    assert failure(server).hint


def test_no_credentials(server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    client = boto3.session.Session().client("stepfunctions", endpoint_url=server.url, region_name="us-east-1")
    with pytest.raises(CredentialsRefused, match=r"NoCredentialsError.*give the Airflow connection a key pair"):
        StepFunctions(client).get_map_run(MAP_RUN)
    assert server.calls == []


def test_nobody_is_there() -> None:
    with ScriptedStepFunctions() as gone:
        client = gone.client(ONCE)
    with pytest.raises(Unreachable, match="DescribeMapRun: EndpointConnectionError: Could not connect") as caught:
        StepFunctions(client).get_map_run(MAP_RUN)
    assert caught.value.code == "EndpointConnectionError"


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_breaks(after: bool, server: ScriptedStepFunctions) -> None:
    server.reset("DescribeMapRun", after=after)
    assert type(failure(server)) is Unreachable


def test_a_parameter_that_botocore_refuses(server: ScriptedStepFunctions) -> None:
    with pytest.raises(ServiceError, match="StartExecution: ParamValidationError") as caught:
        StepFunctions(server.client(ONCE)).start(arn("stateMachine", "m"), "", "{}")
    assert not isinstance(caught.value, Transient)


EXAMPLES: list[ServiceError] = [
    kind("Op", "Code", "a reason.", "a hint")
    for kind in (
        ServiceError,
        Transient,
        Throttled,
        Unreachable,
        PermissionMissing,
        CredentialsRefused,
        NotFound,
        ExecutionNameTaken,
        NotRedrivable,
    )
]
EXAMPLES += [
    PermissionMissing("Op", "AccessDenied", USER + "iam:PassRole on resource: x"),
    InvalidStateMachine("Op", "InvalidDefinition", "bad", [Diagnostic("ERROR", "C", "m", "/States/A")]),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: ServiceError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_every_class_is_among_the_examples() -> None:
    kinds = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ServiceError)}
    assert kinds == {type(error) for error in EXAMPLES}
