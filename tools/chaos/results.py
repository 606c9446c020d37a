"""What a map run has left, and how it differs from what it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_sfdm import MapRunResults
from airflow_provider_sfdm.storage import Connections

Record = tuple[str, Any, Any, str | None, str | None]
"""Status, input, output, error and cause of a child: what does not depend on when it ran."""

COUNTERS = ("itemCounts", "executionCounts", "errors", "status")


@dataclass(frozen=True, slots=True)
class Results:
    """The records of a map run by their child, and what its summary counts."""

    records: Mapping[int, Record]
    number: Mapping[int, int]
    """How many records each child has."""
    counters: Mapping[str, Any]

    @classmethod
    def read(cls, summary: Mapping[str, Any], connections: Connections) -> Results:
        """Read all result files."""
        records: dict[int, Record] = {}
        number: Counter[int] = Counter()
        found = MapRunResults.from_summary(summary, connections)
        for child in (*found.succeeded(), *found.failed(), *found.pending()):
            items = child.input["Items"]
            index = items[0]["number"] // len(items)
            records[index] = (child.status, child.input, child.output, child.error, child.cause)
            number[index] += 1
        return cls(records, number, {name: summary[name] for name in COUNTERS})

    def lost(self, children: int) -> int:
        """How many children have no record."""
        return sum(child not in self.records for child in range(children))

    @property
    def duplicated(self) -> int:
        """How many records there are beyond one for each child."""
        return sum(self.number.values()) - len(self.number)

    def differences(self, other: Results) -> list[str]:
        """How this differs from an undisturbed run, in words; at most a few records of it."""
        told = [
            f"{name}: {self.counters[name]} instead of {value}"
            for name, value in other.counters.items()
            if self.counters[name] != value
        ]
        differing = [child for child, record in other.records.items() if self.records.get(child) != record]
        told += [f"child {one}: {self.records.get(one)} instead of {other.records[one]}" for one in differing[:3]]
        return told
