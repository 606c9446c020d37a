"""Child executions that are Lambda functions, against a small HTTP server that answers the Invoke API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from airflow_provider_sfdm import ItemBatcher, LambdaFunction, Retrier
from airflow_provider_sfdm.aws.lambda_function import client_config, lambda_invoke
from airflow_provider_sfdm.core.errors import ChildFailed
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import counters, inputs, records, results, run

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

TOLERANT: dict[str, Any] = {"tolerated_failure_percentage": 100}


class Answer:
    """One answer of the Invoke API."""

    def __init__(self, body: bytes, status: int = 200, error: str | None = None, code: str | None = None) -> None:
        self.body = body
        self.status = status
        self.error = error  # X-Amz-Function-Error
        self.code = code  # x-amzn-ErrorType


class LambdaServer(ThreadingHTTPServer):
    """Answers every invocation with what ``script(event)`` says; notes what it was asked."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        self.script: Callable[[Any], Answer] = lambda event: Answer(json.dumps(event).encode())
        self.paths: list[str] = []
        self.events: list[bytes] = []
        self.invocation_types: set[str | None] = set()
        self.in_flight = self.most = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def client(self, config: Config | None = None) -> LambdaClient:
        return boto3.session.Session().client(
            "lambda", endpoint_url=f"http://127.0.0.1:{self.server_port}", region_name="us-east-1", config=config
        )

    def connections(self) -> Connections:
        return Connections(lambda_client=self.client)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LambdaServer

    def do_POST(self) -> None:
        server = self.server
        event = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.in_flight += 1
            server.most = max(server.most, server.in_flight)
            server.paths.append(self.path)
            server.events.append(event)
            server.invocation_types.add(self.headers.get("X-Amz-Invocation-Type"))
        answer = server.script(json.loads(event))
        with server.lock:
            server.in_flight -= 1
        self.send_response(answer.status)
        if answer.error is not None:
            self.send_header("X-Amz-Function-Error", answer.error)
        if answer.code is not None:
            self.send_header("x-amzn-ErrorType", answer.code)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests say what matters."""


@pytest.fixture
def server() -> Iterator[LambdaServer]:
    with LambdaServer() as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def test_the_payload_is_the_output_and_the_input_the_event(server: LambdaServer, tmp_path: Path) -> None:
    server.script = lambda event: Answer(json.dumps({"é": event["Items"]}, ensure_ascii=False).encode())
    summary = run(
        tmp_path,
        LambdaFunction("delays"),
        given=[1, "é", None],
        item_batcher=ItemBatcher(max_items_per_batch=2, batch_input={"x": 1}),
        connections=server.connections(),
        max_concurrency=1,
    )
    assert [child.output for child in results(summary).succeeded()] == [{"é": [1, "é"]}, {"é": [None]}]
    first = '{"BatchInput":{"x":1},"Items":[1,"é"]}'.encode()
    assert server.events == [first, b'{"BatchInput":{"x":1},"Items":[null]}']
    assert set(server.paths) == {"/2015-03-31/functions/delays/invocations"}
    assert server.invocation_types == {"RequestResponse"}


def test_a_qualifier_and_an_arn(server: LambdaServer) -> None:
    lambda_invoke(LambdaFunction("delays", qualifier="live"), server.client())(1)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:delays:7"
    lambda_invoke(LambdaFunction(arn), server.client())(1)
    assert server.paths[0] == "/2015-03-31/functions/delays/invocations?Qualifier=live"
    assert server.paths[1].replace("%3A", ":") == f"/2015-03-31/functions/{arn}/invocations"


def test_an_empty_payload_is_null(server: LambdaServer) -> None:
    server.script = lambda _: Answer(b"")
    assert lambda_invoke(LambdaFunction("f"), server.client())({}) is None


HANDLED = b'{"errorMessage": "no such carrier", "errorType": "KeyError", "stackTrace": []}'
TIMED_OUT = b'{"errorMessage": "2026 Task timed out after 3.00 seconds", "errorType": "Sandbox.Timedout"}'


@pytest.mark.parametrize(
    ("answer", "error", "cause"),
    [
        (Answer(HANDLED, error="Unhandled"), "KeyError", HANDLED.decode()),
        (Answer(HANDLED, error="Handled"), "KeyError", HANDLED.decode()),
        (Answer(TIMED_OUT, error="Unhandled"), "Sandbox.Timedout", TIMED_OUT.decode()),
        (Answer(b"exited", error="Unhandled"), "Lambda.Unknown", "exited"),
        (Answer(b"{}", error="Unhandled"), "Lambda.Unknown", "{}"),
        (Answer(b'{"errorType": 7}', error="Unhandled"), "Lambda.Unknown", '{"errorType": 7}'),
        (Answer(b"\xff", error="Unhandled"), "Lambda.Unknown", "�"),
        (Answer(b"not json"), "Lambda.Unknown", "not JSON"),
        (
            Answer(b'{"message": "Rate Exceeded."}', 429, code="TooManyRequestsException"),
            "Lambda.TooManyRequestsException",
            "Rate Exceeded.",
        ),
        (
            Answer(b'{"Message": "Function not found: f"}', 404, code="ResourceNotFoundException"),
            "Lambda.ResourceNotFoundException",
            "Function not found: f",
        ),
        (
            Answer(b'{"message": "not allowed"}', 403, code="AccessDeniedException"),
            "Lambda.AccessDeniedException",
            "not allowed",
        ),
        (Answer(b'{"message": "oops"}', 500, code="ServiceException"), "Lambda.ServiceException", "oops"),
        (Answer(b'{"message": "later"}', 502, code="EC2ThrottledException"), "Lambda.EC2ThrottledException", "later"),
        (Answer(b"<html>", 503), "Lambda.ServiceException", ""),
        (Answer(b"", 500), "Lambda.ServiceException", ""),
        (Answer(b"{}", 504), "Lambda.ServiceException", ""),
        (Answer(b'{"message": "no"}', 403), "Lambda.403", "no"),
    ],
)
def test_a_failure_is_the_childs(server: LambdaServer, answer: Answer, error: str, cause: str, tmp_path: Path) -> None:
    server.script = lambda event: answer if event == 1 else Answer(b'"fine"')
    summary = run(tmp_path, LambdaFunction("f"), given=[0, 1, 2], connections=server.connections(), **TOLERANT)
    assert inputs(summary) == [0, 2]
    (failed,) = records(summary, "FAILED")
    assert (failed["Error"], failed["Input"]) == (error, "1")
    assert cause in failed["Cause"]
    assert len(server.events) == 3  # the SDK's own retries are off


def test_throttling_is_retried_when_the_map_says_so(
    server: LambdaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retrier, "delay", lambda *_: 0.01)
    answers = iter([Answer(b"{}", 429, code="TooManyRequestsException")] * 2 + [Answer(b"5")])
    server.script = lambda _: next(answers)
    retry = (Retrier(error_equals=("Lambda.TooManyRequestsException",), max_attempts=2),)
    summary = run(tmp_path, LambdaFunction("f"), given=[1], retry=retry, connections=server.connections())
    assert [child.output for child in results(summary).succeeded()] == [5]


def test_a_server_that_is_not_there() -> None:
    with LambdaServer() as gone:
        port = gone.server_port
    client = boto3.session.Session().client(
        "lambda", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", config=client_config(1)
    )
    with pytest.raises(ChildFailed) as caught:
        lambda_invoke(LambdaFunction("f"), client)(1)
    assert caught.value.error == "Lambda.SdkClientException"
    assert "Could not connect" in caught.value.cause


def test_a_function_that_takes_too_long(server: LambdaServer, tmp_path: Path) -> None:
    release = threading.Event()

    def slow(event: Any) -> Answer:
        if event == 1:
            release.wait(30)
        return Answer(b"1")

    server.script = slow
    summary = run(
        tmp_path, LambdaFunction("f"), given=[0, 1], timeout=0.5, connections=server.connections(), **TOLERANT
    )
    release.set()
    assert counters(summary) == {"succeeded": 1, "timedOut": 1, "total": 2, "resultsWritten": 2}


@pytest.mark.parametrize(("limit", "at_least"), [(4, 2), (None, 5)])
def test_invocations_overlap_within_max_concurrency(
    limit: int | None, at_least: int, server: LambdaServer, tmp_path: Path
) -> None:
    def slow(event: Any) -> Answer:
        time.sleep(0.05)
        return Answer(b"1")

    server.script = slow
    run(tmp_path, LambdaFunction("f"), given=list(range(40)), connections=server.connections(), max_concurrency=limit)
    assert at_least <= server.most <= (limit or 100)


def test_it_needs_nothing_of_the_runtime() -> None:
    # In a fresh interpreter: here everything has been imported long ago.
    script = (
        "import sys; import airflow_provider_sfdm.aws.lambda_function; "
        "print([name for name in sys.modules if 'sfdm.runtime' in name])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_the_client_has_a_connection_a_child_and_waits_for_the_longest_function() -> None:
    config: Any = client_config(250)
    assert config.max_pool_connections == 250
    assert config.read_timeout > 15 * 60
    assert config.retries == {"total_max_attempts": 1}
    unlimited: Any = client_config(10_000)
    assert unlimited.max_pool_connections == 1000
