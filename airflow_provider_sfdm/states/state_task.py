"""The Task state: hands its arguments to a service through the seam, and takes back its result."""

from __future__ import annotations

from typing import Any

from ..core.errors import TIMEOUT, StatesRuntime
from ..core.json import loads
from ..core.limits import MAX_CAUSE, MAX_ERROR
from .failures import StateFailed
from .jsonata.templates import compile_jsonata
from .numbers_fields import Number, compile_number
from .payloads import check_payload, encoded
from .recovery import Recovery
from .seam import TaskCall, TaskFailed
from .state import Following, Source
from .templates import compile_template
from .values import Evaluate
from .visit import Visit

# LambdaFunctionScheduled, …Started, …Succeeded, or the same of another task.
_EVENTS = 3


class Task:
    """Resource, Parameters or Arguments, Credentials, TimeoutSeconds and HeartbeatSeconds, Retry and Catch."""

    __slots__ = (
        "_credentials",
        "_heartbeat",
        "_io",
        "_language",
        "_needs_token",
        "_recovery",
        "_resource",
        "_timeout",
        "name",
        "retries",
    )

    def __init__(self, source: Source) -> None:
        self.name, self.retries = source.name, True
        self._io = source.io("Parameters")
        self._resource: str = source.fields["Resource"]
        self._needs_token = self._resource.endswith(".waitForTaskToken")
        self._language = "JSONata" if source.jsonata else "JSONPath"
        self._timeout = compile_number(source, "TimeoutSeconds")
        self._heartbeat = compile_number(source, "HeartbeatSeconds")
        self._credentials = _credentials(source)
        self._recovery = Recovery(source)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        return self._recovery.run(visit, self._attempt)

    def _attempt(self, visit: Visit) -> Any:
        execution = visit.run.execution
        if self._needs_token:
            visit.token = execution.services.uuid()
        effective = self._io.effective(visit)
        # As JSON and back: what a service does to its arguments must not change the definition or the input.
        arguments = loads(encoded(self._io.arguments(effective)))
        timeout, heartbeat = _seconds(self._timeout, effective), _seconds(self._heartbeat, effective)
        credentials = None if self._credentials is None else self._credentials(effective)
        call = TaskCall(
            self._language,
            effective.context,
            timeout,
            heartbeat,
            credentials,
            execution_seconds=execution.left(),
            lifetime=visit.run.lifetime,
        )
        execution.record(_EVENTS)
        begun = execution.services.clock()
        try:
            result = execution.services.invoke(self._resource, arguments, call)
        except TaskFailed as failed:
            cause = None if failed.cause is None else failed.cause[:MAX_CAUSE]
            raise StateFailed(failed.error[:MAX_ERROR], cause) from failed
        if timeout is not None and execution.services.clock() - begun > timeout:
            raise StateFailed(TIMEOUT, None)
        check_payload(result, f"state/task '{self._resource}'")
        return self._io.finish(visit, result)


def _credentials(source: Source) -> Evaluate | None:
    if "Credentials" not in source.fields:
        return None
    template = source.fields["Credentials"]
    if source.jsonata:
        return compile_jsonata(template, "Credentials")
    return compile_template(template, f"{source.place}.Credentials")


def _seconds(number: Number | None, visit: Visit) -> float | None:
    if number is None:
        return None
    seconds = number(visit)
    if seconds <= 0:
        raise StatesRuntime(f"A timeout must be a positive number of seconds, got {seconds}")
    return float(seconds)
