"""Parquet files: a row is an object by column name.

AWS does not say how types become JSON (only that rows do). Here:

=========================================  ==================================================================
null, boolean, integers, strings           themselves
floats                                     themselves; NaN and the infinities, which JSON lacks, are null
decimal                                    string of digits, ``"1.50"``, without an exponent
binary, fixed size binary                  string, base64
date                                       ``"2026-11-23"``
time                                       ``"15:04:05"`` with the column's digits of a second
timestamp                                  ``"2026-11-23T15:04:05.000"``; with a time zone in UTC and with ``Z``
duration                                   number of seconds
list, struct, map                          array, object, object (keys as text), their values by this table
dictionary                                 as the type it encodes
=========================================  ==================================================================

Conversion is done a column at a time in Arrow, so that a plain column costs nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import ItemReaderFailed
from ..json import dumps
from .blocks import MAX_RECORD
from .parquet_pages import DECODED_BYTES, BadPages, CheckedFile, WideRows

# Rows are read in batches of about this many bytes, and of not more rows than make reading faster.
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 2_000
# What a value takes as a Python object, beside its bytes: a table of many narrow columns is large, too.
_VALUE_BYTES = 32
# Arrow reads a row group as a whole, which takes few requests. One over this is read a page at a time instead, with
# so many bytes of buffers over all columns.
_ROW_GROUP_BYTES = 64 << 20
_PAGE_BUFFERS = 32 << 20
_LEAST_BUFFER = 64 << 10
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

# The longest a value can be as JSON: "false", -9223372036854775808, -2.2250738585072014e-308.
_BOOLEAN_SIZE, _INTEGER_SIZE, _FLOAT_SIZE, _NULL_SIZE = 5, 20, 24, 4


class ParquetSource:
    """A Parquet file opened for reading by row numbers. ``file`` has to be seekable.

    All methods raise ItemReaderFailed naming ``source`` if the file is not Parquet, cut off or corrupt, or has a
    column whose type has no JSON form.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._source = source
        try:
            self._pages = CheckedFile(file)
            metadata = pq.read_metadata(self._pages)
            self._file = pq.ParquetFile(self._pages, metadata=metadata, **_reading(metadata))
        except (pa.ArrowException, BadPages, OSError) as error:
            raise self._failed(error) from error
        self._metadata = metadata
        self._fixed = _fixed_bytes(metadata)
        if self._fixed > MAX_RECORD:
            raise ItemReaderFailed(f"{source}: a row has more than {MAX_RECORD} bytes")
        # Rows in each row group, in file order.
        self.row_groups: list[int] = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        self.names: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        self._nested = any(pa.types.is_nested(column.type) for column in self._file.schema_arrow)
        if min(self.row_groups, default=0) < 0 or (not self.names and any(self.row_groups)):
            raise ItemReaderFailed(
                f"{source}: the Parquet file cannot be read: it has rows without columns, or less than none"
            )
        if len(set(self.names)) != len(self.names):
            raise ItemReaderFailed(f"{source}: two columns have the same name")

    def rows(self, start_row: int, count: int) -> Iterator[dict[str, Any]]:
        """``count`` rows (fewer at the end of the file) from ``start_row``, counted from 0.

        Only the row groups that hold them are read, about 16 MiB at a time.
        """
        first = 0
        groups: list[int] = []
        skip = 0
        for group, size in enumerate(self.row_groups):
            if first < start_row + count and first + size > start_row:
                if not groups:
                    skip = start_row - first
                groups.append(group)
            first += size
        left = count
        for batch in self._batches(groups) if groups else ():
            size = batch.num_rows
            if skip >= size:
                skip -= size
                continue
            # After the conversion, which cannot rebuild nested columns of a slice.
            part = batch.slice(skip, left)
            skip = 0
            left -= part.num_rows
            # What was dictionary-encoded is only now as large as it is.
            step = self._rows_in(part.nbytes, part.num_rows)
            for start in range(0, part.num_rows, step):
                yield from self._python(part.slice(start, step))
            if left <= 0:
                return

    def _python(self, batch: Any) -> list[dict[str, Any]]:
        try:
            # Asking for dicts costs three times as much, whether there are maps or not.
            rows: list[dict[str, Any]] = (
                batch.to_pylist(maps_as_pydicts="strict") if self._nested else batch.to_pylist()
            )
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise self._failed(error) from error
        return rows

    def max_item_size(self, group: int) -> int | None:
        """No row of this row group is larger than this as compact JSON, in bytes; None: not known (nested columns)."""
        fixed = 1 + sum(len(dumps(name)) + 2 for name in self.names)
        if self._nested:
            return None
        largest = 0
        for batch in self._batches([group]):
            size = fixed
            texts: Any = None
            for column in batch.columns:
                width = _width(column)
                if isinstance(width, int):
                    size += width
                else:
                    texts = width if texts is None else pc.add(texts, width)
            if texts is not None:
                size += pc.max(texts).as_py()
            largest = max(largest, size)
        return largest or fixed

    def _batches(self, groups: list[int]) -> Iterator[Any]:
        """The row groups in batches whose columns ``to_pylist`` turns into JSON values."""
        try:
            for batch in self._decodable(groups):
                columns = []
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    converted = _convert(column)
                    if converted is None:
                        raise ItemReaderFailed(
                            f"{self._source}: column {name} has the type {column.type}, which has no JSON form"
                        )
                    columns.append(converted)
                yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        except (pa.ArrowException, BadPages, OSError) as error:
            raise self._failed(error) from error

    def _decodable(self, groups: list[int]) -> Iterator[Any]:
        """The row groups in batches that are small without their dictionaries, too."""
        for batch in self._raw_batches(groups):
            parts = [batch]
            while parts:
                part = parts.pop()
                size = sum(map(_decoded_bytes, part.columns))
                if size <= DECODED_BYTES:
                    yield part
                elif part.num_rows == 1:
                    raise ItemReaderFailed(f"{self._source}: a row has {size:,} bytes, more than {DECODED_BYTES:,}")
                else:
                    # Taken, not sliced: what converts nested columns looks at all that a slice was cut from.
                    half = part.num_rows // 2
                    parts += (part.take(pa.array(rows)) for rows in (range(half, part.num_rows), range(half)))

    def _raw_batches(self, groups: list[int]) -> Iterator[Any]:
        # A row group at a time, since rows differ in size between them, and Arrow may keep all that one call reads.
        # Only those that make less than a batch are read together.
        together: list[int] = []
        size = rows = 0
        for group in groups:
            part = self._metadata.row_group(group)
            if together and size + part.total_byte_size > _BATCH_BYTES:
                yield from self._read(together, size, rows)
                together, size, rows = [], 0, 0
            together.append(group)
            size += part.total_byte_size
            rows += part.num_rows
        yield from self._read(together, size, rows)

    def _read(self, groups: list[int], size: int, rows: int) -> Iterator[Any]:
        at_once = self._rows_in(size, rows)
        done = 0
        while True:
            self._pages.watch(self._metadata, groups, at_once)
            skip = done
            try:
                for batch in self._file.iter_batches(at_once, row_groups=groups):
                    # What has been read before there were too many rows is passed over.
                    if skip >= batch.num_rows:
                        skip -= batch.num_rows
                        continue
                    new = batch.take(pa.array(range(skip, batch.num_rows))) if skip else batch
                    skip = 0
                    done += new.num_rows
                    yield new
                return
            except WideRows as wide:
                at_once = wide.rows

    def _rows_in(self, size: int, rows: int) -> int:
        """How many of these rows, of ``size`` bytes together, make a batch."""
        size += (_VALUE_BYTES * self._metadata.num_columns + self._fixed) * rows
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // (size + 1)))

    def _failed(self, error: Exception) -> ItemReaderFailed:
        reason = str(error).partition("\n")[0]
        return ItemReaderFailed(f"{self._source}: the Parquet file cannot be read: {reason}")


