"""Error texts that are safe to show: one line, bounded, without passwords or signatures."""

from __future__ import annotations

import re

_LONGEST = 500
# What begins the reason of a write that failed; otherwise it would read as if something were missing.
CANNOT_BE_WRITTEN = "cannot be written: "
# A query string may be a signature (pre-signed URLs, shared access signatures).
_QUERY = re.compile(r"(\w[\w+.-]*://[^\s?'\"<>]+)\?[^\s'\"<>]+")
# The same where a library names the path alone ("… exceeded with url: /key?sig=…").
_PARAMETERS = re.compile(r"\?[\w.%~-]+=[^\s'\"<>]*")
_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s/:@]*):[^\s/@]+@")
# What libraries call a secret where they repeat how they were set up or what they have sent: connection strings,
# headers and signed requests.
_NAMED = re.compile(
    r"""(?ix) (?<![a-z]) (
        (?:account|secret|secret_?access)_?key | shared_?access_?(?:key|signature) | sas_?token
        | (?:security|session|access|auth|refresh)[_-]?token | client_?secret | passw(?:or)?d | awsaccesskeyid
        | credential | signature | authorization
    ) (['"]? \s* [:=] \s* ['"]?) (?:(?:bearer|basic)\s+)? [^\s,;&'"]+"""
)
_BEARER = re.compile(r"(?i)\b(bearer) [\w.~+/=-]{20,}")

# What may stand before a place in a URL is the name of a connection, so "user:…@" is a password, which may hold a "/".
# Not meant: a port ("host:22/a@b"), an IPv6 address, and the ARN of an access point in a bucket's place.
_CREDENTIALS = re.compile(r"(?!arn:aws|\[)[^/@:]*:(?!\d{1,5}/)[^@]*@")
_WEB = ("http", "https")


def is_web(url: str) -> bool:
    """Whether this is a URL of the web, where what follows "?" is a query and not part of the path."""
    return url.partition("://")[0].lower() in _WEB


def without_secrets(text: str) -> str:
    """The text with the password and the query of every URL in it left out, and what it calls a key or token."""
    text = _PARAMETERS.sub("?***", _QUERY.sub(r"\1?***", text))
    text = _PASSWORD.sub(r"\1:***@", text)
    return _BEARER.sub(r"\1 ***", _NAMED.sub(r"\1\2***", text))


def holds_credentials(url: str) -> bool:
    """Whether a password stands before the place that the URL names."""
    return _CREDENTIALS.match(url.partition("://")[2] or url) is not None


def shown_url(url: str) -> str:
    """The URL as messages, logs, labels and manifests may show it.

    Of a URL of the web, neither the query (it may be a signature) nor a user is shown. Elsewhere a "?" is part of the
    key, and what stands before "@" the name of a connection.
    """
    if holds_credentials(url):
        return f"{url.partition('://')[0]}://***" if "://" in url else "***"
    if not is_web(url):
        return url
    scheme, _, rest = url.partition("://")
    place, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def cause_to_show(error: BaseException) -> BaseException | None:
    """``error``, to ``raise … from``, or None if the traceback would then show a secret."""
    link: BaseException | None = error
    while link is not None:
        if without_secrets(str(link)) != str(link):
            return None
        link = link.__cause__ or link.__context__
    return error


def one_line(error: BaseException) -> str:
    """What an exception says, for a reason."""
    text = without_secrets(" ".join(str(error).split()))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return text or type(error).__name__
