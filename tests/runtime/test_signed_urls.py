"""Signed URLs of the web: their files are read, and their signatures shown nowhere."""

from __future__ import annotations

import gzip
import logging
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from airflow_provider_sfdm import (
    InputType,
    ItemReaderFailed,
    MapRunResults,
    ResultWriter,
    ResultWriterFailed,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from airflow_provider_sfdm.core.readers import ItemReader, ManifestType
from airflow_provider_sfdm.storage import StorageError, open_object
from tests.runtime.helpers import inputs, path_of, run

SIGNATURE = "X-Sig=SECRETSIG/x&b=2"
SELECTOR = {"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"}
FILES = {
    "/a/b.jsonl.gz": gzip.compress(b"1\n2\n"),
    "/a/b.jsonl": b"1\n2\n",
    # With an ETag, by which the partitions could read it in place.
    "/pinned/b.jsonl": b"1\n2\n",
    "/pinned/bad.jsonl": b"1\n{oops\n",
    "/pinned/bad.csv": b"a,b\n1,2\n1,\xff\n",
    "/pinned/bad.parquet": b"no parquet",
    "/bad.jsonl.gz": b"no gzip",
    "/bad.jsonl": b"1\n{oops\n",
    "/bad.csv": b"a,b\n1,2\n1,\xff\n",
    "/bad.json": b"[1,",
    "/bad.parquet": b"no parquet",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that wants the signature, and answers 403 to everything below ``/denied``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            status, data = 200, FILES.get(path)
            if data is None:
                status, data = 404, b""
            if query != SIGNATURE or path.startswith("/denied"):
                status, data = 403, b""
            if status == 200 and (asked := self.headers.get("Range")):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                status, data = 206, data[int(first) : int(last) + 1 if last else None]
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if path.startswith("/pinned"):
                self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join(30)


def _written_below(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["/a/b.jsonl.gz", "/a/b.jsonl", "/pinned/b.jsonl"])
def test_a_signed_url_is_read(
    name: str, server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)  # fsspec tells URLs at DEBUG
    reader = S3JsonLItemReader(url=f"{server}{name}?{SIGNATURE}")
    summary = run(tmp_path, item_reader=reader, item_selector=SELECTOR, partitions=2)
    assert inputs(summary) == [{"v": number, "s": f"{server}{name}"} for number in (1, 2)]
    out, err = capfd.readouterr()
    shown = (_written_below(tmp_path), repr(summary.to_dict()), caplog.text, out, err)
    assert all("SECRETSIG" not in text for text in shown)


def _failing(server: str) -> list[ItemReader]:
    def signed(name: str) -> str:
        return f"{server}/{name}?{SIGNATURE}"

    return [
        *(S3JsonLItemReader(url=signed(name)) for name in ("bad.jsonl.gz", "bad.jsonl", "missing.jsonl", "denied/x")),
        S3JsonLItemReader(url=f"http://127.0.0.1:9/none.jsonl?{SIGNATURE}"),
        S3CsvItemReader(url=signed("bad.csv")),
        S3CsvItemReader(url=signed("pinned/bad.csv")),
        S3JsonLItemReader(url=signed("pinned/bad.jsonl")),
        S3ParquetItemReader(url=signed("pinned/bad.parquet")),
        S3JsonItemReader(url=signed("bad.json")),
        S3ParquetItemReader(url=signed("bad.parquet")),
        S3ManifestItemReader(url=signed("bad.json")),
        S3ManifestItemReader(url=signed("bad.csv"), manifest_type=ManifestType.ATHENA_DATA, input_type=InputType.JSONL),
        S3ObjectsItemReader(url=signed("denied/")),
        S3JsonLItemReader(url="s3://AKIA:SECRETSIG@bucket/key"),
        S3ParquetItemReader(url="sftp://bob:SECRETSIG@127.0.0.1/key"),
        S3JsonItemReader(url="sftp://bob:SECRETSIG@127.0.0.1/key"),
    ]


@pytest.mark.parametrize("number", range(17))
def test_no_failure_shows_a_secret(
    number: int, server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)  # fsspec tells URLs at DEBUG
    with pytest.raises(ItemReaderFailed) as caught:
        run(tmp_path, item_reader=_failing(server)[number])
    # A traceback quotes lines of this test, none of which holds a whole URL.
    error = "".join(traceback.format_exception(caught.value))
    out, err = capfd.readouterr()
    for text in (str(caught.value), error, caplog.text, out, err, _written_below(tmp_path)):
        assert "SECRETSIG" not in text
    assert any(place in caught.value.cause for place in (server, "http://127.0.0.1:9/none.jsonl: ", "://***: "))


def test_results_are_not_written_to_a_url_with_credentials(tmp_path: Path) -> None:
    for url in ("s3://AKIA:hunter2@bucket/p", "sftp://bob:hunter2@127.0.0.1/p"):
        with pytest.raises(ResultWriterFailed, match="credentials do not belong in a URL") as caught:
            run(tmp_path, given=[1], result_writer=ResultWriter(url=url))
        assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")
    assert "hunter2" not in _written_below(tmp_path)


def test_results_read_from_signed_urls(server: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such object") as caught:
        MapRunResults.from_manifest(f"{server}/manifest.json?{SIGNATURE}")
    assert "SECRETSIG" not in "".join(traceback.format_exception(caught.value))
    summary = run(tmp_path, given=[1])
    FILES["/run/manifest.json"] = path_of(str(summary.manifest)).read_bytes()
    with pytest.raises(Exception, match="is not where this manifest is") as refused:
        MapRunResults.from_manifest(f"{server}/run/manifest.json?{SIGNATURE}")
    assert "SECRETSIG" not in str(refused.value)


def test_what_a_store_shows(server: str) -> None:
    url = f"{server}/a/b.jsonl?{SIGNATURE}"
    store, key = open_object(url)
    assert (store.url(key), store.shown(key)) == (url, f"{server}/a/b.jsonl")
    assert store.read(key) == b"1\n2\n"
    assert "SECRETSIG" not in repr(store)
    with pytest.raises(StorageError, match=r"b\.jsonl: cannot be written: ") as caught:
        store.put(key, b"")
    assert "SECRETSIG" not in "".join(traceback.format_exception(caught.value))
