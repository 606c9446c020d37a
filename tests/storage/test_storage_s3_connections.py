"""S3 over connections that break: downloads go on, or fail with a clear error."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from airflow_provider_sfdm.storage.base import ObjectChanged, Pin, StorageUnavailable
from airflow_provider_sfdm.storage.retrying import RetryingStore
from airflow_provider_sfdm.storage.s3 import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1 << 20
PIN = Pin(300_000, etag='"first"')


def make_client(url: str) -> S3Client:
    """A client that leaves trying again to the store."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.session.Session().client("s3", endpoint_url=url, region_name="us-east-1", config=config)


@dataclass
class Script:
    """A server of one object that breaks its answers off after so many bytes, in turn."""

    data: bytes = bytes(number % 251 for number in range(300_000))
    etag: str = '"first"'
    cuts: list[int] = field(default_factory=list)
    change_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


class QuietServer(ThreadingHTTPServer):
    """Says nothing when a client is gone before its answer is: tests break connections on purpose."""

    def handle_error(self, request: object, client_address: object) -> None:
        return None


@pytest.fixture
def script() -> Iterator[Script]:
    state = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if state.change_after is not None and len(state.ranges) > state.change_after:
                state.etag = '"second"'
            if self.headers.get("If-Match") not in (None, state.etag):
                self.send_response(412)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first, last = 0, len(state.data) - 1
            if asked:
                begin, _, end = asked.removeprefix("bytes=").partition("-")
                first, last = int(begin), int(end or last)
            body = state.data[first : last + 1]
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", state.etag)
            self.end_headers()
            if state.cuts:
                self.wfile.write(body[: state.cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: what was asked is in ``ranges``."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join(30)


@pytest.fixture
def client(script: Script) -> Iterator[S3Client]:
    made = make_client(script.url)
    yield made
    made.close()


@pytest.fixture
def scripted(client: S3Client) -> RetryingStore:
    return RetryingStore(S3Store(client, "b"))


def test_a_broken_connection_is_resumed(script: Script, scripted: RetryingStore, waits: list[float]) -> None:
    script.cuts = [100_000, 0, 50_000, 1]
    with scripted.open("k", PIN, 10) as file:
        assert file.read() == script.data[10:]
    assert script.ranges == [
        "bytes=10-",
        "bytes=100010-",
        "bytes=100010-",
        "bytes=150010-",
        "bytes=150011-",
    ]
    assert len(waits) == 4


def test_a_connection_that_brings_nothing_is_given_up(script: Script, client: S3Client) -> None:
    script.cuts = [100] + [0] * 1000
    impatient = RetryingStore(S3Store(client, "b"), 0.6)
    with impatient.open("k", PIN) as file, pytest.raises(StorageUnavailable) as caught:
        file.read()
    assert 2 < len(script.ranges) < 100
    assert caught.value.reason.startswith("bucket 'b', key 'k': ")
    assert re.search(r"\(tried for [1-9] s\)$", caught.value.reason)


@pytest.mark.usefixtures("waits")
def test_an_object_replaced_while_the_connection_is_broken(script: Script, scripted: RetryingStore) -> None:
    script.cuts = [100_000]
    script.change_after = 1
    with scripted.open("k", PIN) as file, pytest.raises(ObjectChanged, match="changed since it was first looked at"):
        file.read()


def test_a_service_that_ignores_if_match(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    get_object, store = client.get_object, S3Store(client, "b")

    def without_if_match(**arguments: Any) -> Any:
        arguments.pop("IfMatch")
        return get_object(**arguments)

    monkeypatch.setattr(client, "get_object", without_if_match)
    for opened in (store.open, store.open_seekable):
        with pytest.raises(ObjectChanged, match="ETag"), opened("k", Pin(300_000, etag='"other"')) as file:
            file.read(1)


@pytest.mark.usefixtures("waits")
def test_a_broken_range_is_read_again(script: Script, scripted: RetryingStore) -> None:
    script.cuts = [1000, 0]
    with scripted.open_seekable("k", PIN) as file:
        file.seek(500)
        assert file.read(100) == script.data[500:600]
        script.cuts = [0] * 20
        file.seek(0)
        assert file.read(100) == script.data[:100]
        assert not script.cuts


def test_reading_ahead_saves_requests(script: Script, scripted: RetryingStore) -> None:
    script.data = bytes(5 * MIB)
    with scripted.open_seekable("k", Pin(5 * MIB, etag='"first"')) as file:
        for start in range(0, MIB // 2, 5000):
            file.seek(start)
            assert len(file.read(5000)) == 5000
        assert len(script.ranges) == 1
        file.seek(2 * MIB)
        assert len(file.read(2 * MIB + 100)) == 2 * MIB + 100
        assert len(script.ranges) == 2


def test_no_server() -> None:
    client = make_client("http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="EndpointConnectionError"):
        S3Store(client, "b").read("k")
    client.close()
