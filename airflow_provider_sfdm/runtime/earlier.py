"""A new map run over what an earlier one did not do: the children of its FAILED and PENDING records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import dumps
from ..core.names import MapRunName
from ..core.records import Redriven
from ..core.summary import MapRunSummary
from ..core.values import is_url
from ..storage import Connections
from ..storage.base import ObjectStore, StorageError
from .children_file import KnownChild, write_children
from .folder import CHILDREN
from .planning import Layout
from .results import ChildResult, MapRunResults

EarlierResults = MapRunSummary | Mapping[str, Any] | str
"""The summary of a map run, on either engine, or the URL of its manifest.json: this package's or AWS's."""


def lay_out_unsuccessful(
    earlier: EarlierResults, map_run: MapRunName, store: ObjectStore, connections: Connections, *, batched: bool
) -> Layout:
    """Write the children of the FAILED and PENDING records into the folder of a new map run, with their inputs.

    :raises ItemReaderFailed: the results cannot be read, or a record has no input.
    """
    try:
        results = _results(earlier, connections)
        return write_children(_children(results, map_run), store, CHILDREN, batched=batched)
    except StatesRuntime as error:
        raise ItemReaderFailed(f"from_results: {error.cause}") from error
    except StorageError as error:
        raise ItemReaderFailed(f"from_results: {error}") from error


def _results(earlier: EarlierResults, connections: Connections) -> MapRunResults:
    if isinstance(earlier, str):
        if not is_url(earlier):
            raise StatesRuntime(f"{earlier!r} is no URL of a manifest.json")
        return MapRunResults.from_manifest(earlier, connections)
    if not isinstance(earlier, MapRunSummary | Mapping):
        raise StatesRuntime(f"this must be the summary of a map run, or the URL of its manifest.json: {earlier!r}")
    try:
        return MapRunResults.from_summary(earlier, connections)
    except (KeyError, ValueError) as error:
        raise StatesRuntime(f"this is not the summary of a map run: {error!r}") from error


def _children(results: MapRunResults, map_run: MapRunName) -> Iterator[KnownChild]:
    number = 0
    for status, found in (("FAILED", results.failed()), ("PENDING", results.pending())):
        for position, result in enumerate(found):
            yield KnownChild(_input_of(result, status, position), Redriven(map_run.child_name(number)))
            number += 1


def _input_of(result: ChildResult, status: str, position: int) -> str:
    """The input of a record, as text: written by somebody else it may be JSON with spaces."""
    if result.record is None or not isinstance(result.record.get("Input"), str):
        raise StatesRuntime(f"record {position} of the {status} files has no Input")
    return dumps(result.input).decode()