def _reading(metadata: Any) -> dict[str, Any]:
    """The options with which ParquetFile holds no large row group in memory."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    # The size on disk is what is held, but only columns tell it; the size without compression is above it.
    if max((group.total_byte_size for group in groups), default=0) <= _ROW_GROUP_BYTES:
        return {}
    buffer = max(_PAGE_BUFFERS // max(metadata.num_columns, 1), _LEAST_BUFFER)
    return {"pre_buffer": False, "buffer_size": buffer}


def _fixed_bytes(metadata: Any) -> int:
    """What the columns of a fixed number of bytes take in a row, once each."""
    columns = map(metadata.schema.column, range(metadata.num_columns))
    return sum(column.length for column in columns if column.physical_type == "FIXED_LEN_BYTE_ARRAY")


def _decoded_bytes(array: Any) -> int:
    """What the values take that are only named in the array, by their numbers in a dictionary: a file may say that
    Arrow is to leave them so."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary) if _is_text(kind.value_type) else None
        return 0 if lengths is None else pc.sum(pc.take(lengths.cast(pa.int64()), array.indices)).as_py() or 0
    if pa.types.is_map(kind):
        return _decoded_bytes(array.keys) + _decoded_bytes(array.items)
    if pa.types.is_struct(kind):
        return sum(map(_decoded_bytes, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _decoded_bytes(array.flatten())
    return 0


def _is_text(kind: Any) -> bool:
    return any(
        matches(kind)
        for matches in (_types.is_string, _types.is_large_string, _types.is_binary, _types.is_large_binary)
    )


def _convert(array: Any) -> Any | None:
    """The array with values that are JSON; None if its type has no JSON form."""
    kind = array.type
    for matches, convert in _CONVERSIONS:
        if matches(kind):
            return convert(array)
    return None


def _finite(array: Any) -> Any:
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    return pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))


