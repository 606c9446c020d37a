"""Conditions on counters: how they are written, what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.conditions import (
    MapRunCondition,
    PercentageOf,
    as_conditions,
    check_conditions,
)
from airflow_provider_sfdm.core.counters import COUNTERS, Counts
from airflow_provider_sfdm.core.errors import InvalidDefinition

NONE = Counts()


def condition(counter: str, comparison: str, value: float, **more: Any) -> MapRunCondition:
    return MapRunCondition(counter=counter, comparison=comparison, value=value, **more)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("failed > 2% after 1000", condition("failed", ">", 2.0, percent=True, after=1000)),
        ("succeeded >= 95%", condition("succeeded", ">=", 95.0, percent=True)),
        ("executions.timedOut >= 10", condition("timedOut", ">=", 10.0, of="executions")),
        ("unsuccessful > 50", condition("unsuccessful", ">", 50.0)),
        ("items.pending < 3", condition("pending", "<", 3.0)),
        ("finished <= 0.5 %", condition("finished", "<=", 0.5, percent=True)),
        ("failed>2%", condition("failed", ">", 2.0, percent=True)),
        ("failed>=2", condition("failed", ">=", 2.0)),
        (
            "  executions.failed\t>\n2 %   of   total   after  7 ",
            condition("failed", ">", 2.0, percent=True, of="executions", percentage_of=PercentageOf.TOTAL, after=7),
        ),
        (
            "succeeded < 50% of finished",
            condition("succeeded", "<", 50.0, percent=True, percentage_of=PercentageOf.FINISHED),
        ),
        ("failed > 0", condition("failed", ">", 0.0)),
        ("failed > 1 after 0", condition("failed", ">", 1.0)),
    ],
)
def test_how_it_is_written(text: str, meant: MapRunCondition) -> None:
    assert MapRunCondition.parse(text) == meant
    assert MapRunCondition.parse(str(meant)) == meant


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (condition("failed", ">", 2, percent=True, after=1000), "failed > 2% after 1000"),
        (condition("failed", ">", 2.50, percent=True), "failed > 2.5%"),
        (condition("failed", ">", 1e-7, percent=True), "failed > 0.0000001%"),
        (condition("failed", "<", 1e22), "failed < 10000000000000000000000"),
        (condition("timedOut", ">=", 10, of="executions"), "executions.timedOut >= 10"),
        (condition("failed", ">", 100, percent=True, percentage_of=PercentageOf.TOTAL), "failed > 100% of total"),
    ],
)
def test_its_one_spelling(made: MapRunCondition, text: str) -> None:
    assert str(made) == text


@st.composite
def conditions(draw: st.DrawFn) -> MapRunCondition:
    percent = draw(st.booleans())
    most = 100 if percent else 1e30
    return MapRunCondition(
        counter=draw(st.sampled_from([*COUNTERS, "finished", "unsuccessful"])),
        comparison=draw(st.sampled_from([">", ">=", "<", "<="])),
        value=draw(st.floats(0.0, most) | st.integers(0, 100)),
        percent=percent,
        of=draw(st.sampled_from(["items", "executions"])),
        percentage_of=draw(st.none() | st.sampled_from(PercentageOf)) if percent else None,
        after=draw(st.integers(0, 10**12)),
    )


@given(conditions())
def test_what_is_written_is_read_back(made: MapRunCondition) -> None:
    assert MapRunCondition.parse(str(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "failed",
        "failed > ",
        "> 2%",
        "failed 2%",
        "failed = 2%",
        "failed == 2",
        "failed != 2",
        "failed => 2",
        "failed > -2",
        "failed > two",
        "failed > 2e3",
        "failed > 1,000",
        "failed > .5",
        "failed > 2%%",
        "failed > 2% of all",
        "failed > 2% offinished",
        "failed > 2% after",
        "failed > 2% after 1.5",
        "failed > 2%after 5",
        "failed > 2% after 5 of total",
        "failed > 2% or timedOut > 3",
        "failed > 2%; timedOut > 3",
        "children.failed > 2",
        "timed_out > 2",
        "{{ condition }}",
    ],
)
def test_texts_that_are_no_condition(text: str) -> None:
    with pytest.raises(InvalidDefinition, match='condition: must be as "failed > 2% after 1000", got ') as refused:
        MapRunCondition.parse(text)
    assert refused.value.field == "condition"
    assert refused.value.problem.endswith(repr(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("faild > 2%", "'faild' is no counter: there are pending, running, succeeded, failed, timedOut, aborted, "),
        ("Failed > 2%", "'Failed' is no counter"),
        ("failed > 101%", "must be from 0 to 100, got 101.0"),
        ("failed > 2 of total", '"of total" is for percentages'),
        ("failed > 2 of finished after 3", '"of finished" is for percentages'),
        (f"failed > {'9' * 400}", "must be a number, got inf"),
    ],
)
def test_conditions_that_cannot_be(text: str, problem: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"^condition: {problem}"):
        MapRunCondition.parse(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"counter": "timed_out"},
        {"counter": ""},
        {"comparison": "="},
        {"comparison": "=="},
        {"of": "children"},
        {"value": -1},
        {"value": True},
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": 100.1, "percent": True},
        {"after": -1},
        {"after": 1.5},
        {"percentage_of": "finished"},
        {"percentage_of": "all", "percent": True},
    ],
)
def test_values_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        MapRunCondition(**{"counter": "failed", "comparison": ">", "value": 2, **fields})
    assert refused.value.field == "condition"


@pytest.mark.parametrize("name", ["value", "after"])
@pytest.mark.parametrize("value", [None, "{{ params.n }}", "2"])
def test_numbers_are_numbers(name: str, value: Any) -> None:
    """A template is one of the whole text: nothing renders a part of a condition."""
    with pytest.raises(InvalidDefinition):
        MapRunCondition(**{"counter": "failed", "comparison": ">", "value": 2, name: value})


def test_its_base_may_be_given_as_text() -> None:
    base: Any = "total"
    assert condition("failed", ">", 2, percent=True, percentage_of=base).percentage_of is PercentageOf.TOTAL


# Every counter another number, so that none can stand for another one.
DIFFERENT = Counts(
    pending=1,
    running=2,
    succeeded=4,
    failed=8,
    timed_out=16,
    aborted=32,
    total=63,
    results_written=128,
    failures_not_redrivable=256,
    pending_redrive=512,
)
NUMBERS = DIFFERENT.to_dict() | {"finished": 60, "unsuccessful": 24}


@pytest.mark.parametrize("counter", NUMBERS)
@pytest.mark.parametrize("of", ["items", "executions"])
def test_what_each_counter_counts(counter: str, of: str) -> None:
    number = NUMBERS[counter]
    other = Counts(total=1)
    items, executions = (DIFFERENT, other) if of == "items" else (other, DIFFERENT)
    for comparison, below, equal, above in (
        (">", True, False, False),
        (">=", True, True, False),
        ("<", False, False, True),
        ("<=", False, True, True),
    ):
        for value, met in ((number - 1, below), (number, equal), (number + 1, above)):
            assert condition(counter, comparison, value, of=of).met(items, executions) is met


@pytest.mark.parametrize("counter", NUMBERS)
def test_of_what_a_percentage_is(counter: str) -> None:
    """Bad news is a share of what has finished, everything else one of the whole, unless it is said."""
    number = NUMBERS[counter]
    bad = counter in ("failed", "timedOut", "aborted", "unsuccessful")
    for base, of in (
        (60 if bad else 63, None),
        (60, PercentageOf.FINISHED),
        (63, PercentageOf.TOTAL),
    ):
        share = 100.0 * number / base
        if share + 0.001 > 100:
            continue
        assert condition(counter, ">", share - 0.001, percent=True, percentage_of=of).met(DIFFERENT, NONE)
        assert not condition(counter, ">", share + 0.001, percent=True, percentage_of=of).met(DIFFERENT, NONE)


def test_a_share_may_be_over_100_percent() -> None:
    # Pending ones of those that have finished: more of these than of those.
    assert MapRunCondition.parse("pending > 100% of finished").met(Counts(pending=9, succeeded=1, total=10), NONE)


@pytest.mark.parametrize(
    ("text", "counts", "met"),
    [
        # One of the first two failed: half of what has finished, and next to nothing of the whole.
        ("failed > 2%", Counts(succeeded=1, failed=1, pending=998, total=1000), True),
        ("failed > 2% of total", Counts(succeeded=1, failed=1, pending=998, total=1000), False),
        ("failed > 2% after 1000", Counts(succeeded=1, failed=1, pending=998, total=1000), False),
        ("failed > 2% after 1000", Counts(succeeded=979, failed=21, total=1000), True),
        ("failed > 2% after 1000", Counts(succeeded=980, failed=20, total=1000), False),
        ("failed >= 2% after 1000", Counts(succeeded=980, failed=20, total=1000), True),
        # However they ended, they have finished.
        ("failed > 2% after 1000", Counts(failed=500, timed_out=250, aborted=250, total=1000), True),
        ("failed > 2% after 1000", Counts(failed=500, timed_out=250, aborted=249, running=1, total=1000), False),
        ("succeeded >= 95%", Counts(succeeded=95, pending=5, total=100), True),
        ("succeeded >= 95%", Counts(succeeded=94, pending=6, total=100), False),
        ("succeeded >= 95% of finished", Counts(succeeded=1, pending=99, total=100), True),
        ("running < 10", Counts(running=9, total=9), True),
        # Nothing has finished, so there is no share of it.
        ("failed <= 50%", Counts(running=3, pending=7, total=10), False),
        ("failed < 50%", Counts(running=3, pending=7, total=10), False),
        ("failed <= 0", Counts(running=3, pending=7, total=10), True),
    ],
)
def test_when_it_is_met(text: str, counts: Counts, met: bool) -> None:
    assert MapRunCondition.parse(text).met(counts, NONE) is met


@given(conditions())
def test_nothing_is_met_before_anything_is_known(made: MapRunCondition) -> None:
    """While AWS begins to read all counters are 0, the total included."""
    assert not made.met(Counts(), Counts())
    known = DIFFERENT
    assert not made.met(*((NONE, known) if made.of == "items" else (known, NONE)))


@given(conditions(), st.integers(0, 200))
def test_nothing_is_met_before_so_many_have_finished(made: MapRunCondition, finished: int) -> None:
    counts = Counts(failed=finished, running=1, total=finished + 1)
    if finished < made.after:
        assert not made.met(counts, counts)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("failed > 2% after 10", "failed > 2% after 10 (1,200 of 4,800 items: 25 %)"),
        ("failed > 2% of total", "failed > 2% of total (1,200 of 10,000 items: 12 %)"),
        ("succeeded >= 33.3%", "succeeded >= 33.3% (3,600 of 10,000 items: 36 %)"),
        ("unsuccessful > 50", "unsuccessful > 50 (1,200 items)"),
        ("executions.failed >= 1", "executions.failed >= 1 (1 child execution)"),
        ("executions.failed > 20%", "executions.failed > 20% (1 of 3 child executions: 33.3 %)"),
        ("executions.timedOut > 20%", "executions.timedOut > 20% (0 of 3 child executions: 0 %)"),
    ],
)
def test_how_it_is_told(text: str, told: str) -> None:
    items = Counts(succeeded=3600, failed=1200, pending=5200, total=10_000)
    executions = Counts(succeeded=2, failed=1, total=3)
    assert MapRunCondition.parse(text).told(items, executions) == told


def test_how_it_is_told_before_anything_has_finished() -> None:
    assert MapRunCondition.parse("failed > 2%").told(NONE, NONE) == "failed > 2% (0 of 0 items: none yet)"


ONE = MapRunCondition.parse("failed > 2%")
OTHER = MapRunCondition.parse("timedOut > 3")


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (None, ()),
        ([], ()),
        ("failed > 2%", (ONE,)),
        (ONE, (ONE,)),
        (["failed > 2%", OTHER], (ONE, OTHER)),
        ((ONE, OTHER), (ONE, OTHER)),
        ((str(one) for one in (ONE, OTHER)), (ONE, OTHER)),
    ],
)
def test_one_or_several(given_: object, meant: tuple[MapRunCondition, ...]) -> None:
    assert as_conditions(given_, "fail_when") == meant


NONSENSE: list[Any] = [
    3,
    True,
    "nonsense",
    "",
    ["failed > 2%", "nonsense"],
    [None],
    [3],
    [["failed > 2%"]],
    b"failed > 2",
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_is_refused_naming_the_field(nonsense: object) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        as_conditions(nonsense, "succeed_when")
    assert refused.value.field == "succeed_when"
    assert "failed > 2% after 1000" in refused.value.problem


def test_what_is_wrong_with_a_condition_is_told_for_the_field() -> None:
    with pytest.raises(InvalidDefinition, match=r"^fail_when: 'faild' is no counter"):
        as_conditions("faild > 3", "fail_when")


@pytest.mark.parametrize(
    "given_",
    [
        None,
        "{{ params.condition }}",
        "failed > {{ params.share }}% after 100",
        "{% if x %}failed > 1{% endif %}",
        ["failed > 2%", "{{ params.condition }}"],
        [None, ONE],
        ONE,
        [],
    ],
)
def test_templates_wait_for_their_run(given_: object) -> None:
    check_conditions(given_, "fail_when")


@pytest.mark.parametrize("nonsense", [one for one in NONSENSE if one != [None]])
def test_nonsense_is_refused_when_the_dag_is_parsed(nonsense: object) -> None:
    with pytest.raises(InvalidDefinition, match=r"^fail_when: "):
        check_conditions(nonsense, "fail_when")


def test_nonsense_beside_a_template_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidDefinition, match=r"^fail_when: 'faild' is no counter"):
        check_conditions(["{{ params.condition }}", "faild > 3"], "fail_when")


def test_a_template_that_was_not_rendered_is_no_condition() -> None:
    with pytest.raises(InvalidDefinition, match=r"^fail_when: must be as "):
        as_conditions("{{ params.condition }}", "fail_when")
