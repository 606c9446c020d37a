"""The examples under a real scheduler, with LocalExecutor: processes, an API server, a database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import MapRunResults, MapRunSummary
from tools.airflow_stack import AirflowStack
from tools.servers import S3Endpoint

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.scheduler


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Endpoint) -> Iterator[AirflowStack]:
    home = tmp_path_factory.mktemp("airflow")
    dags = shutil.copytree(REPOSITORY / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("timed_groups.py", "killed.py", "redriven_map.py", "ended_early.py", "controlled.py"):
        shutil.copy(Path(__file__).parent / "dags" / name, dags)
    environment = {"AIRFLOW_CONN_AWS_DEFAULT": s3_server.airflow_connection()}
    with AirflowStack(home, dags, parallelism=4, environment=environment) as started:
        yield started


def test_the_csv_example(stack: AirflowStack, tmp_path: Path) -> None:
    source = tmp_path / "flights.csv"
    rows = (f"{1 + number // 5000},{'NA' if number % 10 == 0 else 900},{number % 20},UA\n" for number in range(50_000))
    source.write_text("month,dep_time,dep_delay,carrier\n" + "".join(rows))
    run_id = stack.trigger("flights_delays", {"data": source.as_uri(), "results": (tmp_path / "out").as_uri()})
    run = stack.wait("flights_delays", run_id, timeout=180)
    log = stack.task_log("flights_delays", run_id, "report")
    assert run.state == "success", log
    assert any(line.split()[:3] == ["UA", "50,000", "10.0%"] for line in log)
    partitions = [ti for ti in stack.task_instances("flights_delays", run_id) if ti.task_id == "delays.run_partition"]
    labels = {ti.rendered_map_index for ti in partitions}
    assert labels == {f"batches {25 * n}–{25 * n + 24}: 25 ok" for n in range(4)}  # noqa: RUF001


def test_the_s3_example(stack: AirflowStack, s3_server: S3Endpoint, s3_bucket: Callable[[], str]) -> None:
    bucket, client = s3_bucket(), s3_server.client()
    with ThreadPoolExecutor(8) as threads:
        keys = [f"in/{number:05}" for number in range(1105)]
        list(threads.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=b"123"), keys))
    run_id = stack.trigger("s3_prefix", {"bucket": bucket, "prefix": "in/", "results": "out"})
    assert stack.wait("s3_prefix", run_id, timeout=180).state == "success", stack.task_log(
        "s3_prefix", run_id, "report"
    )
    assert stack.api.xcom("s3_prefix", run_id, "report") == {"in": 3 * 1105}
    summary = stack.api.xcom("s3_prefix", run_id, "sizes.write_results")
    assert (summary["itemCounts"]["succeeded"], summary["executionCounts"]["total"]) == (1105, 12)


def test_a_breach_reaches_every_partition_and_is_reported(stack: AirflowStack) -> None:
    run_id = stack.trigger("tolerance_breached")
    run = stack.wait("tolerance_breached", run_id, timeout=180)
    assert run.state == "failed"
    states = {ti.task_id: ti.state for ti in stack.task_instances("tolerance_breached", run_id)}
    assert states == {
        "check.read_items": "success",
        "check.run_partition": "success",
        "check.write_results": "failed",
        "report": "failed",
    }
    summary = stack.api.xcom("tolerance_breached", run_id, "check.write_results")
    assert (summary["status"], summary["itemCounts"]["total"]) == ("FAILED", 1000)
    assert summary["itemCounts"]["failed"] > 5
    log = stack.task_log("tolerance_breached", run_id, "report")
    assert any(line.startswith("map run FAILED: States.ExceedToleratedFailureThreshold") for line in log)


def test_items_of_an_upstream_task(stack: AirflowStack) -> None:
    run_id = stack.trigger("array_from_task")
    assert stack.wait("array_from_task", run_id, timeout=180).state == "success"
    log = stack.task_log("array_from_task", run_id, "report")
    assert any("990 invoices, 10 orders failed: {'ValueError': 10}" in line for line in log)


def test_partitions_whose_processes_are_killed_go_on(stack: AirflowStack, tmp_path: Path) -> None:
    """SIGKILL, three times; Airflow retries, and only what was not recorded yet runs again."""
    effects, killed = tmp_path / "effects", set[int]()
    run_id = stack.trigger("killed", {"folder": str(tmp_path)})
    deadline = time.monotonic() + 240
    while len(killed) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
        lines = effects.read_text().splitlines() if effects.exists() else []
        ran = Counter(int(line.split()[1]) for line in lines)
        # Long enough for something to be recorded, and before its half is done.
        process = next((pid for pid, number in ran.items() if pid not in killed and number > 250), None)
        if process is not None:
            os.kill(process, signal.SIGKILL)
            killed.add(process)
    run = stack.wait("killed", run_id, timeout=240)
    assert (len(killed), run.state) == (3, "success")
    summary = stack.api.xcom("killed", run_id, "effect.write_results")
    counts = summary["itemCounts"]
    assert (counts["succeeded"], counts["failed"], counts["resultsWritten"]) == (1188, 12, 1200)
    numbers = Counter(int(line.split()[0]) for line in effects.read_text().splitlines())
    assert set(numbers) == set(range(1200))
    repeated = sum(numbers.values()) - 1200
    # Two seconds of work by default, at 10 ms a child, and what a busy machine takes to store.
    assert 0 < repeated <= 3 * 400


def test_clearing_the_group_redrives_the_map_run(stack: AirflowStack, tmp_path: Path) -> None:
    """Only what did not succeed runs again, in as many partitions as that needs; and a success begins anew."""
    broken, effects = tmp_path / "broken", tmp_path / "effects"
    broken.touch()
    run_id = stack.trigger("redriven_map", {"folder": str(tmp_path)})
    assert stack.wait("redriven_map", run_id, timeout=240).state == "failed"
    first = stack.api.xcom("redriven_map", run_id, "effect.write_results")
    before = Counter(effects.read_text().split())
    assert first["executionCounts"]["succeeded"] == len(before) > 0

    def clear() -> dict[str, Any]:
        tasks = ["effect.read_items", "effect.run_partition", "effect.write_results"]
        stack.api.clear("redriven_map", run_id, tasks)
        run = stack.wait("redriven_map", run_id, timeout=240)
        assert run.state == "success", stack.task_log("redriven_map", run_id, "effect.read_items", attempt=2)
        summary: dict[str, Any] = stack.api.xcom("redriven_map", run_id, "effect.write_results")
        return summary

    broken.unlink()
    summary = clear()
    assert (summary["mapRunArn"], summary["redriveCount"]) == (first["mapRunArn"], 1)
    assert (summary["status"], summary["startDate"]) == ("SUCCEEDED", first["startDate"])
    counts = summary["executionCounts"]
    assert (counts["succeeded"], counts["total"], counts["resultsWritten"]) == (400, 400, 400)
    assert Counter(effects.read_text().split()) == Counter(map(str, range(400))), "each of them succeeded once"
    found = sorted(child.output for child in MapRunResults.from_summary(summary).succeeded())
    assert found == list(range(400))

    summary = clear()
    assert summary["mapRunArn"] != first["mapRunArn"]
    assert (summary["redriveCount"], summary["executionCounts"]["succeeded"]) == (0, 400)


def test_clearing_one_partition_redrives_it_alone(stack: AirflowStack, tmp_path: Path) -> None:
    broken, effects = tmp_path / "broken", tmp_path / "effects"
    broken.touch()
    run_id = stack.trigger("redriven_map", {"folder": str(tmp_path)})
    assert stack.wait("redriven_map", run_id, timeout=240).state == "failed"
    first = stack.api.xcom("redriven_map", run_id, "effect.write_results")
    before = effects.read_text().split()
    broken.unlink()

    def clear(*partitions: int) -> dict[str, Any]:
        effects.write_text("")
        tasks: list[str | tuple[str, int]] = [("effect.run_partition", index) for index in partitions]
        tasks.append("effect.write_results")
        stack.api.clear("redriven_map", run_id, tasks)
        stack.wait("redriven_map", run_id, timeout=240)
        summary: dict[str, Any] = stack.api.xcom("redriven_map", run_id, "effect.write_results")
        return summary

    second = clear(1)
    assert (second["mapRunArn"], second["redriveCount"], second["status"]) == (first["mapRunArn"], 1, "FAILED")
    again = {str(number) for number in range(100, 200)} - set(before)
    assert set(effects.read_text().split()) == again
    third = clear(0, 2, 3)
    assert (third["redriveCount"], third["status"]) == (2, "SUCCEEDED")
    assert third["executionCounts"]["succeeded"] == third["executionCounts"]["resultsWritten"] == 400
    found = sorted(child.output for child in MapRunResults.from_summary(third).succeeded())
    assert found == list(range(400))


def test_a_map_run_is_controlled_from_the_command_line(stack: AirflowStack, tmp_path: Path) -> None:
    effects = tmp_path / "effects"

    def ran() -> int:
        return len(effects.read_text().split()) if effects.exists() else 0

    def until(true: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it does not happen"
            time.sleep(0.2)

    def sfdm(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "airflow", "sfdm", *arguments]
        done = subprocess.run(
            command, env=stack.environment, capture_output=True, text=True, timeout=60, cwd=stack.home
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    run_id = stack.trigger("controlled", {"folder": str(tmp_path)})
    until(lambda: ran() > 8, 60)
    url = stack.api.xcom("controlled", run_id, "effect.read_items", key="map_run")
    described = sfdm("describe", url)
    arn = described["mapRunArn"]
    assert (described["status"], described["maxConcurrency"]) == ("RUNNING", 2)
    assert sfdm("set", arn, "--max-concurrency", "100")["maxConcurrency"] == 100
    before = ran()
    until(lambda: ran() > before + 300, 8)
    sfdm("stop", arn, "--cause", "old data")
    began = time.monotonic()
    assert stack.wait("controlled", run_id, timeout=60).state == "failed"
    assert time.monotonic() - began < 30
    summary = stack.api.xcom("controlled", run_id, "effect.write_results")
    assert (summary["status"], summary["cause"], summary["maxConcurrency"]) == ("ABORTED", "old data", 100)
    assert summary["executionCounts"]["aborted"] > 50
    assert sfdm("redrive", arn)["cleared"] == 4
    assert stack.wait("controlled", run_id, timeout=120).state == "success"
    summary = stack.api.xcom("controlled", run_id, "effect.write_results")
    assert (summary["mapRunArn"], summary["redriveCount"]) == (arn, 1)
    assert (summary["executionCounts"]["succeeded"], summary["maxConcurrency"]) == (2000, 100)


def _summary(folder: Path) -> MapRunSummary | None:
    """What the tasks that were killed have left, as no task write_results runs."""
    found = list(folder.glob("runs/*/*/*/*/summary.json"))
    return MapRunSummary.from_dict(json.loads(found[0].read_bytes())) if found else None


@pytest.mark.parametrize("how", ["marked", "timed_out"])
def test_a_map_whose_dag_run_ends_before_it(stack: AirflowStack, tmp_path: Path, how: str) -> None:
    """No child goes on, what has ended is in the result files, the manifest says the rest; a clear goes on."""
    effects = tmp_path / "effects"
    (tmp_path / "slow").touch()
    run_id = stack.trigger(how, {"folder": str(tmp_path)})
    deadline = time.monotonic() + 90
    while not (effects.exists() and len(effects.read_text().split()) > 30) and time.monotonic() < deadline:
        time.sleep(0.2)
    if how == "marked":
        stack.api.set_run_state(how, run_id, "failed")
    assert stack.wait(how, run_id, timeout=90).state == "failed"
    deadline = time.monotonic() + 60
    while (summary := _summary(tmp_path)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2.0)
    summary = _summary(tmp_path)
    told = stack.told(how, run_id)
    assert summary is not None, told
    ran = Counter(effects.read_text().split())
    time.sleep(1.0)
    assert Counter(effects.read_text().split()) == ran, "a child goes on"
    counts = summary.execution_counts
    assert (summary.status, counts.total, counts.results_written) == ("ABORTED", 400, 400), told
    results = MapRunResults.from_summary(summary)
    succeeded = [child.input["number"] for child in results.succeeded()]
    assert Counter(map(str, succeeded)) == ran
    assert (counts.succeeded, counts.running) == (len(succeeded), 0)
    aborted = [child.input["number"] for child in results.failed()]
    assert 20 in aborted and counts.aborted == len(aborted)
    assert all(child.status == "ABORTED" for child in results.failed())
    pending = [child.input["number"] for child in results.pending()]
    assert sorted([*succeeded, *aborted, *pending]) == list(range(400))

    (tmp_path / "slow").unlink()
    stack.api.clear(how, run_id, ["effect.read_items", "effect.run_partition", "effect.write_results"])
    # A DAG run that timed out would do so at once again.
    if how == "timed_out":
        return
    assert stack.wait(how, run_id, timeout=120).state == "success"
    redriven = MapRunSummary.from_dict(stack.api.xcom(how, run_id, "effect.write_results"))
    assert (redriven.map_run_arn, redriven.redrive_count) == (summary.map_run_arn, 1)
    assert redriven.execution_counts.succeeded == 400
    assert Counter(effects.read_text().split()) == Counter(map(str, range(400)))


def test_attempts_that_are_too_short(stack: AirflowStack, tmp_path: Path) -> None:
    """execution_timeout: the next attempt goes on, and when there is none, what has ended is in the result files."""
    (tmp_path / "slow").touch()
    run_id = stack.trigger("short_attempts", {"folder": str(tmp_path)})
    assert stack.wait("short_attempts", run_id, timeout=120).state == "failed"
    ran = (tmp_path / "effects").read_text().split()
    summary = MapRunSummary.from_dict(stack.api.xcom("short_attempts", run_id, "effect.write_results"))
    counts = summary.execution_counts
    assert (summary.error, counts.total, counts.results_written) == ("States.TaskFailed", 400, 400)
    results = MapRunResults.from_summary(summary)
    succeeded = {str(child.input["number"]) for child in results.succeeded()}
    assert succeeded == set(ran), "what has ended is stored before an attempt ends"
    assert len(ran) == len(set(ran)) == counts.succeeded
    assert len(succeeded) > 60, "of both attempts"
    assert len(list(results.pending())) == counts.pending == 400 - counts.succeeded


def test_never_more_task_groups_in_flight_than_max_concurrency(stack: AirflowStack, tmp_path: Path) -> None:
    run_id = stack.trigger("timed_groups", {"folder": str(tmp_path)})
    run = stack.wait("timed_groups", run_id, timeout=300)
    assert run.state == "success"
    summary = stack.api.xcom("timed_groups", run_id, "timed.write_results")
    counts = summary["executionCounts"]
    assert (counts["succeeded"], counts["failed"], summary["maxConcurrency"]) == (7, 1, 3)
    # At the same moment one that ends goes before one that begins.
    moments = sorted((float(file.read_text()), file.name.startswith("begin")) for file in tmp_path.iterdir())
    assert len(moments) == 16
    in_flight, most = 0, 0
    for _, begins in moments:
        in_flight += 1 if begins else -1
        most = max(most, in_flight)
    assert most in (2, 3), "at most three, and not one after the other"
    starts = [stack.task_log("timed_groups", run_id, "timed.child_execution.start", map_index=n) for n in range(8)]
    waited = [log for log in starts if any("child executions are in flight" in line for line in log)]
    assert waited, "eight cannot start at once"
