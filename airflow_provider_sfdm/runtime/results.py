"""Reads the results of a map run back, lazily: this package's or AWS's, from the summary or from manifest.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.decoding.json import items as json_items
from ..core.decoding.jsonl import values as jsonl_values
from ..core.errors import ItemReaderFailed, StatesRuntime
from ..core.json import loads
from ..core.manifest import Manifest, ResultFile
from ..core.summary import MapRunSummary
from ..storage import Connections, StorageError, open_folder, open_object, shown_url
from ..storage.base import ObjectStore

# What every record has, as recorded. Input and Output may be left out: the details then say that they are not included.
_RECORD_FIELDS = {
    "ExecutionArn",
    "InputDetails",
    "Name",
    "OutputDetails",
    "RedriveCount",
    "StartDate",
    "StateMachineArn",
    "Status",
    "StopDate",
}
# A child that never started has these alone.
_PENDING_FIELDS = {"InputDetails", "Status"}
# Where AWS puts the results of a redrive: below those of the map run. Its manifest lists the earlier files as well.
_REDRIVE_FOLDER = re.compile(r"Redrive-\d+")


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

    :raises StatesRuntime: the manifest or a result file is not what it should be, or the manifest names files outside
        of its own folder (of the map run's folder, after a redrive): it may come from somebody else.
    :raises StorageError: the manifest or a result file it lists cannot be read.
    """

    def __init__(self, manifest: Manifest, store: ObjectStore) -> None:
        self.manifest = manifest
        self._store = store

    @classmethod
    def from_manifest(cls, url: str, connections: Connections | None = None) -> MapRunResults:
        """Open the results that the manifest at ``url`` lists."""
        store, key = open_object(url, connections)
        shown = store.shown(key)
        manifest = Manifest.from_json(store.read(key), shown)
        # A part of the manifest's own URL, so that the files are read with the connection that the manifest was.
        root, own_key = _split_at_root(shown, manifest.destination_bucket)
        _refuse_keys_elsewhere(manifest, own_key, shown)
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
        return tuple(self._store.shown(file.key) for file in self.manifest.files[status])

    def _results(self, status: str) -> Iterator[ChildResult]:
        for file in self.manifest.files[status]:
            for number, element in enumerate(self._elements(file)):
                try:
                    result = _result(status, element)
                except ValueError as error:
                    where = f"{self._store.shown(file.key)}: record {number}"
                    raise StatesRuntime(f"{where} holds an Input or Output that is not JSON: {error}") from error
                yield result

    def _elements(self, file: ResultFile) -> Iterator[Any]:
        url = self._store.shown(file.key)
        try:
            with self._store.open(file.key) as stream:
                if file.key.endswith(".jsonl"):
                    yield from jsonl_values(stream, url, 1)
                else:
                    for _, value in json_items(stream, url, None).pairs:
                        yield value
        except ItemReaderFailed as error:  # nothing is wrong with an ItemReader here
            raise StatesRuntime(error.cause) from error


def _split_at_root(url: str, bucket: str) -> tuple[str, str]:
    """The root that a manifest's keys are relative to, as a part of the manifest's own URL, and the rest of that URL.

    :raises StatesRuntime: the manifest is not below the place that it names as its DestinationBucket.
    """
    plain = _without_user(url)
    try:
        named = _as_in_urls(bucket)
    except StorageError as error:
        raise StatesRuntime(f"{url}: its DestinationBucket is {error}") from error
    if not bucket or not plain.startswith(named):
        raise StatesRuntime(
            f"{url}: its DestinationBucket is {shown_url(bucket)}, which is not where this manifest is: "
            "results are read only from where they were written"
        )
    own_key = plain[len(named) :]
    return url[: len(url) - len(own_key)], own_key


def _as_in_urls(bucket: str) -> str:
    """What a DestinationBucket names, spelled as a store's URLs are, with a slash at its end."""
    scheme, _, rest = (bucket if "://" in bucket else f"s3://{bucket}").partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        return open_folder(bucket).root + "/"  # nothing is read
    if scheme in ("s3a", "s3n"):
        scheme = "s3"
    return _without_user(f"{scheme}://{rest.rstrip('/')}/" if rest else f"{scheme}://")


def _without_user(url: str) -> str:
    """The URL without the name of a connection, which may be another one than that of the writer."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return scheme + separator + place.rpartition("@")[2] + slash + path


def _refuse_keys_elsewhere(manifest: Manifest, own_key: str, shown: str) -> None:
    folder = own_key.rpartition("/")[0]
    parent, _, name = folder.rpartition("/")
    if _REDRIVE_FOLDER.fullmatch(name):
        folder = parent
    prefix = f"{folder}/" if folder else ""
    for file in (file for files in manifest.files.values() for file in files):
        rest = file.key.removeprefix(prefix)
        if not file.key.startswith(prefix) or any(part in ("", ".", "..") for part in rest.split("/")):
            raise StatesRuntime(f"{shown} lists {file.key!r}, which is outside of its folder {prefix!r}")


def _is_record(status: str, element: Any) -> bool:
    if not isinstance(element, dict):
        return False
    return element.keys() >= (_PENDING_FIELDS if status == "PENDING" else _RECORD_FIELDS)


def _result(status: str, element: Any) -> ChildResult:
    if not _is_record(status, element):
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
