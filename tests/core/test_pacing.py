"""How often a running map is looked at, alone and with many others."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.pacing import LONGEST, LONGEST_BACK_OFF, SHARE, SHORTEST, Pace

MIDDLE = 0.5
"""The dice at which there is no jitter."""


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(0, 2), (1, 2), (40, 2), (60, 3), (200, 10), (1000, 50), (1200, 60), (10**6, 60)],
)
def test_a_look_comes_after_a_share_of_the_time_so_far(age: float, seconds: float) -> None:
    assert Pace().wait(age, MIDDLE) == pytest.approx(seconds)


@pytest.mark.parametrize("interval", [0.1, 1, 5.5, 3600])
@pytest.mark.parametrize("age", [0.0, 500.0, 1e6])
def test_the_authors_own_interval(interval: float, age: float) -> None:
    assert Pace(interval).wait(age, MIDDLE) == pytest.approx(interval)


@given(st.floats(0, 1e9), st.floats(0, 1))
def test_the_jitter_is_a_fifth_either_way(age: float, random: float) -> None:
    middle = Pace().wait(age, MIDDLE)
    wait = Pace().wait(age, random)
    assert 0.8 * middle <= wait * (1 + 1e-9)
    assert wait <= 1.2 * middle * (1 + 1e-9)
    assert Pace().wait(age, 0.0) == pytest.approx(0.8 * middle)
    assert Pace().wait(age, 1.0) == pytest.approx(1.2 * middle)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_longer_it_has_run_the_seldomer_it_is_looked_at(one: float, other: float) -> None:
    younger, older = sorted((one, other))
    assert SHORTEST <= Pace().wait(younger, MIDDLE) <= Pace().wait(older, MIDDLE) <= LONGEST


def test_throttling_doubles_and_passing_takes_some_back() -> None:
    pace = Pace()
    pace.throttled(0)
    assert pace.wait(0, MIDDLE) == pytest.approx(4)
    pace.throttled(0)
    assert pace.wait(0, MIDDLE) == pytest.approx(8)
    assert pace.wait(200, MIDDLE) == pytest.approx(10), "its age asks for more than that"
    pace.throttled(200)
    assert pace.wait(200, MIDDLE) == pytest.approx(20)
    pace.passed()
    assert 10 < pace.wait(0, MIDDLE) < 20
    for _ in range(100):
        pace.passed()
    assert pace.wait(0, MIDDLE) == pytest.approx(2)


@pytest.mark.parametrize("interval", [None, 5, 60])
def test_however_often_it_is_throttled_it_looks_every_ten_minutes(interval: float | None) -> None:
    pace = Pace(interval)
    for _ in range(1000):
        pace.throttled(0)
    assert pace.wait(0, MIDDLE) == pytest.approx(LONGEST_BACK_OFF)
    assert pace.wait(1e6, MIDDLE) == pytest.approx(LONGEST_BACK_OFF)


def test_an_interval_beyond_the_longest_back_off_stays() -> None:
    pace = Pace(3600)
    pace.throttled(0)
    assert pace.wait(0, MIDDLE) == pytest.approx(3600)


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 1e6), st.none() | st.floats(0.5, 7200))
def test_it_recovers_from_whatever_it_met(calls: list[bool], age: float, interval: float | None) -> None:
    pace, fresh = Pace(interval), Pace(interval)
    for passed in calls:
        if passed:
            pace.passed()
        else:
            pace.throttled(age)
        wait = pace.wait(age, MIDDLE)
        assert fresh.wait(age, MIDDLE) <= wait <= max(LONGEST_BACK_OFF, fresh.wait(age, MIDDLE))
    for _ in range(200):
        pace.passed()
    assert pace.wait(age, MIDDLE) == pytest.approx(fresh.wait(age, MIDDLE))


@dataclass
class Bucket:
    """AWS's token bucket of DescribeMapRun in an account and Region."""

    tokens: float = 200.0
    size: float = 200.0
    refill: float = 1.0
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.refill)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def simulate(maps: int, hours: float, seed: int = 7) -> tuple[float, float, float]:
    """Maps that begin together and run on, a call a look. In the second half of the time: the share of the calls that
    is throttled, the calls that pass in a second, and the longest that a map was without an answer.
    """
    dice, bucket = Random(seed), Bucket()
    paces = [Pace() for _ in range(maps)]
    looks = [(dice.random(), number) for number in range(maps)]
    heapq.heapify(looks)
    end = hours * 3600
    passed = throttled = 0
    longest, answered = 0.0, [0.0] * maps
    while looks[0][0] < end:
        now, number = heapq.heappop(looks)
        pace, settled = paces[number], now >= end / 2
        if bucket.take(now):
            pace.passed()
            passed += settled
            longest = max(longest, now - answered[number]) if settled else longest
            answered[number] = now
        else:
            pace.throttled(now)
            throttled += settled
        heapq.heappush(looks, (now + pace.wait(now, dice.random()), number))
    return throttled / (passed + throttled), passed / (end / 2), longest


@pytest.mark.parametrize("maps", [1, 10, 50])
def test_as_many_maps_as_the_quota_is_for_are_never_throttled(maps: int) -> None:
    throttled, passed, longest = simulate(maps, hours=8)
    assert throttled == 0
    assert passed == pytest.approx(maps / LONGEST, rel=0.1)
    assert longest <= 3 * LONGEST


@pytest.mark.parametrize("maps", [100, 300])
def test_more_maps_settle_where_the_quota_lets_nearly_all_calls_pass(maps: int) -> None:
    throttled, passed, longest = simulate(maps, hours=8)
    # The quota is used, no map starves, and few calls are in vain.
    assert passed > 0.8
    assert longest <= 2 * 3600
    assert throttled < 0.15


def test_the_simulation_is_the_same_each_time() -> None:
    assert simulate(20, hours=1) == simulate(20, hours=1)


def test_the_share_that_is_documented() -> None:
    # A look comes a twentieth of the time late at most: after 20 minutes that is the longest spacing.
    assert SHARE * LONGEST == 20 * 60
