"""A small HTTP server that speaks the protocol of Step Functions, for sequences that no emulator makes.

::

    with ScriptedStepFunctions() as server:
        server.add_machine("m")
        server.plan("m", [Step(maps=[Map(items={"running": 2})]), Step(status="SUCCEEDED", output=[1, 2])])
        server.client().start_execution(...)

Every request and every answer is checked against botocore's model of the service. What is not of the model is a slip
of the script: the call fails with ``ScriptSlip``, and leaving the ``with`` block raises.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from .scripted_model import REGION, Answer, Child, Map, Plan, Refused, Runner, StatesModel, Step, arn

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
"""For clients whose every call is to be made once."""
_PREFIX = "AWSStepFunctions."


class _Fault:
    """What a call meets instead of its answer."""

    def __init__(
        self, code: str, message: str, status: int, times: int | None, *, body: bool = True, cut: str | None = None
    ) -> None:
        self.code, self.message, self.status, self.times = code, message, status, times
        self.body, self.cut = body, cut


class ScriptedStepFunctions(StatesModel):
    """The server. See :class:`StatesModel` for what it can be told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Answer]] = []
        """Every call that arrived: its operation and its request."""
        self.slips: list[str] = []
        """Requests and answers that are not of the service's model."""
        self._faults: dict[str, list[_Fault]] = defaultdict(list)
        self._meanwhile: dict[str, Callable[[], object]] = {}
        self._clients: list[SFNClient] = []
        self._lock = threading.RLock()
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def __enter__(self) -> ScriptedStepFunctions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server.

        :raises AssertionError: there were slips.
        """
        for client in self._clients:
            client.close()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        assert not self.slips, "\n".join(self.slips)

    # How to reach it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def client(self, config: Config | None = None) -> SFNClient:
        """A new boto3 client of this server."""
        client: SFNClient = _session().client(
            "stepfunctions",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=config,
        )
        self._clients.append(client)
        return client

    def airflow_connection(self, **extra: Any) -> str:
        """An Airflow connection to this server, as the JSON for an AIRFLOW_CONN_… variable."""
        content = {"conn_type": "aws", "login": "key", "password": "secret"}
        return json.dumps({**content, "extra": {"endpoint_url": self.url, "region_name": REGION, **extra}})

    # Faults

    def fail(
        self,
        operation: str,
        code: str = "ThrottlingException",
        message: str = "Rate exceeded",
        status: int = 400,
        times: int | None = 1,
        *,
        body: bool = True,
    ) -> None:
        """The next calls (None: all) of an operation are answered with an error, and do nothing."""
        self._faults[operation].append(_Fault(code, message, status, times, body=body))

    def deny(self, operation: str, resource: str = "*", times: int | None = 1) -> None:
        """The next calls are not allowed, in AWS's words."""
        user = "arn:aws:sts::123456789012:assumed-role/airflow/worker"
        message = (
            f"User: {user} is not authorized to perform: states:{operation} on resource: {resource} because no "
            f"identity-based policy allows the states:{operation} action"
        )
        self.fail(operation, "AccessDeniedException", message, times=times)

    def reset(self, operation: str, times: int = 1, *, after: bool) -> None:
        """The connection is closed: in the middle of the answer (``after``), or before the call did anything."""
        self._faults[operation].append(_Fault("", "", 0, times, cut="after" if after else "before"))

    def recover(self, operation: str) -> None:
        """No faults any more."""
        self._faults.pop(operation, None)

    def meanwhile(self, operation: str, happens: Callable[[], object]) -> None:
        """Just before the next call of an operation takes effect, something else happens."""
        self._meanwhile[operation] = happens

    # What was called

    def called(self, operation: str) -> list[Answer]:
        """The requests of an operation."""
        return [request for name, request in self.calls if name == operation]

    def operations(self) -> list[str]:
        """The operations, in order."""
        return [name for name, _ in self.calls]

    # Answering

    def answer(self, operation: str, body: bytes) -> tuple[int, bytes | None, bool]:
        """Status, body (None: no answer) and whether the connection is cut in the middle of it."""
        with self._lock:
            request: Answer = json.loads(body)
            self.calls.append((operation, request))
            fault = self._next_fault(operation)
            if fault is not None and fault.cut is None:
                content = {"__type": fault.code, "message": fault.message}
                return fault.status, json.dumps(content).encode() if fault.body else b"", False
            if fault is not None and fault.cut == "before":
                return 0, None, True
            status, content = self._perform(operation, request)
            return status, json.dumps(content, default=_epoch).encode(), fault is not None

    def _next_fault(self, operation: str) -> _Fault | None:
        faults = self._faults[operation]
        while faults and faults[0].times == 0:
            faults.pop(0)
        if not faults:
            return None
        if faults[0].times is not None:
            faults[0].times -= 1
        return faults[0]

    def _perform(self, operation: str, request: Answer) -> tuple[int, Answer]:
        if (happens := self._meanwhile.pop(operation, None)) is not None:
            happens()
        try:
            model = _service().operation_model(operation)
            check(request, model.input_shape, f"the request of {operation}")
            try:
                answer = getattr(self, operation)(request)
            except Refused as refused:
                check_error(refused, model)
                return 400, {"__type": refused.code, **refused.content}
            check(answer, model.output_shape, f"the answer of {operation}")
        except Exception as error:
            self.slips.append(f"{operation}: {error!r}")
            return 400, {"__type": "ScriptSlip", "message": f"{error!r}"}
        return 200, answer


