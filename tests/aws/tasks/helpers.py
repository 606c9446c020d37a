"""What the tests of tasks share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config

from airflow_provider_sfdm.aws.tasks import ClientFactory
from airflow_provider_sfdm.states.seam import TaskCall
from tools.servers import S3Endpoint

CALL = TaskCall("JSONPath", {})
STATES = "arn:aws:states:::"
SDK = "arn:aws:states:::aws-sdk:"
FUNCTION = "arn:aws:lambda:us-east-1:111111111111:function:"
SENT_METADATA = {"SdkHttpMetadata", "SdkResponseMetadata"}


def at(url: str) -> ClientFactory:
    """Clients of a server."""

    def client(service: str, config: Config) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service, endpoint_url=url, region_name="us-east-1", config=config
        )

    return client


def of(endpoint: S3Endpoint) -> ClientFactory:
    """Clients of a server that wants its own key pair."""

    def client(service: str, config: Config) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint.endpoint_url,
            aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
            region_name="us-east-1",
            config=config,
        )

    return client


def plain(result: Any) -> Any:
    """A result without what depends on the HTTP answer."""
    return {key: value for key, value in result.items() if key not in SENT_METADATA}


class Answer:
    """One HTTP answer."""

    def __init__(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = headers or {}


class Seen:
    """One request: the path, the headers in lower case, the body."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def action(self) -> str:
        """The operation, where the protocol names it in a header."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


class Scripted(ThreadingHTTPServer):
    """A server that answers what a function says, and remembers the requests."""

    daemon_threads = True
    request_queue_size = 64  # the default of 5 refuses connections that many threads open at once

    def __init__(self, script: Callable[[Seen], Answer]) -> None:
        self.script = script
        self.seen: list[Seen] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.seen.append(seen)
        answer = self.server.script(seen)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests say what matters."""


@contextmanager
def serving(script: Callable[[Seen], Answer]) -> Iterator[Scripted]:
    """A scripted server while the block runs."""
    with Scripted(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
