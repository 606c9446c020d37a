"""Times as Step Functions writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

# An ISO 8601 extended offset date-time: java.time's ISO_OFFSET_DATE_TIME, which takes up to nanoseconds and an offset.
_OFFSET = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:[zZ]|([+-])(\d\d):(\d\d)(?::(\d\d))?)", re.ASCII
)
# UTC-18:00 to UTC+18:00.
_MAX_OFFSET_SECONDS = 18 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS = 1_000_000_000
"""In a second."""


def render(seconds: float) -> str:
    """Seconds since 1970 as ``2026-09-23T22:59:51.865Z``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse(text: object) -> int | None:
    """A time with an offset as nanoseconds since 1970, or None: ``2016-03-14T01:59:00Z``, ``…T01:59:00.5+01:00``.

    Whole numbers, since two times may differ by one nanosecond and a float of seconds would not tell them apart.
    """
    match = _OFFSET.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second, fraction = int(match[6] or 0), int((match[7] or "0").ljust(9, "0"))
    offset = timedelta()
    if match[8]:
        seconds = int(match[9]) * 3600 + int(match[10]) * 60 + int(match[11] or 0)
        if seconds > _MAX_OFFSET_SECONDS or int(match[10]) > 59 or int(match[11] or 0) > 59:
            return None
        offset = timedelta(seconds=seconds if match[8] == "+" else -seconds)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * NANOSECONDS + fraction
