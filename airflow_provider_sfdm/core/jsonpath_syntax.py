"""The root and the segments of a JSONPath. What a wildcard or a filter means is for jsonpath_query."""

from __future__ import annotations

import re
from typing import NamedTuple

# A key of an object or an index of an array (negative: from the end).
Segment = str | int

# AWS's guide: names of variables "follow the rules for Unicode Identifiers".
_VARIABLE = re.compile(r"\$(\w+)")
_NAME = re.compile(r"""[^\s.\[\]()'"*,?]+""")
_INDEX = re.compile(r"\[\s*(-?\d{1,15})\s*\]", re.ASCII)
# Recorded on AWS: a backslash in a quoted name is a character of the name, even before the other quotation mark.
_QUOTED_NAME = r"""(?:'((?:\\'|[^'])*)'|"((?:\\"|[^"])*)")"""
_QUOTED = re.compile(rf"\[\s*{_QUOTED_NAME}\s*\]")
_UNION = re.compile(rf"\[\s*{_QUOTED_NAME}(?:\s*,\s*{_QUOTED_NAME})+\s*\]")
_ONE_OF_UNION = re.compile(_QUOTED_NAME)
# Longer than any path a person writes; parsing time is bounded with it. AWS's definition has no limit of its
# own here.
_MAX_LENGTH = 10_000


class PathSyntaxError(ValueError):
    """A text that is not a JSONPath; says what is wrong."""


class QueryError(ValueError):
    """An indefinite path that is refused, or that matched more than can be returned; says why."""


class Part(NamedTuple):
    """A segment: ``text`` in brackets; ``key`` is None for a wildcard, slice, union or filter.

    ``names`` are those of a union of names, as in ``$['a', 'b']``.
    """

    key: Segment | None
    text: str
    names: tuple[str, ...] = ()


def parse(text: str) -> tuple[str, tuple[Part, ...]]:
    """Split a path into its root (``"$"``, ``"$$"`` or the name of a variable) and its parts.

    Raises PathSyntaxError.
    """
    if len(text) > _MAX_LENGTH:
        raise PathSyntaxError(f"it is longer than {_MAX_LENGTH} characters")
    if text.startswith("States."):
        raise PathSyntaxError("intrinsic functions (States.…) are not supported here")
    root, at = _root(text)
    parts: list[Part] = []
    while at < len(text):
        part, at = _part(text, at)
        parts.append(part)
    return root, tuple(parts)


def spell(segments: tuple[Segment, ...]) -> str:
    """The path of ``segments`` in bracket notation, as Jayway writes it in its messages."""
    return "$" + "".join(f"['{part}']" if isinstance(part, str) else f"[{part}]" for part in segments)


def _root(text: str) -> tuple[str, int]:
    if text.startswith("$$"):
        return "$$", 2
    variable = _VARIABLE.match(text)
    if variable:
        if variable[1] == "states":
            raise PathSyntaxError("$states is JSONata's; the context object of JSONPath is $$")
        return variable[1], variable.end()
    if text.startswith("$"):
        return "$", 1
    raise PathSyntaxError("it must begin with $")


def _part(text: str, at: int) -> tuple[Part, int]:
    if text[at] == "[":
        return _bracket(text, at)
    if text[at] != ".":
        raise PathSyntaxError(f"unexpected {text[at]!r} at character {at + 1}")
    if text.startswith("..", at):
        return _descendants(text, at)
    if text.startswith(".*", at):
        return Part(None, "[*]"), at + 2
    if text.startswith(".[", at):
        # AWS's guide: "use square bracket notation … For example, $.abc.['def ghi']".
        return _bracket(text, at + 1)
    name = _name(text, at + 1)
    return Part(name, quote(name)), at + 1 + len(name)


def _descendants(text: str, at: int) -> tuple[Part, int]:
    after = at + 2
    if text.startswith("*", after):
        return Part(None, "..[*]"), after + 1
    if text.startswith("[", after):
        part, end = _bracket(text, after)
        return Part(None, ".." + part.text), end
    name = _name(text, after)
    return Part(None, f"..{quote(name)}"), after + len(name)


def _name(text: str, at: int) -> str:
    name = _NAME.match(text, at)
    if name is None:
        raise PathSyntaxError(f"a name is missing at character {at + 1}")
    if text.startswith("(", name.end()):
        raise PathSyntaxError(f"functions such as {name[0]}() are not supported by Step Functions")
    return name[0]


def _bracket(text: str, at: int) -> tuple[Part, int]:
    index = _INDEX.match(text, at)
    if index:
        return Part(int(index[1]), f"[{int(index[1])}]"), index.end()
    quoted = _QUOTED.match(text, at)
    if quoted:
        key = _unquoted(quoted)
        return Part(key, quote(key)), quoted.end()
    union = _UNION.match(text, at)
    if union:
        names = tuple(_unquoted(name) for name in _ONE_OF_UNION.finditer(union[0]))
        return Part(None, union[0], names), union.end()
    end = _closing(text, at)
    inside = text[at + 1 : end - 1].strip()
    if not inside:
        raise PathSyntaxError(f"empty brackets at character {at + 1}")
    return Part(None, f"[{inside}]"), end


def _unquoted(quoted: re.Match[str]) -> str:
    mark, name = ("'", quoted[1]) if quoted[1] is not None else ('"', quoted[2])
    return str(name).replace(f"\\{mark}", mark)


def _closing(text: str, at: int) -> int:
    """Where the bracket that opens at ``at`` has been closed; brackets in quotes don't count."""
    depth, quote_mark, place = 0, "", at
    while place < len(text):
        character = text[place]
        if quote_mark:
            if character == "\\":
                place += 1
            elif character == quote_mark:
                quote_mark = ""
        elif character in "'\"":
            quote_mark = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    raise PathSyntaxError(f"the bracket at character {at + 1} is not closed")


def quote(key: str) -> str:
    """A key in brackets and quotes, with the escapes of RFC 9535 that python-jsonpath reads."""
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return "['" + "".join(c if c >= " " else f"\\u{ord(c):04x}" for c in escaped) + "']"
