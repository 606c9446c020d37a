"""The plan of a map run: what is decided once, before any child execution starts, and stored as plan.json.

A partition is a contiguous range of child executions that one task runs. The plan says where each begins in the
source, so that no partition reads what belongs to another, and pins the source, so that all read the same data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..core.batching import Batching
from ..core.names import MapRunName
from ..core.tolerance import FailureTolerance
from ..core.values import UNSET
from ..core.writer import OutputType, Transformation
from ..storage.base import Pin

VERSION = 1


class UnreadablePlan(ValueError):
    """A stored plan is of another version of this package, or not what was written."""


class SourceKind(StrEnum):
    """How a partition reads its items."""

    CSV = "CSV"  # rows in place, by byte offset
    JSONL = "JSONL"  # lines in place, by byte offset
    PARQUET = "PARQUET"  # rows in place, by row number
    SPOOL = "SPOOL"  # items.jsonl of the map run's folder, by byte offset: items after ItemSelector
    CHILDREN = "CHILDREN"  # children.jsonl of a redrive's folder, by byte offset: children that did not succeed


@dataclass(frozen=True, slots=True)
class Piece:
    """An object of the map run's folder that has a part of the spooled items, and its bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where all partitions read. ``url`` is empty for a spool, whose items are in ``pieces``, one after the other;
    ``label`` is what ``$$.Map.Item.Source`` says.
    """

    kind: SourceKind
    url: str = ""
    pin: Pin | None = None
    label: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ","
    expected_bucket_owner: str | None = None
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. ``offset`` is bytes (or a row number in Parquet), ``line`` the line number at the offset.

    ``concurrency`` is its share of MaxConcurrency: how many children it may have in flight. ``children_key`` is an
    object in the map run's folder that has its children, where they are not with the others'.
    """

    index: int
    first_item: int
    items: int
    first_child: int
    children: int
    offset: int
    line: int = 1
    concurrency: int = 1
    children_key: str = ""

    @property
    def last_child(self) -> int:
        return self.first_child + self.children - 1


@dataclass(frozen=True, slots=True)
class Batches:
    """The ItemBatcher of this map run, as plain values. Without ``has_batch_input`` none was declared."""

    batched: bool
    max_items: int | None
    max_bytes: int
    batch_input: Any = None
    has_batch_input: bool = False

    @classmethod
    def of(cls, batching: Batching) -> Batches:
        declared = batching.batch_input is not UNSET
        batch_input = batching.batch_input if declared else None
        return cls(batching.batched, batching.max_items, batching.max_bytes, batch_input, declared)

    def batching(self) -> Batching:
        batch_input = self.batch_input if self.has_batch_input else UNSET
        return Batching(
            max_items=self.max_items, max_bytes=self.max_bytes, batch_input=batch_input, batched=self.batched
        )


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go. ``root`` is the URL that keys of result files are relative to.

    ``exported`` tells whether a ResultWriter asked for them (else they are kept, and small outputs returned).
    """

    root: str
    prefix: str
    exported: bool
    transformation: Transformation
    output_type: OutputType

    @property
    def bucket(self) -> str:
        """DestinationBucket of the manifest: the bucket's name on S3, the root's URL elsewhere."""
        if not self.root.startswith("s3://"):
            return self.root
        # The name of a connection (s3://connection@bucket) is no part of it.
        return self.root.removeprefix("s3://").rpartition("@")[2]

    def folder(self, map_run: MapRunName) -> str:
        """The map run's own folder, relative to ``root``. A "/" that begins the prefix stays: on S3 it begins another
        key.
        """
        return f"{self.prefix.rstrip('/')}/{map_run.uuid}" if self.prefix else map_run.uuid


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the partitions and the end of a map run need to know."""

    map_run: MapRunName
    start: float
    source: Source
    batches: Batches
    destination: Destination
    tolerance: FailureTolerance
    max_concurrency: int
    express: bool
    items: int
    children: int
    partitions: tuple[Partition, ...]
    # An ItemSelector that the partitions apply (one that planning applied is not here), with what it can refer to.
    selector: Mapping[str, Any] | None = None
    input: Any = None
    context: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    # Which redrive this is, and when it began. ``items`` are then still all items of the map run, as the tolerance is
    # of all of them, ``children`` those that run again.
    redrive_count: int = 0
    redrive_date: str | None = None
    # What had succeeded before it: numbers of items and executions, and the files that list it.
    before: Mapping[str, Any] | None = None
    # Whether this redrive is of those partitions alone that were cleared: see cleared.py. The others' ends are those of
    # the redrives (0: the first run) that are noted here.
    partial: bool = False
    ended_in: tuple[int, ...] = ()

    @property
    def began(self) -> float:
        """When what the plan is of began, in epoch seconds: the map run, or the redrive."""
        return self.start if self.redrive_date is None else datetime.fromisoformat(self.redrive_date).timestamp()

    @property
    def result_folder(self) -> str:
        """The folder of the result files and the manifest, relative to the destination's root: ``Prefix/UUID``."""
        folder = self.destination.folder(self.map_run)
        return f"{folder}/Redrive-{self.redrive_count}" if self.redrive_count else folder

    def to_dict(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read a stored plan.

        :raises UnreadablePlan: it was stored by another version of this package, or is no plan.
        """
        content = dict(data)
        if (version := content.pop("version", None)) != VERSION:
            raise UnreadablePlan(f"the plan has version {version}; this release reads version {VERSION}")
        try:
            return cls._of(content)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadablePlan(f"the plan is not what was written: {error!r}") from error

    @classmethod
    def _of(cls, content: dict[str, Any]) -> Plan:
        source = dict(content["source"])
        pin = source["pin"]
        content["source"] = Source(
            **{
                **source,
                "kind": SourceKind(source["kind"]),
                "pin": Pin(**pin) if pin is not None else None,
                "names": tuple(source["names"]),
                "pieces": tuple(Piece(**piece) for piece in source["pieces"]),
            }
        )
        destination = content["destination"]
        content["destination"] = Destination(
            **{
                **destination,
                "transformation": Transformation(destination["transformation"]),
                "output_type": OutputType(destination["output_type"]),
            }
        )
        content["map_run"] = MapRunName(**content["map_run"])
        content["batches"] = Batches(**content["batches"])
        content["tolerance"] = FailureTolerance(**content["tolerance"])
        content["partitions"] = tuple(Partition(**p) for p in content["partitions"])
        content["ended_in"] = tuple(content["ended_in"])
        return cls(**content)
