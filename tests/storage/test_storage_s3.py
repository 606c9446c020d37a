"""S3: what it refuses, versions, owners, multipart uploads."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from airflow_provider_sfdm.storage import s3_streams
from airflow_provider_sfdm.storage.base import (
    AccessDenied,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StorageUnavailable,
)
from airflow_provider_sfdm.storage.retrying import RetryingStore
from airflow_provider_sfdm.storage.s3 import S3Store
from tools.servers import S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1 << 20


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, moto_server: S3Endpoint) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = boto3.session.Session().client("s3", endpoint_url=moto_server.endpoint_url, region_name="us-east-1")
    with pytest.raises(AccessDenied, match="NoCredentialsError"):
        S3Store(client, "b").read("k")
    client.close()


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchKey", 404, ObjectNotFound),
        ("NoSuchBucket", 404, ObjectNotFound),
        ("NoSuchVersion", 404, ObjectNotFound),
        ("404", 404, ObjectNotFound),
        ("AccessDenied", 403, AccessDenied),
        ("403", 403, AccessDenied),
        ("ExpiredToken", 400, AccessDenied),
        ("SignatureDoesNotMatch", 403, AccessDenied),
        ("PreconditionFailed", 412, ObjectChanged),
        ("InvalidObjectState", 403, StorageError),
        ("InvalidRequest", 400, StorageError),
        ("NotImplemented", 501, StorageError),
        ("SlowDown", 503, StorageUnavailable),
        ("RequestTimeout", 400, StorageUnavailable),
        ("SomethingNew", 500, StorageUnavailable),
        ("503", 503, StorageUnavailable),
    ],
)
def test_answers_of_aws(
    client: S3Client, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[StorageError]
) -> None:
    def refuse(**arguments: Any) -> None:
        answer: Any = {
            "Error": {"Code": code, "Message": "what AWS says"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        raise ClientError(answer, "GetObject")

    monkeypatch.setattr(client, "get_object", refuse)
    with pytest.raises(StorageError) as caught:
        S3Store(client, "some-bucket").read("some/key")
    assert type(caught.value) is kind
    assert caught.value.url == "s3://some-bucket/some/key"
    for part in (
        "'some-bucket'",
        "'some/key'",
        f"GetObject of bucket 'some-bucket', key 'some/key': {code}: ",
        "what AWS says",
    ):
        assert part in caught.value.reason


def test_a_missing_bucket(client: S3Client) -> None:
    store = S3Store(client, "no-such-bucket")
    for call in (store.read, store.pin, store.open):
        with pytest.raises(ObjectNotFound):
            call("k")
    with pytest.raises(ObjectNotFound, match="NoSuchBucket"):
        list(store.list(""))
    with pytest.raises(ObjectNotFound, match="NoSuchBucket"):
        store.put("k", b"")
    with pytest.raises(ObjectNotFound, match="NoSuchBucket"), store.create("k") as writer:
        writer.write(b"x" * 20 * MIB)


def test_looking_up_what_is_missing_says_what_is(client: S3Client, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="k", Body=b"1")
    with pytest.raises(ObjectNotFound, match=r"GetObject of bucket 'no-such-bucket', key 'k': NoSuchBucket: "):
        S3Store(client, "no-such-bucket").pin("k")
    with pytest.raises(ObjectNotFound, match="key 'other': NoSuchKey: "):
        S3Store(client, bucket).pin("other")
    with pytest.raises(ObjectNotFound, match=r"NoSuchVersion|NoSuchKey"):
        S3Store(client, bucket).pin("k", "00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        ("403", "AccessDenied", AccessDenied, "AccessDenied"),
        ("404", "NoSuchKey", ObjectNotFound, "NoSuchKey"),
        ("400", "ExpiredToken", AccessDenied, "ExpiredToken"),
        ("403", "InvalidRange", AccessDenied, "403"),
        ("403", None, AccessDenied, "403"),
        ("503", "NoSuchKey", StorageError, "503"),
    ],
)
def test_a_head_that_is_refused_is_asked_again_for_the_reason(
    client: S3Client, monkeypatch: pytest.MonkeyPatch, status: str, answer: str | None, kind: type[Exception], code: str
) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(**arguments: Any) -> None:
        raise ClientError({"Error": {"Code": status, "Message": "?"}}, "HeadObject")

    def get(**arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        if answer is None:
            return {"Body": BytesIO(b"1")}
        raise ClientError({"Error": {"Code": answer, "Message": "?"}}, "GetObject")

    monkeypatch.setattr(client, "head_object", refuse)
    monkeypatch.setattr(client, "get_object", get)
    with pytest.raises(StorageError, match=f"key 'k': {code}: ") as caught:
        S3Store(client, "b", expected_bucket_owner="123456789012").pin("k", "v")
    assert type(caught.value) is kind
    one_byte = {
        "Bucket": "b", "Key": "k", "VersionId": "v", "ExpectedBucketOwner": "123456789012", "Range": "bytes=0-0",
    }  # fmt: skip
    assert asked == ([] if status == "503" else [one_byte])


def test_an_invalid_bucket_name(client: S3Client) -> None:
    with pytest.raises(StorageError, match="ParamValidationError"):
        S3Store(client, "no bucket!").read("k")


def test_the_owner_goes_along_with_every_call(client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store(client, bucket, expected_bucket_owner="123456789012")
    seen: dict[str, Any] = {}

    def look(params: dict[str, Any], model: Any, **_: Any) -> None:
        seen[model.name] = params["headers"].get("x-amz-expected-bucket-owner")

    client.meta.events.register("before-call.s3", look)
    try:
        store.put("k", b"1")
        store.put_if_absent("new", b"1")
        store.read("k")
        store.pin("k")
        list(store.list(""))
        store.delete("k")
        with store.create("big") as writer:
            writer.write(b"x" * 9 * MIB)
        with pytest.raises(ZeroDivisionError), store.create("big") as writer:
            writer.write(b"x" * 9 * MIB)
            raise ZeroDivisionError
    finally:
        client.meta.events.unregister("before-call.s3", look)
    assert seen.keys() == {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "DeleteObject",
        "GetObject",
        "HeadObject",
        "ListObjectsV2",
        "PutObject",
        "UploadPart",
    }
    assert set(seen.values()) == {"123456789012"}


def test_versions(client: S3Client, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(client, bucket)
    store.put("k", b"first")
    first = store.pin("k")
    assert first.version_id
    store.put("k", b"second, which is longer")
    assert store.pin("k").version_id != first.version_id
    assert store.pin("k", first.version_id) == first
    for opened in (store.open, store.open_seekable):
        with opened("k", first) as file:
            assert file.read() == b"first"
    with pytest.raises(StorageError):
        store.pin("k", "no-such-version")


def test_a_version_that_may_only_be_read_as_the_current_one(
    client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(client, bucket)
    store.put("k", b"first")
    pin = store.pin("k")
    get_object = client.get_object

    def without_get_object_version(**arguments: Any) -> Any:
        if "VersionId" in arguments:
            answer: Any = {"Error": {"Code": "AccessDenied", "Message": "s3:GetObjectVersion"}}
            raise ClientError(answer, "GetObject")
        return get_object(**arguments)

    monkeypatch.setattr(client, "get_object", without_get_object_version)
    with store.open("k", pin) as file:
        assert file.read() == b"first"
    store.put("k", b"second")
    with pytest.raises(AccessDenied, match="s3:GetObjectVersion"):
        store.open("k", pin)


def test_small_objects_are_put_and_big_ones_are_uploaded_in_parts(client: S3Client, bucket: str) -> None:
    store = S3Store(client, bucket)
    for size, parts in ((8 * MIB, 0), (8 * MIB + 1, 2), (20 * MIB, 3)):
        with store.create("k") as writer:
            for _ in range(size // MIB):
                writer.write(b"x" * MIB)
            writer.write(b"y" * (size % MIB))
        head = client.head_object(Bucket=bucket, Key="k")
        assert head["ContentLength"] == size
        assert head["ContentType"] == "binary/octet-stream"
        assert head["ETag"].endswith(f'-{parts}"') == bool(parts)
    assert store.read("k")[-1:] == b"x"


def test_an_aborted_upload_leaves_no_parts(client: S3Client, bucket: str) -> None:
    with pytest.raises(ZeroDivisionError), S3Store(client, bucket).create("k") as writer:
        writer.write(b"x" * 20 * MIB)
        assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
        raise ZeroDivisionError
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_an_upload_that_fails_leaves_no_parts(client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: Any) -> None:
        answer: Any = {"Error": {"Code": "EntityTooSmall", "Message": "too small"}}
        raise ClientError(answer, "CompleteMultipartUpload")

    monkeypatch.setattr(client, "complete_multipart_upload", refuse)
    with pytest.raises(StorageError, match="EntityTooSmall"), S3Store(client, bucket).create("k") as writer:
        writer.write(b"x" * 20 * MIB)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_parts_grow(client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(s3_streams, "PART", 4)

    def upload_part(**part: Any) -> dict[str, str]:
        sizes.append(len(part["Body"]))
        return {"ETag": "e"}

    monkeypatch.setattr(client, "upload_part", upload_part)
    writer = S3Store(client, bucket).create("k")
    with pytest.raises(StorageError, match="10000 parts"):
        writer.write(b"x" * 1_000_000)
    writer.abort()
    assert len(sizes) == 10_000
    # In units of 8 MiB: the same growth makes room for more than 400 GiB.
    assert sum(sizes) // 4 * 8 * MIB > 400 << 30


def test_whose_object_it_is_after_a_lost_answer(client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store(client, bucket)
    put_object = client.put_object

    def lose_the_answer(**arguments: Any) -> Any:
        put_object(**arguments)
        answer: Any = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"RetryAttempts": 1}}
        raise ClientError(answer, "PutObject")

    monkeypatch.setattr(client, "put_object", lose_the_answer)
    assert store.put_if_absent("k", b"1")
    assert not store.put_if_absent("k", b"1")


def test_a_conflict_is_tried_again(
    client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    store = RetryingStore(S3Store(client, bucket))
    put_object, calls = client.put_object, []

    def conflict_at_first(**arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) < 3:
            answer: Any = {"Error": {"Code": "ConditionalRequestConflict"}}
            raise ClientError(answer, "PutObject")
        return put_object(**arguments)

    monkeypatch.setattr(client, "put_object", conflict_at_first)
    assert store.put_if_absent("k", b"1")
    assert len(waits) == 2


@pytest.mark.parametrize("completed", [True, False])
def test_an_upload_that_is_not_there_any_more(
    completed: bool, client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """It was completed and the answer got lost, or somebody has aborted it."""
    store, complete, calls = RetryingStore(S3Store(client, bucket)), client.complete_multipart_upload, [0]

    def lose_the_answer(**arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            if completed:
                complete(**arguments)
            raise ConnectionClosedError(endpoint_url="https://s3")
        answer: Any = {"Error": {"Code": "NoSuchUpload"}}
        raise ClientError(answer, "CompleteMultipartUpload")

    monkeypatch.setattr(client, "complete_multipart_upload", lose_the_answer)
    writer = store.create("k")
    writer.write(bytes(9 * MIB))
    if completed:
        writer.close()
        assert store.read("k") == bytes(9 * MIB)
    else:
        with pytest.raises(StorageError, match="NoSuchUpload"):
            writer.close()
    assert (calls, len(waits)) == ([2], 1)


def test_a_listing_shows_what_s3_gives(client: S3Client, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="in/", Body=b"")
    client.put_object(Bucket=bucket, Key="in/1", Body=b"one", StorageClass="STANDARD_IA")
    [[marker, info]] = S3Store(client, bucket).list("in")
    assert (marker.key, marker.size) == ("in/", 0)
    head = client.head_object(Bucket=bucket, Key="in/1")
    assert info.key == "in/1"
    assert info.size == 3
    assert info.etag == head["ETag"]
    assert info.etag[0] == info.etag[-1] == '"'
    assert info.last_modified == head["LastModified"].timestamp()
    assert info.storage_class == "STANDARD_IA"
    # The folder's own marker has no name in the folder.
    [[inside]] = S3Store(client, bucket, "in").list("")
    assert inside.key == "1"


def test_a_prefix_is_a_folder(client: S3Client, bucket: str) -> None:
    store = S3Store(client, bucket, "runs/1")
    store.put("a", b"in")
    client.put_object(Bucket=bucket, Key="runs/10", Body=b"beside")
    assert store.root == f"s3://{bucket}/runs/1"
    assert store.url("a") == f"s3://{bucket}/runs/1/a"
    assert [info.key for page in store.list("") for info in page] == ["a"]
    assert S3Store(client, bucket).read("runs/1/a") == b"in"
