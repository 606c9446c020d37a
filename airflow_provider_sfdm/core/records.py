"""Result records: what a child execution leaves in SUCCEEDED_n, FAILED_n and PENDING_n.

Field names, their presence and their (alphabetical) order are AWS's, as recorded. ``Input`` and ``Output`` are
JSON *strings*. Records are put together from bytes: at a record an item this is the engine's hottest path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .counters import ChildStatus
from .json import dumps, quote
from .names import MapRunName
from .writer import Transformation

_INPUT_DETAILS = '"InputDetails":{"Included":true}'
_OUTPUT_DETAILS = '"OutputDetails":{"Included":true}'


# Children that are fast start and end by the dozen in one millisecond.
@lru_cache(maxsize=64)
def _millisecond(epoch: int) -> str:
    whole, rest = divmod(epoch, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def timestamp(epoch: float) -> str:
    """Epoch seconds as AWS writes them: ``2026-09-23T22:59:51.865Z``."""
    return _millisecond(int(epoch * 1000))


@dataclass(frozen=True, slots=True)
class EncodedArray:
    """An array output whose elements are JSON already."""

    elements: list[bytes]

    def to_json(self) -> bytes:
        return b"[" + b",".join(self.elements) + b"]"


@dataclass(frozen=True, slots=True)
class Redriven:
    """Who a child is that runs in a redrive.

    ``count`` is how often it was redriven, this time included, ``date`` when this was, and ``start`` the StartDate that
    it keeps. A child that had never started has 0 and neither of them.
    """

    name: str
    count: int = 0
    date: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a STANDARD child goes on in a redrive: at the state that failed, with the input that this had, and the
    variables. Source: recorded redrives.
    """

    state: str
    input: Any
    variables: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"State": self.state, "Input": self.input, "Variables": dict(self.variables)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Resume | None:
        return None if data is None else cls(data["State"], data["Input"], data["Variables"])


@dataclass(slots=True)
class Ended:
    """How one child execution (or the failing part of one) ended.

    ``input`` and ``output`` are compact JSON bytes; ``output`` only for SUCCEEDED, ``error``/``cause`` otherwise
    (an aborted child has a cause and no error, as recorded).
    """

    index: int
    status: ChildStatus
    input: bytes
    start: float
    stop: float
    output: bytes | None = None
    error: str | None = None
    cause: str | None = None
    redriven: Redriven | None = None


class RecordFormat:
    """Writes the NONE records of one map run."""

    def __init__(self, map_run: MapRunName, *, express: bool = False) -> None:
        self._map_run = map_run
        arn = map_run.execution_arn_prefix.replace("%", "%%")
        # An EXPRESS child's ARN carries a second id; children here run once an id, so it is the name again.
        arn = f"{arn.replace(':execution:', ':express:')}%s:%s" if express else f"{arn}%s"
        self._names = 3 if express else 2
        machine = dumps(map_run.child_machine_arn).decode().replace("%", "%%")
        self._express = express
        count = '"RedriveCount":%s,'
        # Recorded: EXPRESS records have neither a RedriveStatus nor its reason.
        succeeded = (
            "" if express else '"RedriveStatus":"NOT_REDRIVABLE",'
            '"RedriveStatusReason":"Execution is SUCCEEDED and cannot be redriven",'
        )  # fmt: skip
        failed = "" if express else '"RedriveStatus":"REDRIVABLE_BY_MAP_RUN",'
        head = f'"ExecutionArn":"{arn}","Input":%s,{_INPUT_DETAILS},"Name":"%s",'
        tail = f'"StartDate":"%s","StateMachineArn":{machine},"Status":"%s","StopDate":"%s"}}'
        self._succeeded = f'{{{head}"Output":%s,{_OUTPUT_DETAILS},{count}{succeeded}{tail}'.encode()
        self._failed = f"{{%s%s{head}{_OUTPUT_DETAILS},{count}{failed}{tail}".encode()

    def record(self, ended: Ended) -> bytes:
        """One NONE record as compact JSON."""
        status = ended.status
        if status is ChildStatus.PENDING:
            return self.pending(ended.input)
        redriven = ended.redriven
        if redriven is None:
            name, count, start = self._map_run.child_name(ended.index).encode(), b"0", timestamp(ended.start)
        else:
            name, count, start = redriven.name.encode(), self._count(redriven), redriven.start or timestamp(ended.start)
        names = (name,) * (self._names - 1)
        child_input = quote(ended.input.decode())
        dates = (start.encode(), status.value.encode(), timestamp(ended.stop).encode())
        if status is ChildStatus.SUCCEEDED:
            output = quote((ended.output or b"null").decode())
            return self._succeeded % (*names, child_input, name, output, count, *dates)
        cause = b"" if ended.cause is None else b'"Cause":%b,' % quote(ended.cause)
        error = b"" if ended.error is None else b'"Error":%b,' % quote(ended.error)
        return self._failed % (cause, error, *names, child_input, name, count, *dates)

    def _count(self, redriven: Redriven) -> bytes:
        # Recorded: a STANDARD child has a RedriveDate from then on, an EXPRESS one has not.
        if redriven.date is None or self._express:
            return b"%d" % redriven.count
        return b'%d,"RedriveDate":"%b"' % (redriven.count, redriven.date.encode())

    @staticmethod
    def pending(input_json: bytes) -> bytes:
        """The record of a child that never started: no name, no ARN (recorded)."""
        return f'{{"Input":{quote(input_json.decode()).decode()},{_INPUT_DETAILS},"Status":"PENDING"}}'.encode()


def result_elements(output: Any, output_json: bytes, transformation: Transformation) -> tuple[bytes, ...]:
    """What a succeeded child adds to SUCCEEDED_n with COMPACT (its output) and FLATTEN (an array's elements)."""
    if transformation is Transformation.FLATTEN:
        if isinstance(output, EncodedArray):
            return tuple(output.elements)
        if isinstance(output, list | tuple):
            return _array_elements(output, output_json)
    return (output_json,)


def _array_elements(array: list[Any] | tuple[Any, ...], array_json: bytes) -> tuple[bytes, ...]:
    # A call for each element costs a hundred times what the array took, so it is cut up. Between two objects there is
    # "},{"; where the text has no more of them than that, none is inside an element.
    if set(map(type, array)) == {dict} and array_json.count(b"},{") == len(array) - 1:
        # Compact JSON has no line feed.
        return tuple(array_json[1:-1].replace(b"},{", b"}\n{").split(b"\n"))
    return tuple(dumps(element) for element in array)
