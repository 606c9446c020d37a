"""Item readers: where the items of a map come from and how they are read. AWS's field ``ItemReader``.

The names are AWS CDK's. Every reader takes its place either as ``bucket`` with ``key`` or ``prefix``, or as
one ``url``::

    S3CsvItemReader(bucket="flights", key="{{ ds }}.csv")
    S3CsvItemReader(url="s3://flights/{{ ds }}.csv")              # the same value
    S3CsvItemReader(url="file:///data/flights.csv", csv_headers=CsvHeaders.use(["carrier", "delay"]))
    S3ObjectsItemReader(bucket="photos", prefix="2026/")           # the items are the objects' metadata
    S3ObjectsItemReader(bucket="logs", prefix="2026/", transformation="LOAD_AND_FLATTEN", input_type="JSONL")

Source of the rules: "ItemReader (Map)" in the AWS Step Functions guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .errors import InvalidDefinition
from .formats import (
    LISTING_ARGUMENTS,
    CsvDelimiter,
    CsvHeaderLocation,
    CsvHeaders,
    InputType,
    ManifestType,
    ReaderTransformation,
)
from .values import (
    Text,
    check_integer,
    check_one,
    check_path,
    check_text,
    choice,
    is_jsonata,
    is_template,
    is_url,
    json_copy,
    shown,
    split_s3_url,
)

__all__ = [
    "MAX_ITEMS",
    "CsvDelimiter",
    "CsvHeaderLocation",
    "CsvHeaders",
    "InputType",
    "ItemReader",
    "ManifestType",
    "ReaderTransformation",
    "S3CsvItemReader",
    "S3FileItemReader",
    "S3JsonItemReader",
    "S3JsonLItemReader",
    "S3ManifestItemReader",
    "S3ObjectsItemReader",
    "S3ParquetItemReader",
    "S3VersionedItemReader",
]

MAX_ITEMS = 100_000_000
"""The most that ``MaxItems`` may be given as."""

_CONFIG = "ItemReader.ReaderConfig"
_PARAMETERS = "ItemReader.Parameters"


@dataclass(frozen=True, kw_only=True)
class ItemReader:
    """What all readers share: the bucket or URL, and MaxItems.

    ``url`` with ``s3://`` becomes ``bucket`` and ``key`` (or ``prefix``): the two spellings are equal values.
    ``max_items`` counts items before batching; 0 means all of them. ``arguments`` is one JSONata
    expression instead of bucket and the like or, for Step Functions, further arguments of a listing
    (``{"MaxKeys": 100}``).
    """

    bucket: Text | None = None
    url: Text | None = None
    expected_bucket_owner: Text | None = None
    max_items: int | str | None = None
    max_items_path: str | None = None
    arguments: Mapping[str, Any] | str | None = field(default=None, hash=False)

    # The argument that completes ``bucket``; ASL spells it with a capital.
    place: ClassVar[str] = "key"
    reads: ClassVar[InputType | None] = None

    def __post_init__(self) -> None:
        if type(self) in (ItemReader, S3FileItemReader, S3VersionedItemReader):
            raise InvalidDefinition("ItemReader", "take the reader of a format, such as S3CsvItemReader")
        if self.arguments is None:
            self._place()
        else:
            self._check_arguments(self.arguments)
        check_text(self.expected_bucket_owner, f"{_PARAMETERS}.ExpectedBucketOwner")
        check_integer(self.max_items, f"{_CONFIG}.MaxItems", 0, MAX_ITEMS)
        check_path(self.max_items_path, f"{_CONFIG}.MaxItemsPath")
        if self.max_items_path is not None and self.max_items_path.startswith("$$"):
            problem = f"{self.max_items_path!r} refers to the context object, which AWS does not allow here"
            raise InvalidDefinition(f"{_CONFIG}.MaxItemsPath", problem)
        check_one(self.max_items, self.max_items_path, f"{_CONFIG}.MaxItems", "max_items")

    @property
    def input_type(self) -> InputType | None:
        """The format of the data; None for a listing whose items are the objects' metadata, and for an S3 Inventory."""
        return self.reads

    @property
    def location(self) -> str:
        """The URL of the file, or of the folder or prefix of a listing.

        Raises :class:`InvalidDefinition` while a part of it is a JsonPath: resolve the definition first.
        """
        if self.url is not None:
            return _known(self.url, "ItemReader")
        bucket = _known(self.bucket, f"{_PARAMETERS}.Bucket")
        rest = getattr(self, self.place)
        return f"s3://{bucket}/{_known(rest, f'{_PARAMETERS}.{self.place.title()}')}" if rest else f"s3://{bucket}"

    def _check_arguments(self, arguments: object) -> None:
        if isinstance(arguments, str):
            places = ("bucket", "url", "expected_bucket_owner", "version_id", self.place)
            if any(getattr(self, name, None) is not None for name in places):
                problem = "an expression gives all of them: give nothing beside it"
                raise InvalidDefinition("ItemReader.Arguments", problem)
            if not is_jsonata(arguments):
                problem = f"must be an object or a JSONata expression, got {shown(arguments)}"
                raise InvalidDefinition("ItemReader.Arguments", problem)
            return
        self._place()
        copy = json_copy(arguments, _PARAMETERS)
        if not isinstance(copy, dict):
            raise InvalidDefinition(_PARAMETERS, f"must be an object, got {shown(arguments)}")
        for name in copy:
            if not isinstance(self, S3ObjectsItemReader) or name.removesuffix(".$") not in LISTING_ARGUMENTS:
                raise InvalidDefinition(f"{_PARAMETERS}.{name}", f"is not an argument of {type(self).__name__}")
            if self.url is not None:
                raise InvalidDefinition(f"{_PARAMETERS}.{name}", f"is for S3, not for {self.url!r}")
        object.__setattr__(self, "arguments", copy or None)

    def _place(self) -> None:
        """Bring the two ways to say where the data is to one, and refuse both, neither or half of one."""
        rest_field = f"{_PARAMETERS}.{self.place.title()}"
        rest = getattr(self, self.place)
        if self.url is not None:
            if self.bucket is not None or rest is not None:
                raise InvalidDefinition("ItemReader", f"give bucket and {self.place}, or url, not both")
            check_text(self.url, "ItemReader")
            self._place_url()
            return
        if self.bucket is None:
            raise InvalidDefinition(f"{_PARAMETERS}.Bucket", f"give bucket and {self.place}, or url")
        check_text(self.bucket, f"{_PARAMETERS}.Bucket", required=True)
        check_text(rest, rest_field, required=self.place == "key")

    def _place_url(self) -> None:
        if not isinstance(self.url, str):
            return
        try:
            split = split_s3_url(self.url)
        except ValueError as error:
            raise InvalidDefinition(f"{_PARAMETERS}.Bucket", str(error)) from None
        if split is not None:
            bucket, rest = split
            if not rest and self.place == "key":
                raise InvalidDefinition(f"{_PARAMETERS}.Key", f"{self.url!r} has no key after the bucket")
            for name, value in (("url", None), ("bucket", bucket), (self.place, rest or None)):
                object.__setattr__(self, name, value)
        elif is_url(self.url):
            for name, asl in (("version_id", "VersionId"), ("expected_bucket_owner", "ExpectedBucketOwner")):
                if getattr(self, name, None) is not None:
                    raise InvalidDefinition(f"{_PARAMETERS}.{asl}", f"is for S3, not for {self.url!r}")
        elif not is_template(self.url):
            raise InvalidDefinition(
                "ItemReader", f'{self.url!r} is no URL: it needs a scheme, as "file:///…" or "s3://…"'
            )


