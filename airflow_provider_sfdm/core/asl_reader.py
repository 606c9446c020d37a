"""``ItemReader``, ``ItemBatcher`` and ``ResultWriter`` in the Amazon States Language, to and from their
values.
"""

from __future__ import annotations

from typing import Any

from .asl_fields import Fields, arguments_name, spell_arguments, spell_number, without_none
from .batcher import ItemBatcher
from .errors import InvalidDefinition, UnsupportedField
from .formats import LISTING_ARGUMENTS
from .readers import (
    CsvDelimiter,
    CsvHeaderLocation,
    CsvHeaders,
    InputType,
    ItemReader,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from .values import QueryLanguage, choice
from .writer import OutputType, ResultWriter, Transformation, WriterConfig

_READERS: dict[InputType, type[ItemReader]] = {
    InputType.CSV: S3CsvItemReader,
    InputType.JSON: S3JsonItemReader,
    InputType.JSONL: S3JsonLItemReader,
    InputType.PARQUET: S3ParquetItemReader,
}
_CONFIG = "ItemReader.ReaderConfig"


def reader_to_asl(reader: ItemReader, language: QueryLanguage, partition: str) -> dict[str, Any]:
    """The field ``ItemReader``. Raises UnsupportedField for a URL other than ``s3://``: Step Functions reads
    S3 only.
    """
    if reader.url is not None:
        raise UnsupportedField("ItemReader", f"{reader.url} is not in S3, and Step Functions reads S3 only")
    listing = isinstance(reader, S3ObjectsItemReader)
    arguments = {
        "Bucket": reader.bucket,
        "Key": getattr(reader, "key", None),
        "Prefix": getattr(reader, "prefix", None),
        "VersionId": getattr(reader, "version_id", None),
        "ExpectedBucketOwner": reader.expected_bucket_owner,
    }
    fields: dict[str, Any] = {"Resource": f"arn:{partition}:states:::s3:{'listObjectsV2' if listing else 'getObject'}"}
    if config := _reader_config(reader):
        fields["ReaderConfig"] = config
    if isinstance(reader.arguments, str):
        return fields | {arguments_name(language): reader.arguments}
    return fields | {arguments_name(language): spell_arguments(arguments) | dict(reader.arguments or {})}


def _reader_config(reader: ItemReader) -> dict[str, Any]:
    config: dict[str, Any] = {"InputType": _text(getattr(reader, "input_type", None))}
    if isinstance(reader, S3ObjectsItemReader) and reader.transformation is not ReaderTransformation.NONE:
        config["Transformation"] = reader.transformation.value
    if isinstance(reader, S3ManifestItemReader):
        config["ManifestType"] = reader.manifest_type.value
    headers: CsvHeaders | None = getattr(reader, "csv_headers", None)
    if headers is not None:
        config["CSVHeaderLocation"] = headers.location.value
        if headers.location is CsvHeaderLocation.GIVEN:
            config["CSVHeaders"] = list(headers.headers)
    if getattr(reader, "csv_delimiter", CsvDelimiter.COMMA) is not CsvDelimiter.COMMA:
        config["CSVDelimiter"] = _text(getattr(reader, "csv_delimiter", None))
    config["ItemsPointer"] = getattr(reader, "items_pointer", None)
    config["MaxItems"] = spell_number(reader.max_items, f"{_CONFIG}.MaxItems")
    config["MaxItemsPath"] = reader.max_items_path
    return without_none(config)


def reader_from_asl(value: object, language: QueryLanguage) -> tuple[ItemReader, str]:
    """The reader in the field ``ItemReader``, and the partition of its Resource."""
    fields = Fields(value, "ItemReader")
    resource = fields.take_resource()
    partition, action = resource if resource is not None else ("", "")
    if action not in ("s3:getObject", "s3:listObjectsV2"):
        problem = "must be arn:aws:states:::s3:getObject or arn:aws:states:::s3:listObjectsV2"
        raise InvalidDefinition("ItemReader.Resource", problem)
    config = Fields(fields.take("ReaderConfig", {}), _CONFIG)
    arguments = fields.take_arguments(language)
    fields.done()
    if arguments is None:
        raise InvalidDefinition(f"ItemReader.{arguments_name(language)}", "must be given")
    listing = action == "s3:listObjectsV2"
    kind, options = _listing(config) if listing else _file(config)
    names = {"Bucket": "bucket", "ExpectedBucketOwner": "expected_bucket_owner"}
    names |= {"Prefix": "prefix"} if listing else {"Key": "key"}
    if hasattr(kind, "version_id"):
        names["VersionId"] = "version_id"
    if isinstance(arguments, str):
        options["arguments"] = arguments
    else:
        for asl, name in names.items():
            options[name] = arguments.take_text(asl, language)
        if listing:
            spellings = [*LISTING_ARGUMENTS, *(f"{name}.$" for name in LISTING_ARGUMENTS)]
            options["arguments"] = arguments.take_raw(tuple(spellings)) or None
        arguments.done(f" for {kind.__name__}")
    options["max_items"] = config.take("MaxItems")
    options["max_items_path"] = config.take("MaxItemsPath")
    config.done(f" for {kind.__name__}")
    return kind(**options), partition


def _listing(config: Fields) -> tuple[type[ItemReader], dict[str, Any]]:
    options = {
        "transformation": config.take("Transformation", ReaderTransformation.NONE),
        "input_type": config.take("InputType"),
    }
    return S3ObjectsItemReader, options | _csv(config)


def _file(config: Fields) -> tuple[type[ItemReader], dict[str, Any]]:
    given = config.take("InputType")
    manifest = config.take("ManifestType")
    if manifest is not None or given == InputType.MANIFEST:
        manifest_type = choice(ManifestType, manifest or ManifestType.S3_INVENTORY, f"{_CONFIG}.ManifestType")
        # Before Athena manifests, "InputType": "MANIFEST" alone was an S3 Inventory.
        if manifest_type is ManifestType.S3_INVENTORY and given == InputType.MANIFEST:
            given = None
        options = {"manifest_type": manifest_type, "input_type": given}
        return S3ManifestItemReader, options | _csv(config)
    if given is None:
        raise InvalidDefinition(f"{_CONFIG}.InputType", f"must be given: one of {', '.join(InputType)}")
    input_type = choice(InputType, given, f"{_CONFIG}.InputType")
    kind = _READERS[input_type]
    if input_type is InputType.CSV:
        return kind, _csv(config)
    if input_type is InputType.JSON:
        return kind, {"items_pointer": config.take("ItemsPointer")}
    return kind, {}


def _csv(config: Fields) -> dict[str, Any]:
    options: dict[str, Any] = {"csv_delimiter": config.take("CSVDelimiter", CsvDelimiter.COMMA)}
    location, names = config.take("CSVHeaderLocation"), config.take("CSVHeaders", ())
    if location is not None:
        options["csv_headers"] = CsvHeaders(location, names)
    elif names != ():
        raise InvalidDefinition(f"{_CONFIG}.CSVHeaderLocation", "must be GIVEN when CSVHeaders are given")
    return options


def batcher_to_asl(batcher: ItemBatcher) -> dict[str, Any]:
    """The field ``ItemBatcher``."""
    items, size = batcher.max_items_per_batch, batcher.max_input_bytes_per_batch
    return without_none(
        {
            "BatchInput": batcher.batch_input,
            "MaxItemsPerBatch": spell_number(items, "ItemBatcher.MaxItemsPerBatch"),
            "MaxItemsPerBatchPath": batcher.max_items_per_batch_path,
            "MaxInputBytesPerBatch": spell_number(size, "ItemBatcher.MaxInputBytesPerBatch"),
            "MaxInputBytesPerBatchPath": batcher.max_input_bytes_per_batch_path,
        }
    )


def batcher_from_asl(value: object) -> ItemBatcher:
    """The value of the field ``ItemBatcher``."""
    fields = Fields(value, "ItemBatcher")
    batcher = ItemBatcher(
        max_items_per_batch=fields.take("MaxItemsPerBatch"),
        max_items_per_batch_path=fields.take("MaxItemsPerBatchPath"),
        max_input_bytes_per_batch=fields.take("MaxInputBytesPerBatch"),
        max_input_bytes_per_batch_path=fields.take("MaxInputBytesPerBatchPath"),
        batch_input=fields.take("BatchInput"),
    )
    fields.done()
    return batcher


def writer_to_asl(writer: ResultWriter, language: QueryLanguage, partition: str) -> dict[str, Any]:
    """The field ``ResultWriter``. Raises UnsupportedField for a URL other than ``s3://``: Step Functions
    writes to S3 only.
    """
    if writer.url is not None:
        raise UnsupportedField("ResultWriter", f"{writer.url} is not in S3, and Step Functions writes to S3 only")
    fields: dict[str, Any] = {}
    if writer.bucket is not None or writer.arguments is not None:
        fields["Resource"] = f"arn:{partition}:states:::s3:putObject"
        spelled = spell_arguments({"Bucket": writer.bucket, "Prefix": writer.prefix})
        fields[arguments_name(language)] = spelled if writer.arguments is None else writer.arguments
    if (config := writer.writer_config) is not None:
        fields["WriterConfig"] = {
            "Transformation": config.transformation.value,
            "OutputType": config.output_type.value,
        }
    return fields


def writer_from_asl(value: object, language: QueryLanguage) -> tuple[ResultWriter, str | None]:
    """The value of the field ``ResultWriter``, and the partition of its Resource, if it has one."""
    fields = Fields(value, "ResultWriter")
    resource = fields.take_resource()
    arguments = fields.take_arguments(language)
    config = fields.take("WriterConfig")
    fields.done()
    if resource is not None and resource[1] != "s3:putObject":
        raise InvalidDefinition("ResultWriter.Resource", "must be arn:aws:states:::s3:putObject")
    if (resource is None) != (arguments is None):
        problem = f"Resource and {arguments_name(language)} go together"
        raise InvalidDefinition("ResultWriter", problem)
    bucket = prefix = None
    if isinstance(arguments, Fields):
        bucket, prefix = arguments.take_text("Bucket", language), arguments.take_text("Prefix", language)
        arguments.done()
        if bucket is None:
            raise InvalidDefinition(arguments.name("Bucket"), "must be given")
    writer = ResultWriter(
        bucket=bucket,
        prefix=prefix,
        writer_config=None if config is None else _writer_config(config),
        arguments=arguments if isinstance(arguments, str) else None,
    )
    return writer, resource[0] if resource is not None else None


def _writer_config(value: object) -> WriterConfig:
    fields = Fields(value, "ResultWriter.WriterConfig")
    config = WriterConfig(
        transformation=fields.take("Transformation", Transformation.NONE),
        output_type=fields.take("OutputType", OutputType.JSON),
    )
    fields.done()
    return config


def _text(value: object) -> str | None:
    return None if value is None else str(value)
