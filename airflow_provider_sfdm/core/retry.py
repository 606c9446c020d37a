"""AWS's ``Retry``: which errors of a child execution are tried again, when and how often."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .errors import HEARTBEAT, TIMEOUT, DataLimitExceeded, InvalidDefinition, StatesError, StatesRuntime
from .values import check_integer, check_number, choice, shown

MAX_DELAY_SECONDS = 31_622_400
"""The longest wait between attempts that AWS takes: 366 days."""
MAX_ATTEMPTS = 99_999_999

_ALL = "States.ALL"


def answers(names: Collection[str], error: str | None) -> bool:
    """Whether an error of this name is answered by ``ErrorEquals`` of a retrier or a catcher.

    ``States.Runtime`` never is, ``States.DataLimitExceeded`` only by its own name. ``States.ALL`` stands for every
    other one, ``States.TaskFailed`` for "any known error name except for States.Timeout". A missed heartbeat has a name
    of its own and is a timeout too. Source: "Handling errors in Step Functions workflows" in AWS's guide.
    """
    if error == StatesRuntime.error:
        return False
    if error in names or (error == HEARTBEAT and TIMEOUT in names):
        return True
    if error == DataLimitExceeded.error:
        return False
    return _ALL in names or (StatesError.error in names and error != TIMEOUT)


class JitterStrategy(StrEnum):
    """Whether the wait is random: FULL takes a random part of it."""

    NONE = "NONE"
    FULL = "FULL"


@dataclass(frozen=True, kw_only=True)
class Retrier:
    """One retrier. Waits and delays are in seconds; ``max_attempts`` counts retries, so 0 means never again.

    Raises :class:`InvalidDefinition`. Source: "Handling errors in Step Functions workflows" in the AWS Step
    Functions guide.
    """

    error_equals: tuple[str, ...]
    interval_seconds: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    jitter_strategy: JitterStrategy = JitterStrategy.NONE

    def __post_init__(self) -> None:
        errors: object = self.error_equals
        if isinstance(errors, str) or not isinstance(errors, Sequence) or not errors:
            raise InvalidDefinition("Retry.ErrorEquals", f"must be a list of error names, got {shown(errors)}")
        if not all(isinstance(name, str) and name for name in errors):
            raise InvalidDefinition("Retry.ErrorEquals", f"error names must be non-empty strings, got {shown(errors)}")
        if _ALL in errors and len(errors) > 1:
            raise InvalidDefinition("Retry.ErrorEquals", f"{_ALL} must stand alone, got {shown(errors)}")
        object.__setattr__(self, "error_equals", tuple(errors))
        _literal(self.interval_seconds, "Retry.IntervalSeconds")
        _literal(self.max_attempts, "Retry.MaxAttempts")
        _literal(self.backoff_rate, "Retry.BackoffRate")
        check_integer(self.interval_seconds, "Retry.IntervalSeconds", 1, MAX_ATTEMPTS)
        check_integer(self.max_attempts, "Retry.MaxAttempts", 0, MAX_ATTEMPTS)
        check_number(self.backoff_rate, "Retry.BackoffRate", 1.0)
        jitter = choice(JitterStrategy, self.jitter_strategy, "Retry.JitterStrategy")
        object.__setattr__(self, "jitter_strategy", jitter)
        if self.max_delay_seconds is not None:
            _literal(self.max_delay_seconds, "Retry.MaxDelaySeconds")
            check_integer(self.max_delay_seconds, "Retry.MaxDelaySeconds", 1, MAX_DELAY_SECONDS)
            if self.max_delay_seconds <= self.interval_seconds:
                problem = f"must be more than IntervalSeconds, {self.interval_seconds}"
                raise InvalidDefinition("Retry.MaxDelaySeconds", f"{problem}; got {self.max_delay_seconds}")

    def matches(self, error: str) -> bool:
        """Whether an error of this name is retried by this retrier."""
        return answers(self.error_equals, error)

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait before retry number ``attempt`` (1 is the first); ``random`` is in 0 … 1, for the
        jitter.
        """
        try:
            seconds = self.interval_seconds * float(self.backoff_rate) ** (attempt - 1)
        except OverflowError:
            seconds = float(MAX_DELAY_SECONDS)
        seconds = min(seconds, float(self.max_delay_seconds or MAX_DELAY_SECONDS))
        return seconds * random if self.jitter_strategy is JitterStrategy.FULL else seconds


def as_retriers(value: object) -> tuple[Retrier, ...]:
    """``value``, a retrier or several, as a tuple. Refuses ``States.ALL`` anywhere but last, as AWS does."""
    retriers = [value] if isinstance(value, Retrier) else value
    if not isinstance(retriers, tuple | list):
        raise InvalidDefinition("Retry", f"must hold Retrier values, got {shown(value)}")
    for number, retrier in enumerate(retriers, start=1):
        if not isinstance(retrier, Retrier):
            raise InvalidDefinition("Retry", f"must hold Retrier values, got {shown(retrier)}")
        if _ALL in retrier.error_equals and number < len(retriers):
            raise InvalidDefinition("Retry", f"the retrier for {_ALL} must be the last one")
    return tuple(retriers)


def _literal(value: object, field: str) -> None:
    if value is None or isinstance(value, str):
        raise InvalidDefinition(field, f"must be a number, got {shown(value)}")