@dataclass(frozen=True, kw_only=True)
class S3FileItemReader(ItemReader):
    """A reader of one file: ``bucket`` and ``key``, or ``url``."""

    key: Text | None = None


@dataclass(frozen=True, kw_only=True)
class S3VersionedItemReader(S3FileItemReader):
    """A reader of one file that can name a version of the S3 object."""

    version_id: Text | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self.version_id, f"{_PARAMETERS}.VersionId")


@dataclass(frozen=True, kw_only=True)
class S3CsvItemReader(S3VersionedItemReader):
    """A delimited file: one item a row, an object of strings by column name."""

    csv_headers: CsvHeaders = field(default_factory=CsvHeaders.use_first_row)
    csv_delimiter: CsvDelimiter = CsvDelimiter.COMMA

    reads: ClassVar[InputType | None] = InputType.CSV

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_csv(self, self.csv_headers)


@dataclass(frozen=True, kw_only=True)
class S3JsonItemReader(S3VersionedItemReader):
    """A JSON file: one item an element of its array, or ``{"Key", "Value"}`` a member of its object.

    ``items_pointer`` is a JSON Pointer (RFC 6901) to that array or object; without it, or with ``""``, the
    whole document.
    """

    items_pointer: str | None = None

    reads: ClassVar[InputType | None] = InputType.JSON

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pointer(self.items_pointer)


@dataclass(frozen=True, kw_only=True)
class S3JsonLItemReader(S3VersionedItemReader):
    """A JSON Lines file: one item a line."""

    reads: ClassVar[InputType | None] = InputType.JSONL


@dataclass(frozen=True, kw_only=True)
class S3ParquetItemReader(S3FileItemReader):
    """A Parquet file: one item a row. AWS does not take a VersionId for it."""

    reads: ClassVar[InputType | None] = InputType.PARQUET


