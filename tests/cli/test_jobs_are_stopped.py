"""Ctrl-C and SIGTERM: jobs that the execution waits for are stopped, wherever in it they are."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.aws.tasks.helpers import STATES, Answer, Seen, serving

from .running import COMMAND, environment, one, run

JOB = {
    "Type": "Task",
    "Resource": f"{STATES}athena:startQueryExecution.sync",
    "Parameters": {"QueryString": "SELECT 1", "WorkGroup": "primary"},
    "End": True,
}
BRANCHES = [{"StartAt": name, "States": {name: JOB}} for name in ("J", "K", "L")]
BRANCH = BRANCHES[0]
DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


class Athena:
    """Queries that run for ever, until somebody stops them."""

    def __init__(self, jobs: int, starting_seconds: float = 0.0) -> None:
        self.jobs = jobs
        self._starting_seconds = starting_seconds
        self._lock = threading.Lock()
        self.started: set[str] = set()
        self.stopped: set[str] = set()
        self._looked_at: set[str] = set()
        self.all_run = threading.Event()

    def __call__(self, seen: Seen) -> Answer:
        if seen.action == "StartQueryExecution" and self._starting_seconds:
            self.all_run.set()  # as far as it will
            time.sleep(self._starting_seconds)
        with self._lock:
            if seen.action == "StartQueryExecution":
                name = f"q{len(self.started)}"
                self.started.add(name)
                return Answer({"QueryExecutionId": name})
            name = json.loads(seen.body)["QueryExecutionId"]
            if seen.action == "StopQueryExecution":
                self.stopped.add(name)
                return Answer({})
            self._looked_at.add(name)
            if len(self._looked_at) == self.jobs:
                self.all_run.set()
            return Answer({"QueryExecution": {"QueryExecutionId": name, "Status": {"State": "RUNNING"}}})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("state", "jobs"),
    [
        pytest.param(JOB, 1, id="Task"),
        pytest.param({"Type": "Parallel", "Branches": BRANCHES}, 3, id="Parallel"),
        pytest.param({"Type": "Map", "ItemProcessor": BRANCH}, 4, id="Map"),
        pytest.param({"Type": "Map", "ItemProcessor": {**BRANCH, "ProcessorConfig": DISTRIBUTED}}, 4, id="distributed"),
        pytest.param(
            {
                "Type": "Map",
                "MaxConcurrency": 1,
                "ItemProcessor": {
                    "StartAt": "P",
                    "States": {"P": {"Type": "Parallel", "Branches": BRANCHES[:2], "End": True}},
                    "ProcessorConfig": DISTRIBUTED,
                },
            },
            2,
            id="Parallel in children",
        ),
    ],
)
def test_jobs_are_stopped(state: dict[str, Any], jobs: int, number: signal.Signals, tmp_path: Path) -> None:
    athena = Athena(jobs)
    interrupted(athena, state, number, tmp_path)
    assert len(athena.stopped) == jobs


@pytest.mark.parametrize("state", [JOB, {"Type": "Parallel", "Branches": BRANCHES[:2]}])
def test_jobs_whose_start_is_under_way(state: dict[str, Any], tmp_path: Path) -> None:
    interrupted(Athena(1 if state is JOB else 2, starting_seconds=1), state, signal.SIGTERM, tmp_path)


@pytest.mark.parametrize("numbers", [[signal.SIGHUP] * 3, [signal.SIGTERM, signal.SIGHUP], [signal.SIGINT] * 2])
@pytest.mark.parametrize("state", [JOB, {"Type": "Parallel", "Branches": BRANCHES}], ids=["Task", "Parallel"])
def test_signals_that_come_in_twos(state: dict[str, Any], numbers: list[signal.Signals], tmp_path: Path) -> None:
    """To the process and to its group, or the one and then the other."""
    interrupted(Athena(1 if state is JOB else 3), state, numbers[0], tmp_path, more=numbers[1:])


def test_a_timeout_while_a_start_is_under_way(tmp_path: Path) -> None:
    """The task is left at once; the process stays until the job has been stopped."""
    athena = Athena(1, starting_seconds=2)
    state = {**JOB, "TimeoutSeconds": 1}
    with serving(athena) as server:
        given = ("--endpoint-url", server.url)
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        code, told = run(one(state), {}, *given, env=keys)
    assert (code, told["error"]) == (1, "States.Timeout")
    assert athena.stopped == athena.started == {"q0"}


def interrupted(
    athena: Athena, state: dict[str, Any], number: signal.Signals, folder: Path, more: Sequence[signal.Signals] = ()
) -> None:
    path = folder / "machine.json"
    path.write_text(json.dumps(one(state)))
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with (
        serving(athena) as server,
        subprocess.Popen(
            [*COMMAND, "run", str(path), "--input", "[1, 2, 3, 4]", "--endpoint-url", server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment({**keys, "AWS_REGION": "us-east-1"}),
        ) as process,
    ):
        assert athena.all_run.wait(30), process.communicate(timeout=1)
        process.send_signal(number)
        for another in more:
            time.sleep(0.02)
            process.send_signal(another)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, b"")
    assert b"Traceback" not in err
    assert athena.started
    assert athena.stopped == athena.started
