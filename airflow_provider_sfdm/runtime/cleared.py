"""A partition that was cleared by itself after the map run had ended: what it ran before, and what runs again.

Such a redrive has as many partitions as the map run it is of, as Airflow has a task instance for each of them. Those
that were not cleared stay how they ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..core.counters import Counts
from .folder import MapRunFolder
from .plan import Partition, Plan


@dataclass(frozen=True, slots=True)
class Before:
    """What of a partition had succeeded before a redrive: how much, in which files, and what that returned (None: it
    is not returned).
    """

    items: int
    executions: int
    files: list[dict[str, Any]]
    output: list[Any] | None

    def and_then(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """How the partition ended, with this counted and listed, too."""
        files = {**content["files"], "SUCCEEDED": [*self.files, *content["files"]["SUCCEEDED"]]}
        output = content["output"]
        return {
            **content,
            "items": _add(content["items"], self.items),
            "executions": _add(content["executions"], self.executions),
            "files": files,
            "output": None if output is None or self.output is None else [*self.output, *output],
        }


def _add(counts: Mapping[str, int], number: int) -> dict[str, int]:
    more = Counts(succeeded=number, total=number, results_written=number)
    return (Counts.from_dict(counts) + more).to_dict()


@dataclass(frozen=True, slots=True)
class Cleared:
    """What runs again of a partition, and what had succeeded of it."""

    partition: Partition
    before: Before

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, folder: MapRunFolder, index: int) -> Cleared | None:
        """What was noted of partition ``index``; None where it was not cleared."""
        found = folder.read_cleared(index)
        return None if found is None else cls(Partition(**found["partition"]), Before(**found["before"]))


def partition_of(plan: Plan, folder: MapRunFolder, index: int) -> tuple[Partition, Before | None]:
    """Partition ``index`` as it runs in ``folder``, and what had succeeded of it where it was cleared by itself."""
    if plan.partial and (cleared := Cleared.of(folder, index)) is not None:
        return cleared.partition, cleared.before
    return plan.partitions[index], None
