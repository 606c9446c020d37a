"""Writes the items of a source that cannot be read in place to the map run's folder, a line of JSON each, after
ItemSelector: there partitions can seek.

With a journal they are in several pieces, a new one every few seconds, and another attempt goes on behind the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..core.batching import Batching, Greedy
from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import dumps
from ..core.selector import Bound
from ..storage.base import ObjectStore
from .boundaries import Boundary
from .folder import SPOOL
from .plan import Piece, Source, SourceKind
from .planning import Layout
from .reading_journal import Read, ReadingJournal
from .sources import Item

_BLOCK = 256 * 1024


def spool(
    items: Iterator[Item],
    select: Bound,
    batching: Batching,
    folder: ObjectStore,
    on_read: Callable[[int], None],
    label: str,
    *,
    selector_is_function: bool = False,
    read: Read | None = None,
    journal: ReadingJournal | None = None,
) -> Layout:
    """Write the items to the map run's folder. ``label`` says where they come from.

    :param read: what has been read before: ``items`` are those that follow.
    :param journal: where it is stored how far they have been read.

    :raises ItemReaderFailed: the source cannot be read.
    :raises StatesRuntime: ItemSelector fails for an item.
    :raises DataLimitExceeded: an item does not fit into a child's input; names the item and where it came from.
    """
    spooling = _Spooling(select, batching, folder, read or Read(), selector_is_function)
    while spooling.piece(items, on_read, journal):
        pass
    read = spooling.read
    # The sizes pin them: the folder is the map run's own, and nobody else writes objects of these names.
    source = Source(SourceKind.SPOOL, label=label, pieces=tuple(read.pieces))
    return Layout(source, read.items, read.children, read.boundaries)


class _Spooling:
    def __init__(
        self, select: Bound, batching: Batching, folder: ObjectStore, read: Read, selector_is_function: bool
    ) -> None:
        self.read = read
        self._select = select.select
        self._greedy = Greedy(batching, read.room, read.taken)
        self._folder = folder
        self._selector_is_function = selector_is_function

    def piece(self, items: Iterator[Item], on_read: Callable[[int], None], journal: ReadingJournal | None) -> bool:
        """Write items until it is time to store how far they are; tells whether that was it, and there may be more."""
        read = self.read
        starts_child = self._greedy.starts_child
        count, children, offset, boundaries = read.items, read.children, read.offset, read.boundaries
        first = offset
        buffer: list[bytes] = []
        buffered = 0
        more = False
        value: Any = None
        key = SPOOL if journal is None else _piece_key(journal.attempt, len(read.pieces))
        with self._folder.create(key) as writer:
            for value, member, origin in items:
                line = self._line(count, value, member, origin)
                if starts_child(len(line), count, origin):
                    if children == boundaries.next_child:
                        boundaries.add(Boundary(children, count, offset, count + 1))
                    children += 1
                count += 1
                offset += len(line) + 1
                buffer.append(line)
                buffered += len(line)
                if buffered > _BLOCK:
                    buffer.append(b"")
                    writer.write(b"\n".join(buffer))
                    buffer.clear()
                    buffered = 0
                    on_read(count)
                    if journal is not None and journal.is_due():
                        more = True
                        break
            if buffer:
                writer.write(b"\n".join(buffer) + b"\n")
        read.items, read.children = count, children
        read.room, read.taken = self._greedy.open_batch
        read.pieces.append(Piece(key, offset - first))
        if more and journal is not None:
            # Of a listing: the key is where it goes on. Other sources are counted.
            read.after = value["Key"] if isinstance(value, dict) and isinstance(value.get("Key"), str) else None
            journal.store(read)
        return more

    def _line(self, index: int, value: Any, member: str | None, origin: str) -> bytes:
        selected: Any = None
        try:
            selected = self._select(index, value, member, origin)
            return dumps(selected)
        except (TypeError, ValueError) as error:
            if self._selector_is_function:
                kind = type(selected).__name__
                cause = f"The ItemSelector function returned no JSON for item {index}, but a {kind}: {error}"
                raise StatesRuntime(cause) from error
            raise ItemReaderFailed(f"item {index} of {origin} is not JSON: {error}") from error
        except SystemExit as error:
            # Not the end of this process, as in a child: a Lambda function would end with Runtime.ExitError.
            cause = f"The ItemSelector function failed for item {index}: SystemExit: {error}"
            raise StatesRuntime(cause) from error


def _piece_key(attempt: int, number: int) -> str:
    return f"items-{attempt}-{number}.jsonl"
