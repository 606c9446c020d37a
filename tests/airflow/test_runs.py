"""Whole runs of DAGs with dag.test(): what reaches the tasks, what comes out, what fails and how."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import MapRunResults

FILE = "map_dags.py"


def outputs(summary: dict[str, Any]) -> list[Any]:
    assert summary["status"] == "SUCCEEDED"
    output = summary["output"]
    assert isinstance(output, list)
    return output


def test_the_authors_strings_are_rendered_and_data_is_not(run_dag: Any) -> None:
    run = run_dag(FILE, "templates")
    assert run.state == "success"
    (batch,) = outputs(run.xcom("from_task.write_results"))
    data = ["{{ 1 + 1 }}", "{% raw %}"]
    assert batch["BatchInput"] == {"word": "rendered"}
    assert batch["Items"] == [{"item": item, "input": data, "day": "rendered"} for item in data]
    assert outputs(run.xcom("literal.write_results")) == ["{{ 1 + 1 }}"]


def test_the_ui_shows_what_was_rendered_and_no_data(run_dag: Any) -> None:
    run = run_dag(FILE, "templates")
    for task_id, map_index in (("from_task.read_items", -1), ("from_task.run_partition", 0)):
        shown = run.rendered(task_id, map_index)["distributed_map"]
        assert shown["item_batcher"] == {
            "type": "ItemBatcher",
            "max_items_per_batch": "2",
            "batch_input": {"word": "rendered"},
        }
        assert shown["max_concurrency"] == "2"
        assert shown["items"] == "<output of hostile>"
        assert shown["input"] == {"found": "<output of hostile>", "day": "rendered"}
        assert "raw" not in str(shown)
    assert run.rendered("literal.read_items")["distributed_map"]["items"] == "<1 items>"


def test_items_of_a_mapped_task_of_the_input_and_none(run_dag: Any) -> None:
    run = run_dag(FILE, "sources")
    assert run.state == "success"
    squares = [number**2 for number in range(10)]
    assert outputs(run.xcom("mapped.write_results")) == squares
    assert run.xcom("after") == sum(squares)
    assert outputs(run.xcom("input.write_results")) == list(range(10))
    assert outputs(run.xcom("nothing.write_results")) == []
    assert run.states("nothing.run_partition") == ["success"]


def test_one_function_makes_several_maps(run_dag: Any) -> None:
    run = run_dag(FILE, "twice")
    assert run.state == "success"
    found = {name: outputs(run.xcom(f"{name}.write_results")) for name in ("plus_one", "other", "plus_one__1")}
    assert found == {"plus_one": [2], "other": [3], "plus_one__1": [4]}


def test_default_args_do_not_break_a_map(run_dag: Any) -> None:
    run = run_dag("chained_dags.py", "hostile_defaults")
    assert run.state == "success"
    assert run.xcom("read_summary") == [2, 4, 6]


def test_without_items_there_is_no_verdict(run_dag: Any) -> None:
    run = run_dag("chained_dags.py", "failing_start")
    assert run.state == "failed"
    assert run.state_of("double.read_items") == "upstream_failed"
    assert run.state_of("double.write_results") == "failed"
    assert run.tasks["double.write_results", -1].try_number == 1
    assert "double.read_items did not succeed: there is no map run" in run.log


def test_rendered_storage_that_is_no_url_is_not_retried(run_dag: Any) -> None:
    run = run_dag("chained_dags.py", "relative_storage")
    assert run.tasks["double.read_items", -1].try_number == 1
    assert "storage: 'rel/dir' is no URL" in run.log


def test_a_fault_of_storage_is_retried(run_dag: Any) -> None:
    run = run_dag(FILE, "retried")
    assert run.state == "success"
    assert run.tasks["late.read_items", -1].try_number == 2
    assert outputs(run.xcom("late.write_results")) == [1, 2]


def test_bad_data_is_not_retried_and_stops_the_group(run_dag: Any, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("a,a\n1,2\n")
    run = run_dag(FILE, "bad_source", url=source.as_uri())
    assert run.state == "failed"
    assert run.state_of("rows.read_items") == "failed"
    assert run.tasks["rows.read_items", -1].try_number == 1
    assert "CSV headers cannot contain duplicates." in run.log
    assert run.states("rows.run_partition") == ["upstream_failed"]
    assert run.state_of("rows.write_results") == "upstream_failed"


def test_a_missing_file_is_worth_retries(run_dag: Any, tmp_path: Path) -> None:
    run = run_dag(FILE, "bad_source", url=(tmp_path / "missing.csv").as_uri())
    assert run.state == "failed"
    assert run.tasks["rows.read_items", -1].try_number == 4
    assert "States.ItemReaderFailed" in run.log
    assert "missing.csv" in run.log


def test_partitions_stay_below_max_map_length(run_dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    run = run_dag(FILE, "many_batches")
    assert run.state == "success"
    assert run.states("pairs.run_partition") == ["success"] * 3
    assert outputs(run.xcom("pairs.write_results")) == [4 * number + 1 for number in range(25)]


def test_a_map_in_a_task_group(run_dag: Any) -> None:
    run = run_dag(FILE, "in_a_group")
    summary = run.xcom("outer.inner.write_results")
    assert outputs(summary) == [1, 2, 3]
    assert "/inner:" in summary["mapRunArn"]
    assert run.xcom("outer.inner.read_items", key="map_run").startswith("file://")


def test_labels_say_what_a_partition_is_and_how_it_ended(run_dag: Any) -> None:
    run = run_dag("example_tolerance_breached.py", "tolerance_breached", "examples")
    labels = [run.tasks["check.run_partition", number].rendered_map_index.split(": ") for number in range(2)]
    assert [label[0] for label in labels] == ["items 0–499", "items 500–999"]  # noqa: RUF001
    # Airflow may run the two in any order; the second one finds the map run stopped.
    assert {label[1] for label in labels} == {"54 ok, 6 failed, 440 pending", "500 pending"}


def test_a_verdict_that_is_not_succeeded_fails_but_is_pushed(run_dag: Any) -> None:
    run = run_dag("example_tolerance_breached.py", "tolerance_breached", "examples")
    assert run.state_of("check.write_results") == "failed"
    assert run.tasks["check.write_results", -1].try_number == 1
    summary = run.xcom("check.write_results")
    assert summary["status"] == "FAILED"
    assert summary["error"] == "States.ExceedToleratedFailureThreshold"
    assert summary["itemCounts"]["pending"] == 940
    assert "map run FAILED: States.ExceedToleratedFailureThreshold" in run.log
    assert "54 succeeded, 6 failed, 940 never started" in run.log
    # The report raises the verdict again: without it a leaf that succeeds would make the run a success.
    assert run.state == "failed"


def test_the_array_example(run_dag: Any) -> None:
    run = run_dag("example_array_from_task.py", "array_from_task", "examples")
    assert run.state == "success"
    assert "990 invoices, 10 orders failed: {'ValueError': 10}" in run.log
    counts = run.xcom("invoices.write_results")["executionCounts"]
    assert (counts["total"], counts["succeeded"]) == (20, 10), "a batch with a failed order is a failed execution"
    assert run.rendered("invoices.read_items")["distributed_map"]["item_batcher"]["batch_input"] == {"currency": "EUR"}


FLIGHT = "month,dep_time,dep_delay,carrier\n"


def test_the_csv_example(run_dag: Any, tmp_path: Path) -> None:
    rows = [
        f"{1 + number % 2},{'NA' if number % 10 == 0 else 900},{number % 20},{'UA' if number % 4 else 'B6'}"
        for number in range(6000)
    ]
    rows[5700] = "1,2400,3,UA"
    source = tmp_path / "flights.csv"
    source.write_text(FLIGHT + "\n".join(rows) + "\n")
    run = run_dag(
        "example_csv_local.py", "flights_delays", "examples", data=source.as_uri(), results=(tmp_path / "out").as_uri()
    )
    assert run.state == "success"
    assert run.xcom("delays.write_results")["itemCounts"]["failed"] == 500
    report = run.log.partition("----- report -----\n")[2].partition("----- end of report -----")[0].splitlines()
    assert report[2].split() == ["B6", "1,375", "20.0%", "10.0", "min", "25.0%", "16", "min", "Jan"]
    assert "flights: 6,000 read, 5,500 counted, 500 in failed batches" in run.log
    assert "ValueError: 1 batches; for example: departure at 2400 is no time of day" in run.log
    manifest = run.xcom("delays.write_results")["manifest"]
    assert manifest.startswith((tmp_path / "out").as_uri())
    assert f"manifest: {manifest}" in run.log


def test_the_s3_example_lists_all_pages(run_dag: Any, s3_server: Any, s3_bucket: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.airflow_connection())
    bucket, client = s3_bucket(), s3_server.client()

    def put(number: int) -> None:
        client.put_object(Bucket=bucket, Key=f"in/{number % 3}/{number:05}", Body=b"x" * (number % 7))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(1205)))
    client.put_object(Bucket=bucket, Key="other", Body=b"not below the prefix")
    run = run_dag("example_s3_prefix.py", "s3_prefix", "examples", bucket=bucket, prefix="in/", results="out")
    assert run.state == "success"
    expected = {f"in/{folder}": sum(n % 7 for n in range(1205) if n % 3 == folder) for folder in range(3)}
    assert run.xcom("report") == expected
    summary = run.xcom("sizes.write_results")
    assert summary["itemCounts"]["succeeded"] == 1205
    assert summary["manifest"].startswith(f"s3://{bucket}/out/")
    assert client.head_object(Bucket=bucket, Key=summary["manifest"].removeprefix(f"s3://{bucket}/"))


def test_the_pasted_map_state_runs(run_dag: Any, s3_server: Any, s3_bucket: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.airflow_connection())
    bucket, client = s3_bucket(), s3_server.client()
    rows = "".join(f"{user},{10 * user},{user % 5 + 0.5},0\n" for user in range(20))
    body = f"userId,movieId,rating,timestamp\n{rows}".encode()
    client.put_object(Bucket=bucket, Key="csvDataset/ratings.csv", Body=body)
    run = run_dag("example_asl.py", "asl", "examples", bucket=bucket)
    assert run.state == "success"
    summary = run.xcom("ratings.write_results")
    assert summary["itemCounts"]["succeeded"] == 20
    assert summary["manifest"].startswith(f"s3://{bucket}/csvProcessJobs/")
    kept = [found["Key"] for found in client.list_objects_v2(Bucket=bucket, Prefix="favourites/")["Contents"]]
    good = [user for user in range(20) if user % 5 == 4]
    assert sorted(kept) == sorted(f"favourites/{user}-{10 * user}.json" for user in good)
    first = json.loads(client.get_object(Bucket=bucket, Key="favourites/4-40.json")["Body"].read())
    assert first == {"userId": "4", "movieId": "40", "rating": "4.5", "timestamp": "0"}


def test_children_that_are_task_groups(run_dag: Any) -> None:
    run = run_dag(FILE, "task_groups", tolerated=1)
    assert run.state == "success"
    summary = run.xcom("orders.write_results")
    counts = summary["executionCounts"]
    assert (counts["succeeded"], counts["failed"], counts["total"]) == (4, 1, 5)
    assert summary["errors"] == {"States.TaskFailed": 1}
    assert run.states("orders.child_execution.double") == ["success"] * 3 + ["upstream_failed", "success"]
    results = MapRunResults.from_summary(summary)
    assert sorted(child.output for child in results.succeeded()) == [0, 2, 4, 8]
    (failed,) = results.failed()
    assert failed.input == {"number": 3, "text": "{{ kept }}"}
    assert failed.cause == "failed: orders.child_execution.double; see the logs of these tasks"
    assert run.tasks["orders.child_execution.start", 2].rendered_map_index == "item 2"


def test_task_groups_after_a_breach_do_not_start(run_dag: Any) -> None:
    run = run_dag(FILE, "task_groups", tolerated=0)
    summary = run.xcom("orders.write_results")
    assert (summary["status"], summary["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert run.state == "failed"
    assert set(run.states("orders.child_execution.end")) == {"success"}
    skipped = run.states("orders.child_execution.start").count("skipped")
    assert summary["executionCounts"]["pending"] == skipped


def test_more_task_groups_than_airflow_maps(run_dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "4")
    run = run_dag(FILE, "task_groups")
    assert run.state_of("orders.read_items") == "failed"
    assert run.state == "failed"
    assert run.state_of("orders.write_results") == "upstream_failed"
    assert "there are 5 child executions, and Airflow maps a task group over at most 4" in run.log


def test_task_groups_wait_for_their_turn(run_dag: Any) -> None:
    run = run_dag("example_task_group.py", "task_group", "examples")
    assert run.state == "success"
    summary = run.xcom("order.write_results")
    counts = summary["executionCounts"]
    assert (counts["succeeded"], counts["failed"], counts["total"], summary["maxConcurrency"]) == (5, 1, 6, 2)
    assert run.states("order.child_execution.start") == ["success"] * 6
    # dag.test() runs all starts before anything else: four of the six found both slots taken.
    assert run.log.count("MaxConcurrency is 2, and 2 child executions are in flight") >= 4
    assert {run.tasks["order.child_execution.start", number].try_number for number in range(6)} == {1}
    assert "sent order 5: 350 g" in run.log
    assert "failed: order 3: failed: order.child_execution.send; see the logs of these tasks" in run.log


def test_task_groups_that_wait_when_the_tolerance_is_breached_do_not_start(run_dag: Any) -> None:
    run = run_dag(FILE, "task_groups", tolerated=0, at_once=1)
    summary = run.xcom("orders.write_results")
    assert (summary["status"], summary["maxConcurrency"]) == ("FAILED", 1)
    assert summary["executionCounts"]["failed"] == 1
    starts = run.states("orders.child_execution.start")
    assert starts[3] == "success"
    assert summary["executionCounts"]["pending"] == starts.count("skipped")
    assert summary["executionCounts"]["succeeded"] == 4 - starts.count("skipped")


def test_a_child_whose_end_is_lost_does_not_keep_its_place(run_dag: Any) -> None:
    run = run_dag(FILE, "lost_end")
    assert run.states("child.child_execution.end") == ["failed", "success", "success"]
    summary = run.xcom("child.write_results")
    counts = summary["executionCounts"]
    assert (counts["succeeded"], counts["pending"]) == (2, 1)
    assert summary["cause"].startswith("partition 0 of 3 was not run to its end")


def test_a_try_after_the_end_was_recorded_tells_that(run_dag: Any, caplog: pytest.LogCaptureFixture) -> None:
    run = run_dag(FILE, "end_tried_again")
    assert run.state == "success"
    assert run.tasks["child.child_execution.end", 0].try_number == 2
    assert "Partition 0 has ended before: its results stay and nothing is run" in caplog.text
    assert run.xcom("child.child_execution.end", 0)["executions"]["succeeded"] == 1
    results = MapRunResults.from_summary(run.xcom("child.write_results"))
    assert [child.output for child in results.succeeded()] == [0, 1]


def test_a_new_map_over_what_another_did_not_do(run_dag: Any) -> None:
    run = run_dag(FILE, "new_over_failures")
    first = run.xcom("first.write_results")
    assert first["status"] == "FAILED"
    left = first["itemCounts"]["total"] - first["itemCounts"]["succeeded"]
    for group in ("second", "third"):
        summary = run.xcom(f"{group}.write_results")
        assert (summary["status"], summary["itemCounts"]["total"]) == ("SUCCEEDED", left)
        assert summary["mapRunArn"] != first["mapRunArn"]
        assert {1, 3, 5} >= {output // 10 for output in summary["output"] if output // 10 % 2}
