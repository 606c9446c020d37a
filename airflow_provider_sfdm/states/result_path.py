"""ResultPath: where in a state's input its result is put."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import InvalidDefinition
from ..core.jsonpath_syntax import Segment
from ..core.limits import MAX_CAUSE
from ..core.paths import compile_reference_path
from .failures import ResultPathMatchFailure
from .payloads import shown

Combine = Callable[[Any, Any], Any]
"""(the state's raw input, its result) -> both as one."""


def compile_result_path(path: object, place: str) -> Combine:
    """``$`` replaces the input, null drops the result, another path puts it there. Raises InvalidDefinition.

    Neither the input nor the result is changed. What is returned raises ResultPathMatchFailure when the path goes
    through something that is no object.
    """
    if path is None:
        return lambda data, result: data
    if path == "$":
        return lambda data, result: result
    compiled = compile_reference_path(path, place)
    if compiled.root != "$":
        raise InvalidDefinition(place, f"must begin with '$.', got {compiled.text!r}")
    segments = compiled.leading
    return lambda data, result: _put(data, segments, result)


def _put(data: Any, segments: tuple[Segment, ...], result: Any) -> Any:
    if not segments:
        return result
    segment = segments[0]
    if isinstance(segment, str) and isinstance(data, Mapping):
        inner = data[segment] if segment in data else _new(segments[1:])
        return {**data, segment: _put(inner, segments[1:], result)}
    if isinstance(segment, int) and isinstance(data, list) and -len(data) <= segment < len(data):
        copy = list(data)
        copy[segment] = _put(data[segment], segments[1:], result)
        return copy
    raise ResultPathMatchFailure(f'Unable to apply step "{segment}" to input {shown(data)}'[:MAX_CAUSE])


def _new(segments: tuple[Segment, ...]) -> Any:
    """What is made where the path leads beyond the input: objects, and for the index 0 an array of one."""
    if not segments:
        return None
    return [_new(segments[1:])] if segments[0] == 0 else {}
