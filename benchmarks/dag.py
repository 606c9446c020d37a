"""A whole DAG under a real scheduler: PostgreSQL, LocalExecutor, api-server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import sqlalchemy

from tools.airflow_stack import AirflowStack
from tools.servers import postgres

from .harness import ROOT, Row, Sample, data_file, measure
from .runtime import plain_loop

PARALLELISM = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a DAG: seconds from its start to its end, CPU seconds of all of Airflow and PostgreSQL (less what
    they take when idle), rows it has in the database, bytes of its XComs."""

    wall: float
    cpu: float
    rows: int
    xcom: int


class Measured:
    """A running Airflow whose runs are measured."""

    def __init__(self, stack: AirflowStack, database: str, postmaster: int) -> None:
        self._stack = stack
        self._engine = sqlalchemy.create_engine(database)
        self._processes = [psutil.Process(pid) for pid in (*stack.pids.values(), postmaster)]
        self._idle = 0.0

    def settle(self, seconds: float) -> None:
        """Let it idle, and note what CPU that takes."""
        began, before = time.monotonic(), self._cpu()
        time.sleep(seconds)
        self._idle = (self._cpu() - before) / (time.monotonic() - began)

    def run(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> Run:
        """Run a DAG to its end."""
        began, before = time.monotonic(), self._cpu()
        run_id = self._stack.trigger(dag_id, conf)
        ended = self._stack.wait(dag_id, run_id, timeout=600)
        if ended.state != "success" or ended.duration is None:
            raise RuntimeError(f"{dag_id} {run_id} ended as {ended.state}; logs: {self._stack.home}")
        cpu = self._cpu() - before - self._idle * (time.monotonic() - began)
        return Run(ended.duration, cpu, *self._stored(run_id))

    def _cpu(self) -> float:
        """CPU seconds so far of the components and all that they have forked."""
        total = 0.0
        for process in self._processes:
            for member in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = member.cpu_times()
                    # A task's process is counted in its parent's "children" once it has ended.
                    total += times.user + times.system + times.children_user + times.children_system
        return total

    def _stored(self, run_id: str) -> tuple[int, int]:
        columns = sqlalchemy.text("select table_name from information_schema.columns where column_name = 'run_id'")
        xcom = sqlalchemy.text("select sum(octet_length(value::text)) from xcom where run_id = :run")
        with self._engine.connect() as connection:
            rows = 0
            for (table,) in connection.execute(columns).all():
                count = sqlalchemy.text(f'select count(*) from "{table}" where run_id = :run')
                rows += connection.execute(count, {"run": run_id}).scalar_one()
            return rows, connection.execute(xcom, {"run": run_id}).scalar_one() or 0


@contextmanager
def airflow() -> Iterator[Measured]:
    """A new Airflow, ready and warm."""
    with TemporaryDirectory() as folder:
        data = Path(folder, "postgres")
        with postgres(data) as database:
            postmaster = int((data / "postmaster.pid").read_text().split()[0])
            stack = AirflowStack(
                Path(folder, "airflow"),
                Path(__file__).parent / "dags",
                database_url=database,
                executor="LocalExecutor",
                parallelism=PARALLELISM,
                environment={"PYTHONPATH": str(ROOT)},
            )
            with stack:
                measured = Measured(stack, database, postmaster)
                for dag_id in ("bench_empty", "bench_naive"):
                    measured.run(dag_id, {"items": 1} if dag_id == "bench_naive" else None)
                measured.settle(5)
                yield measured


def _map(stack: Measured, rows: int) -> Run:
    with TemporaryDirectory() as results:
        conf = {"source": Path(data_file("csv", rows)).as_uri(), "results": Path(results).as_uri()}
        return stack.run("bench_map", conf)


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    rows, many, few, items, pairs = (
        (1_000_000, 1_000_000, 100_000, 20, 2) if quick else (1_000_000, 10_000_000, 100_000, 50, 3)
    )
    loops: list[Sample] = []
    empty: list[Run] = []
    mapped: list[Run] = []
    for size in (rows, many, few):
        data_file("csv", size)
    with airflow() as stack:
        for _ in range(pairs):
            loops.append(measure(plain_loop, source=data_file("csv", rows)))
            empty.append(stack.run("bench_empty"))
            mapped.append(_map(stack, rows))
        small, large = _map(stack, few), _map(stack, many)
        naive = stack.run("bench_naive", {"items": items})
    return [
        _whole(rows, loops, empty, mapped),
        _against_naive(rows, items, empty, mapped, naive),
        _stored(few, many, small, large, "rows in the database", small.rows, large.rows, 1.0),
        # The numbers in the counters and labels have more digits when there is more to count.
        _stored(few, many, small, large, "bytes of XComs", small.xcom, large.xcom, 1.10),
    ]


def _details(runs: Mapping[str, list[Run]]) -> dict[str, Any]:
    return {name: [[run.wall, run.cpu, run.rows, run.xcom] for run in found] for name, found in runs.items()}


def _whole(rows: int, loops: list[Sample], empty: list[Run], mapped: list[Run]) -> Row:
    spare = [
        nothing.wall + 1.5 * loop.wall - ours.wall for nothing, loop, ours in zip(empty, loops, mapped, strict=True)
    ]
    wall, limit = (median(run.wall for run in runs) for runs in (mapped, empty))
    loop_time = median(loop.wall for loop in loops)
    return Row(
        group="dag",
        name=f"whole DAG over {rows:,} CSV rows, 2 partitions; against an empty three-task DAG + 1.5 x the plain loop",
        measured=f"{wall:.2f} s (CPU {median(run.cpu for run in mapped):.1f})",
        compared=f"{limit:.2f} s (CPU {median(run.cpu for run in empty):.1f}) + 1.5 x {loop_time:.2f} s",
        figure=f"{wall - limit:+.2f} s over the empty DAG",
        target=f"≤ +{1.5 * loop_time:.2f} s",
        within=median(spare) >= 0,
        details={**_details({"map": mapped, "empty": empty}), "loop": [loop.wall for loop in loops]},
    )


def _against_naive(rows: int, items: int, empty: list[Run], mapped: list[Run], naive: Run) -> Row:
    base_wall, base_cpu = median(run.wall for run in empty), median(run.cpu for run in empty)
    ours = [
        (median(run.wall for run in mapped) - base_wall) / rows,
        (median(run.cpu for run in mapped) - base_cpu) / rows,
    ]
    theirs = [(naive.wall - base_wall) / items, (naive.cpu - base_cpu) / items]
    wall, cpu = (max(one, 1e-9) for one in ours)
    return Row(
        group="dag",
        name=f"an item more, of {rows:,}; against .expand() over {items} items",
        measured=f"{wall * 1e6:.1f} µs (CPU {cpu * 1e6:.1f} µs)",
        compared=f"{theirs[0] * 1e3:.0f} ms (CPU {theirs[1] * 1e3:.0f} ms)",
        figure=f"1/{theirs[1] / cpu:,.0f} of the CPU, 1/{theirs[0] / wall:,.0f} of the time",
        details=_details({"naive": [naive]}),
    )


def _stored(few: int, many: int, small: Run, large: Run, what: str, less: int, more: int, limit: float) -> Row:
    return Row(
        group="dag",
        name=f"{what}: a run over {many:,} rows against {few:,}",
        measured=f"{more:,}",
        compared=f"{less:,}",
        figure=f"{more / less:.2f} x",
        target="the same" if limit == 1 else f"≤ {limit:.2f} x",
        within=more <= less * limit,
        details=_details({"small": [small], "large": [large]}),
    )