def _decimal(array: Any) -> Any:
    # Arrow, like Python, goes over to an exponent for small numbers and never says so in the type.
    if 0 <= array.type.scale <= 6:
        return array.cast(pa.string())
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


def _base64(array: Any) -> Any:
    return pa.array([None if value is None else b64encode(value) for value in array.to_pylist()], pa.string())


def _timestamp(array: Any) -> Any:
    zone = array.type.tz
    text = pc.replace_substring(array.cast(pa.timestamp(array.type.unit)).cast(pa.string()), " ", "T")
    return pc.binary_join_element_wise(text, "Z", "") if zone else text


def _duration(array: Any) -> Any:
    return pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), float(_PER_SECOND[array.type.unit]))


def _list(array: Any) -> Any | None:
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        array = array.cast(pa.list_(kind.value_field))
    values = _convert(array.values)
    if values is None:
        return None
    build = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    return build.from_arrays(array.offsets, values, mask=array.is_null())


def _struct(array: Any) -> Any | None:
    fields = [_convert(array.field(index)) for index in range(array.type.num_fields)]
    if not fields or any(field is None for field in fields):
        return None
    return pa.StructArray.from_arrays(fields, [field.name for field in array.type], mask=array.is_null())


def _map(array: Any) -> Any | None:
    keys, values = _convert(array.keys), _convert(array.items)
    if keys is None or values is None or pa.types.is_nested(keys.type):
        return None
    return pa.MapArray.from_arrays(array.offsets, keys.cast(pa.string()), values, mask=array.is_null())


def _text(array: Any) -> Any:
    return array.cast(pa.string())


def _same(array: Any) -> Any:
    return array


_types = pa.types
_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (_types.is_null, _same),
    (_types.is_boolean, _same),
    (_types.is_integer, _same),
    (_types.is_string, _same),
    (_types.is_large_string, _same),
    (_types.is_floating, _finite),
    (_types.is_decimal, _decimal),
    (_types.is_date, lambda array: array.cast(pa.date32()).cast(pa.string())),
    (_types.is_time, _text),
    (_types.is_timestamp, _timestamp),
    (_types.is_duration, _duration),
    (_types.is_binary, _base64),
    (_types.is_large_binary, _base64),
    (_types.is_fixed_size_binary, _base64),
    (_types.is_dictionary, lambda array: _convert(array.dictionary_decode())),
    (_types.is_map, _map),
    (lambda kind: _types.is_list(kind) or _types.is_large_list(kind) or _types.is_fixed_size_list(kind), _list),
    (_types.is_struct, _struct),
)


def _width(column: Any) -> Any:
    """How long the column's values can be as JSON: one number for all, or for text an array with one for each row."""
    kind = column.type
    if _types.is_null(kind):
        return _NULL_SIZE
    if _types.is_boolean(kind):
        return _BOOLEAN_SIZE
    if _types.is_integer(kind):
        return _INTEGER_SIZE
    if _types.is_floating(kind):
        return _FLOAT_SIZE
    lengths = pc.fill_null(pc.binary_length(column).cast(pa.int64()), 2)
    # A character that has to be escaped takes six bytes at most. Columns with one are counted as if all were.
    if pc.any(pc.match_substring_regex(column, r'[\x00-\x1f"\\]')).as_py():
        lengths = pc.multiply(lengths, 6)
    return pc.add(lengths, 2)
