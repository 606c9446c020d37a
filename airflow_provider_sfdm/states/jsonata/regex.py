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

from .bounds import MEMORY, OutOfBounds

MAX_SECONDS = 1.0
"""Seconds that one search may take."""
# An escape, a class, {3}, {3,} or {3,7}, or any other character.
_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|\{(?P<least>\d{1,12})(?:,(?P<most>\d{0,12}))?\}|.", re.DOTALL)
_MAX_REPETITIONS = 100_000
_MAX_PATTERN = 1_000
_MAX_GROUPS = 3_000_000  # the largest payload, and eleven groups


class BoundedPattern:
    """A compiled pattern whose searches raise TimeoutError instead of running on."""

    __slots__ = ("_pattern", "groups", "pattern")

    def __init__(self, pattern: str, flags: int) -> None:
        self._pattern = regex.compile(pattern, flags)
        self.pattern = pattern
        self.groups = self._pattern.groups

    def search(self, string: str) -> Any:
        self._refuse_long(string)
        return _not_empty(self._pattern.search(string, timeout=MAX_SECONDS))

    def match(self, string: str) -> Any:
        self._refuse_long(string)
        return _not_empty(self._pattern.match(string, timeout=MAX_SECONDS))

    def finditer(self, string: str) -> Iterator[Any]:
        self._refuse_long(string)
        return map(_not_empty, self._pattern.finditer(string, timeout=MAX_SECONDS))

    def sub(self, repl: str | Callable[[Any], str], string: str, count: int = 0) -> str:
        self._refuse_long(string)
        return str(self._pattern.sub(repl, string, count=count, timeout=MAX_SECONDS))

    def _refuse_long(self, text: str) -> None:
        # Each time that a group is repeated is remembered, at about eighty bytes.
        if len(text) * max(self.groups, 1) > _MAX_GROUPS:
            raise OutOfBounds(MEMORY)

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
    """About how many parts it has when what is counted is written out: compiling takes memory for each."""
    # For each group that is open how many parts it has had so far, and how many the last of them had.
    totals, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text == "(":
            totals.append(0)
        elif text == ")" and len(totals) > 1:
            last = totals.pop()
            totals[-1] += last
        elif token["least"] is not None:
            most = int(token["most"] or token["least"])
            totals[-1] += last * (most - 1)
            last *= most
        else:
            last = 1
            totals[-1] += 1
    return max(sum(totals), 1)


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
