"""The ItemBatcher: which items make the input of which child execution.

A batch takes the next items while it keeps to the count and to the bytes; nothing is ever reordered or filled
up later. Its input is ``{"BatchInput": …, "Items": […]}``, the first key only where BatchInput was declared.
The size of an input is the length of its compact JSON in UTF-8, envelope and commas included, and is at most
262,144 bytes on AWS, whether MaxInputBytesPerBatch says so or not. AWS does not document how it counts; this
is the count its limit on payloads uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import DataLimitExceeded, InvalidDefinition
from .json import dumps
from .limits import MAX_PAYLOAD_BYTES
from .selecting import deep_copy
from .selector_bound import SelectorBound
from .values import UNSET


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How items become inputs of child executions; with ``batched=False`` an item is an input itself.

    ``max_items`` None: the bytes alone limit a batch. ``max_bytes`` over 262,144 is taken as that. Raises
    InvalidDefinition for limits under 1, ValueError or TypeError when ``batch_input`` is not JSON.
    """

    max_items: int | None = None
    max_bytes: int = MAX_PAYLOAD_BYTES
    batch_input: Any = UNSET
    batched: bool = True
    envelope_bytes: int = field(init=False, repr=False, compare=False)
    """The bytes of an input around its items; the commas between items come on top."""

    def __post_init__(self) -> None:
        if self.max_items is not None and self.max_items < 1:
            raise InvalidDefinition("ItemBatcher.MaxItemsPerBatch", f"must be at least 1, not {self.max_items}")
        if self.max_bytes < 1:
            raise InvalidDefinition("ItemBatcher.MaxInputBytesPerBatch", f"must be at least 1, not {self.max_bytes}")
        if not self.batched and (self.batch_input is not UNSET or self.max_items is not None):
            raise InvalidDefinition("ItemBatcher", "an unbatched input has neither MaxItemsPerBatch nor BatchInput")
        if self.max_items is not None:  # an item takes a byte at least, and what counts items takes 64 bits
            object.__setattr__(self, "max_items", min(self.max_items, MAX_PAYLOAD_BYTES))
        envelope = len(dumps(self.input_of([]))) if self.batched else 0
        object.__setattr__(self, "max_bytes", min(self.max_bytes, MAX_PAYLOAD_BYTES))
        object.__setattr__(self, "envelope_bytes", envelope)

    @property
    def count_limit(self) -> int | None:
        """The most items in one input: 1 when unbatched, None when only the bytes limit it."""
        return self.max_items if self.batched else 1

    def input_of(self, items: list[Any]) -> Any:
        """The input of the child execution that gets ``items``. Every one has its own copy of BatchInput."""
        if not self.batched:
            (item,) = items
            return item
        if self.batch_input is UNSET:
            return {"Items": items}
        return {"BatchInput": deep_copy(self.batch_input), "Items": items}

    def too_large(self, index: int, size: int, source: str) -> DataLimitExceeded:
        """The error for an item of ``size`` bytes from ``source`` that does not fit into an input by itself."""
        whose = "MaxInputBytesPerBatch" if self.max_bytes < MAX_PAYLOAD_BYTES else "the input of a child execution"
        return DataLimitExceeded(
            f"Item {index} ({source}) has {size:,} bytes of JSON and makes an input of "
            f"{size + self.envelope_bytes:,} bytes, over the limit of {self.max_bytes:,} bytes for {whose}"
        )


class Greedy:
    """The batches of a stream of items, found from their sizes alone: the same from any place where a batch begins.

    So ``read_items`` finds where batches begin, and a partition finds the same ones again in its part of the items.
    """

    def __init__(self, batching: Batching, room: int = 0, taken: int = 0) -> None:
        """``room`` and ``taken``: of the batch that is open, where it goes on in the middle."""
        self._batching = batching
        # An item costs its bytes and a comma; the first has none, so there is one byte more of room.
        self._space = batching.max_bytes - batching.envelope_bytes + 1
        self._count = batching.count_limit
        self._room = room
        self._taken = taken

    @property
    def open_batch(self) -> tuple[int, int]:
        """``room`` and ``taken`` of the batch that is open."""
        return self._room, self._taken

    def starts_child(self, size: int, index: int, source: str) -> bool:
        """Take the next item, of exactly ``size`` bytes; tells whether a new child execution begins with it.

        Raises DataLimitExceeded when it does not even fit alone; names ``index`` and ``source``.
        """
        cost = size + 1
        if self._taken and cost <= self._room and self._taken != self._count:
            self._room -= cost
            self._taken += 1
            return False
        if cost > self._space:
            raise self._batching.too_large(index, size, source)
        self._room = self._space - cost
        self._taken = 1
        return True


class CountProof:
    """Proves, stretch by stretch, that the byte limit never decides where a batch ends, so that counting is enough.

    ``bound`` gives the most bytes an item of so many bytes can have once it is part of an input.
    """

    def __init__(self, batching: Batching, bound: SelectorBound) -> None:
        count = batching.count_limit
        if count is None:
            raise ValueError("without MaxItemsPerBatch the bytes always decide")
        self._count = count
        self._room = batching.max_bytes - batching.envelope_bytes + 1  # every item is counted with a comma
        self._bound = bound
        self._open_items = 0  # of a batch that began in an earlier stretch, and its bytes
        self._open_bytes = 0

    def holds_for_any(self, size: int) -> bool:
        """Whether it holds for any number of items of at most ``size`` bytes."""
        return self._count * (self._bound.of(size) + 1) <= self._room

    def holds(self, sizes: list[int]) -> bool:
        """Whether it holds for the next items too. ``sizes`` are their bytes, or anything not below them."""
        if not sizes:
            return True
        size = max(sizes)
        largest = self._bound.of(size) + 1
        # Cheap and mostly enough: the batch that is open, and every further one, filled up with the largest item.
        filled = self._open_bytes + (self._count - self._open_items) * largest
        if filled > self._room or not self.holds_for_any(size):
            return largest <= self._room and self._sums_hold(sizes)
        open_items = (self._open_items + len(sizes)) % self._count
        if open_items <= len(sizes):
            self._open_bytes = open_items * largest
        else:
            self._open_bytes += len(sizes) * largest
        self._open_items = open_items
        return True

    def _sums_hold(self, sizes: list[int]) -> bool:
        start = 0
        while start < len(sizes):
            end = min(len(sizes), start + self._count - self._open_items)
            count = end - start
            self._open_items += count
            self._open_bytes += (self._bound.constant + 1) * count
            self._open_bytes += self._bound.copies * sum(sizes[start:end])
            if self._open_bytes > self._room:
                return False
            if self._open_items == self._count:
                self._open_items = self._open_bytes = 0
            start = end
        return True
