"""AWS's field ``ItemBatcher``: how many items one child execution gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidDefinition
from .limits import MAX_PAYLOAD_BYTES
from .values import check_integer, check_one, check_path, is_jsonata, json_copy, shown

"""AWS's limit for the input of an execution: 256 KiB of UTF-8."""


@dataclass(frozen=True, kw_only=True)
class ItemBatcher:
    """Items go to a child execution in batches: ``{"BatchInput": …, "Items": […]}``.

    At least one limit is needed; with both, a batch keeps to both. ``max_input_bytes_per_batch`` is in bytes,
    at most 262,144. ``batch_input`` is constant JSON for every batch, a payload template (or JSONata) over
    the map's input. Raises :class:`InvalidDefinition`. Source: "ItemBatcher (Map)" in the AWS Step Functions
    guide.
    """

    max_items_per_batch: int | str | None = None
    max_items_per_batch_path: str | None = None
    max_input_bytes_per_batch: int | str | None = None
    max_input_bytes_per_batch_path: str | None = None
    batch_input: Mapping[str, Any] | str | None = None

    def __post_init__(self) -> None:
        items, size = "ItemBatcher.MaxItemsPerBatch", "ItemBatcher.MaxInputBytesPerBatch"
        check_integer(self.max_items_per_batch, items, 1)
        check_path(self.max_items_per_batch_path, f"{items}Path")
        check_one(self.max_items_per_batch, self.max_items_per_batch_path, items, "max_items_per_batch")
        check_integer(self.max_input_bytes_per_batch, size, 1, MAX_PAYLOAD_BYTES)
        check_path(self.max_input_bytes_per_batch_path, f"{size}Path")
        check_one(
            self.max_input_bytes_per_batch,
            self.max_input_bytes_per_batch_path,
            size,
            "max_input_bytes_per_batch",
        )
        limits = (
            self.max_items_per_batch,
            self.max_items_per_batch_path,
            self.max_input_bytes_per_batch,
            self.max_input_bytes_per_batch_path,
        )
        if all(limit is None for limit in limits):
            raise InvalidDefinition("ItemBatcher", "give MaxItemsPerBatch, MaxInputBytesPerBatch or both")
        if self.batch_input is None:
            return
        if not isinstance(self.batch_input, Mapping) and not is_jsonata(self.batch_input):
            raise InvalidDefinition("ItemBatcher.BatchInput", f"must be an object, got {shown(self.batch_input)}")
        object.__setattr__(self, "batch_input", json_copy(self.batch_input, "ItemBatcher.BatchInput"))
