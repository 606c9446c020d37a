"""Error texts that are safe to show: one line, bounded, without passwords or signatures."""

from __future__ import annotations

import re

_LONGEST = 500
# A query string may be a signature (pre-signed URLs, shared access signatures).
_QUERY = re.compile(r"(\w[\w+.-]*://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s/:@]*):[^\s/@]+@")


def without_secrets(text: str) -> str:
    """The text with the password and the query of every URL in it left out."""
    return _PASSWORD.sub(r"\1:***@", _QUERY.sub(r"\1?***", text))


def without_password(url: str) -> str:
    """The URL as it may be shown (its query is kept: a ``?`` may be part of a key)."""
    return _PASSWORD.sub(r"\1:***@", url)


def one_line(error: BaseException) -> str:
    """What an exception says, for a reason."""
    text = without_secrets(" ".join(str(error).split()))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return text or type(error).__name__
