"""A real Airflow on this machine: scheduler, dag-processor and api-server as processes of their own.

Usage:
    with AirflowStack(home, dags_folder) as stack:
        run_id = stack.trigger("flights_delays", {"source": "file:///data/flights.csv"})
        run = stack.wait("flights_delays", run_id, timeout=300)
        print(run.state, stack.task_log("flights_delays", run_id, "report"))

The demo, the scheduler tests and the benchmarks use it. It needs no login and listens on 127.0.0.1 only.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tools.airflow_api import AirflowApi, DagRun, TaskInstance
from tools.processes import HOST, Process, ServerFailed, free_ports, stop_all, wait_until

# How long, after a DAG file with an error, the others get to show the DAG that is waited for.
IMPORT_ERROR_PATIENCE = 5.0
COMPONENTS = ("dag-processor", "scheduler", "api-server")
TRIGGERER = "triggerer"
CELERY = "CeleryExecutor"
WORKERS = ("worker-1", "worker-2")


class AirflowStack:
    """One Airflow installation and its running components.

    `home` becomes AIRFLOW_HOME; what an earlier run left there (database, task logs) is used again. `database_url`
    is a SQLAlchemy URL, by default SQLite in `home`. `environment` is added to the components' environment
    and so reaches the DAG file and the tasks. `parallelism` is the most task instances that run at once. Without a
    `triggerer` deferred tasks wait for ever.

    With a `broker` (a Redis URL) the executor is the CeleryExecutor: two workers share the parallelism. Each has a
    folder of its own in `home`, which is its AIRFLOW_HOME and where its tasks' logs are.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        database_url: str | None = None,
        executor: str = "LocalExecutor",
        broker: str | None = None,
        parallelism: int = 4,
        triggerer: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._workers = WORKERS if broker else ()
        self._names = (*COMPONENTS, *self._workers, *((TRIGGERER,) if triggerer else ()))
        self.parallelism = parallelism
        self.home = home.resolve()
        self.component_logs = self.home / "logs-components"
        (port,) = free_ports(1)
        self.url = f"http://{HOST}:{port}"
        self.api = AirflowApi(self.url)
        database = database_url or f"sqlite:///{self.home}/airflow.db"
        settings = {
            "API__BASE_URL": self.url,
            "API__HOST": HOST,
            "API__PORT": str(port),
            "API__SECRET_KEY": secrets.token_urlsafe(32),
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(dags_folder.resolve()),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__EXECUTOR": CELERY if broker else executor,
            "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": str(max(16, parallelism)),
            "CORE__PARALLELISM": str(parallelism),
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            # The scheduler's default is to sleep 1 s whenever a loop found nothing to do.
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        if broker:
            settings |= {
                "CELERY__BROKER_URL": broker,
                "CELERY__RESULT_BACKEND": f"db+{database}",
                # The provider's own default, which it warns about when it is not set.
                "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
            }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": f"{HOST},localhost",
            "no_proxy": f"{HOST},localhost",
            "PYTHONWARNINGS": "ignore",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            **(environment or {}),
        }
        self._running: dict[str, Process] = {}
        self._killed: list[Process] = []

    def start(self, timeout: float = 120.0) -> None:
        """Create or migrate the database, start the components, and wait until the API answers.

        Raises ServerFailed, with the end of the component's log, when one does not come up. What was started
        until then is stopped.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            migration = self._run("db-migrate", "db", "migrate")
            if migration.wait(timeout) != 0:
                migration.check()
            del self._running[migration.name]
            for component in self._names:
                self._run(component, *self._arguments(component))
            wait_until(self._ready, timeout=timeout, processes=self._components)
        except BaseException:
            self.stop(grace=2.0)
            raise

    def _arguments(self, component: str) -> tuple[str, ...]:
        if component in self._workers:
            slots = self.parallelism // len(self._workers)
            options = ("--concurrency", str(slots), "--without-gossip", "--without-mingle", "--skip-serve-logs")
            return ("celery", "worker", "--celery-hostname", component, *options)
        return (component, *(("--skip-serve-logs",) if component in ("scheduler", TRIGGERER) else ()))

    def _run(self, name: str, *arguments: str) -> Process:
        home = self._home_of(name)
        home.mkdir(exist_ok=True)
        lives = sum(process.name == name for process in self._killed)
        self._running[name] = Process(
            name,
            [sys.executable, "-m", "airflow", *arguments],
            log=self.component_logs / (f"{name}.{lives}.log" if lives else f"{name}.log"),
            env={**self.environment, "AIRFLOW_HOME": str(home), "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{home}/logs"},
            cwd=home,
        )
        return self._running[name]

    def _home_of(self, name: str) -> Path:
        return self.home / name if name in self._workers else self.home

    def _ready(self) -> bool:
        workers = (self._running[name].log for name in self._workers)
        return all(" ready." in log.read_text(errors="replace") for log in workers) and self.api.healthy()

    @property
    def _components(self) -> list[Process]:
        return list(self._running.values())

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the components, by name."""
        return {process.name: process.pid for process in self._components}

    def kill(
        self, name: str, number: signal.Signals = signal.SIGKILL, *, alone: bool = False, grace: float = 0.0
    ) -> None:
        """End a component and all that it has forked, `grace` seconds after the signal, as a lost machine would.

        `alone`: what it has forked lives on.
        """
        process = self._running.pop(name)
        self._killed.append(process)
        process.kill(number, alone=alone, grace=grace)

    def restart(self, name: str) -> None:
        """Start a component that was killed; it takes seconds until it is there."""
        self._run(name, *self._arguments(name))

    def task_process(self, instance: TaskInstance) -> psutil.Process | None:
        """Return the process that runs a task instance now, on whichever worker; its parent supervises it."""
        title = f"airflow worker -- {instance.id}"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess):
                if " ".join(process.cmdline()).strip() == title and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        return None

    def component_of(self, process: psutil.Process) -> str | None:
        """Return the name of the component that a process belongs to; None when that has been killed."""
        session = os.getsid(process.pid)
        return next((name for name, pid in self.pids.items() if pid == session), None)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, timeout: float = 60.0) -> str:
        """Start a run of a DAG, as soon as the dag-processor has read its file, and return the run id.

        Raises ServerFailed when the DAG's file has an import error, or does not show up in `timeout` seconds.
        """

        patience: list[float] = []

        def known() -> bool:
            if self.api.has_dag(dag_id):
                return True
            errors = self.api.import_errors()
            if errors:
                # Which file has the DAG is not known before it is read: give the other files some time.
                patience.append(time.monotonic())
                if patience[-1] - patience[0] > IMPORT_ERROR_PATIENCE:
                    told = (f"{file} cannot be imported:\n{errors[file]}" for file in errors)
                    raise ServerFailed(f"there is no DAG {dag_id}\n" + "\n".join(told))
            return False

        wait_until(known, timeout=timeout, processes=self._components)
        return self.api.trigger(dag_id, conf or {})

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float,
        on_tick: Callable[[DagRun, list[TaskInstance]], None] | None = None,
        interval: float = 0.5,
    ) -> DagRun:
        """Wait until a run has ended, well or not, and return it; `on_tick` is called every `interval` seconds.

        Raises ServerFailed when a component ends meanwhile, TimeoutError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            run = self.api.dag_run(dag_id, run_id)
            if on_tick is not None:
                on_tick(run, self.task_instances(dag_id, run_id))
            if run.ended:
                return run
            for process in self._components:
                process.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{dag_id} {run_id} is {run.state} after {timeout:.0f} s; logs: {self.home}")
            time.sleep(interval)

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a run, as they are now."""
        return self.api.task_instances(dag_id, run_id)

    def task_log_file(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1, attempt: int = 1) -> Path:
        """Return where the log of one attempt of a task instance is written."""
        place = Path(f"dag_id={dag_id}", f"run_id={run_id}", f"task_id={task_id}")
        if map_index >= 0:
            place /= f"map_index={map_index}"
        files = [folder / place / f"attempt={attempt}.log" for folder in self._log_folders]
        return next((file for file in files if file.exists()), files[0])

    @property
    def _log_folders(self) -> list[Path]:
        """Where tasks' logs are: each worker has its own."""
        return [self._home_of(name) / "logs" for name in (*self._workers, "scheduler")]

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1, attempt: int = 1) -> list[str]:
        """Return the messages that a task instance logged or printed so far, one a line of its log file."""
        file = self.task_log_file(dag_id, run_id, task_id, map_index=map_index, attempt=attempt)
        if not file.exists():
            return []
        return [_message(line) for line in file.read_text(errors="replace").splitlines()]

    def told(self, dag_id: str, run_id: str) -> str:
        """Return what Airflow did with the tasks of a run, and what they and their triggers logged: why it ended so.

        A task that Airflow itself fails, as its worker or its heartbeat is missing, says nothing of it in its own log.
        """
        query = {"dag_id": dag_id, "run_id": run_id, "order_by": "when", "limit": "100"}
        events = self.api.get("/eventLogs", query)["event_logs"]
        lines = [f"What Airflow did with {dag_id} {run_id}:"]
        lines += [
            " ".join(str(one[key]) for key in ("when", "task_id", "try_number", "event", "extra")) for one in events
        ]
        for folder in self._log_folders:
            run = folder / f"dag_id={dag_id}" / f"run_id={run_id}"
            for file in sorted(run.rglob("*.log*")):
                lines += [f"{file.relative_to(run)}:", *map(_message, file.read_text(errors="replace").splitlines())]
        return "\n".join(lines)

    def stop(self, grace: float = 5.0) -> None:
        """End the components and everything they forked; running tasks get `grace` seconds."""
        processes = [*self._running.values(), *self._killed]
        self._running, self._killed = {}, []
        stop_all(processes, grace)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _message(line: str) -> str:
    """Return the text of a line of a task's log, with the exception that it tells of."""
    try:
        entry = json.loads(line)
        message = str(entry["event"])
        raised = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or ()]
    except (ValueError, KeyError, TypeError):
        return line  # what a library wrote past Airflow's logging
    return ": ".join([message, *raised])
