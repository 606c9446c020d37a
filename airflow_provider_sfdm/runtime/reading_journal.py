"""What ``read_items`` has durably read, so that another attempt goes on from there.

Every few seconds it is stored how far the source has been read, where partitions may begin up to there, and, where the
items are written to the map run's folder, which pieces they are in. An attempt writes objects of its own name only, so
that one whose worker was taken for lost, and was not, changes nothing of what a later one has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .boundaries import Boundaries
from .folder import MapRunFolder
from .plan import Piece

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Read:
    """How far a source has been read: items and children up to there, where these may begin, the ``pieces`` that have
    them (with ``room`` and ``taken`` of the last batch), and the key ``after`` which a listing goes on.
    """

    items: int = 0
    children: int = 0
    boundaries: Boundaries = field(default_factory=Boundaries)
    pieces: list[Piece] = field(default_factory=list)
    room: int = 0
    taken: int = 0
    after: str | None = None

    @property
    def offset(self) -> int:
        """The bytes of all pieces."""
        return sum(piece.size for piece in self.pieces)

    def to_dict(self) -> dict[str, Any]:
        content = {**asdict(self), "boundaries": self.boundaries.to_dict()}
        return content | {"pieces": [asdict(piece) for piece in self.pieces]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Read:
        boundaries, pieces = Boundaries.from_dict(data["boundaries"]), [Piece(**piece) for piece in data["pieces"]]
        return cls(**{**data, "boundaries": boundaries, "pieces": pieces})


class ReadingJournal:
    """That of one attempt at reading. Everything raises StorageError.

    :param seconds: how much reading may have to be done again.
    """

    def __init__(self, folder: MapRunFolder, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._source: Any = None
        self.attempt = folder.begin_reading()

    def recorded(self, source: Any) -> Read:
        """Where to go on. ``source``: what tells whether it is still the same; JSON."""
        self._source = source
        for attempt in reversed(range(self.attempt)):
            found = self._folder.read_reading(attempt)
            if found is None:
                continue
            if found["source"] != source:
                log.info("The source is another than it was: it is read from its beginning")
                break
            read = Read.from_dict(found["read"])
            log.info("Going on: %s items have been read before", f"{read.items:,}")
            return read
        return Read()

    def is_due(self) -> bool:
        """Whether it is time to store."""
        return time.monotonic() >= self._next

    def store(self, read: Read) -> None:
        """Store how far the source has been read."""
        self._folder.write_reading(self.attempt, {"source": self._source, "read": read.to_dict()})
        self._next = time.monotonic() + self._seconds
