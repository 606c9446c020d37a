"""Fixtures for real servers: each starts when the first test asks for it and ends with the session."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tools import servers
from tools.airflow_stack import AirflowStack
from tools.servers import S3Endpoint

REPOSITORY = Path(__file__).resolve().parent.parent.parent
MARKS = {
    "s3_server": "server",
    "moto_server": "server",
    "ministack": "server",
    "postgres": "server",
    "airflow_stack": "scheduler",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a server, so that `-m "not server and not scheduler"` leaves it out."""
    for item in items:
        for fixture in set(MARKS) & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKS[fixture])


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """A real S3 server (SeaweedFS): HTTP, signatures, ranges, conditional writes, versions."""
    with servers.s3_server(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """moto in a process of its own: slower, and it knows storage classes (`InvalidObjectState`)."""
    with servers.moto_server(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """Step Functions with Map Runs, in a process of its own; see `tools.servers.ministack` for what it lacks."""
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The SQLAlchemy URL of a new PostgreSQL."""
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def s3_bucket(s3_server: S3Endpoint) -> Callable[[], str]:
    """Make a new bucket on the S3 server and return its name; a function, for tests that need several."""

    def make() -> str:
        name = f"test-{uuid.uuid4()}"
        s3_server.client().create_bucket(Bucket=name)
        return name

    return make


@pytest.fixture(scope="session")
def airflow_stack(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Endpoint) -> Iterator[AirflowStack]:
    """A running Airflow (LocalExecutor, SQLite) with the DAGs of dags/; `aws_default` is the S3 server."""
    stack = AirflowStack(
        tmp_path_factory.mktemp("airflow"),
        REPOSITORY / "dags",
        environment={"AIRFLOW_CONN_AWS_DEFAULT": s3_server.airflow_connection()},
    )
    with stack:
        pids = stack.pids
        yield stack
    left = {name: pid for name, pid in pids.items() if psutil.pid_exists(pid)}
    assert not left, f"still running: {left}"
