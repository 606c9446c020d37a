"""JSON that a person wrote: whatever is wrong with it is said in one line, with where it was read."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.json import loads
from ..states.limits import MAX_NESTING
from ..states.payloads import nesting

STDIN = "-"
MAX_BYTES = 16 * 1024 * 1024
"""Nothing larger is read. AWS takes 1 MB of definition and 256 KiB of input; JSON for people is larger than that."""
_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class UsageProblem(Exception):
    """What the caller gave cannot be used; the text is for them."""


def read(source: str) -> Any:
    """The JSON in a file, or on stdin ("-"). Raises UsageProblem."""
    if source == STDIN:
        return parse(sys.stdin.buffer.read(MAX_BYTES + 1), "stdin")
    try:
        with Path(source).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageProblem(f"{source}: {reason}") from None
    return parse(data, source)


def read_or_parse(source: str) -> Any:
    """The JSON that a file holds, or that ``source`` is. Raises UsageProblem."""
    if source == STDIN:
        return read(source)
    inline = source.lstrip()[:1]
    if inline and inline in '{["':
        return parse(source.encode("utf-8", "surrogateescape"), "--input")
    with contextlib.suppress(ValueError):
        value = loads(source)  # a number, true, false, null: unless there is a file of that name
        if not Path(source).exists():
            return value
    return read(source)


def parse(data: bytes, name: str) -> Any:
    """The JSON in ``data``; ``name`` is where it is from. Raises UsageProblem."""
    if len(data) > MAX_BYTES:
        raise UsageProblem(f"{name}: larger than {MAX_BYTES // 1024 // 1024} MiB")
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            raise UsageProblem(f"{name}: begins with the byte order mark of {encoding}; save it as UTF-8 without one")
    if not data.strip():
        raise UsageProblem(f"{name}: empty, no JSON")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
    too_deep = f"{name}: nested deeper than {MAX_NESTING} levels"
    try:
        value = loads(data)
    except ValueError as error:
        if "depth limit" in str(error):  # orjson has no class for it
            raise UsageProblem(too_deep) from None
        raise UsageProblem(f"{name}: no JSON: {error}") from None
    if nesting(value) > MAX_NESTING:
        raise UsageProblem(too_deep)
    for place in _twice(data):
        raise UsageProblem(f"{name}: {place}: this key stands there twice")
    return value


def _twice(data: bytes) -> Iterator[str]:
    """The places of keys that stand twice in one object."""
    repeated: dict[int, str] = {}

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) < len(members):
            seen: set[str] = set()
            kept.append(made)  # as long as it lives, nothing else has its id
            repeated[id(made)] = next(key for key, _ in members if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return made

    kept: list[Any] = []
    # Numbers are not looked at: an integer of thousands of digits would be refused.
    value = json.loads(data, object_pairs_hook=pairs, parse_int=str, parse_float=str)
    if not repeated:
        return
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        place, one = stack.pop()
        if isinstance(one, dict):
            if id(one) in repeated:
                yield f"{place}/{repeated[id(one)]}"
            stack.extend((f"{place}/{key}", member) for key, member in one.items())
        elif isinstance(one, list):
            stack.extend((f"{place}[{index}]", member) for index, member in enumerate(one))
    # Only in what a repeated key has hidden again; the key around it was found.
