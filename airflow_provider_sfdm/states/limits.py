"""What an execution may take at most: the quotas of Step Functions, and what keeps untrusted definitions harmless."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.limits import MAX_PAYLOAD_BYTES

MAX_BUILT_BYTES = 4 * MAX_PAYLOAD_BYTES
"""What a template or a function may build, counted at its least. It is more than a payload, since a later path may take
a part of it; what copies its input a hundred times is stopped here.
"""
MAX_NESTING = 254
"""Levels of arrays and objects in a payload or a definition; deeper JSON is refused, not recursed into. It is what the
JSON library writes, so that counting costs nothing as long as it can write.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one execution.

    :param history_events: events of a STANDARD execution (AWS: 25,000); it bounds loops.
    :param express_seconds: seconds that an EXPRESS execution may take (AWS: five minutes).
    :param jsonata_seconds: seconds that one JSONata expression may take.
    :param jsonata_depth: how deep the evaluation of an expression may nest (AWS: 100).
    :param jsonata_bytes: the largest value an expression may build, a number counting as eight bytes. AWS's own
        bound, as measured by others, is 6,990,256.
    """

    history_events: int = 25_000
    express_seconds: float = 300.0
    jsonata_seconds: float = 5.0
    jsonata_depth: int = 100
    jsonata_bytes: int = 6_990_256


DEFAULT_LIMITS = Limits()
