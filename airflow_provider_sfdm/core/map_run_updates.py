"""Changes to the limits of a running Map Run: AWS's UpdateMapRun, by hand or by schedule.

::

    MapRunUpdate(after=600, max_concurrency=500)                              ten minutes after the Map Run began
    MapRunUpdate(at="22:00", timezone="Europe/Berlin", max_concurrency=2000)  every night …
    MapRunUpdate(at="06:00", timezone="Europe/Berlin", max_concurrency=50)    … until the morning
    MapRunUpdate(when="succeeded >= 1000", tolerated_failure_percentage=5)    once the condition is met
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .conditions import MapRunCondition, as_conditions
from .definition import MAX_CONCURRENCY
from .errors import InvalidDefinition
from .executions import MapRun
from .values import check_integer, check_number, shown

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, kw_only=True)
class MapRunLimits:
    """What UpdateMapRun can change; None leaves as it is. 0 stands for "no limit", as in the definition."""

    max_concurrency: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None

    def __post_init__(self) -> None:
        check_integer(self.max_concurrency, "MaxConcurrency", 0, MAX_CONCURRENCY)
        check_integer(self.tolerated_failure_count, "ToleratedFailureCount", 0)
        check_number(self.tolerated_failure_percentage, "ToleratedFailurePercentage", 0, 100)
        for one in fields(MapRunLimits):
            if isinstance(getattr(self, one.name), str):
                raise InvalidDefinition(one.name, f"must be a number, got {shown(getattr(self, one.name))}")

    def to_dict(self) -> dict[str, float]:
        """The limits that are given, spelled as UpdateMapRun does."""
        named = {
            "maxConcurrency": self.max_concurrency,
            "toleratedFailureCount": self.tolerated_failure_count,
            "toleratedFailurePercentage": self.tolerated_failure_percentage,
        }
        return {name: value for name, value in named.items() if value is not None}

    def over(self, earlier: MapRunLimits) -> MapRunLimits:
        """These limits, and where they say nothing the earlier ones."""
        return MapRunLimits(
            **{
                one.name: value if (value := getattr(self, one.name)) is not None else getattr(earlier, one.name)
                for one in fields(MapRunLimits)
            }
        )

    def changes(self, map_run: MapRun) -> MapRunLimits:
        """Those of the limits that the Map Run does not have yet."""
        return MapRunLimits(
            **{
                one.name: value
                for one in fields(MapRunLimits)
                if (value := getattr(self, one.name)) is not None and value != getattr(map_run, one.name)
            }
        )

    def __bool__(self) -> bool:
        return bool(self.to_dict())

    def __str__(self) -> str:
        return ", ".join(f"{name[0].upper()}{name[1:]} {value:g}" for name, value in self.to_dict().items())


@dataclass(frozen=True, kw_only=True)
class MapRunUpdate(MapRunLimits):
    """Limits, and from when on they hold: ``after`` so many seconds of the Map Run, every day ``at`` a time
    (``"22:00"`` in ``timezone``), or ``when`` a condition is first met. Exactly one of the three.

    :raises InvalidDefinition: naming what is wrong.
    """

    after: float | None = None
    at: str | None = None
    timezone: str = "UTC"
    when: MapRunCondition | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.to_dict():
            raise InvalidDefinition("updates", "an update must change something: give max_concurrency=, …")
        if sum(one is not None for one in (self.after, self.at, self.when)) != 1:
            raise InvalidDefinition("updates", "an update has one of after=, at= and when=")
        if isinstance(self.after, str):
            raise InvalidDefinition("updates.after", f"must be a number, got {shown(self.after)}")
        check_number(self.after, "updates.after", 0)
        if self.at is not None and not _TIME.fullmatch(str(self.at)):
            raise InvalidDefinition("updates.at", f'must be a time of day such as "22:00", got {shown(self.at)}')
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise InvalidDefinition("updates.timezone", f"there is no time zone {shown(self.timezone)}") from error
        if self.when is not None:
            conditions = as_conditions(self.when, "updates.when")
            if len(conditions) != 1:
                raise InvalidDefinition("updates.when", f"must be one condition, got {shown(self.when)}")
            object.__setattr__(self, "when", conditions[0])

    def limits(self) -> MapRunLimits:
        """The limits by themselves."""
        return MapRunLimits(**{one.name: getattr(self, one.name) for one in fields(MapRunLimits)})

    def to_json(self) -> dict[str, Any]:
        """The arguments that make it again, as JSON."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        given["when"] = None if self.when is None else str(self.when)
        return {name: value for name, value in given.items() if value is not None}

    def since(self, map_run: MapRun, now: float) -> float | None:
        """From when on the limits hold, in epoch seconds; None: not yet.

        A time of day counts from its last occurrence on, be it before the Map Run began: the limits of the night hold
        for a map that begins at night. A condition holds from now on, if it is met.
        """
        if self.after is not None:
            due = map_run.start + self.after
            return due if due <= now else None
        if self.at is not None:
            return _last(self.at, ZoneInfo(self.timezone), now)
        if not isinstance(self.when, MapRunCondition) or not self.when.met(
            map_run.item_counts, map_run.execution_counts
        ):
            return None
        return now


class UpdateSchedule:
    """Which limits a Map Run should be given now, as its updates come due. One object watches one Map Run.

    At the first look all that is due is given at once, the latest last; then each update as it comes due, and not
    again by this object: what somebody changes by hand in between stays, until another attempt begins to watch.
    """

    def __init__(self, updates: Sequence[MapRunUpdate]) -> None:
        self._updates = tuple(updates)
        self._given: dict[int, float] = {}

    def due(self, map_run: MapRun, now: float) -> MapRunLimits:
        """The limits to change now; empty when there is nothing to do."""
        found: list[tuple[float, int]] = []
        for number, update in enumerate(self._updates):
            since = update.since(map_run, now)
            given = self._given.get(number)
            if since is None or (given is not None and (update.when is not None or since <= given)):
                continue
            found.append((since, number))
        limits = MapRunLimits()
        for since, number in sorted(found):
            self._given[number] = since
            limits = self._updates[number].limits().over(limits)
        return limits.changes(map_run)


def as_updates(given: object) -> tuple[MapRunUpdate, ...]:
    """The updates that an author gave: one or several, or the arguments of :class:`MapRunUpdate` as mappings.

    :raises InvalidDefinition: one of them is none.
    """
    if given is None:
        return ()
    if isinstance(given, MapRunUpdate | Mapping):
        given = [given]
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidDefinition("updates", f"must be MapRunUpdate(…) values, got {shown(given)}")
    return tuple(_update(one) for one in given)


def _update(given: object) -> MapRunUpdate:
    if isinstance(given, MapRunUpdate):
        return given
    if not isinstance(given, Mapping):
        raise InvalidDefinition("updates", f"must be MapRunUpdate(…) values, got {shown(given)}")
    try:
        return MapRunUpdate(**given)
    except TypeError as error:
        raise InvalidDefinition("updates", f"{error}") from None


def _last(time: str, zone: ZoneInfo, now: float) -> float:
    """When the clock last showed this time of day."""
    hour, minute = (int(part) for part in time.split(":"))
    day = datetime.fromtimestamp(now, zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    if day.timestamp() > now:
        day = (day.replace(tzinfo=None) - timedelta(days=1)).replace(tzinfo=zone)
    return day.timestamp()
