"""Conditions on the counters of a running map: when its author takes it for failed, or for good enough.

::

    failed > 2% after 1000              more than 2 % of the finished items failed, judged once 1,000 have finished
    succeeded >= 95%                    at least 95 % of all items succeeded
    executions.timedOut >= 10           ten child executions or more ran out of time
    unsuccessful > 50                   more than 50 items failed or timed out

A condition is ``[items.|executions.]counter  >|>=|<|<=  number[%]  [of finished|of total]  [after number]``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from .counters import COUNTERS, Counts, counted
from .errors import InvalidDefinition
from .values import check_integer, check_number, choice, is_template, shown

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TEXT = re.compile(
    r"\s*(?:(?P<of>items|executions)\.)?(?P<counter>[A-Za-z]+)\s*(?P<comparison>[<>]=?)\s*"
    r"(?P<value>\d+(?:\.\d+)?)\s*(?P<percent>%)?(?:\s+of\s+(?P<base>finished|total))?(?:\s+after\s+(?P<after>\d+))?\s*"
)
# Sums of AWS's counters that are asked for by name as well.
_SUMS = {"finished": "finished", "unsuccessful": "unsuccessful"}
# Of what a percentage is, unless the author says so: bad news is a share of what has finished, as a rate; progress is
# one of the whole. A share of the whole would notice bad data only when the map is nearly done.
_OF_FINISHED = frozenset({"failed", "timedOut", "aborted", "unsuccessful"})


class PercentageOf(StrEnum):
    """What 100 % is."""

    FINISHED = "finished"
    TOTAL = "total"


@dataclass(frozen=True, kw_only=True)
class MapRunCondition:
    """A condition on one counter of a Map Run.

    ``counter`` is one of DescribeMapRun's (``succeeded``, ``failed``, ``timedOut``, ``aborted``, ``pending``,
    ``running``, ``total``, …), or ``finished`` (however ended) or ``unsuccessful`` (failed or timed out, what a
    tolerance counts); ``of`` says whether it counts items or child executions. With ``percent`` the ``value`` is a
    percentage of what has ``finished`` (for ``failed``, ``timedOut``, ``aborted``, ``unsuccessful``) or of the
    ``total`` (for the others), unless ``percentage_of`` says which. Nothing is judged before ``after`` of them have
    finished, nor before the first is known: AWS counts none while it begins to read. While it reads on, the total
    grows; give an ``after`` where that matters.

    :raises InvalidDefinition: naming what is wrong.
    """

    counter: str
    comparison: str
    value: float
    percent: bool = False
    of: str = "items"
    percentage_of: PercentageOf | None = None
    after: int = 0

    def __post_init__(self) -> None:
        field = "condition"
        if self.counter not in COUNTERS and self.counter not in _SUMS:
            known = ", ".join([*COUNTERS, *_SUMS])
            raise InvalidDefinition(field, f"{shown(self.counter)} is no counter: there are {known}")
        if self.comparison not in _COMPARISONS:
            raise InvalidDefinition(field, f"{shown(self.comparison)} must be one of {', '.join(_COMPARISONS)}")
        if self.of not in ("items", "executions"):
            raise InvalidDefinition(field, f"counts items or executions, got {shown(self.of)}")
        numbers: tuple[object, object] = (self.value, self.after)
        for number in numbers:
            if number is None or isinstance(number, str):
                raise InvalidDefinition(field, f"must have a number, got {shown(number)}")
        check_number(self.value, field, 0, 100 if self.percent else None)
        check_integer(self.after, field, 0)
        if self.percentage_of is not None:
            if not self.percent:
                raise InvalidDefinition(field, f'"of {self.percentage_of}" is for percentages')
            object.__setattr__(self, "percentage_of", choice(PercentageOf, self.percentage_of, field))

    @classmethod
    def parse(cls, text: str) -> MapRunCondition:
        """Read a condition from text such as ``failed > 2% after 1000``.

        :raises InvalidDefinition: it is none.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InvalidDefinition("condition", f'must be as "failed > 2% after 1000", got {shown(text)}')
        return cls(
            counter=match["counter"],
            comparison=match["comparison"],
            value=float(match["value"]),
            percent=match["percent"] is not None,
            of=match["of"] or "items",
            percentage_of=PercentageOf(match["base"]) if match["base"] else None,
            after=int(match["after"] or 0),
        )

    def __str__(self) -> str:
        words = [
            f"{'' if self.of == 'items' else 'executions.'}{self.counter}",
            self.comparison,
            f"{Decimal(repr(self.value)):f}".removesuffix(".0") + "%" * self.percent,
        ]
        words += ["of", self.percentage_of] if self.percentage_of else []
        words += ["after", str(self.after)] if self.after else []
        return " ".join(words)

    def met(self, items: Counts, executions: Counts) -> bool:
        """Whether the counters meet the condition."""
        counts = items if self.of == "items" else executions
        if counts.total == 0 or counts.finished < self.after:
            return False
        number: float = self._number(counts)
        if self.percent:
            base = self._base(counts)
            if base == 0:
                return False
            number = 100.0 * number / base
        return _COMPARISONS[self.comparison](number, self.value)

    def told(self, items: Counts, executions: Counts) -> str:
        """The condition with the numbers that it was judged on, for logs and causes."""
        counts = items if self.of == "items" else executions
        number, noun = self._number(counts), "item" if self.of == "items" else "child execution"
        if not self.percent:
            return f"{self} ({counted(number, noun)})"
        base = self._base(counts)
        share = f"{100.0 * number / base:.3g} %" if base else "none yet"
        return f"{self} ({number:,} of {counted(base, noun)}: {share})"

    def _number(self, counts: Counts) -> int:
        name = _SUMS.get(self.counter) or COUNTERS[self.counter]
        number: int = getattr(counts, name)
        return number

    def _base(self, counts: Counts) -> int:
        finished = self.counter in _OF_FINISHED if self.percentage_of is None else self.percentage_of == "finished"
        return counts.finished if finished else counts.total


Conditions = MapRunCondition | str | Iterable[MapRunCondition | str] | None
"""How an author gives conditions: one or several, as values or text. Any of several is enough."""


def as_conditions(given: object, field: str) -> tuple[MapRunCondition, ...]:
    """The conditions that an author gave. Jinja templates must have been rendered: see :func:`check_conditions`.

    :raises InvalidDefinition: one of them is none, naming ``field``.
    """
    if given is None:
        return ()
    if isinstance(given, MapRunCondition | str):
        given = [given]
    if not isinstance(given, Iterable):
        raise InvalidDefinition(field, f'must be a condition such as "failed > 2% after 1000", got {shown(given)}')
    return tuple(_condition(one, field) for one in given)


def check_conditions(given: object, field: str) -> None:
    """Refuse, when a DAG is parsed, what can be no condition; templates are checked when they are rendered."""
    several = [given] if isinstance(given, MapRunCondition | str) or not isinstance(given, Iterable) else list(given)
    as_conditions([one for one in several if one is not None and not is_template(one)], field)


def _condition(given: object, field: str) -> MapRunCondition:
    if isinstance(given, MapRunCondition):
        return given
    if not isinstance(given, str):
        raise InvalidDefinition(field, f'must be a condition such as "failed > 2% after 1000", got {shown(given)}')
    try:
        return MapRunCondition.parse(given)
    except InvalidDefinition as error:
        raise InvalidDefinition(field, error.problem) from None
