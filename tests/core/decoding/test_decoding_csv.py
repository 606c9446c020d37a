"""CSV: the rules AWS documents, what AWS was recorded to do, and that reading and scanning agree."""

from __future__ import annotations

import io
from itertools import pairwise

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.decoding import csv
from airflow_provider_sfdm.core.decoding.blocks import MAX_RECORD
from airflow_provider_sfdm.core.errors import ItemReaderFailed

SOURCE = "s3://bucket/data.csv"


def read(data: bytes, names: str = "abc", delimiter: str = ",", **options: int) -> list[dict[str, str]]:
    """The rows of a file whose header is given."""
    return list(csv.rows(io.BytesIO(data), list(names), delimiter, SOURCE, 1, **options))


def read_with_header(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    stream = io.BytesIO(data)
    header = csv.read_header(stream, delimiter, SOURCE)
    assert stream.tell() == header.size
    return list(csv.rows(stream, header.names, delimiter, SOURCE, header.lines + 1))


def test_rows_recorded_on_aws_with_a_pipe_and_crlf() -> None:
    data = b'id|text|blank\r\n1|"one|pipe"|\r\n2|"two ""quoted"""|x\r\n3|"three\nnewline"|y\r\n'
    assert read_with_header(data, "|") == [
        {"id": "1", "text": "one|pipe", "blank": ""},
        {"id": "2", "text": 'two "quoted"', "blank": "x"},
        {"id": "3", "text": "three\nnewline", "blank": "y"},
    ]


def test_values_recorded_on_aws_stay_strings() -> None:
    data = b"Col1,Col2,Col3\nNull,None,true\n'x',,\n,,,\n   \n1\n1,2,3,4,5\n"
    assert read_with_header(data) == [
        {"Col1": "Null", "Col2": "None", "Col3": "true"},
        {"Col1": "'x'", "Col2": "", "Col3": ""},
        {"Col1": "", "Col2": "", "Col3": ""},
        {"Col1": "   ", "Col2": "", "Col3": ""},
        {"Col1": "1", "Col2": "", "Col3": ""},
        {"Col1": "1", "Col2": "2", "Col3": "3"},
    ]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (rb"a\\b", "a\\b"),
        (rb"a\"b", 'a"b'),
        (rb"\"a", '"a'),
        (rb"a\,b", "a,b"),
        (rb"a\bc", "abc"),
        (rb'"a\"b"', 'a"b'),
        (rb'"a\\"', "a\\"),
        (rb'"a\nb"', "anb"),
        (b"a\\", "a"),
        (b'"a\\\nb"', "a\nb"),
        (b'a""b', 'a"b'),
        (b'a"b', 'a"b'),
        (b'a""', 'a"'),
        (b'a"""b', 'a""b'),
        (b'"a""""b"', 'a""b'),
        (b'""', ""),
        (b'"a"b', "ab"),
        (b'"a" "b"', 'a "b"'),
        (b'"a"b""c', 'ab"c'),
        (b'"a\r\nb"', "a\r\nb"),
        (b'"a\rb"', "a\rb"),
        (" \u00e9\U0001f600\u2028\x0b\x85".encode(), " \u00e9\U0001f600\u2028\x0b\x85"),
        (b"a\x00b", "a\x00b"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("after", [b"", b"next,row\n"])
def test_field(line: bytes, value: str, end: bytes, after: bytes) -> None:
    data = line + (end or (b"\n" if after else b"")) + after
    expected = [{"a": value, "b": ""}] + ([{"a": "next", "b": "row"}] if after else [])
    assert read(data, "ab") == expected
    assert read(b"x,y\n" + data, "ab")[1:] == expected


@pytest.mark.parametrize("name,delimiter", [("PIPE", "|"), ("SEMICOLON", ";"), ("SPACE", " "), ("TAB", "\t")])
def test_delimiters(name: str, delimiter: str) -> None:
    data = f'x{delimiter}"y{delimiter}y"{delimiter}z\\{delimiter}z\n'.encode()
    assert read(data, delimiter=delimiter) == [{"a": "x", "b": f"y{delimiter}y", "c": f"z{delimiter}z"}]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\n\r\n\n"])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_empty_lines_are_no_items(blank: bytes, quote: bytes) -> None:
    data = blank + quote + b"1" + quote + b"\n" + blank + b"2\n" + blank
    assert read(data, "a") == [{"a": "1"}, {"a": "2"}]


def test_an_empty_quoted_field_is_an_item() -> None:
    assert read(b'""\n\n""\n', "a") == [{"a": ""}, {"a": ""}]


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\n", b"\xef\xbb\xbf"])
def test_nothing_to_read(data: bytes) -> None:
    assert read(data) == []
    assert list(csv.scan(io.BytesIO(data), "abc", ",", SOURCE, 1, 0)) == []


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf1,2,3\n") == [{"a": "1", "b": "2", "c": "3"}]
    assert read(b'\xef\xbb\xbf"1",2,3\n') == [{"a": "1", "b": "2", "c": "3"}]
    assert read_with_header(b'\xef\xbb\xbf"a",b\n1,2\n') == [{"a": "1", "b": "2"}]


class TestHeader:
    @pytest.mark.parametrize(
        ("data", "header"),
        [
            (b"a,b\n1,2\n", (("a", "b"), 4, 1)),
            (b"a,b", (("a", "b"), 3, 1)),
            (b"0,{},True,\r\nx", (("0", "{}", "True", ""), 12, 1)),
            (b'"a\nb",c\n', (("a\nb", "c"), 8, 2)),
            (b"\n\r\na\n", (("a",), 5, 3)),
            (b"\xef\xbb\xbfa,b\n", (("a", "b"), 7, 1)),
            (b" a , b\n", ((" a ", " b"), 7, 1)),
        ],
    )
    def test_names_are_verbatim(self, data: bytes, header: tuple[tuple[str, ...], int, int]) -> None:
        assert csv.read_header(io.BytesIO(data), ",", SOURCE) == header

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"a,b,a\n", "CSV headers cannot contain duplicates."),
            (b"a,,\n", "CSV headers cannot contain duplicates."),
            (b"", f"{SOURCE}: the file is empty, so it has no header row"),
            (b"\xef\xbb\xbf\r\n\n", f"{SOURCE}: the file is empty, so it has no header row"),
            (
                b'a,"b\n1,2\n',
                f"{SOURCE} line 1: a quote opened in this record is not closed by the end of the file",
            ),
            (b"a,\xff\n", f"{SOURCE} line 1: the text is not UTF-8 (invalid start byte)"),
            (b"a\r1\r2", f"{SOURCE} line 1: a carriage return outside quotes that no line feed follows"),
        ],
    )
    def test_refused(self, data: bytes, cause: str) -> None:
        with pytest.raises(ItemReaderFailed) as caught:
            csv.read_header(io.BytesIO(data), ",", SOURCE)
        assert caught.value.cause == cause

    def test_too_long(self) -> None:
        longest = ",".join(f"{number:05x}" for number in range(50_000)).encode()[: csv.MAX_HEADER]
        assert csv.read_header(io.BytesIO(longest), ",", SOURCE).size == csv.MAX_HEADER
        with pytest.raises(ItemReaderFailed, match=r"data.csv line 1: the header is longer than 262144 bytes or 1000 "):
            csv.read_header(io.BytesIO(longest + b"x"), ",", SOURCE)

    def test_too_many_lines(self) -> None:
        blank = b"\r\n" * 2_000
        data = blank + b'"' + b"\n" * (csv.MAX_HEADER_LINES - 1) + b'"\nx'
        assert csv.read_header(io.BytesIO(data), ",", SOURCE).lines == 2_000 + csv.MAX_HEADER_LINES
        with pytest.raises(ItemReaderFailed, match=r"data.csv line 3001: the header is longer than 262144 bytes or "):
            csv.read_header(io.BytesIO(data.replace(b'"', b'"\n', 1)), ",", SOURCE)


