"""Children that are known already, with the inputs that they had: written down, a line each, for their partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..core.json import dumps, loads
from ..core.records import Redriven, Resume
from ..storage.base import ObjectStore
from .boundaries import Boundaries, Boundary
from .plan import Source, SourceKind
from .planning import Layout


class KnownChild(NamedTuple):
    """The JSON of a child's input, who it is, and where it goes on if not at its beginning."""

    text: str
    redriven: Redriven
    resume: Resume | None = None


_BLOCK = 256 * 1024


def write_children(children: Iterator[KnownChild], store: ObjectStore, key: str, *, batched: bool) -> Layout:
    """Write children to the object ``key``, a line each, and note where partitions may begin.

    :param batched: whether what their inputs have in ``Items`` is counted. One that has no such array is one item.
    """
    boundaries = Boundaries()
    number = items = offset = 0
    with store.create(key) as writer:
        buffer: list[bytes] = []
        buffered = 0
        for number, (text, redriven, resume) in enumerate(children, 1):
            if number - 1 == boundaries.next_child:
                boundaries.add(Boundary(number - 1, items, offset, number))
            size = _items_in(text) if batched else 1
            content = {
                "Count": redriven.count,
                "Date": redriven.date,
                "Input": text,
                "Items": size,
                "Name": redriven.name,
                "Start": redriven.start,
            }
            line = dumps(content if resume is None else {**content, "Resume": resume.to_dict()})
            items += size
            offset += len(line) + 1
            buffer += (line, b"\n")
            buffered += len(line)
            if buffered > _BLOCK:
                writer.write(b"".join(buffer))
                buffer.clear()
                buffered = 0
        writer.write(b"".join(buffer))
    return Layout(Source(SourceKind.CHILDREN), items, number, boundaries)


def _items_in(text: str) -> int:
    given = loads(text)
    items = given.get("Items") if isinstance(given, dict) else None
    return len(items) if isinstance(items, list) else 1
