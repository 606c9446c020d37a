"""How trials are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .killing import Place
from .trials import Outcome

_HEAD = (
    "executor",
    "trials",
    *(f"{place} kills" for place in Place),
    "children",
    "lost",
    "duplicated records",
    "other results",
    "repeated children",
    "seconds of work repeated",
    "of them at most by one process",
    "minutes",
)


def line(outcome: Outcome) -> str:
    """One trial in a line."""
    repeated = outcome.repeated
    told = (
        f"trial {outcome.number}: {'; '.join(map(str, outcome.kills)) or 'no kill'} -> lost {outcome.lost}, "
        f"duplicated {outcome.duplicated}, repeated {repeated.children} children, {sum(repeated.seconds):.1f} s "
        f"of work (most {max(repeated.seconds, default=0.0):.1f}); {outcome.seconds:.0f} s"
    )
    return "\n".join([told, *(f"  {one}" for one in outcome.differences)])


def table(found: Mapping[str, tuple[Sequence[Outcome], float]]) -> str:
    """All trials by executor, with the minutes they took together, as a Markdown table."""
    if len(found) > 1:
        everything = [outcome for outcomes, _ in found.values() for outcome in outcomes]
        found = {**found, "together": (everything, sum(minutes for _, minutes in found.values()))}
    lines = [_HEAD, *(_row(executor, outcomes, minutes) for executor, (outcomes, minutes) in found.items())]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(_HEAD))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
        for cells in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def _row(executor: str, outcomes: Sequence[Outcome], minutes: float) -> tuple[str, ...]:
    kills = Counter(kill.place for outcome in outcomes for kill in outcome.kills)
    seconds = [second for outcome in outcomes for second in outcome.repeated.seconds]
    numbers = [
        len(outcomes),
        *(kills[place] for place in Place),
        sum(outcome.children for outcome in outcomes),
        sum(outcome.lost for outcome in outcomes),
        sum(outcome.duplicated for outcome in outcomes),
        sum(bool(outcome.differences) for outcome in outcomes),
        sum(outcome.repeated.children for outcome in outcomes),
    ]
    return (
        executor,
        *(f"{number:,}" for number in numbers),
        f"{sum(seconds):.1f}",
        f"{max(seconds, default=0.0):.1f}",
        f"{minutes:.0f}",
    )
