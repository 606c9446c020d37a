"""The outside of a fuzzed execution: time that only moves when something sleeps, and a folder for the bucket."""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_sfdm.core.errors import StatesError
from airflow_provider_sfdm.runtime.distributed import run_distributed
from airflow_provider_sfdm.states.failures import ExecutionTimedOut, StateFailed
from airflow_provider_sfdm.states.identity import LOCAL
from airflow_provider_sfdm.states.lifetime import Aborted, Lifetime
from airflow_provider_sfdm.states.limits import Limits
from airflow_provider_sfdm.states.seam import TaskCall, TaskFailed
from airflow_provider_sfdm.states.services import DistributedRun, Services
from airflow_provider_sfdm.states.visit import Execution, Run, Visit
from airflow_provider_sfdm.storage import Connections, StorageError

from . import documents

_LIMITS = Limits(history_events=400, jsonata_seconds=0.2)
"""Of AWS's 25,000 events as many as end soon: a loop of slow expressions is no finding."""
_FILES = {
    "a.csv": b"id,name\n1,ada\n2,bob\n",
    "a.json": b'{"a": {"b": [1, {"c": 2}]}}',
    "lines/1.jsonl": b'{"n": 1}\n{"n": 2}\n',
    "manifest.json": documents.INVENTORY.encode(),
    "data/1.csv.gz": gzip.compress(b'"bucket","a.csv",9\n'),
}


class World:
    """Services of one execution. ``defects`` are exceptions that nothing in a child execution may raise."""

    def __init__(self) -> None:
        self.defects: list[BaseException] = []
        self._now = 1_700_000_000.0
        uuids = (f"00000000-0000-4000-8000-{number:012d}" for number in itertools.count())
        self.services = Services(
            clock=lambda: self._now,
            monotonic=time.monotonic,
            sleep=self._sleep,
            random=lambda: 0.5,
            uuid=lambda: next(uuids),
            invoke=_invoke,
            run_distributed=self._run_distributed,
            limits=_LIMITS,
        )

    def visit(self, data: Any) -> Visit:
        """A visit of a state on this input, with a variable ``v``."""
        execution = Execution(self.services, *LOCAL.context(data, self._now))
        return Visit(Run(execution, {"v": {"a": [1, 2]}}), "S", data)

    def _sleep(self, seconds: float, lifetime: Lifetime) -> None:
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"nobody can sleep for {seconds} seconds")
        self._now += min(seconds, 1e9)  # the clock must stay one that can be written as a date

    def _run_distributed(self, request: DistributedRun) -> Any:
        with TemporaryDirectory(prefix="sfdm-fuzz-") as name:
            bucket = Path(name, "bucket")
            for key, content in _FILES.items():
                path = bucket / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            connections = Connections(_no_network, _no_network, _no_network, _no_network, {"bucket": bucket.as_uri()})
            child = replace(request, run_child=self._watched(request.run_child))
            return run_distributed(f"{Path(name).as_uri()}/runs", connections)(child)

    def _watched(self, run_child: Callable[[Any, str, Lifetime], Any]) -> Callable[[Any, str, Lifetime], Any]:
        """A child whose defects are kept: the map run would take them for a failure of the child."""

        def child(data: Any, name: str, lifetime: Lifetime) -> Any:
            try:
                return run_child(data, name, lifetime)
            except (StateFailed, ExecutionTimedOut, StatesError, Aborted):
                raise
            except Exception as defect:
                self.defects.append(defect)
                raise

        return child


def _no_network(*arguments: Any) -> Any:
    raise StorageError(str(arguments[0]), "there is no network here")


def _invoke(resource: str, arguments: Any, call: TaskCall) -> Any:
    """Fails, echoes or returns something else: which one depends on the resource's name alone."""
    kind = len(resource) % 4
    if kind == 0:
        raise TaskFailed("Boom", None if len(resource) % 8 else "it broke")
    return arguments if kind < 3 else {"r": [1, {"a": "x"}], "n": 2.5}
