"""The regular expressions of JSONata, with a limit to what one search may take.

A pattern comes from outside, and matching one can take time that is exponential in the text. The library ``regex`` has
JavaScript's syntax as far as it matters and takes a time limit, which the standard library's ``re`` does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import regex
from jsonata.jexception import JException

MAX_SECONDS = 1.0
"""Seconds that one search may take."""
# {3}, {3,} and {3,7}; one behind a backslash is text.
_COUNTED = re.compile(r"(?<!\\)\{(\d+)(?:,(\d*))?\}")
_MAX_REPETITIONS = 100_000
_MAX_PATTERN = 1_000


class BoundedPattern:
    """A compiled pattern whose searches raise TimeoutError instead of running on."""

    __slots__ = ("_pattern", "groups", "pattern")

    def __init__(self, pattern: str, flags: int) -> None:
        self._pattern = regex.compile(pattern, flags)
        self.pattern = pattern
        self.groups = self._pattern.groups

    def search(self, string: str) -> Any:
        return _not_empty(self._pattern.search(string, timeout=MAX_SECONDS))

    def match(self, string: str) -> Any:
        return _not_empty(self._pattern.match(string, timeout=MAX_SECONDS))

    def finditer(self, string: str) -> Iterator[Any]:
        return map(_not_empty, self._pattern.finditer(string, timeout=MAX_SECONDS))

    def sub(self, repl: str | Callable[[Any], str], string: str, count: int = 0) -> str:
        return str(self._pattern.sub(repl, string, count=count, timeout=MAX_SECONDS))

    def split(self, string: str) -> list[str]:
        """The parts between the matches, without what groups matched, unlike Python's."""
        parts, end = [], 0
        for match in self.finditer(string):
            parts.append(string[end : match.start()])
            end = match.end()
        return [*parts, string[end:]]


def _not_empty(match: Any) -> Any:
    """The reference refuses a match of no length."""
    if match is not None and match.start() == match.end():
        raise JException("D1004", -1)
    return match


def _repetitions(pattern: str) -> int:
    """How often its counted parts may be written out, at the worst: compiling takes memory for each."""
    product = 1
    for least, most in _COUNTED.findall(pattern):
        product *= max(int(most or least), 1)
    return product


def bounded_engine(pattern: str, flags: Any) -> BoundedPattern:
    """The library's seam for regular expressions. Raises ValueError for a pattern that is none."""
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"a regular expression is longer than {_MAX_PATTERN} characters")
    if _repetitions(pattern) > _MAX_REPETITIONS:
        raise ValueError(f"a regular expression repeats more than {_MAX_REPETITIONS:,} times: {pattern[:80]}")
    options = regex.V0
    if flags.case_insensitive:
        options |= regex.IGNORECASE
    if flags.multiline:
        options |= regex.MULTILINE
    try:
        return BoundedPattern(pattern, options)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"/{pattern}/ is not a regular expression: {error}") from None
