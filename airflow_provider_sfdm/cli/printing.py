"""What the commands print: results to stdout, in UTF-8 whatever the locale is; all else to stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

SUCCEEDED, FAILED = 0, 1
"""Exit codes."""


class Broken(Exception):
    """What was begun has no outcome that anybody could read; the text is for the caller."""


def print_json(value: Any) -> None:
    """Write a result. Raises Broken where nobody can read it."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False))


def print_line(text: str) -> None:
    """Write a line. Raises Broken where nobody can read it."""
    if sys.stdout is None:  # started with >&-
        raise Broken("stdout is closed: the result cannot be written")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python must not try to write what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Broken(f"the result cannot be written: {error.strerror}") from None


def one_line(text: str) -> str:
    """One line of plain text: names and values of a definition may hold what a terminal obeys."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def complain(text: str) -> None:
    """Write a problem to stderr."""
    sys.stderr.write(f"sfdm: {one_line(text)}\n")
