"""What `make chaos` takes for lost, doubled, different and repeated."""

from __future__ import annotations

from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM

from tools.chaos.effects import Effects, Repeated
from tools.chaos.killing import Place, plan
from tools.chaos.report import line, table
from tools.chaos.results import Results
from tools.chaos.trials import Job, Outcome

COUNTERS = {"itemCounts": {"total": 2}, "executionCounts": {"total": 2}, "errors": {}, "status": "SUCCEEDED"}
RECORDS = {child: ("SUCCEEDED", {"Items": [child]}, child, None, None) for child in (0, 1)}


def test_results_that_are_right() -> None:
    results = Results(RECORDS, {0: 1, 1: 1}, COUNTERS)
    assert (results.lost(2), results.duplicated, results.differences(results)) == (0, 0, [])


def test_results_that_are_wrong() -> None:
    right = Results(RECORDS, {0: 1, 1: 1}, COUNTERS)
    assert Results({0: RECORDS[0]}, {0: 1}, COUNTERS).lost(2) == 1
    assert Results(RECORDS, {0: 2, 1: 1}, COUNTERS).duplicated == 1
    other = Results({**RECORDS, 1: RECORDS[0]}, {0: 1, 1: 1}, {**COUNTERS, "status": "FAILED"})
    told = other.differences(right)
    assert [one.split(":")[0] for one in told] == ["status", "child 1"]


def test_what_ran_again(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    effects = Effects(file)
    effects.look()
    # Child 0 ended and child 1 was in flight when process 7 was killed; process 8 did both, and one more.
    first = ["began 0 10.0 7", "ended 0 11.5 7", "began 1 11.5 7"]
    second = [
        "began 0 20.0 8",
        "ended 0 21.0 8",
        "began 1 21.0 8",
        "ended 1 22.0 8",
        "began 2 22.0 8",
        "ended 2 23.0 8",
    ]
    file.write_text("\n".join(first) + "\nbegan 2")
    effects.look()
    assert (effects.children, effects.repeated()) == ({0}, Repeated(0, ()))
    file.write_text("\n".join([*first, *second]) + "\n")
    effects.look()
    assert (effects.children, effects.processes) == ({0, 1, 2}, {7, 8})
    assert effects.repeated() == Repeated(2, (1.5,))


def outcome(**changes: object) -> Outcome:
    good = {"number": 1, "kills": (), "children": 4, "lost": 0, "duplicated": 0, "repeated": Repeated(1, (1.0,))}
    return Outcome(**{**good, "differences": (), "seconds": 9.0, **changes})  # type: ignore[arg-type]


def test_an_outcome_fails_for_each_fault() -> None:
    assert not outcome().failed
    for fault in ({"lost": 1}, {"duplicated": 1}, {"differences": ("child 1",)}, {"repeated": Repeated(9, (10.5,))}):
        assert outcome(**fault).failed, fault


def test_plans_are_random_and_come_from_the_seed() -> None:
    random, again = Random(1), Random(1)
    plans = [plan(random, workers=True) for _ in range(100)]
    assert [plan(again, workers=True) for _ in range(100)] == plans
    kills = [kill for one in plans for kill in one]
    assert {kill.place for kill in kills} == set(Place)
    assert {kill.number for kill in kills} == {SIGKILL, SIGTERM}
    assert all(any(0 <= kill.at <= 0.9 for kill in one) for one in plans)
    assert all(kill.place is not Place.WORKER for _ in range(50) for kill in plan(random, workers=False))


def test_the_report() -> None:
    random = Random(2)
    outcomes = [outcome(kills=tuple(plan(random, workers=False))), outcome(lost=2, differences=("child 3: gone",))]
    assert "lost 2, duplicated 0, repeated 1 children, 1.0 s of work" in line(outcomes[1])
    assert line(outcomes[1]).endswith("\n  child 3: gone")
    found = {"LocalExecutor": (outcomes, 3.2), "CeleryExecutor": ([outcome()], 2.0)}
    _, _, local, celery, together = (
        [cell.strip() for cell in row.strip("|").split("|")] for row in table(found).splitlines()
    )
    assert [row[:2] for row in (local, celery, together)] == [
        ["LocalExecutor", "2"],
        ["CeleryExecutor", "1"],
        ["together", "3"],
    ]
    assert local[6:] == ["8", "2", "0", "1", "2", "2.0", "1.0", "3"]
    assert together[6:] == ["12", "2", "0", "1", "3", "3.0", "1.0", "5"]


def test_a_job_knows_its_children() -> None:
    job = Job("s3://b/k", items=30, batch=4)
    assert job.children == 8
    assert job.expected(7) is None
    assert job.expected(6) == {"first": 24, "sum": sum(number * 7919 % 1009 for number in range(24, 28))}