def check(value: Any, shape: Shape | None, what: str) -> None:
    """Check a request or an answer against its shape.

    :raises ValueError: it is not of the model.
    """
    problems = ParamValidator().validate(value, shape).generate_report() if shape is not None else ""
    problems = problems or "; ".join(_not_in_enums(value, shape, what))
    if problems:
        raise ValueError(f"{what} is not of the model: {problems}")


def check_error(refused: Refused, model: OperationModel) -> None:
    """Check an error: its code must be one of the operation's, or common to all."""
    shapes = {shape.name: shape for shape in model.error_shapes}
    if refused.code not in shapes:
        raise ValueError(f"{model.name} has no error {refused.code}: it has {', '.join(shapes)}")
    check(refused.content, shapes[refused.code], refused.code)


def _not_in_enums(value: Any, shape: Shape | None, where: str) -> list[str]:
    """Texts that are no member of their enum: botocore itself does not look."""
    if isinstance(shape, StructureShape):
        members = shape.members
        return [found for name in value for found in _not_in_enums(value[name], members[name], f"{where}.{name}")]
    if isinstance(shape, ListShape):
        return [found for one in value for found in _not_in_enums(one, shape.member, where)]
    if isinstance(shape, MapShape):
        return [found for one in value.values() for found in _not_in_enums(one, shape.value, where)]
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        return [f"{where} is {value!r}, and must be one of {', '.join(shape.enum)}"]
    return []


def _epoch(value: object) -> float:
    assert isinstance(value, datetime)
    return value.timestamp()


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("stepfunctions")


class _Server(ThreadingHTTPServer):
    """Closes its connections itself: clients keep theirs open, and its threads would wait for them."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, scripted: ScriptedStepFunctions) -> None:
        self.scripted = scripted
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            cut(connection)
        super().server_close()


def cut(connection: socket.socket) -> None:
    """Close a connection now, whoever reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body are two packets, and the second would wait 40 ms
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].removeprefix(_PREFIX)
        status, answer, is_cut = self.server.scripted.answer(operation, body)
        if answer is not None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2] if is_cut else answer)
        if is_cut:
            self.close_connection = True
            cut(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests say what matters."""


__all__ = [
    "ONCE",
    "Child",
    "Map",
    "Plan",
    "Refused",
    "Runner",
    "ScriptedStepFunctions",
    "Step",
    "arn",
    "check",
    "check_error",
]
