"""What a scan of a file tells the planner: where the items are and how large they can be, without the items."""

from __future__ import annotations

from itertools import accumulate


class Stretch:
    """Consecutive items of one file, as a scan found them. A scan yields stretches in file order, none empty.

    ``offset`` and ``line``: absolute byte offset and line number (from 1) at which the first item can be read.
    ``sizes``: for each item an upper bound of its size in bytes as compact JSON (see the scan for how tight).

    ``position(k)`` is where a reader has to begin so that its first item is item ``k`` of this stretch, and at the
    same time where item ``k - 1`` ends; ``position(len(sizes))`` is the end of the stretch. Only blank lines lie
    between the end of one stretch and the offset of the next.

    What a planner does with it::

        total += len(stretch.sizes)
        largest = max(largest, sum(stretch.sizes[first:last]))
        offset, line = stretch.position(first)
    """

    __slots__ = ("_lengths", "_line_end", "_lines", "_offsets", "line", "offset", "sizes")

    def __init__(
        self,
        offset: int,
        line: int,
        sizes: list[int],
        lengths: list[int],
        line_end: int = 0,
        lines: list[int] | None = None,
    ) -> None:
        """``lengths``: bytes of each record, less ``line_end`` for each; ``lines``: line ends passed through to the
        end of each record, counted from the stretch's first line (None: one line a record)."""
        self.offset = offset
        self.line = line
        self.sizes = sizes
        self._lengths = lengths
        self._line_end = line_end
        self._lines = lines
        self._offsets: list[int] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def position(self, index: int) -> tuple[int, int]:
        """Absolute byte offset and line number of item ``index``, 0 <= index <= len(sizes)."""
        if not 0 <= index <= len(self.sizes):
            raise IndexError(f"no item {index} in a stretch of {len(self.sizes)}")
        if self._offsets is None:
            self._offsets = list(accumulate(map(self._line_end.__add__, self._lengths), initial=self.offset))
        lines = index
        if self._lines is not None:
            lines = self._lines[index - 1] if index else 0
        return self._offsets[index], self.line + lines
