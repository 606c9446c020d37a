"""A very large map, and many at once, under a real scheduler: to the end, with what memory and database take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import sqlalchemy

from airflow_provider_sfdm import MapRunResults
from tools.airflow_stack import AirflowStack
from tools.servers import postgres

from .harness import ROOT, Row, data_file

PARALLELISM = 4
TASK_TITLE = "airflow worker -- "
IDLE_TITLE = "airflow worker -- LocalExecutor"
TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What some runs took together: seconds; bytes of memory at its peak, of the task process that took most and of the
    scheduler; rows of the runs in the database, and by how many bytes it grew.
    """

    wall: float
    task: int
    scheduler: int
    rows: int
    database: int
    grown: int


class Watched:
    """A running Airflow whose memory and database are watched."""

    def __init__(self, stack: AirflowStack, database: str) -> None:
        self.stack = stack
        self._engine = sqlalchemy.create_engine(database)

    def run(self, dag_id: str, sources: list[str], rows: int, results: Path) -> Load:
        """Run a DAG over each of the sources at once, and check the results of each run.

        :raises RuntimeError: a run failed, or did not give ``rows`` results.
        """
        before, began = self._database(), time.monotonic()
        folders = [results / str(number) for number in range(len(sources))]
        runs = [
            self.stack.trigger(dag_id, {"source": source, "results": folder.as_uri()})
            for source, folder in zip(sources, folders, strict=True)
        ]
        task = 0
        waiting = set(runs)
        while waiting:
            task = max(task, *(_peak(process) for process in _task_processes()), 0)
            for run_id in sorted(waiting):
                run = self.stack.api.dag_run(dag_id, run_id)
                if run.ended:
                    waiting.remove(run_id)
                if run.state == "failed" or time.monotonic() - began > TIMEOUT:
                    raise RuntimeError(f"{dag_id} {run_id} is {run.state}\n{self.stack.told(dag_id, run_id)}")
            time.sleep(0.5)
        wall = time.monotonic() - began
        for run_id in runs:
            _check(self.stack.api.xcom(dag_id, run_id, "rows.write_results"), rows)
        scheduler = _peak(psutil.Process(self.stack.pids["scheduler"]))
        after = self._database()
        return Load(wall, task, scheduler, sum(map(self._rows, runs)), after, after - before)

    def _database(self) -> int:
        with self._engine.connect() as connection:
            size: int = connection.execute(sqlalchemy.text("select pg_database_size(current_database())")).scalar_one()
            return size

    def _rows(self, run_id: str) -> int:
        columns = sqlalchemy.text("select table_name from information_schema.columns where column_name = 'run_id'")
        with self._engine.connect() as connection:
            counts = [
                connection.execute(
                    sqlalchemy.text(f'select count(*) from "{table}" where run_id = :run'), {"run": run_id}
                )
                for table in connection.execute(columns).scalars()
            ]
            return sum(count.scalar_one() for count in counts)


def _task_processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            if title.startswith(TASK_TITLE) and not title.startswith(IDLE_TITLE):
                yield process


def _peak(process: psutil.Process) -> int:
    """The most bytes that a process has had in memory (VmHWM), 0 where it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _check(summary: dict[str, Any], rows: int) -> None:
    counts = summary["itemCounts"]
    found = sum(1 for _ in MapRunResults.from_summary(summary).succeeded())
    if (summary["status"], counts["succeeded"], counts["total"], found) != ("SUCCEEDED", rows, rows, rows):
        raise RuntimeError(f"{rows:,} rows should have given as many results: {found:,}, {summary}")


@contextmanager
def airflow() -> Iterator[Watched]:
    """A new Airflow, with nothing in its database."""
    with TemporaryDirectory() as folder, postgres(Path(folder, "postgres")) as database:
        stack = AirflowStack(
            Path(folder, "airflow"),
            Path(__file__).parent / "dags",
            database_url=database,
            parallelism=PARALLELISM,
            environment={"PYTHONPATH": str(ROOT)},
        )
        with stack:
            yield Watched(stack, database)


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    large, maps, each = (1_000_000, 5, 20_000) if quick else (10_000_000, 20, 100_000)
    found = []
    with airflow() as watched:
        for name, dag_id, number, rows in (
            (f"one map of {1:,} item, to compare with", "load_batched", 1, 1),
            (f"one map of {large:,} items in batches of 500", "load_batched", 1, large),
            (f"one map of {large:,} items, a child and a record each", "load_single", 1, large),
            (f"{maps} maps of {each:,} items at once, in batches of 500", "load_batched", maps, each),
        ):
            sources = [Path(data_file("csv", rows)).as_uri()] * number
            with TemporaryDirectory() as results:
                found.append(_row(name, watched.run(dag_id, sources, rows, Path(results))))
    return found


def _row(name: str, load: Load) -> Row:
    return Row(
        group="load",
        name=name,
        measured=f"{load.wall:.0f} s",
        compared=f"at most {load.task / 1e6:.0f} MB a task process, {load.scheduler / 1e6:.0f} MB the scheduler",
        figure=f"{load.rows:,} rows; database {load.database / 1e6:.1f} MB, {load.grown / 1e6:+.1f} MB",
        details={name: getattr(load, name) for name in Load.__slots__},
    )
