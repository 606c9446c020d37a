"""A function of single items over batches, with an outcome an item (an extra over AWS).

The batch is still one child execution. Items that fail do not take the others with them: the child's record in
FAILED_n holds just the items that failed, its record in SUCCEEDED_n the others.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import ChildFailed
from ..core.json import dumps
from ..core.records import EncodedArray
from ..local.invocation import describe, encode_output, is_failure


@dataclass(slots=True)
class ItemOutcomes:
    """The items of one batch: what each returned, or how it failed. Survives the child's attempts."""

    batch: dict[str, Any]
    outputs: dict[int, bytes] = field(default_factory=dict)
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)
    final: set[int] = field(default_factory=set)  # items that failed and are not tried again

    @property
    def items(self) -> list[Any]:
        items: list[Any] = self.batch["Items"]
        return items

    def unfinished(self) -> list[int]:
        """Indexes within the batch of all items that have not succeeded."""
        return [i for i in range(len(self.items)) if i not in self.outputs]

    def begin(self) -> list[int]:
        """Begin an attempt: the indexes of the items it runs, whose earlier failures are forgotten."""
        indexes = [i for i in self.unfinished() if i not in self.final]
        for index in indexes:
            self.failures.pop(index, None)
        return indexes

    def fail_unfinished(self, error: str, cause: str) -> None:
        """The attempt ended before these items did."""
        for index in self.unfinished():
            self.failures.setdefault(index, (error, cause))

    def output(self) -> EncodedArray:
        """What the items that succeeded returned, in item order."""
        return EncodedArray([self.outputs[i] for i in sorted(self.outputs)])

    def detached(self) -> ItemOutcomes:
        """A copy that a thread still working on this one cannot change."""
        return ItemOutcomes(self.batch, dict(self.outputs), dict(self.failures), set(self.final))

    def worst(self) -> tuple[str, str]:
        """One error and cause for the record: the most frequent error, and every item's index, error and cause."""
        errors = [error for error, _ in self.failures.values()]
        error = max(dict.fromkeys(errors), key=errors.count)
        causes = [{"Index": i, "Error": e, "Cause": c} for i, (e, c) in sorted(self.failures.items())]
        return error, dumps(causes).decode()


def accepts_batch_input(function: Callable[..., Any]) -> bool:
    """Whether a per-item function takes the BatchInput as its second argument."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1


def per_item_sync(function: Callable[..., Any]) -> Callable[[ItemOutcomes], Any]:
    """An invocation that calls ``function`` for each unfinished item of a batch."""
    with_input = accepts_batch_input(function)

    def attempt(state: ItemOutcomes) -> EncodedArray:
        extra = (state.batch.get("BatchInput"),) if with_input else ()
        for index in state.begin():
            try:
                state.outputs[index] = encode_output(function(state.items[index], *extra))
            except BaseException as error:
                if not is_failure(error):
                    raise
                state.failures[index] = describe(error)
        return _collect(state)

    return attempt


def per_item_async(function: Callable[..., Any]) -> Callable[[ItemOutcomes], Any]:
    """The same for an ``async def`` function; a batch's items run one after another."""
    with_input = accepts_batch_input(function)

    async def attempt(state: ItemOutcomes) -> EncodedArray:
        extra = (state.batch.get("BatchInput"),) if with_input else ()
        for index in state.begin():
            if _cancelled():  # the item before swallowed it
                raise asyncio.CancelledError
            try:
                state.outputs[index] = encode_output(await function(state.items[index], *extra))
            except BaseException as error:
                if not is_failure(error) or _cancelled():
                    raise
                state.failures[index] = describe(error)
        return _collect(state)

    return attempt


def _cancelled() -> bool:
    """Whether the whole child is being cancelled (a timeout, the stop), not a single item by its function."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _collect(state: ItemOutcomes) -> EncodedArray:
    output = state.output()
    try:
        encode_output(output)
    except ChildFailed as error:
        # The outputs are too large together, and none of the items is more to blame than another.
        state.outputs.clear()
        state.failures.clear()
        state.fail_unfinished(error.error, error.cause)
        raise
    if state.failures:
        raise ChildFailed(*state.worst())
    return output
