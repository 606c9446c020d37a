"""Lambda functions as tasks, against a small server of the Invoke API."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import unquote

import pytest

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.core.errors import StatesRuntime
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed

from .helpers import CALL, FUNCTION, STATES, Answer, Seen, at, plain, serving

INVOKE = STATES + "lambda:invoke"
HEADERS = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": "request-1", "Content-Type": "application/json"}
UNHANDLED = {**HEADERS, "X-Amz-Function-Error": "Unhandled"}
RAISED = b'{"errorMessage": "na\xc3\xafve", "errorType": "ValueError", "requestId": "r", "stackTrace": ["line 1\\n"]}'


def identity(seen: Seen) -> Answer:
    """A function that returns its event; without a payload, Lambda makes it an empty object."""
    return Answer(seen.body or b"{}", headers=HEADERS)


@pytest.mark.parametrize("event", [{"a": [1, "é", None]}, "text", 0, 0.5, True, [], {}, None])
def test_by_arn_the_event_is_the_input_and_the_payload_the_result(event: Any) -> None:
    with serving(identity) as server:
        assert Tasks(at(server.url))(FUNCTION + "f:7", event, CALL) == event
    (seen,) = server.seen
    assert unquote(seen.path) == f"/2015-03-31/functions/{FUNCTION}f:7/invocations"
    assert seen.body == json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("payload", "sent"),
    [
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'.encode()),
        ([], b"[]"),
        (5, b"5"),
        (True, b"true"),
        # A string is JSON text already.
        ("true", b"true"),
        ('"text"', b'"text"'),
        ('{"b": 1}', b'{"b": 1}'),
        # Nothing is no payload.
        (None, b""),
    ],
)
def test_invoke_sends_the_payload(payload: Any, sent: bytes) -> None:
    with serving(identity) as server:
        result = Tasks(at(server.url))(INVOKE, {"FunctionName": "f", "Payload": payload}, CALL)
    assert [seen.body for seen in server.seen] == [sent]
    assert result["Payload"] == json.loads(sent or b"{}")


def test_invoke_answers_with_what_the_sdk_shows() -> None:
    logged = {**HEADERS, "X-Amz-Log-Result": "bG9n", "Connection": "keep-alive"}
    arguments = {"FunctionName": "f", "Qualifier": "live", "LogType": "Tail", "InvocationType": "RequestResponse"}
    with serving(lambda seen: Answer(b'{"b": 1}', headers=logged)) as server:
        result = Tasks(at(server.url))(INVOKE, arguments, CALL)
    assert plain(result) == {
        "ExecutedVersion": "$LATEST",
        "LogResult": "bG9n",
        "Payload": {"b": 1},
        "StatusCode": 200,
    }
    http = result["SdkHttpMetadata"]
    assert http["HttpStatusCode"] == 200
    assert http["HttpHeaders"]["X-Amz-Executed-Version"] == "$LATEST"
    assert http["HttpHeaders"]["x-amzn-RequestId"] == "request-1"
    assert http["AllHttpHeaders"]["Content-Type"] == ["application/json"]
    assert result["SdkResponseMetadata"] == {"RequestId": "request-1"}
    (seen,) = server.seen
    assert seen.path == "/2015-03-31/functions/f/invocations?Qualifier=live"
    assert seen.headers["x-amz-log-type"] == "Tail"


def test_an_answer_that_is_not_json() -> None:
    with serving(lambda seen: Answer(b"hello", headers=HEADERS)) as server:
        tasks = Tasks(at(server.url))
        assert tasks(INVOKE, {"FunctionName": "f"}, CALL)["Payload"] == "hello"
        with pytest.raises(TaskFailed) as raised:
            tasks(FUNCTION + "f", {}, CALL)
    assert raised.value.error == "Lambda.Unknown"


@pytest.mark.parametrize("status", [202, 204])
def test_an_asynchronous_invocation_has_no_payload(status: int) -> None:
    with serving(lambda seen: Answer(b"", status)) as server:
        result = Tasks(at(server.url))(INVOKE, {"FunctionName": "f", "InvocationType": "Event"}, CALL)
    assert (result["StatusCode"], result["Payload"]) == (status, "")


UNKNOWN = "The cause could not be determined because Lambda did not return an error type. Returned payload: "


@pytest.mark.parametrize(
    ("payload", "error", "by_arn", "by_invoke"),
    [
        (
            RAISED,
            "ValueError",
            RAISED.decode(),
            '{"errorMessage":"naïve","errorType":"ValueError","requestId":"r","stackTrace":["line 1\\n"]}',
        ),
        (
            b'{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}',
            "Sandbox.Timedout",
            '{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}',
            '{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}',
        ),
        (
            b'{"errorMessage": "killed"}',
            "Lambda.Unknown",
            UNKNOWN + '{"errorMessage": "killed"}',
            UNKNOWN + '{"errorMessage":"killed"}',
        ),
        (b"not json", "Lambda.Unknown", UNKNOWN + "not json", UNKNOWN + "not json"),
    ],
)
def test_a_function_that_fails(payload: bytes, error: str, by_arn: str, by_invoke: str) -> None:
    with serving(lambda seen: Answer(payload, headers=UNHANDLED)) as server:
        tasks = Tasks(at(server.url))
        for resource, arguments, cause in (
            (FUNCTION + "f", {}, by_arn),
            (INVOKE, {"FunctionName": "f"}, by_invoke),
        ):
            with pytest.raises(TaskFailed) as raised:
                tasks(resource, arguments, CALL)
            assert (raised.value.error, raised.value.cause) == (error, cause)


@pytest.mark.parametrize(
    ("status", "code", "message", "error", "cause"),
    [
        (
            404,
            "ResourceNotFoundException",
            "Function not found: f",
            "Lambda.ResourceNotFoundException",
            "Function not found: f (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; "
            "Request ID: request-1; Proxy: null)",
        ),
        (
            429,
            "TooManyRequestsException",
            "Rate exceeded",
            "Lambda.TooManyRequestsException",
            "Rate exceeded (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; "
            "Request ID: request-1; Proxy: null)",
        ),
        (
            403,
            "AccessDeniedException",
            "no identity-based policy allows it",
            "Lambda.AWSLambdaException",
            "no identity-based policy allows it (Service: AWSLambda; Status Code: 403; Error Code: "
            "AccessDeniedException; Request ID: request-1; Proxy: null)",
        ),
        (
            500,
            "ServiceException",
            "oops",
            "Lambda.ServiceException",
            "oops (Service: AWSLambda; Status Code: 500; Error Code: ServiceException; Request ID: request-1; "
            "Proxy: null)",
        ),
    ],
)
def test_lambda_that_refuses(status: int, code: str, message: str, error: str, cause: str) -> None:
    answer = Answer({"Message": message}, status, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "request-1"})
    with serving(lambda seen: answer) as server:
        tasks = Tasks(at(server.url))
        for resource, arguments in ((FUNCTION + "f", {}), (INVOKE, {"FunctionName": "f"})):
            with pytest.raises(TaskFailed) as raised:
                tasks(resource, arguments, CALL)
            assert (raised.value.error, raised.value.cause) == (error, cause)
    # Retrying is the state machine's business.
    assert len(server.seen) == 2


def test_nobody_answers() -> None:
    with serving(identity) as server:
        url = server.url
    server.server_close()
    with pytest.raises(TaskFailed) as raised:
        Tasks(at(url))(FUNCTION + "f", {}, CALL)
    assert raised.value.error == "Lambda.SdkClientException"
    assert raised.value.cause is not None
    assert raised.value.cause.startswith("Unable to execute HTTP request: Could not connect")


@pytest.mark.parametrize("resource", [FUNCTION + "f", INVOKE])
def test_a_function_that_takes_longer_than_the_task_may(resource: str) -> None:
    def slow(seen: Seen) -> Answer:
        time.sleep(6)
        return identity(seen)

    with serving(slow) as server:
        began = time.monotonic()
        with pytest.raises(TaskFailed) as raised:
            Tasks(at(server.url))(resource, {"FunctionName": "f"}, TaskCall("JSONPath", {}, timeout_seconds=0.2))
        assert time.monotonic() - began < 5
    assert (raised.value.error, raised.value.cause) == ("States.Timeout", None)


def test_a_missing_name_is_found_before_the_call() -> None:
    with serving(identity) as server, pytest.raises(StatesRuntime, match="'FunctionName' is required but was missing"):
        Tasks(at(server.url))(INVOKE, {"Payload": {}}, CALL)
    assert server.seen == []
