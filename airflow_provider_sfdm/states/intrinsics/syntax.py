"""Intrinsic functions (``States.Format('{}', $.name)``) as text: what is a call, what are its arguments."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from ...core.jsonpath_syntax import PathSyntaxError

MAX_NESTING = 10
"""AWS: "you can nest up to 10 intrinsic functions within a field"."""
_MAX_LENGTH = 10_000
_NAME = re.compile(r"States\.([A-Za-z0-9]+)\s*\(")
_NUMBER = re.compile(r"-?\d{1,309}(?:\.\d{1,309})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WORD = re.compile(r"(?:true|false|null)(?![A-Za-z0-9_])")
_SPACE = re.compile(r"\s*")
_ESCAPABLE = frozenset("{}'\\")
_WORDS = {"true": True, "false": False, "null": None}


class Literal(NamedTuple):
    """A text, number, true, false or null; of a text also ``raw``, with its escapes."""

    value: Any
    raw: str | None = None


class Path(NamedTuple):
    """A JSONPath."""

    text: str


class Call(NamedTuple):
    """A call: ``name`` is without ``States.``."""

    name: str
    arguments: tuple[Any, ...]  # of Literal, Path and Call


def parse(text: str) -> Call:
    """The call that ``text`` is. Raises PathSyntaxError."""
    if len(text) > _MAX_LENGTH:
        raise PathSyntaxError(f"it is longer than {_MAX_LENGTH} characters")
    call, at = _call(text, _skip(text, 0), 1)
    if _skip(text, at) != len(text):
        raise PathSyntaxError(f"unexpected {text[at]!r} at character {at + 1}")
    return call


def template_parts(template: str) -> list[str]:
    """The texts between the ``{}`` of a Format template, escapes undone. Raises ValueError for a lone brace."""
    parts, current, at = [], "", 0
    while at < len(template):
        character = template[at]
        if character == "\\" and at + 1 < len(template) and template[at + 1] in _ESCAPABLE:
            current += template[at + 1]
            at += 2
        elif character == "{":
            if template[at + 1 : at + 2] != "}":
                raise ValueError("matching '}' not found for '{'.")
            parts.append(current)
            current = ""
            at += 2
        elif character == "}":
            raise ValueError("matching '{' not found for '}'.")
        else:
            current += character
            at += 1
    return [*parts, current]


def _call(text: str, at: int, depth: int) -> tuple[Call, int]:
    name = _NAME.match(text, at)
    if name is None:
        raise PathSyntaxError(f"an intrinsic function is expected at character {at + 1}")
    if depth > MAX_NESTING:
        raise PathSyntaxError(f"intrinsic functions are nested deeper than {MAX_NESTING}")
    at = _skip(text, name.end())
    arguments: list[Any] = []
    if text.startswith(")", at):
        return Call(name[1], ()), at + 1
    while True:
        argument, at = _argument(text, at, depth)
        arguments.append(argument)
        at = _skip(text, at)
        if text.startswith(")", at):
            return Call(name[1], tuple(arguments)), at + 1
        if not text.startswith(",", at):
            raise PathSyntaxError(f"a comma or a closing parenthesis is expected at character {at + 1}")
        at = _skip(text, at + 1)


def _argument(text: str, at: int, depth: int) -> tuple[Any, int]:
    if text.startswith("'", at):
        return _string(text, at + 1)
    if text.startswith("$", at):
        end = _path_end(text, at)
        return Path(text[at:end].rstrip()), end
    if text.startswith("States.", at):
        return _call(text, at, depth + 1)
    if number := _NUMBER.match(text, at):
        whole = not set(number[0]) & set(".eE")
        value = int(number[0]) if whole else float(number[0])
        if abs(value) == math.inf:
            raise PathSyntaxError(f"{number[0]} at character {at + 1} is beyond the numbers of JSON")
        return Literal(value), number.end()
    if word := _WORD.match(text, at):
        return Literal(_WORDS[word[0]]), word.end()
    raise PathSyntaxError(f"an argument is expected at character {at + 1}")


def _string(text: str, at: int) -> tuple[Literal, int]:
    start, found = at, ""
    while at < len(text):
        character = text[at]
        if character == "'":
            return Literal(found, text[start:at]), at + 1
        if character == "\\" and text[at + 1 : at + 2] in _ESCAPABLE:
            at += 1
            character = text[at]
        found += character
        at += 1
    raise PathSyntaxError("a text is not closed")


def _path_end(text: str, at: int) -> int:
    """Where a path ends: at a comma or parenthesis that is not inside of its brackets."""
    depth, quote = 0, ""
    while at < len(text):
        character = text[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif depth and character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in "])" and depth:
            depth -= 1
        elif character in ",)" and not depth:
            return at
        at += 1
    raise PathSyntaxError("the call is not closed")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