@pytest.mark.parametrize("block_size", [7, 1 << 16])
@pytest.mark.parametrize(
    ("data", "before", "cause"),
    [
        (b"1,2\n3\xe9,4\n5,6\n", 1, "line 2: the text is not UTF-8 (invalid continuation byte)"),
        (b'1,2\n"3\n\xff",4\n5,6\n', 1, "line 3: the text is not UTF-8 (invalid start byte)"),
        (b"1,2\n3,4\r5,6\n", 1, "line 2: a carriage return outside quotes that no line feed follows"),
        (b'"1",2\n"3\r",4\r5,6\n', 1, "line 2: a carriage return outside quotes that no line feed follows"),
        (b'a""b,2\n3\\\n4\r5,6\n', 2, "line 3: a carriage return outside quotes that no line feed follows"),
        (b'1,2\n\n"3,4\n5,6\n', 1, "line 3: a quote opened in this record is not closed by the end of the file"),
        (b'a""b,2\n\n"3,4\n5,6', 1, "line 3: a quote opened in this record is not closed by the end of the file"),
        (b'1,2\n"3\\"\n', 1, "line 2: a quote opened in this record is not closed by the end of the file"),
        (b'1,2\n"3\\', 1, "line 2: a quote opened in this record is not closed by the end of the file"),
    ],
)
def test_refused_after_the_rows_before(data: bytes, before: int, cause: str, block_size: int) -> None:
    rows = csv.rows(io.BytesIO(data), "ab", ",", SOURCE, 1, block_size=block_size)
    got: list[dict[str, str]] = []
    with pytest.raises(ItemReaderFailed) as caught:
        got.extend(rows)
    assert len(got) == before
    assert caught.value.cause == f"{SOURCE} {cause}"
    with pytest.raises(ItemReaderFailed) as caught:
        list(csv.scan(io.BytesIO(data), "ab", ",", SOURCE, 1, 0, block_size=block_size))
    assert caught.value.cause == f"{SOURCE} {cause}"


