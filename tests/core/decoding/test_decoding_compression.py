"""Decompression: which names, many members, and data that is cut off, corrupt or not compressed at all."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable

import pytest
import zstandard

from airflow_provider_sfdm.core.decoding.compression import decompress, is_compressed
from airflow_provider_sfdm.core.errors import ItemReaderFailed

DATA = random.Random(1).randbytes(100_000) + b"x" * 900_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.compress,
    "zstd": zstandard.compress,
    "GZ": gzip.compress,
}


def test_of_a_url_of_the_web_the_path_counts() -> None:
    assert is_compressed("https://h/y.jsonl.gz?sig=a/b.csv")
    assert is_compressed("HTTP://h/y.jsonl.ZST?sig=x#y")
    assert not is_compressed("https://h/y.jsonl?name=x.gz")
    # Elsewhere a "?" is part of the key.
    assert is_compressed("s3://b/y?x.gz")
    assert not is_compressed("s3://b/y.gz?x")
    assert decompress(io.BytesIO(gzip.compress(b"1")), "https://h/y.gz?sig=a").read() == b"1"


@pytest.mark.parametrize("suffix", PACK)
class TestCompressed:
    def test_is_decompressed(self, suffix: str) -> None:
        assert is_compressed(f"a/data.csv.{suffix}")
        stream = decompress(io.BytesIO(PACK[suffix](DATA)), f"a/data.csv.{suffix}")
        assert stream.read(10) == DATA[:10]
        assert stream.readline() + stream.read() == DATA[10:]
        assert stream.read(1) == b""

    def test_members_are_read_as_one(self, suffix: str) -> None:
        packed = PACK[suffix](b"one\n") + PACK[suffix](b"") + PACK[suffix](b"two\n")
        assert list(decompress(io.BytesIO(packed), f"x.{suffix}")) == [b"one\n", b"two\n"]

    def test_an_empty_file_is_empty(self, suffix: str) -> None:
        assert decompress(io.BytesIO(), f"x.{suffix}").read() == b""

    @pytest.mark.parametrize("cut", [1, 8, 1000])
    def test_cut_off(self, suffix: str, cut: int) -> None:
        packed = PACK[suffix](DATA)[:-cut]
        stream = decompress(io.BytesIO(packed), f"x.{suffix}")
        with pytest.raises(ItemReaderFailed, match=rf"Failed: x.{suffix}: the compressed data is cut off"):
            while stream.read(100_000):
                pass

    @pytest.mark.parametrize("data", [b"id,name\n1,2\n", b"\x00" * 100])
    def test_not_compressed(self, suffix: str, data: bytes) -> None:
        with pytest.raises(ItemReaderFailed, match=rf"x.{suffix}: the compressed data is not valid: "):
            decompress(io.BytesIO(data), f"x.{suffix}").read()

    def test_corrupt(self, suffix: str) -> None:
        packed = bytearray(PACK[suffix](b"0123456789" * 1000 + DATA))
        packed[5000] ^= 0xFF
        if suffix.startswith("z"):
            packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(DATA))
            packed[5000] ^= 0xFF
        with pytest.raises(ItemReaderFailed, match=r"the compressed data is not valid: "):
            decompress(io.BytesIO(packed), f"x.{suffix}").read()

    def test_closing_closes_the_source(self, suffix: str) -> None:
        source = io.BytesIO(PACK[suffix](DATA))
        with decompress(source, f"x.{suffix}"):
            pass
        assert source.closed


@pytest.mark.parametrize("name", ["data.csv", "data.gz.csv", "gz", "data.zip"])
def test_everything_else_is_handed_back(name: str) -> None:
    stream = io.BytesIO(b"x")
    assert not is_compressed(name)
    assert decompress(stream, name) is stream


def test_a_bomb_is_decompressed_in_bounded_pieces() -> None:
    bomb = zstandard.compress(bytes(100_000_000))
    largest = 0
    stream = decompress(io.BytesIO(bomb), "x.zst")
    raw = stream.raw  # type: ignore[attr-defined]
    total = 0
    while data := stream.read1(1 << 20):  # type: ignore[attr-defined]
        total += len(data)
        largest = max(largest, len(raw._left.obj))
    assert total == 100_000_000
    assert largest <= 34 * 1024 * 1024
