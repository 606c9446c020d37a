"""The two ways in which arguments and results are written: SDK version 1 (optimized) and 2 (``aws-sdk``).

Of bytes, little is recorded: bodies and payloads are text with version 2. Version 1 keeps the API's own base64, which
is what DynamoDB's ``B`` is written in everywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.utils import parse_timestamp

from ...core.json import dumps
from .names import member_v1, member_v2


def iso_timestamp(moment: datetime) -> str:
    """``2026-09-24T03:02:58Z``; fractions have three or six digits, as java.time.Instant prints them."""
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    micros = moment.microsecond
    unit = "seconds" if micros == 0 else "milliseconds" if micros % 1000 == 0 else "microseconds"
    return moment.isoformat(timespec=unit).replace("+00:00", "Z")


def epoch_milliseconds(moment: datetime) -> int:
    """What version 1's java.util.Date becomes in JSON."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _from_milliseconds(value: Any) -> datetime:
    # An earlier result's timestamp can be an argument.
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else parse_timestamp(value)


@dataclass(frozen=True)
class Spelling:
    """How members, timestamps, bytes and texts are written.

    :param member: the spelling of a member, given its name and that of its structure.
    :param timestamp: the JSON value of a timestamp.
    :param moment: a timestamp from its JSON value; raises as botocore's ``parse_timestamp`` for what is none.
    :param encode: the JSON value of bytes.
    :param decode: bytes from their JSON value; raises ValueError for what is none.
    :param json_texts: whether an object or an array may be given for a text, and is sent as its JSON text.
    """

    member: Callable[[str, str], str]
    timestamp: Callable[[datetime], Any]
    moment: Callable[[Any], datetime]
    encode: Callable[[bytes], str]
    decode: Callable[[Any], bytes]
    json_texts: bool


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return base64.b64decode(value, validate=True)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _base64(data)


def _from_text(value: Any) -> bytes:
    return value.encode(errors="replace") if isinstance(value, str) else dumps(value)


V1 = Spelling(member_v1, epoch_milliseconds, _from_milliseconds, _base64, _from_base64, json_texts=False)
V2 = Spelling(member_v2, iso_timestamp, parse_timestamp, _text, _from_text, json_texts=True)
