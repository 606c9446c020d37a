"""A JSON file: the items are the elements of an array or the members of an object, read as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, repeat
from typing import Any, BinaryIO, NamedTuple

import ijson

from ..errors import ItemReaderFailed
from .blocks import BOM, MAX_RECORD

# As deep as the rest of the package reads JSON (orjson's own limit).
MAX_DEPTH = 1024

# Both recorded on AWS.
NOT_ITERABLE = "Attempting to map over non-iterable node."
NO_SUCH_PATH = "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure."

_READ = 64 * 1024


class _TooLong(Exception):
    """A value of more than MAX_RECORD bytes."""


Events = Iterator[tuple[str, Any]]


class JsonItems(NamedTuple):
    """The items of a JSON file. Iterate ``pairs`` once; each is ``(key, value)``, the key None for an array."""

    keyed: bool
    pairs: Iterator[tuple[str | None, Any]]


def items(stream: BinaryIO, source: str, pointer: str | None) -> JsonItems:
    """The items of the array or object that ``pointer`` (RFC 6901; None or ``""``: the whole document) refers to.

    Reads as far as the beginning of the data set; the rest is read while ``pairs`` is. Array elements and object
    members come in the order of the file, a repeated member name each time it occurs. Raises ItemReaderFailed with
    AWS's cause for a pointer that leads nowhere and for a scalar; for malformed JSON, an item of more than 8 MiB,
    nesting deeper than 1,024 and integers of 2**63 and beyond on either side (which the parser refuses) it names
    ``source`` and the item.
    """
    reader = _Checked(stream, source)
    tokens = _tokens(pointer or "")
    try:
        if not tokens and reader.starts_with_array():
            # The whole way from bytes to values in C, which only this case allows.
            values = ijson.items(reader, "item", use_float=True, buf_size=_READ)
            return JsonItems(False, _named(zip(repeat(None), values), reader, source))
        events: Events = iter(ijson.basic_parse(reader, use_float=True, buf_size=_READ))
        event = _find(events, tokens, reader)
        if event == "start_array":
            return JsonItems(False, _named(_elements(events, reader), reader, source))
        if event == "start_map":
            return JsonItems(True, _named(_members(events, reader), reader, source))
        # Whether the rest is JSON at all decides which of the two errors it is.
        _pass(events, reader)
    except _TooLong:
        raise ItemReaderFailed(f"{source}: a value before the items is longer than {MAX_RECORD} bytes") from None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise ItemReaderFailed(f"{source}: not valid JSON: {_reason(error)}") from error
    raise ItemReaderFailed(NOT_ITERABLE)


def _tokens(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise ItemReaderFailed(NO_SUCH_PATH)
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _reason(error: Exception) -> str:
    """The parser's message without the picture of the place below it."""
    message = error.args[0] if error.args else ""
    if isinstance(error, UnicodeDecodeError):
        return "a string is not UTF-8"
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    return text.partition("\n")[0].strip()


def _named(pairs: Iterable[tuple[str | None, Any]], reader: _Checked, source: str) -> Iterator[tuple[str | None, Any]]:
    try:
        for reader.items, pair in enumerate(pairs, 1):
            yield pair
    except _TooLong:
        raise ItemReaderFailed(f"{source}: item {reader.items} does not end within {MAX_RECORD} bytes") from None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise ItemReaderFailed(f"{source}: not valid JSON at item {reader.items}: {_reason(error)}") from error


def _find(events: Events, tokens: list[str], reader: _Checked) -> str:
    """Go through the document to the value that the tokens lead to; the event it begins with."""
    event, _ = next(events)
    for token in tokens:
        if event == "start_map":
            while True:
                event, key = next(events)
                if event == "end_map":
                    raise ItemReaderFailed(NO_SUCH_PATH)
                event, _ = next(events)
                if key == token:
                    break
                _pass(events, reader, _DEPTH.get(event, 0))
        elif event == "start_array" and token.isascii() and token.isdigit() and (token == "0" or token[0] != "0"):
            for index in chain(range(int(token)), (None,)):
                event, _ = next(events)
                if event == "end_array":
                    raise ItemReaderFailed(NO_SUCH_PATH)
                if index is not None:
                    _pass(events, reader, _DEPTH.get(event, 0))
        else:
            raise ItemReaderFailed(NO_SUCH_PATH)
    return event


