"""Changes to the limits of a running Map Run: what they may be, when they come due, and that each is made once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.conditions import MapRunCondition
from airflow_provider_sfdm.core.counters import Counts, MapRunStatus
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.executions import MapRun
from airflow_provider_sfdm.core.map_run_updates import MapRunLimits, MapRunUpdate, UpdateSchedule, as_updates

START = 1_800_000_000.0
RUNNING = MapRun(
    arn="map run", execution_arn="execution", status=MapRunStatus.RUNNING, start=START, max_concurrency=100
)
BERLIN = ZoneInfo("Europe/Berlin")
NONE = MapRunLimits()


def moment(text: str) -> float:
    """Epoch seconds of an ISO text with its offset."""
    return datetime.fromisoformat(text).timestamp()


def limits(**given: Any) -> MapRunLimits:
    return MapRunLimits(**given)


class TestLimits:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"max_concurrency": -1}, "MaxConcurrency"),
            ({"max_concurrency": 10_001}, "MaxConcurrency"),
            ({"max_concurrency": 1.5}, "MaxConcurrency"),
            ({"max_concurrency": True}, "MaxConcurrency"),
            ({"max_concurrency": "3"}, "MaxConcurrency"),
            ({"max_concurrency": "{{ n }}"}, "max_concurrency"),
            ({"tolerated_failure_count": -1}, "ToleratedFailureCount"),
            ({"tolerated_failure_count": 0.5}, "ToleratedFailureCount"),
            ({"tolerated_failure_count": "{{ n }}"}, "tolerated_failure_count"),
            ({"tolerated_failure_percentage": -0.1}, "ToleratedFailurePercentage"),
            ({"tolerated_failure_percentage": 100.1}, "ToleratedFailurePercentage"),
            ({"tolerated_failure_percentage": float("nan")}, "ToleratedFailurePercentage"),
            ({"tolerated_failure_percentage": "{% $x %}"}, "tolerated_failure_percentage"),
        ],
    )
    def test_limits_that_cannot_be(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidDefinition) as refused:
            MapRunLimits(**fields)
        assert refused.value.field == field

    def test_spelled_as_the_call_does(self) -> None:
        every = limits(max_concurrency=0, tolerated_failure_count=10, tolerated_failure_percentage=2.5)
        assert every.to_dict() == {
            "maxConcurrency": 0,
            "toleratedFailureCount": 10,
            "toleratedFailurePercentage": 2.5,
        }
        assert str(every) == "MaxConcurrency 0, ToleratedFailureCount 10, ToleratedFailurePercentage 2.5"
        assert limits(max_concurrency=0)  # a limit of 0 is one
        assert not NONE
        assert (NONE.to_dict(), str(NONE)) == ({}, "")

    def test_over_earlier_ones(self) -> None:
        earlier = limits(max_concurrency=5, tolerated_failure_count=3)
        later = limits(max_concurrency=0, tolerated_failure_percentage=1.0)
        assert later.over(earlier) == limits(
            max_concurrency=0, tolerated_failure_count=3, tolerated_failure_percentage=1.0
        )
        assert NONE.over(earlier) == earlier
        assert earlier.over(NONE) == earlier

    def test_only_what_is_different_is_a_change(self) -> None:
        wanted = limits(max_concurrency=100, tolerated_failure_count=0, tolerated_failure_percentage=5)
        assert wanted.changes(RUNNING) == limits(tolerated_failure_percentage=5)
        assert not limits(max_concurrency=100).changes(RUNNING)


class TestWhatAnUpdateMayBe:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"after": 60, "max_concurrency": None}, "updates"),
            ({}, "updates"),
            ({"after": 60, "at": "22:00"}, "updates"),
            ({"after": 0, "when": "failed > 1"}, "updates"),
            ({"at": "22:00", "when": "failed > 1"}, "updates"),
            ({"after": -1}, "updates.after"),
            ({"after": True}, "updates.after"),
            ({"after": timedelta(minutes=1)}, "updates.after"),
            ({"after": float("inf")}, "updates.after"),
            ({"after": 60, "max_concurrency": 10_001}, "MaxConcurrency"),
            ({"at": "22"}, "updates.at"),
            ({"at": "24:00"}, "updates.at"),
            ({"at": "7:00"}, "updates.at"),
            ({"at": "22:60"}, "updates.at"),
            ({"at": "22:00:00"}, "updates.at"),
            ({"at": "22:00\n"}, "updates.at"),
            ({"at": 2200}, "updates.at"),
            ({"at": time(22)}, "updates.at"),
            ({"at": "{{ params.at }}"}, "updates.at"),
            ({"at": "22:00", "timezone": "Europe/Nowhere"}, "updates.timezone"),
            ({"at": "22:00", "timezone": "Europe"}, "updates.timezone"),
            ({"at": "22:00", "timezone": "../Berlin"}, "updates.timezone"),
            ({"at": "22:00", "timezone": ""}, "updates.timezone"),
            ({"at": "22:00", "timezone": None}, "updates.timezone"),
            ({"when": "nonsense"}, "updates.when"),
            ({"when": "{{ params.when }}"}, "updates.when"),
            ({"when": 3}, "updates.when"),
        ],
    )
    def test_what_cannot_be(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidDefinition) as refused:
            MapRunUpdate(**{"max_concurrency": 5, **fields})
        assert refused.value.field == field

    @pytest.mark.parametrize("when", [[], ["failed > 1", "failed > 2"]])
    def test_it_waits_for_one_condition(self, when: Any) -> None:
        with pytest.raises(InvalidDefinition) as refused:
            MapRunUpdate(when=when, max_concurrency=5)
        assert refused.value.field == "updates.when"

    def test_its_time_is_no_template(self) -> None:
        # Nothing would render it.
        after: Any = "{{ params.after }}"
        with pytest.raises(InvalidDefinition) as refused:
            MapRunUpdate(after=after, max_concurrency=5)
        assert refused.value.field == "updates.after"

    def test_a_condition_may_be_a_text(self) -> None:
        update = MapRunUpdate(when="failed > 1", max_concurrency=5)
        assert update.when == MapRunCondition.parse("failed > 1")
        assert update == MapRunUpdate(when=MapRunCondition.parse("failed > 1"), max_concurrency=5)

    def test_its_limits_by_themselves(self) -> None:
        update = MapRunUpdate(after=1, max_concurrency=5, tolerated_failure_count=3)
        assert update.limits() == limits(max_concurrency=5, tolerated_failure_count=3)
        assert type(update.limits()) is MapRunLimits


@st.composite
def updates(draw: st.DrawFn) -> MapRunUpdate:
    due: dict[str, Any] = draw(
        st.one_of(
            st.fixed_dictionaries({"after": st.integers(0, 10**9) | st.floats(0, 1e9)}),
            st.fixed_dictionaries(
                {
                    "at": st.times().map(lambda one: f"{one:%H:%M}"),
                    "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
                }
            ),
            st.fixed_dictionaries({"when": st.sampled_from(["failed > 2% of total after 9", "executions.failed > 1"])}),
        )
    )
    changed: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "max_concurrency": st.integers(0, 10_000),
                "tolerated_failure_count": st.integers(0, 10**9),
                "tolerated_failure_percentage": st.floats(0, 100),
            },
        ).filter(bool)
    )
    return MapRunUpdate(**due, **changed)


@given(st.lists(updates(), max_size=4))
def test_updates_go_through_json(made: list[MapRunUpdate]) -> None:
    sent = json.loads(json.dumps([update.to_json() for update in made]))
    assert as_updates(sent) == tuple(made)


UPDATE = MapRunUpdate(after=1, max_concurrency=5)


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (None, ()),
        ([], ()),
        (UPDATE, (UPDATE,)),
        ({"after": 1, "max_concurrency": 5}, (UPDATE,)),
        ([UPDATE, {"after": 1, "max_concurrency": 5}], (UPDATE, UPDATE)),
        ((UPDATE,), (UPDATE,)),
    ],
)
def test_one_or_several(given_: object, meant: tuple[MapRunUpdate, ...]) -> None:
    assert as_updates(given_) == meant


@pytest.mark.parametrize(
    ("nonsense", "problem"),
    [
        (3, "must be MapRunUpdate"),
        ("after 60", "must be MapRunUpdate"),
        ("{{ params.updates }}", "must be MapRunUpdate"),
        ({UPDATE}, "must be MapRunUpdate"),
        ([3], "must be MapRunUpdate"),
        (["after 60"], "must be MapRunUpdate"),
        ([None], "must be MapRunUpdate"),
        ([{"after": 1, "max_concurency": 5}], "unexpected keyword argument 'max_concurency'"),
        ([{1: 2}], "keywords must be strings"),
        ([{"after": 1}], "an update must change something"),
    ],
)
def test_nonsense(nonsense: object, problem: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"^updates: .*{problem}"):
        as_updates(nonsense)


class TestWhenItIsDue:
    @pytest.mark.parametrize(
        ("after", "now", "since"),
        [(0, 0, 0), (0, 60, 0), (60, 59.9, None), (60, 60, 60), (60, 5000, 60), (0.5, 0.4, None)],
    )
    def test_after_so_many_seconds_of_the_map_run(self, after: float, now: float, since: float | None) -> None:
        found = MapRunUpdate(after=after, max_concurrency=5).since(RUNNING, START + now)
        assert found == (None if since is None else START + since)

    @pytest.mark.parametrize(
        ("zone", "at", "now", "since"),
        [
            ("UTC", "22:00", "2026-11-24T21:59:59+00:00", "2026-11-23T22:00:00+00:00"),
            ("UTC", "22:00", "2026-11-24T22:00:00+00:00", "2026-11-24T22:00:00+00:00"),
            ("UTC", "00:00", "2026-11-24T00:00:00+00:00", "2026-11-24T00:00:00+00:00"),
            ("UTC", "23:59", "2026-03-01T00:00:00+00:00", "2026-02-28T23:59:00+00:00"),
            ("Europe/Berlin", "22:00", "2026-07-01T20:00:00+00:00", "2026-07-01T22:00:00+02:00"),
            ("Europe/Berlin", "22:00", "2026-12-01T20:59:00+00:00", "2026-11-30T22:00:00+01:00"),
            ("Asia/Kathmandu", "06:00", "2026-11-24T00:15:00+00:00", "2026-11-24T06:00:00+05:45"),
            # The other day there than in UTC, on either side.
            ("Pacific/Kiritimati", "10:00", "2026-11-24T20:00:00+00:00", "2026-11-25T10:00:00+14:00"),
            ("America/Los_Angeles", "20:00", "2026-11-24T03:00:00+00:00", "2026-11-22T20:00:00-08:00"),
            # The night in which Berlin goes from 02:00 to 03:00: a day of 23 hours.
            ("Europe/Berlin", "01:30", "2026-03-29T01:15:00+00:00", "2026-03-29T01:30:00+01:00"),
            ("Europe/Berlin", "03:00", "2026-03-29T01:00:00+00:00", "2026-03-29T03:00:00+02:00"),
            ("Europe/Berlin", "03:00", "2026-03-29T00:59:59+00:00", "2026-03-28T03:00:00+01:00"),
            ("Europe/Berlin", "22:00", "2026-03-29T19:59:59+00:00", "2026-03-28T22:00:00+01:00"),
            ("Europe/Berlin", "22:00", "2026-03-29T20:00:00+00:00", "2026-03-29T22:00:00+02:00"),
            # 02:30 is none that night: it comes as late after 01:59 as on other days.
            ("Europe/Berlin", "02:30", "2026-03-29T01:29:59+00:00", "2026-03-28T02:30:00+01:00"),
            ("Europe/Berlin", "02:30", "2026-03-29T01:30:00+00:00", "2026-03-29T03:30:00+02:00"),
            # The night in which it goes from 03:00 back to 02:00: a day of 25 hours.
            ("Europe/Berlin", "01:30", "2026-10-25T01:15:00+00:00", "2026-10-25T01:30:00+02:00"),
            ("Europe/Berlin", "03:00", "2026-10-25T01:59:59+00:00", "2026-10-24T03:00:00+02:00"),
            ("Europe/Berlin", "03:00", "2026-10-25T02:00:00+00:00", "2026-10-25T03:00:00+01:00"),
            ("Europe/Berlin", "22:00", "2026-10-25T20:59:59+00:00", "2026-10-24T22:00:00+02:00"),
            ("Europe/Berlin", "22:00", "2026-10-25T21:00:00+00:00", "2026-10-25T22:00:00+01:00"),
            ("Europe/Berlin", "02:30", "2026-10-25T00:29:59+00:00", "2026-10-24T02:30:00+02:00"),
            ("Europe/Berlin", "02:30", "2026-10-25T00:30:00+00:00", "2026-10-25T02:30:00+02:00"),
            # Half an hour after the clock showed 02:30, it shows 02:00 again.
            ("Europe/Berlin", "02:30", "2026-10-25T01:10:00+00:00", "2026-10-25T02:30:00+02:00"),
        ],
    )
    def test_at_a_time_of_day(self, zone: str, at: str, now: str, since: str) -> None:
        update = MapRunUpdate(at=at, timezone=zone, max_concurrency=5)
        assert update.since(RUNNING, moment(now)) == moment(since)

    @given(
        st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
        st.times(),
        st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    )
    def test_a_time_of_day_was_within_the_last_day(self, day: datetime, clock: time, zone: str) -> None:
        now = day.replace(tzinfo=ZoneInfo("UTC")).timestamp()
        update = MapRunUpdate(at=f"{clock:%H:%M}", timezone=zone, max_concurrency=5)
        since = update.since(RUNNING, now)
        assert since is not None
        # The longest day has 25 hours.
        assert 0 <= now - since <= 25 * 3600
        shown = datetime.fromtimestamp(since, ZoneInfo(zone))
        # Where the clock skips the time, as much later as it skips.
        assert (shown.minute - clock.minute) % 60 in (0, 30)

    def test_when_a_condition_is_met(self) -> None:
        update = MapRunUpdate(when="succeeded >= 1000", max_concurrency=5)
        enough = replace(RUNNING, item_counts=Counts(succeeded=1000, total=5000))
        assert update.since(RUNNING, START + 9) is None
        assert update.since(enough, START + 9) == START + 9
        of_executions = MapRunUpdate(when="executions.succeeded >= 10", max_concurrency=5)
        assert of_executions.since(enough, START) is None
        assert of_executions.since(replace(RUNNING, execution_counts=Counts(succeeded=10, total=10)), 1.0) == 1.0


NIGHT = MapRunUpdate(at="22:00", timezone="Europe/Berlin", max_concurrency=2000)
MORNING = MapRunUpdate(at="06:00", timezone="Europe/Berlin", max_concurrency=50)


class TestSchedule:
    def test_without_updates(self) -> None:
        assert UpdateSchedule(()).due(RUNNING, START) == NONE

    @pytest.mark.parametrize(
        ("now", "wanted"),
        [("2026-11-24T23:00:00+01:00", 2000), ("2026-11-25T05:59:00+01:00", 2000), ("2026-11-25T12:00:00+01:00", 50)],
    )
    @pytest.mark.parametrize("order", [[NIGHT, MORNING], [MORNING, NIGHT]])
    def test_the_first_look_gives_what_holds_now(self, now: str, wanted: int, order: list[MapRunUpdate]) -> None:
        """A map that begins at night has the limits of the night, whatever order they are written in."""
        begun = replace(RUNNING, start=moment(now) - 5)
        assert UpdateSchedule(order).due(begun, moment(now)) == limits(max_concurrency=wanted)

    def test_the_first_look_folds_all_that_is_due(self) -> None:
        schedule = UpdateSchedule(
            [
                MapRunUpdate(after=30, max_concurrency=30, tolerated_failure_count=3),
                MapRunUpdate(after=10, max_concurrency=10, tolerated_failure_percentage=1.0),
                MapRunUpdate(after=20, tolerated_failure_count=2),
                MapRunUpdate(after=99, max_concurrency=99),
            ]
        )
        found = schedule.due(RUNNING, START + 50)
        assert found == limits(max_concurrency=30, tolerated_failure_count=3, tolerated_failure_percentage=1.0)

    def test_of_two_that_come_due_together_the_later_written_one_holds(self) -> None:
        schedule = UpdateSchedule(
            [MapRunUpdate(after=10, max_concurrency=1), MapRunUpdate(after=10, max_concurrency=2)]
        )
        assert schedule.due(RUNNING, START + 10) == limits(max_concurrency=2)

    def test_what_the_map_run_has_already_is_not_changed(self) -> None:
        schedule = UpdateSchedule(
            [MapRunUpdate(after=10, max_concurrency=100), MapRunUpdate(after=20, tolerated_failure_percentage=0)]
        )
        assert not schedule.due(RUNNING, START + 50)

    def test_each_comes_once_and_what_somebody_changes_by_hand_stays(self) -> None:
        schedule = UpdateSchedule(
            [
                MapRunUpdate(after=10, max_concurrency=10),
                MapRunUpdate(after=60, tolerated_failure_count=6),
                MapRunUpdate(when="failed >= 5", max_concurrency=1),
            ]
        )
        assert not schedule.due(RUNNING, START + 5)
        assert schedule.due(RUNNING, START + 10) == limits(max_concurrency=10)
        by_hand = replace(RUNNING, max_concurrency=77)
        assert not schedule.due(by_hand, START + 20)
        # Only what has come due since: not the 10 again.
        assert schedule.due(by_hand, START + 60) == limits(tolerated_failure_count=6)
        failing = replace(by_hand, tolerated_failure_count=6, item_counts=Counts(failed=5, total=9))
        assert schedule.due(failing, START + 70) == limits(max_concurrency=1)
        # The condition is still met.
        assert not schedule.due(replace(failing, max_concurrency=500), START + 80)
        assert not schedule.due(replace(failing, item_counts=Counts(failed=1, total=9)), START + 90)
        assert not schedule.due(failing, START + 100)

    def test_a_time_of_day_comes_every_day(self) -> None:
        schedule = UpdateSchedule([NIGHT, MORNING])
        begun = replace(RUNNING, start=moment("2026-11-24T12:00:00+01:00"), max_concurrency=50)
        assert not schedule.due(begun, moment("2026-11-24T12:00:05+01:00"))
        found = []
        for hour in range(13, 13 + 48):
            now = moment("2026-11-24T00:00:00+01:00") + 3600 * hour
            if changed := schedule.due(begun, now):
                found.append((hour % 24, changed.max_concurrency))
                begun = replace(begun, max_concurrency=changed.max_concurrency or 0)
        assert found == [(22, 2000), (6, 50), (22, 2000), (6, 50)]

    @pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24", "2026-11-24"])
    @pytest.mark.parametrize("at", ["01:30", "02:00", "02:30", "03:00", "03:30"])
    def test_a_time_of_day_comes_once_a_day_when_the_clock_is_changed(self, day: str, at: str) -> None:
        schedule = UpdateSchedule([MapRunUpdate(at=at, timezone="Europe/Berlin", max_concurrency=5)])
        noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=BERLIN).timestamp()
        begun = replace(RUNNING, start=noon)
        schedule.due(begun, noon)
        # Somebody changes it back, each time.
        changed = [minutes for minutes in range(1, 24 * 60, 5) if schedule.due(begun, noon + 60 * minutes)]
        assert len(changed) == 1