def test_error_lines_count_from_the_given_line() -> None:
    with pytest.raises(ItemReaderFailed, match=r"line 102: the text is not UTF-8"):
        list(csv.rows(io.BytesIO(b"1\n\xff\n"), "a", ",", SOURCE, 101))


@pytest.mark.parametrize("start", [b"", b'"'])
def test_a_record_is_at_most_8_mib(start: bytes) -> None:
    def too_long() -> io.BytesIO:
        # In quotes the record goes over many lines, outside it is one line.
        return io.BytesIO(b"1,2\n" + start + (b"x" * 1023 + (b"\n" if start else b"x")) * (MAX_RECORD // 1024 + 512))

    cause = rf"^States.ItemReaderFailed: {SOURCE} line 2: the record that begins here is longer than 8388608 bytes$"
    got: list[dict[str, str]] = []
    with pytest.raises(ItemReaderFailed, match=cause):
        got.extend(csv.rows(too_long(), "ab", ",", SOURCE, 1))
    assert got == [{"a": "1", "b": "2"}]
    with pytest.raises(ItemReaderFailed, match=cause):
        list(csv.scan(too_long(), "ab", ",", SOURCE, 1, 0))


def test_a_field_of_7_mib_is_read() -> None:
    value = "x" * (7 * 1024 * 1024)
    assert read(f'"{value}",2,3\n'.encode()) == [{"a": value, "b": "2", "c": "3"}]


def test_scan_of_a_plain_file_has_exact_sizes_and_positions() -> None:
    data = b"a,b\n" + b"".join(b"%d,\t%d\n" % (n, n * n) for n in range(1000))
    stream = io.BytesIO(data)
    header = csv.read_header(stream, ",", SOURCE)
    stretches = list(csv.scan(stream, header.names, ",", SOURCE, header.lines + 1, header.size, block_size=4096))
    assert len(stretches) > 2
    sizes = [size for stretch in stretches for size in stretch.sizes]
    # A tab is two bytes in JSON and counted as a control character's six.
    assert sizes == [len(orjson.dumps(row)) + 4 for row in read(data[4:], "ab")]
    assert stretches[0].position(0) == (4, 2)
    assert stretches[0].position(3) == (4 + 3 * 5, 5)
    for stretch, following in pairwise(stretches):
        assert stretch.position(len(stretch)) == (following.offset, following.line)
    assert stretches[-1].position(len(stretches[-1])) == (len(data), 1002)
    with pytest.raises(IndexError):
        stretches[0].position(len(stretches[0]) + 1)


FRAGMENTS = st.sampled_from(
    [
        b'"',
        b'"',
        b'""',
        b"\\",
        b"\r\n",
        b"\n",
        b"\n",
        b",",
        b",",
        b",",
        b"a",
        b"bc",
        b" ",
        b"\t",
        b"\x00",
        b"\x01",
        b"'",
        "é".encode(),
        "😀".encode(),
        "\u2028".encode(),
        b"\x0b",
        b"\x7f",
        b"\xef\xbb\xbf",
        b"\r",
        b"\xff",
    ]
)
TIDY = st.lists(st.lists(st.text("ab \t'é😀{}", max_size=3), min_size=1, max_size=4).map(",".join), max_size=30).map(
    lambda lines: "\n".join(lines).encode()
)
FILES = st.one_of(st.lists(FRAGMENTS, max_size=40).map(b"".join), TIDY)


def outcome(data: bytes, block_size: int, offset: int = 0, line: int = 1) -> tuple[list[dict[str, str]], str | None]:
    """All rows, and the cause if reading ends with an error."""
    got: list[dict[str, str]] = []
    try:
        for row in csv.rows(io.BytesIO(data[offset:]), "ab", ",", SOURCE, line, block_size=block_size):
            got.append(row)
    except ItemReaderFailed as error:
        return got, error.cause
    return got, None


@given(FILES, st.integers(1, 60), st.integers(1, 60))
@example(b"\xef\xbb\xbf\xef\xbb\xbfa\n", 3, 60)
@example(b'"\n\n"\r\n\r\na\\\r\nb', 1, 2)
def test_rows_and_scan_agree(data: bytes, rows_block: int, scan_block: int) -> None:
    rows, cause = outcome(data, 1 << 20)
    assert outcome(data, rows_block) == (rows, cause)
    found = 0
    try:
        for stretch in csv.scan(io.BytesIO(data), "ab", ",", SOURCE, 1, 0, block_size=scan_block):
            assert len(stretch) > 0
            for index, size in enumerate(stretch.sizes):
                assert size >= len(orjson.dumps(rows[found + index]))
                offset, line = stretch.position(index)
                assert outcome(data, rows_block, offset, line) == (rows[found + index :], cause)
            end, _ = stretch.position(len(stretch))
            assert len(outcome(data[:end], rows_block)[0]) == found + len(stretch)
            found += len(stretch)
    except ItemReaderFailed as error:
        assert error.cause == cause
    else:
        assert cause is None
    assert found == len(rows)


@given(TIDY, st.sampled_from([b"\n", b"\r\n"]))
def test_sizes_of_plain_rows_are_exact(data: bytes, end: bytes) -> None:
    data = b"".join(line + end for line in data.replace(b"\t", b"").split(b"\n") if line and line.count(b",") < 2)
    rows = read(data, "ab")
    sizes = [size for stretch in csv.scan(io.BytesIO(data), "ab", ",", SOURCE, 1, 0) for size in stretch.sizes]
    assert sizes == [len(orjson.dumps(row)) for row in rows]
