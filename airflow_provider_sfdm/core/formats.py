"""The formats of data sets, as ``ItemReader.ReaderConfig`` names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .errors import InvalidDefinition
from .values import choice, shown

MAX_HEADER_BYTES = 10 * 1024
"""AWS supports CSV headers of up to 10 KiB."""
LISTING_ARGUMENTS = (
    "ContinuationToken",
    "Delimiter",
    "EncodingType",
    "FetchOwner",
    "MaxKeys",
    "OptionalObjectAttributes",
    "RequestPayer",
    "StartAfter",
)
"""What S3's ListObjectsV2 takes beside the bucket, its owner and the prefix."""


class InputType(StrEnum):
    """The format of the data set: ``ReaderConfig.InputType``."""

    CSV = "CSV"
    JSON = "JSON"
    JSONL = "JSONL"
    PARQUET = "PARQUET"
    MANIFEST = "MANIFEST"


class ReaderTransformation(StrEnum):
    """What a listing yields: the objects' metadata, or the items inside every listed object."""

    NONE = "NONE"
    LOAD_AND_FLATTEN = "LOAD_AND_FLATTEN"


class ManifestType(StrEnum):
    """Who wrote the manifest: ``ReaderConfig.ManifestType``."""

    S3_INVENTORY = "S3_INVENTORY"
    ATHENA_DATA = "ATHENA_DATA"


class CsvDelimiter(StrEnum):
    """The delimiter of a delimited file: ``ReaderConfig.CSVDelimiter``."""

    COMMA = "COMMA"
    PIPE = "PIPE"
    SEMICOLON = "SEMICOLON"
    SPACE = "SPACE"
    TAB = "TAB"

    @property
    def character(self) -> str:
        """The one character that delimits, such as ``","``."""
        return {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}[self.value]


class CsvHeaderLocation(StrEnum):
    """Where the column names are: ``ReaderConfig.CSVHeaderLocation``."""

    FIRST_ROW = "FIRST_ROW"
    GIVEN = "GIVEN"


@dataclass(frozen=True)
class CsvHeaders:
    """The column names of a delimited file: in its first row, or given.

    Repeated names are not refused here: AWS fails the map run for them, with ``States.ItemReaderFailed``.
    """

    location: CsvHeaderLocation
    headers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        field = "ItemReader.ReaderConfig.CSVHeaders"
        location = choice(CsvHeaderLocation, self.location, "ItemReader.ReaderConfig.CSVHeaderLocation")
        object.__setattr__(self, "location", location)
        given: object = self.headers
        if not isinstance(given, list | tuple):
            raise InvalidDefinition(field, f"must be a list of column names, got {shown(given)}")
        for name in given:
            if not isinstance(name, str):
                raise InvalidDefinition(field, f"column names must be strings, got {shown(name)}")
        object.__setattr__(self, "headers", tuple(given))
        if location is CsvHeaderLocation.FIRST_ROW and self.headers:
            raise InvalidDefinition(field, "column names are given, but CSVHeaderLocation is FIRST_ROW")
        if location is CsvHeaderLocation.GIVEN and not self.headers:
            raise InvalidDefinition(field, "must name at least one column when CSVHeaderLocation is GIVEN")
        size = sum(len(name.encode("utf-8", "surrogatepass")) for name in self.headers)
        if size > MAX_HEADER_BYTES:
            raise InvalidDefinition(field, f"the names take {size:,} bytes; the limit is {MAX_HEADER_BYTES:,}")

    @classmethod
    def use_first_row(cls) -> CsvHeaders:
        """The first row of the file holds the names."""
        return cls(CsvHeaderLocation.FIRST_ROW)

    @classmethod
    def use(cls, headers: Sequence[str]) -> CsvHeaders:
        """The file has no header row: these are the names, in column order."""
        if isinstance(headers, str):
            field = "ItemReader.ReaderConfig.CSVHeaders"
            raise InvalidDefinition(field, f"must be a list of column names, got {shown(headers)}")
        return cls(CsvHeaderLocation.GIVEN, tuple(headers))
