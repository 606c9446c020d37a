"""What a partition's task does when it is killed: why it is decides what becomes of the map run."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any

from ..compat import Context, dag_run_state
from ..core.errors import StatesError
from ..runtime.aborting import write_aborted
from ..runtime.closing import close_partition
from ..runtime.folder import MapRunFolder
from ..runtime.stop import StopReason, StopSignal
from ..storage import Connections, StorageError

STOPPED = StopReason(
    "States.TaskFailed",
    "the task was stopped from outside: another attempt goes on from what was recorded",
    local=True,
)
"""It was cleared, or its worker goes away: the other partitions go on, and a retry goes on with this one."""

# Airflow sends SIGKILL 5 s after SIGTERM. A child that cannot be aborted gets less, as its partition's end is to be
# stored by then, and the map run's results are to be written.
_ASK_SECONDS = 1.0
_CHILD_SECONDS = 1.5
_OTHERS_SECONDS = 1.5
ENDED = frozenset({"failed", "success"})

log = logging.getLogger(__name__)


def asked_dag_run_state(dag_id: str, run_id: str) -> str:
    """The state of a DAG run, or "" where Airflow does not tell it soon: its API may be away as well."""
    told: list[str] = []

    def ask() -> None:
        try:
            told.append(dag_run_state(dag_id, run_id))
        except Exception as problem:  # whatever the connection to Airflow raises: the task is being killed
            log.warning("Airflow does not say why this task is killed: %r", problem)

    asking = threading.Thread(target=ask, name="dag-run-state", daemon=True)
    asking.start()
    asking.join(_ASK_SECONDS)
    return told[0] if told else ""


class Killing:
    """A context manager around the running of a partition; ``begin`` stops it.

    If the DAG run has ended (somebody has marked it, or it has timed out), no task will write the results of the map
    run: it is aborted then, here and in all partitions, and whichever ends last writes them.
    """

    def __init__(
        self, context: Context, folder: MapRunFolder, index: int, connections: Connections, stop: StopSignal
    ) -> None:
        self._task_instance: Any = context.get("ti")
        self._folder = folder
        self._index = index
        self._connections = connections
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def begin(self) -> None:
        """Called in the handler of a signal, in the middle of anything: only a thread can ask Airflow something."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="killing", daemon=True)
            self._thread.start()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        elif self._aborted() and self._dag_run_state() in ENDED:
            self._write()  # another partition's task was killed before

    def _aborted(self) -> bool:
        reason = self._stop.of_map_run
        return reason is not None and reason.aborted

    def _run(self) -> None:
        state = self._dag_run_state()
        if state not in ENDED:
            self._stop.set(STOPPED)
            return
        cause = f"the DAG run ended before the map run: it is {state}"
        reason = StopReason("", cause, aborted=True, dag_run_ended=True)
        log.warning("The map run is aborted, as its DAG run is %s", state)
        self._stop.set(reason)
        try:
            self._folder.stop(reason)
            if not self._ended.wait(_CHILD_SECONDS):
                close_partition(self._folder, self._index, self._connections)
        except (StatesError, StorageError) as problem:
            log.warning("This partition could not be ended; `sfdm stop --close` does it: %s", problem)
        self._write()

    def _dag_run_state(self) -> str:
        ti = self._task_instance
        return "" if ti is None else asked_dag_run_state(ti.dag_id, ti.run_id)

    def _write(self) -> None:
        try:
            summary = write_aborted(self._folder, self._connections, _OTHERS_SECONDS)
        except (StatesError, StorageError) as problem:
            log.warning("The results could not be written; `sfdm stop --close` does it: %s", problem)
        else:
            log.info("%s", summary.describe())
            log.info("Results: %s", summary.manifest)
