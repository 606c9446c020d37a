"""Reads the results of a map run back, lazily: this package's or AWS's, from the summary or from manifest.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.decoding.json import items as json_items
from ..core.decoding.jsonl import values as jsonl_values
from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import loads
from ..core.manifest import Manifest, ResultFile
from ..storage import Connections, open_folder, open_object
from ..storage.base import ObjectStore
from .summary import MapRunSummary

# Input itself may be left out: InputDetails then says that it was not included.
_RECORD_FIELDS = {"InputDetails", "Status"}


@dataclass(frozen=True, slots=True)
class ChildResult:
    """One record of a result file, or one element of a COMPACT or FLATTEN file.

    ``output`` is the child's output, decoded (of an element: the element itself). ``input`` is decoded too; it is
    None where the file has no records (COMPACT, FLATTEN), as are ``name`` and ``record``. ``record`` is the record
    itself with all of AWS's fields.
    """

    status: str
    output: Any = None
    input: Any = None
    error: str | None = None
    cause: str | None = None
    name: str | None = None
    record: Mapping[str, Any] | None = None


class MapRunResults:
    """The results of one map run. Nothing is read until an iterator is; nothing is kept.

    ::

        results = MapRunResults.from_summary(summary)
        for child in results.succeeded():
            use(child.output)
        failed = [child.input for child in results.failed()]

    :raises StatesRuntime: the manifest or a result file is not what it should be.
    :raises StorageError: the manifest or a result file it lists cannot be read.
    """

    def __init__(self, manifest: Manifest, store: ObjectStore) -> None:
        self.manifest = manifest
        self._store = store

    @classmethod
    def from_manifest(cls, url: str, connections: Connections | None = None) -> MapRunResults:
        """Open the results that the manifest at ``url`` lists."""
        store, key = open_object(url, connections)
        manifest = Manifest.from_json(store.read(key), url)
        bucket = manifest.destination_bucket
        root = bucket if "://" in bucket else f"s3://{bucket}"
        return cls(manifest, open_folder(root, connections))

    @classmethod
    def from_summary(
        cls, summary: MapRunSummary | Mapping[str, Any], connections: Connections | None = None
    ) -> MapRunResults:
        """Open the results of a summary (the object, or the dict that a task received)."""
        if not isinstance(summary, MapRunSummary):
            summary = MapRunSummary.from_dict(summary)
        if summary.manifest is None:
            raise StatesRuntime(f"{summary.map_run_arn} has no manifest: its results were not exported")
        return cls.from_manifest(summary.manifest, connections)

    def succeeded(self) -> Iterator[ChildResult]:
        """What succeeded; with FLATTEN one result an element."""
        return self._results("SUCCEEDED")

    def failed(self) -> Iterator[ChildResult]:
        """What failed, timed out or was aborted."""
        return self._results("FAILED")

    def pending(self) -> Iterator[ChildResult]:
        """What never started."""
        return self._results("PENDING")

    def files(self, status: str) -> tuple[str, ...]:
        """The URLs of the result files of ``SUCCEEDED``, ``FAILED`` or ``PENDING``."""
        return tuple(self._store.url(file.key) for file in self.manifest.files[status])

    def _results(self, status: str) -> Iterator[ChildResult]:
        for file in self.manifest.files[status]:
            for number, element in enumerate(self._elements(file)):
                try:
                    result = _result(status, element)
                except ValueError as error:
                    where = f"{self._store.url(file.key)}: record {number}"
                    raise StatesRuntime(f"{where} holds an Input or Output that is not JSON: {error}") from error
                yield result

    def _elements(self, file: ResultFile) -> Iterator[Any]:
        url = self._store.url(file.key)
        try:
            with self._store.open(file.key) as stream:
                if file.key.endswith(".jsonl"):
                    yield from jsonl_values(stream, url, 1)
                else:
                    for _, value in json_items(stream, url, None).pairs:
                        yield value
        except ItemReaderFailed as error:  # nothing is wrong with an ItemReader here
            raise StatesRuntime(error.cause) from error


def _result(status: str, element: Any) -> ChildResult:
    if not (isinstance(element, dict) and element.keys() >= _RECORD_FIELDS):
        return ChildResult(status, output=element)
    return ChildResult(
        status=element["Status"],
        output=_decoded(element.get("Output")),
        input=_decoded(element.get("Input")),
        error=element.get("Error"),
        cause=element.get("Cause"),
        name=element.get("Name"),
        record=element,
    )


def _decoded(text: str | None) -> Any:
    return None if text is None else loads(text)
