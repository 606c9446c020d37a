"""One attempt of one child execution: call the processor, and say what became of it.

A failure looks as it would from a Lambda function, because that is what a Python function turns into on the other
engine: the error is the exception's class name, the cause a JSON object with errorMessage, errorType and stackTrace.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import ChildFailed as ChildFailed
from ..core.errors import StatesError
from ..core.json import dumps
from ..core.limits import MAX_CAUSE, MAX_ERROR, MAX_PAYLOAD_BYTES
from ..core.records import EncodedArray

# Deep recursion would otherwise make every cause of a failing item tens of kilobytes long.
MAX_FRAMES = 10
MARSHAL_ERROR = "Runtime.MarshalError"
EXIT_ERROR = "Runtime.ExitError"
_OWN_CODE = f"{Path(__file__).parents[1]}{os.sep}"

Invoke = Callable[[Any], Any]
"""Runs the processor on one child's input: returns its output, or an awaitable of it, or raises."""


def is_failure(exception: BaseException) -> bool:
    """Whether what a processor raised is its child's failure; whatever else it is ends the partition.

    Libraries raise a BaseException for one bad input as well (a Rust library's panic, say). What must pass is what
    was raised to end more than this child: by the user, and by Airflow to end or to defer the task.
    """
    if isinstance(exception, Exception | SystemExit):
        return True
    if isinstance(exception, KeyboardInterrupt | GeneratorExit):
        return False
    return not any(kind.__module__.startswith("airflow.") for kind in type(exception).__mro__)


def describe(exception: BaseException) -> tuple[str, str]:
    """The error name and cause of whatever a processor raised."""
    if isinstance(exception, ChildFailed | StatesError):
        error, cause = _text(exception.error), _text(exception.cause)
    elif isinstance(exception, SystemExit):
        error = EXIT_ERROR
        cause = _cause(f"the function called sys.exit({exception.code!r})", error, exception)
    else:
        error = type(exception).__name__
        cause = _cause(_message(exception), error, exception)
    return error[:MAX_ERROR], cause[:MAX_CAUSE]


def _message(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception as broken:  # its __str__ is the author's code as well
        return f"the exception cannot be shown: {type(broken).__name__}"


def _text(text: str) -> str:
    """``text`` without lone surrogates, which a record cannot hold."""
    return text.encode(errors="backslashreplace").decode()


def _cause(message: str, error: str, exception: BaseException) -> str:
    # The first frames are this package's own, that led to the call of the function.
    trace = exception.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_CODE):
        trace = trace.tb_next
    frames = traceback.format_list(traceback.extract_tb(trace)[-MAX_FRAMES:])
    content = {"errorMessage": message, "errorType": error, "stackTrace": frames}
    try:
        return dumps(content).decode()
    except (ValueError, TypeError):  # a message with lone surrogates is no JSON text
        content["errorMessage"] = ascii(message)
        content["stackTrace"] = [ascii(frame) for frame in frames]
        return dumps(content).decode()


def encode_output(output: Any) -> bytes:
    """A child's output as JSON.

    :raises ChildFailed: it is no JSON value, or larger than AWS's 256 KiB.
    """
    try:
        data = output.to_json() if isinstance(output, EncodedArray) else dumps(output)
    except (ValueError, TypeError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        raise ChildFailed(
            MARSHAL_ERROR, dumps({"errorMessage": message, "errorType": MARSHAL_ERROR}).decode()
        ) from error
    if len(data) > MAX_PAYLOAD_BYTES:
        raise ChildFailed(
            "States.DataLimitExceeded",
            f"the child execution returned {len(data):,} bytes; the maximum is {MAX_PAYLOAD_BYTES:,}",
        )
    return data
