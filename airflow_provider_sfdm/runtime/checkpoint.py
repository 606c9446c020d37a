"""What is recorded of a partition's children every few seconds, and how it is written down."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.counters import Counts
from ..core.json import dumps, loads
from .folder import Segment

Results = tuple[tuple[str, tuple[bytes, ...]], ...]
"""What a child left in result files: the status that a file is of, and elements in compact JSON."""
Runs = list[tuple[str, list[bytes]]]
"""What many children left, in their order: those in a row of the same status together, so that mostly there is one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a partition has done since the last checkpoint, and where it stands.

    Children below ``next`` have ended, but those in ``missing``; so have those in ``ahead``. ``written`` are the
    results of the former, in the order of the result files, ``ahead`` those that wait for their turn.

    ``number`` is which of its attempt's it is, ``size`` about its bytes; neither is part of what is written down.
    """

    next: int
    missing: tuple[int, ...]
    items: Counts
    executions: Counts
    errors: Mapping[str, int]
    written: Runs = field(default_factory=list)
    ahead: list[tuple[int, Results]] = field(default_factory=list)
    number: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)

    def encode(self, base: Segment | None) -> bytes:
        """As lines: a head that tells what follows, then the elements. ``base``: where the attempt went on from."""
        head = {
            "base": base and [base.attempt, base.number],
            "next": self.next,
            "missing": self.missing,
            "items": self.items.to_dict(),
            "executions": self.executions.to_dict(),
            "errors": self.errors,
            "written": [[status, len(elements)] for status, elements in self.written],
            "ahead": [[index, [[status, len(elements)] for status, elements in parts]] for index, parts in self.ahead],
        }
        parts: Iterator[tuple[str, Iterable[bytes]]] = itertools.chain(
            self.written, *(results for _, results in self.ahead)
        )
        return b"\n".join([dumps(head), *itertools.chain.from_iterable(elements for _, elements in parts), b""])

    @classmethod
    def decode(cls, data: bytes) -> tuple[Checkpoint, Segment | None]:
        lines = iter(data.splitlines())
        head = loads(next(lines))

        def parts(sizes: list[tuple[str, int]]) -> Iterator[tuple[str, list[bytes]]]:
            return ((status, list(itertools.islice(lines, number))) for status, number in sizes)

        written = list(parts(head["written"]))
        ahead = [
            (index, tuple((status, tuple(found)) for status, found in parts(sizes))) for index, sizes in head["ahead"]
        ]
        checkpoint = cls(
            head["next"],
            tuple(head["missing"]),
            Counts.from_dict(head["items"]),
            Counts.from_dict(head["executions"]),
            head["errors"],
            written,
            ahead,
        )
        return checkpoint, Segment(*head["base"]) if head["base"] else None


class Unstored:
    """What has ended since the last checkpoint."""

    __slots__ = ("_last", "ahead", "size", "written")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew, with other lists: the ones so far belong to a checkpoint."""
        self.written: Runs = []
        self.ahead: list[tuple[int, Results]] = []
        self.size = 0
        self._last = ""

    def add(self, status: str, elements: Sequence[bytes]) -> None:
        """These went to the result file of ``status``."""
        # Lists of bytes: objects that the garbage collector looks into would cost more than the rest.
        if status != self._last:
            self.written.append((status, []))
            self._last = status
        self.written[-1][1].extend(elements)

    def hold(self, index: int, results: Results, size: int) -> None:
        """These wait for their turn."""
        self.ahead.append((index, results))
        self.size += size

    def __bool__(self) -> bool:
        return bool(self.written or self.ahead)
