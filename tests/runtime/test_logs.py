"""What a map run writes to the log: failures that can be read, and why it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import ItemBatcher, PythonFunction, ResultWriter
from airflow_provider_sfdm.core.errors import ChildFailed
from tests.runtime.helpers import echo, run
from tests.runtime.parallel import PlannedMap
from tests.runtime.test_verdict import fails_at

HERE = Path(__file__).name


def price(item: dict[str, Any]) -> Any:
    if "price" not in item:
        raise ValueError(f'order {item["id"]} has no "price"')
    return item["price"]


def place(message: str) -> str:
    """Where ``price`` raises."""
    return f"{message} (at {HERE}:{price.__code__.co_firstlineno + 2} in price)"


def test_a_failure_is_told_in_plain_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, price, given=[{"price": 1}, {"id": 7}], tolerated_failure_count=1)
    assert caplog.messages == ["Child execution 1 failed: " + place('ValueError: order 7 has no "price"')]


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        ("no JSON", "E: no JSON"),
        ("x" * 600, "E: " + "x" * 500),
        ("", "E"),
        ("[1]", "E: [1]"),
        ('{"a": 1}', 'E: {"a": 1}'),
        ('{"errorMessage": "short"}', "E: short"),
        ('{"errorMessage": "", "stackTrace": []}', "E"),
        (json.dumps({"errorMessage": "y" * 600, "stackTrace": [1]}), "E: " + "y" * 500),
        # AWS Lambda's, of Python and of Node.js
        (
            json.dumps(
                {"errorMessage": "m", "stackTrace": ['  File "/var/task/app.py", line 3, in handler\n    x()\n']}
            ),
            "E: m (at app.py:3 in handler)",
        ),
        (json.dumps({"errorMessage": "m", "trace": ["Error: m", "    at handler (/var/task/i.js:2:9)"]}), "E: m"),
    ],
)
def test_causes_of_any_processor(cause: str, line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def function(item: Any) -> None:
        raise ChildFailed("E", cause)

    run(tmp_path, function, given=[1], tolerated_failure_count=1)
    assert caplog.messages == [f"Child execution 0 failed: {line}"]


def test_the_first_items_that_fail_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = [{"id": 0}, {"price": 1}, {"id": 2}, {"id": 3}, {"id": 4}, {"id": 5}]
    batcher = ItemBatcher(max_items_per_batch=5)
    run(tmp_path, PythonFunction(price, per_item=True), given=items, item_batcher=batcher, tolerated_failure_count=9)
    assert caplog.messages == [
        *(
            f"Item {index} of child execution 0 failed: " + place(f'ValueError: order {index} has no "price"')
            for index in (0, 2, 3)
        ),
        "... and 1 other item of child execution 0",
        "Item 0 of child execution 1 failed: " + place('ValueError: order 5 has no "price"'),
    ]


def test_a_batch_that_fails_as_a_whole_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def large(item: int) -> str:
        return "x" * 200_000

    batcher = ItemBatcher(max_items_per_batch=2)
    run(tmp_path, PythonFunction(large, per_item=True), given=[1, 2], item_batcher=batcher, tolerated_failure_count=2)
    assert caplog.messages == [
        "Child execution 0 failed: States.DataLimitExceeded: "
        "the child execution returned 400,007 bytes; the maximum is 262,144"
    ]


@pytest.mark.parametrize(
    ("tolerance", "bad", "line"),
    [
        ({}, 1, "1 of 200 items failed, none tolerated"),
        ({"tolerated_failure_count": 3}, 4, "4 of 200 items failed, 3 tolerated"),
        ({"tolerated_failure_percentage": 0.5}, 2, "2 of 200 items failed, 0.5 % tolerated"),
        (
            {"tolerated_failure_count": 3, "tolerated_failure_percentage": 50},
            4,
            "4 of 200 items failed, 3 or 50 % tolerated",
        ),
    ],
)
def test_a_breach_is_told_once(
    tolerance: dict[str, Any], bad: int, line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, fails_at(*range(10)), given=list(range(200)), **tolerance)
    assert [message for message in caplog.messages if not message.startswith("Child execution")] == [
        f"Tolerance exceeded: {line}; no further child execution starts"
    ]
    assert len(caplog.messages) == bad + 1


def test_a_partition_tells_that_another_one_has_stopped_the_map_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planned = PlannedMap(tmp_path, fails_at(0), [0, 1, 2, 3], 2)
    planned.run(0)
    caplog.clear()
    planned.run(1)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        (
            "WARNING",
            "The map run was stopped: States.ExceedToleratedFailureThreshold: "
            "The specified tolerated failure threshold was exceeded",
        )
    ]


def test_the_failures_of_others_are_in_the_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planned = PlannedMap(tmp_path, fails_at(0, 2), [0, 1, 2, 3], 2, tolerated_failure_count=1)
    planned.run(0)
    planned.run(1)
    assert [message for message in caplog.messages if message.startswith("Tolerance")] == [
        "Tolerance exceeded: 2 of 4 items failed, 1 tolerated; no further child execution starts"
    ]


def test_a_summary_says_why_it_failed_and_no_more_if_it_did_not(tmp_path: Path) -> None:
    summary = run(tmp_path, echo, given=[1], result_writer=ResultWriter(url=tmp_path.as_uri()))
    assert summary.describe() == "map run SUCCEEDED: 1 item (1 succeeded)"
    summary = run(tmp_path, lambda batch: 1 / 0, given=[1, 2], item_batcher=ItemBatcher(max_items_per_batch=2))
    assert summary.describe() == (
        "map run FAILED: 2 items (2 failed); 1 child execution (1 failed); "
        "States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded"
    )
