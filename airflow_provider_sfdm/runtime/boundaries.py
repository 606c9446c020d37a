"""Where partitions may begin: collected while a source is read once, without knowing how long it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .plan import Partition

# Partitions begin at one of these, so they are at most 1/256 of the data longer than another when there are few.
_MAX_POINTS = 2048


class Boundary(NamedTuple):
    """A place where child execution ``child``, and with it item ``item``, begins."""

    child: int
    item: int
    offset: int
    line: int


class Boundaries:
    """Every ``step``-th beginning of a child execution; ``step`` doubles whenever there are too many."""

    def __init__(self, max_points: int = _MAX_POINTS) -> None:
        self._points: list[Boundary] = []
        self._step = 1
        self._max_points = max_points

    @property
    def next_child(self) -> int:
        """The next child whose beginning is wanted."""
        return len(self._points) * self._step

    def add(self, boundary: Boundary) -> None:
        """Note the beginning of child ``next_child``."""
        self._points.append(boundary)
        if len(self._points) > self._max_points:
            self._points = self._points[::2]
            self._step *= 2

    def add_regular(self, children: int, items_per_child: int) -> None:
        """Note the beginnings of children that all have the same number of rows, at offsets that count rows."""
        self._step = max(1, -(-children // self._max_points))
        self._points = [
            Boundary(child, child * items_per_child, child * items_per_child, 1)
            for child in range(0, children, self._step)
        ]

    def to_dict(self) -> dict[str, Any]:
        return {"step": self._step, "points": [list(point) for point in self._points]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Boundaries:
        found = cls()
        found._step, found._points = data["step"], [Boundary(*point) for point in data["points"]]
        return found

    @property
    def last(self) -> Boundary | None:
        """The last beginning that was noted."""
        return self._points[-1] if self._points else None

    def partitions(self, count: int, children: int, items: int, share: Callable[[int], int]) -> tuple[Partition, ...]:
        """Cut ``children`` executions of ``items`` items into at most ``count`` ranges of about equal length.

        ``share(index)`` is a partition's share of MaxConcurrency.
        """
        if not children:
            return (Partition(0, 0, 0, 0, 0, 0, concurrency=share(0)),)
        last = len(self._points) - 1
        wanted = (min(last, round(number * children / count / self._step)) for number in range(count))
        chosen = [self._points[position] for position in dict.fromkeys(wanted)]
        ends = [*chosen[1:], Boundary(children, items, 0, 0)]
        return tuple(
            Partition(
                index=index,
                first_item=begin.item,
                items=end.item - begin.item,
                first_child=begin.child,
                children=end.child - begin.child,
                offset=begin.offset,
                line=begin.line,
                concurrency=share(index),
            )
            for index, (begin, end) in enumerate(zip(chosen, ends, strict=True))
        )
