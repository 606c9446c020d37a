"""The Airflow that is disturbed: PostgreSQL, S3 from a real server, and for Celery a broker and two workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy

from airflow_provider_sfdm.storage import Connections
from tools import servers
from tools.airflow_stack import AirflowStack

BUCKET = "chaos"
DAGS = Path(__file__).parent / "dags"
EXECUTORS = {"local": "LocalExecutor", "celery": "CeleryExecutor"}
CHECKPOINT_SECONDS = 2.0
# What has died is noticed in seconds, not in Airflow's five minutes; docs/executors.md tells which does what.
NOTICED_SOON = {
    "SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "20",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


def value(number: int) -> int:
    """What is in the item of a number, besides that."""
    return number * 7919 % 1009


@dataclass(frozen=True, slots=True)
class World:
    """A running Airflow, its S3 server, and the folder in which children note what they did."""

    executor: str
    stack: AirflowStack
    s3: servers.S3Endpoint
    effects: Path

    @property
    def workers(self) -> bool:
        """Whether tasks run on workers of their own."""
        return self.executor == EXECUTORS["celery"]

    @property
    def connections(self) -> Connections:
        """How to read results from here."""
        return Connections(s3_client=lambda _: self.s3.client())

    def write_items(self, number: int) -> str:
        """Store so many items and return their URL."""
        key = f"items-{number}.jsonl"
        lines = (json.dumps({"number": one, "value": value(one)}) for one in range(number))
        self.s3.client().put_object(Bucket=BUCKET, Key=key, Body="".join(f"{line}\n" for line in lines).encode())
        return f"s3://{BUCKET}/{key}"


def _end_idle_transactions(database: str) -> None:
    """Let nobody hold locks for long who does nothing.

    LocalExecutor's workers are forks of the scheduler and keep its connections open when that is killed alone: the DAG
    runs that it had locked would not be scheduled any more, by no scheduler.
    """
    engine = sqlalchemy.create_engine(database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("alter role current_user set idle_in_transaction_session_timeout = '15s'"))
    engine.dispose()


@contextmanager
def airflow(executor: str, home: Path, *, parallelism: int = 4) -> Iterator[World]:
    """Start everything in ``home``, a new folder."""
    with ExitStack() as started:

        def folder(name: str) -> Path:
            place = home / name
            place.mkdir()
            return place

        effects = folder("effects")
        s3 = started.enter_context(servers.s3_server(folder("s3")))
        s3.client().create_bucket(Bucket=BUCKET)
        database = started.enter_context(servers.postgres(folder("postgres")))
        _end_idle_transactions(database)
        celery = executor == EXECUTORS["celery"]
        broker = started.enter_context(servers.valkey(folder("valkey"))) if celery else None
        settings = {
            **NOTICED_SOON,
            "SFDM__CHECKPOINT_SECONDS": f"{CHECKPOINT_SECONDS:g}",
            "SFDM__STORAGE": f"s3://{BUCKET}/map-runs",
        }
        environment = {
            "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection(),
            "CHAOS_EFFECTS": str(effects),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }
        stack = AirflowStack(
            home / "airflow",
            DAGS,
            database_url=database,
            broker=broker,
            parallelism=parallelism,
            environment=environment,
        )
        started.enter_context(stack)
        yield World(executor, stack, s3, effects)