_DEPTH = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}


def _pass(events: Events, reader: _Checked, depth: int | None = None) -> None:
    """Go past ``depth`` open levels (None: to the end) without making values: what is no item may be of any length,
    but for a single string or number.
    """
    reader.passed += 1
    if depth == 0:
        return
    before = reader.passed
    for reader.passed, (event, _) in enumerate(events, before):
        if depth and event in _DEPTH:
            depth += _DEPTH[event]
            if not depth:
                return


def _elements(events: Events, reader: _Checked) -> Iterator[tuple[None, Any]]:
    for event, value in events:
        if event == "end_array":
            break
        yield None, _value(event, value, events)
    # What follows has to be JSON too, or the file was cut off.
    _pass(events, reader)


def _members(events: Events, reader: _Checked) -> Iterator[tuple[str, Any]]:
    for event, key in events:
        if event == "end_map":
            break
        event, value = next(events)
        yield key, _value(event, value, events)
    _pass(events, reader)


def _value(event: str, value: Any, events: Events) -> Any:
    """The value that begins with this event. No recursion: the depth is the file's choice."""
    if event != "start_map" and event != "start_array":
        return value
    current: Any = {} if event == "start_map" else []
    keys: list[Any] = []
    parents: list[Any] = []
    key = None
    for event, value in events:
        if event == "map_key":
            key = value
            continue
        if event == "end_map" or event == "end_array":
            if not parents:
                break
            value = current
            current = parents.pop()
            key = keys.pop()
        elif event == "start_map" or event == "start_array":
            parents.append(current)
            keys.append(key)
            current = {} if event == "start_map" else []
            continue
        if type(current) is dict:
            current[key] = value
        else:
            current.append(value)
    return current


class _Checked:
    """Hands the stream to the parser, without a byte order mark, and refuses what is nested too deeply or too long.

    The parser itself sets no limit. It keeps the path to every open level, so that a few hundred kilobytes of ``[``
    would take gigabytes of memory; and of a string what it has read so far, which it goes over again with every read.
    """

    _BRACKETS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
    _REST = bytes(set(range(256)) - set(b"[{]}"))

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self._stream = stream
        self._source = source
        self._depth = 0
        self._in_string = 0
        self._backslash = b""
        self._since = self._ended = 0
        # How far the parser's caller is: while both stay the same, what is read belongs to one value.
        self.items = self.passed = 0
        first = stream.read(_READ)
        while 0 < len(first) < len(BOM) and (more := stream.read(_READ)):
            first += more
        self._first = first.removeprefix(BOM)

    def starts_with_array(self) -> bool:
        while not self._first.strip(b" \t\r\n") and (more := self._stream.read(_READ)):
            # A megabyte of white space is as good as a kilobyte.
            self._first = more
        return self._first.lstrip(b" \t\r\n").startswith(b"[")

    def read(self, size: int) -> bytes:
        if not size:
            return b""
        data, self._first = self._first, b""
        data = data or self._stream.read(size)
        self._check_length(data)
        self._check(data)
        return data

    def _check_length(self, data: bytes) -> None:
        ended = self.items + self.passed
        if ended != self._ended:
            self._ended = ended
            self._since = 0
        self._since += len(data)
        # It may begin in the middle of a read and end in the middle of one.
        if self._since > MAX_RECORD + 2 * _READ:
            raise _TooLong

    def _check(self, data: bytes) -> None:
        data = self._backslash + data
        self._backslash = b""
        if b"\\" in data:
            data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
            if data.endswith(b"\\"):
                self._backslash = b"\\"
        pieces = data.split(b'"')
        outside = b"".join(pieces[self._in_string :: 2])
        self._in_string = (self._in_string + len(pieces) - 1) % 2
        brackets = outside.translate(self._BRACKETS, self._REST)
        opened = brackets.count(b"\x02")
        if self._depth + opened > MAX_DEPTH:
            deepest = self._depth + max(accumulate(bracket - 1 for bracket in brackets))
            if deepest > MAX_DEPTH:
                raise ItemReaderFailed(f"{self._source}: the JSON is nested deeper than {MAX_DEPTH} levels")
        self._depth += 2 * opened - len(brackets)
