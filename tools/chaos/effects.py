"""What children did outside of Airflow, and how much of it was done again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Execution:
    """One time that a child's function was called, in one process; ``ended`` is None where that was killed."""

    child: int
    process: int
    began: float
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took, 0 where it did not end."""
        return 0.0 if self.ended is None else self.ended - self.began


class Effects:
    """The file that a run's children append to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._executions: dict[tuple[int, int], Execution] = {}
        self.children: set[int] = set()
        """Those that ended at least once, as of the last look."""
        self.processes: set[int] = set()
        """Those that have begun one."""

    def look(self) -> None:
        """Read what has been appended since the last look."""
        if not self._file.exists():
            return
        with self._file.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                event, child, moment, process = line.decode().split()
                self._note(event, int(child), float(moment), int(process))

    def _note(self, event: str, child: int, moment: float, process: int) -> None:
        if event == "began":
            self._executions[process, child] = Execution(child, process, moment)
            self.processes.add(process)
        else:
            self._executions[process, child].ended = moment
            self.children.add(child)

    def repeated(self) -> Repeated:
        """What was done again."""
        return Repeated.of(self._executions.values())


@dataclass(frozen=True, slots=True)
class Repeated:
    """Children that ran more than once; of those, what had ended before and so was done in vain."""

    children: int
    seconds: tuple[float, ...]
    """Of each process whose finished work was repeated: how much that was."""

    @classmethod
    def of(cls, executions: Iterable[Execution]) -> Repeated:
        by_child: dict[int, list[Execution]] = defaultdict(list)
        for execution in executions:
            by_child[execution.child].append(execution)
        vain: dict[int, float] = defaultdict(float)
        for found in by_child.values():
            # Once is what it takes. An execution that was cut short by the kill was no finished work.
            finished = sorted((one for one in found if one.ended is not None), key=lambda one: one.began)
            for one in finished[:-1]:
                vain[one.process] += one.seconds
        return cls(sum(len(found) > 1 for found in by_child.values()), tuple(vain.values()))
