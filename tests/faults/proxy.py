"""An HTTP proxy in front of an S3 server that answers badly, or not at all, when it is told to."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tools.servers import S3Endpoint

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
HANG_SECONDS = 1.0
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Bad(StrEnum):
    """What becomes of a request."""

    SLOW_DOWN = "503 SlowDown"
    FAILED = "500 without a body"
    RESET = "the connection is closed before the request is passed on"
    LOST = "… when it has been carried out"
    CUT = "… in the middle of the answer's body"
    LATE = "the answer comes late"
    HANGS = "the answer does not come"


@dataclass
class Proxy:
    """``judge(method, path)`` says what becomes of a request; None: it is passed on."""

    endpoint: S3Endpoint
    judge: Callable[[str, str], Bad | None] = lambda method, path: None
    struck: Counter[Bad] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    proxy: Proxy
    upstream: tuple[str, int]

    def __init__(self, upstream: S3Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        target = urlsplit(upstream.endpoint_url)
        assert target.hostname is not None and target.port is not None
        self.upstream = (target.hostname, target.port)
        self.proxy = Proxy(replace(upstream, endpoint_url=f"http://127.0.0.1:{self.server_port}"))

    def handle_error(self, request: object, client_address: object) -> None:
        return None  # connections are broken on purpose


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        body = self._body()
        proxy = self.server.proxy
        bad = proxy.judge(self.command, self.path)
        proxy.requests.append(f"{self.command} {self.path}")
        if bad is not None:
            proxy.struck[bad] += 1
        match bad:
            case Bad.SLOW_DOWN:
                self._answer(503, {}, _SLOW_DOWN)
                return
            case Bad.FAILED:
                self._answer(500, {}, b"")
                return
            case Bad.RESET:
                self.close_connection = True
                return
            case Bad.HANGS:
                time.sleep(HANG_SECONDS)
                self.close_connection = True
                return
            case Bad.LATE:
                time.sleep(0.05)
        status, headers, answer = self._passed_on(body)
        if bad is Bad.LOST:
            self.close_connection = True
        else:
            self._answer(status, headers, answer, cut=bad is Bad.CUT)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return bytes(found)

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in (*_HOP_BY_HOP, "content-length", "date", "server"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what was asked is in ``requests``."""


@contextlib.contextmanager
def proxy_of(upstream: S3Endpoint) -> Iterator[Proxy]:
    """Run a proxy of the server."""
    server = _Server(upstream)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
