"""The secrets of connections stand in no file, log, XCom, rendered field or error. (Signed URLs: tests/runtime.)"""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ItemReaderFailed, ResultWriter, ResultWriterFailed, S3CsvItemReader
from airflow_provider_sfdm.storage import Connections, StorageError, open_folder
from airflow_provider_sfdm.storage.reasons import one_line, without_secrets
from tests.runtime.helpers import run
from tools.servers import S3Endpoint

SECRET = "hunter2+/Secret=="
JINJA = "{{ conn.aws_default.password }}"


def test_a_dag_leaves_no_secret_anywhere(
    run_dag: Any, s3_server: Any, s3_bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data says where the secret is: an object's key that Jinja would turn into the password."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.airflow_connection())
    bucket, client = s3_bucket(), s3_server.client()
    client.put_object(Bucket=bucket, Key=f"in/{JINJA}/1", Body=b"xyz")
    made = run_dag("example_s3_prefix.py", "s3_prefix", "examples", bucket=bucket, prefix="in/", results="out")
    assert made.state == "success"
    assert made.xcom("report") == {f"in/{JINJA}": 3}
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert any(key.endswith("plan.json") for key in keys)
    assert any(key.endswith("manifest.json") for key in keys)
    shown = [client.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    shown += keys
    tasks = sorted({task for task, _ in made.tasks})
    shown += [
        json.dumps(made.xcom(task, index, key))
        for task, index in made.tasks
        for key in ("return_value", "map_run", "partition", "summary")
    ]
    shown += [json.dumps(made.rendered(task)) for task in tasks if task.endswith("read_items")]
    assert s3_server.secret_key not in made.log
    assert all(s3_server.secret_key not in text for text in shown)


def test_refused_credentials_are_not_repeated(
    s3_server: S3Endpoint, s3_bucket: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bucket = s3_bucket()
    client = dataclasses.replace(s3_server, secret_key=SECRET).client()
    connections = Connections(s3_client=lambda _: client)
    shown = []
    reader = S3CsvItemReader(bucket=bucket, key="rows.csv")
    with pytest.raises(ItemReaderFailed) as read:
        run(tmp_path, item_reader=reader, connections=connections)
    with pytest.raises((ResultWriterFailed, StorageError)) as written:
        run(tmp_path, given=[1], result_writer=ResultWriter(bucket=bucket), connections=connections)
    shown = ["".join(traceback.format_exception(caught.value)) for caught in (read, written)]
    shown += [caplog.text, *(path.read_text() for path in tmp_path.rglob("*") if path.is_file())]
    assert all(SECRET not in text for text in shown)
    assert bucket in shown[0] and bucket in shown[1]


MESSAGES = [
    f"DefaultEndpointsProtocol=https;AccountName=me;AccountKey={SECRET};EndpointSuffix=core.windows.net",
    f"bad connection string: SharedAccessSignature={SECRET}",
    f"401 for headers {{'Authorization': 'Bearer {SECRET}', 'x': '1'}}",
    f'{{"error": "invalid_grant", "refresh_token": "{SECRET}"}}',
    f"SFTPClient(host='h', username='me', password='{SECRET}')",
    f"aws_secret_access_key={SECRET} is wrong",
    f"The Canonical String was 'host:x x-amz-security-token:{SECRET} '",
    f"Credential={SECRET}/20260101/eu, Signature={SECRET}",
    f"GET https://bucket.s3.amazonaws.com/key?X-Amz-Signature={SECRET}",
    f"cannot reach sftp://me:{SECRET.replace('/', '')}@host/folder",
    f"token expired: Bearer {SECRET}{SECRET}",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_what_libraries_say_is_shown_without_secrets(message: str) -> None:
    """Client libraries repeat connection strings, headers and what was signed."""
    for text in (without_secrets(message), one_line(ValueError(message))):
        assert "***" in text
        assert "hunter2" not in text


@pytest.mark.parametrize("message", MESSAGES)
def test_a_file_system_that_tells_its_secrets(message: str) -> None:
    def filesystem(url: str) -> Any:
        raise ValueError(message)

    with pytest.raises(StorageError, match="it cannot be opened: ValueError") as caught:
        open_folder("gs://mine@bucket/folder", Connections(filesystem=filesystem))
    # A traceback quotes lines of this test, none of which holds a secret.
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "message",
    [
        "An error occurred (SignatureDoesNotMatch): Check your key and signing method.",
        "no such key: a/b=c",
        "the token is expired",
        "bearer authentication is needed",
        "see https://docs.example.org/keys",
    ],
)
def test_what_is_no_secret_is_shown(message: str) -> None:
    assert without_secrets(message) == message