@dataclass(frozen=True, kw_only=True)
class S3ManifestItemReader(S3VersionedItemReader):
    """A manifest: of an S3 Inventory (items are its rows) or of an Athena UNLOAD (items are the rows of the
    files it lists).

    ``input_type`` is the format of the files an Athena manifest lists: CSV, JSONL or PARQUET; an S3 Inventory
    is CSV and takes none.
    """

    manifest_type: ManifestType = ManifestType.S3_INVENTORY
    input_type: InputType | None = None
    csv_headers: CsvHeaders | None = None
    csv_delimiter: CsvDelimiter = CsvDelimiter.COMMA

    def __post_init__(self) -> None:
        super().__post_init__()
        field = f"{_CONFIG}.InputType"
        manifest_type = choice(ManifestType, self.manifest_type, f"{_CONFIG}.ManifestType")
        object.__setattr__(self, "manifest_type", manifest_type)
        if manifest_type is ManifestType.S3_INVENTORY:
            if self.input_type is not None:
                raise InvalidDefinition(field, "an S3 Inventory manifest takes no InputType: its files are CSV")
            if self.csv_headers is not None:
                raise InvalidDefinition(
                    f"{_CONFIG}.CSVHeaderLocation",
                    "an S3 Inventory manifest names the columns itself, in fileSchema",
                )
        else:
            allowed = (InputType.CSV, InputType.JSONL, InputType.PARQUET)
            object.__setattr__(self, "input_type", _format(self.input_type, allowed, "an Athena manifest"))
        _check_csv(self, self.csv_headers, csv=self.input_type in (None, InputType.CSV))


@dataclass(frozen=True, kw_only=True)
class S3ObjectsItemReader(ItemReader):
    """A listing of a bucket, or of a folder by ``url``; all its pages.

    The items are the objects' metadata; with ``transformation=LOAD_AND_FLATTEN`` they are the items inside
    every listed object, of the format ``input_type`` (CSV, JSON, JSONL or PARQUET). ``prefix`` is a string
    prefix, as in S3: end it with ``/`` for a folder.
    """

    prefix: Text | None = None
    transformation: ReaderTransformation = ReaderTransformation.NONE
    input_type: InputType | None = None
    csv_headers: CsvHeaders | None = None
    csv_delimiter: CsvDelimiter = CsvDelimiter.COMMA

    place: ClassVar[str] = "prefix"

    def __post_init__(self) -> None:
        super().__post_init__()
        transformation = choice(ReaderTransformation, self.transformation, f"{_CONFIG}.Transformation")
        object.__setattr__(self, "transformation", transformation)
        if transformation is ReaderTransformation.LOAD_AND_FLATTEN:
            allowed = (InputType.CSV, InputType.JSON, InputType.JSONL, InputType.PARQUET)
            object.__setattr__(self, "input_type", _format(self.input_type, allowed, "LOAD_AND_FLATTEN"))
        elif self.input_type is not None:
            raise InvalidDefinition(f"{_CONFIG}.InputType", "a listing takes an InputType only with LOAD_AND_FLATTEN")
        _check_csv(self, self.csv_headers, csv=self.input_type is InputType.CSV)


def _known(text: Text | None, field: str) -> str:
    if isinstance(text, str):
        return text
    raise InvalidDefinition(field, f"{text} is known only in a run: resolve the definition with the run's input")


def _format(value: object, allowed: tuple[InputType, ...], reader: str) -> InputType:
    field = f"{_CONFIG}.InputType"
    names = ", ".join(allowed)
    if value is None:
        raise InvalidDefinition(field, f"{reader} needs an InputType: {names}")
    input_type = choice(InputType, value, field)
    if input_type not in allowed:
        raise InvalidDefinition(field, f"{reader} takes {names}, got {input_type}")
    return input_type


def _check_csv(reader: ItemReader, headers: object, *, csv: bool = True) -> None:
    delimiter = choice(CsvDelimiter, getattr(reader, "csv_delimiter", None), f"{_CONFIG}.CSVDelimiter")
    object.__setattr__(reader, "csv_delimiter", delimiter)
    if headers is not None and not isinstance(headers, CsvHeaders):
        raise InvalidDefinition(
            f"{_CONFIG}.CSVHeaders",
            f"must be CsvHeaders.use_first_row() or CsvHeaders.use([…]), got {shown(headers)}",
        )
    if csv:
        if headers is None and isinstance(reader, S3CsvItemReader):
            raise InvalidDefinition(f"{_CONFIG}.CSVHeaderLocation", "must be given for CSV")
        return
    if headers is not None:
        raise InvalidDefinition(f"{_CONFIG}.CSVHeaderLocation", "is for CSV only")
    if delimiter is not CsvDelimiter.COMMA:
        raise InvalidDefinition(f"{_CONFIG}.CSVDelimiter", "is for CSV only")


def _check_pointer(pointer: object) -> None:
    field = f"{_CONFIG}.ItemsPointer"
    if pointer is None or is_template(pointer):
        return
    if not isinstance(pointer, str):
        raise InvalidDefinition(field, f"must be a JSON Pointer, got {shown(pointer)}")
    if pointer and not pointer.startswith("/"):
        raise InvalidDefinition(field, f'must be "" or begin with "/" (RFC 6901), got {pointer!r}')
    if any(text[:1] not in ("0", "1") for text in pointer.split("~")[1:]):
        raise InvalidDefinition(
            field, f'"~" must be written "~0" and "/" inside a name "~1" (RFC 6901), got {pointer!r}'
        )
