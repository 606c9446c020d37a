"""The two ways in which results and arguments are written: SDK version 1 (optimized) and 2 (``aws-sdk``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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


@dataclass(frozen=True)
class Spelling:
    """How members and timestamps are written.

    :param member: the spelling of a model's member.
    :param timestamp: the JSON value of a timestamp.
    """

    member: Callable[[str], str]
    timestamp: Callable[[datetime], Any]


V1 = Spelling(member_v1, epoch_milliseconds)
V2 = Spelling(member_v2, iso_timestamp)
