"""The Pass state: its input, or what its fields make of it."""

from __future__ import annotations

from typing import Any

from .io_jsonata import JsonataIO
from .io_jsonpath import JsonPathIO
from .state import Following, Source
from .visit import MISSING, Visit


class JsonPathPass:
    """InputPath, Parameters or Result, ResultPath, OutputPath, Assign."""

    __slots__ = ("_following", "_io", "_result", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries, self._following = source.name, False, source.following
        self._io = JsonPathIO(source.fields, source.place, "Parameters")
        self._result = source.fields.get("Result", MISSING)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        io = self._io
        result = self._result
        if result is MISSING:
            result = io.arguments(io.effective(visit))
        return io.finish(visit, result), self._following


class JsonataPass:
    """Output, Assign."""

    __slots__ = ("_following", "_io", "name", "retries")

    def __init__(self, source: Source) -> None:
        self.name, self.retries, self._following = source.name, False, source.following
        self._io = JsonataIO(source.fields)

    def run(self, visit: Visit) -> tuple[Any, Following]:
        return self._io.shape(visit, visit.input), self._following
