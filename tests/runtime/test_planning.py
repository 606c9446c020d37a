"""What is found out before an item is read, or while all are: nothing of the definition is ever ignored."""

from __future__ import annotations

import datetime
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    DistributedMap,
    InputType,
    ItemReaderFailed,
    QueryLanguage,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ObjectsItemReader,
    StatesRuntime,
    TaskGroupProcessor,
    UnsupportedField,
    run_map,
)
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import echo, inputs, put, run

IN_STATE = "An error occurred while executing the state 'map' (entered at the event id #2). "

# -- fields that this engine cannot honour


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"state_fields": {"ResultPath": "$.z"}}, "ResultPath"),
    ],
)
def test_no_field_is_ignored(fields: dict[str, Any], named: str, tmp_path: Path) -> None:
    definition = DistributedMap(**{"item_processor": echo, "items": [1], **fields})
    with pytest.raises(UnsupportedField, match=named):
        run_map(definition, storage=tmp_path.as_uri())
    assert not list(tmp_path.iterdir())


def test_all_fields_that_are_not_honoured_are_told(tmp_path: Path) -> None:
    definition = DistributedMap(item_processor=echo, items=[1], state_fields={"Assign": {"a": 1}, "ResultPath": "$.z"})
    with pytest.raises(UnsupportedField) as caught:
        run_map(definition, storage=tmp_path.as_uri())
    assert [note.partition(" is for")[0] for note in caught.value.__notes__] == ["also: ResultPath:"]


def test_task_groups_are_for_a_dag(tmp_path: Path) -> None:
    definition = DistributedMap(item_processor=TaskGroupProcessor(echo), items=[1])
    with pytest.raises(UnsupportedField, match="ItemProcessor: the tasks of a group run in a DAG only"):
        run_map(definition, storage=tmp_path.as_uri())
    arguments: dict[str, Any] = {"name": "m", "storage": tmp_path.as_uri(), "connections": Connections()}
    _, plan = plan_map_run(definition, one_child_each=True, **arguments)
    assert plan.children == 1


# -- ItemSelector


@pytest.mark.parametrize("in_place", [True, False])
def test_a_constant_of_the_selector_that_is_missing(in_place: bool, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"item_selector": {"x.$": "$.missing", "v.$": "$$.Map.Item.Value"}}
    if in_place:
        fields["item_reader"] = S3JsonLItemReader(url=put(tmp_path / "f.jsonl", "1\n"))
    else:
        fields["items"] = [1]
    with pytest.raises(StatesRuntime) as caught:
        run(tmp_path, **fields)
    assert caught.value.cause.startswith(f"{IN_STATE}The JSONPath '$.missing' specified for the field 'x.$'")


def test_no_key_is_a_path_in_jsonata(tmp_path: Path) -> None:
    reader = S3JsonLItemReader(url=put(tmp_path / "f.jsonl", "1\n2\n"))
    selector = {"x.$": "$$.Map.Item.Index"}
    summary = run(tmp_path, item_reader=reader, item_selector=selector, query_language=QueryLanguage.JSONATA)
    assert inputs(summary) == [selector, selector]


@pytest.mark.parametrize(
    ("value", "kind"), [({1}, "set"), (float("nan"), "float"), (datetime.date(2026, 1, 1), "date")]
)
def test_a_selector_function_that_returns_no_json(value: Any, kind: str, tmp_path: Path) -> None:
    problem = f"The ItemSelector function returned no JSON for item 1, but a {kind}: "
    with pytest.raises(StatesRuntime, match=problem):
        run(tmp_path, given=[0, 1], item_selector=lambda item: value if item else item)


def test_a_selector_function_that_exits(tmp_path: Path) -> None:
    with pytest.raises(StatesRuntime, match="The ItemSelector function failed for item 0: SystemExit: 2"):
        run(tmp_path, given=[0], item_selector=lambda item: sys.exit(2))


# -- partitions of run_map


@pytest.mark.parametrize("partitions", [0, -1, 1.5, True])
def test_a_number_of_partitions_that_is_none(partitions: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="partitions must be a whole number from 1"):
        run_map(DistributedMap(item_processor=echo, items=[1]), storage=tmp_path.as_uri(), partitions=partitions)


def test_partitions_one_after_another_have_the_whole_max_concurrency(tmp_path: Path) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def function(item: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.2)
        with lock:
            running -= 1

    run(tmp_path, function, given=list(range(8)), max_concurrency=4, partitions=2)
    assert most == 4


# -- AWS's own words name no file: the log does


@pytest.mark.parametrize(
    ("reader", "content", "cause"),
    [
        (S3CsvItemReader, "a,a\n1,2\n", "CSV headers cannot contain duplicates."),
        (S3JsonItemReader, "5", "Attempting to map over non-iterable node."),
    ],
)
def test_the_log_names_the_file(
    reader: Any, content: str, cause: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    url = put(tmp_path / "data/f", content)
    with caplog.at_level(logging.ERROR), pytest.raises(ItemReaderFailed) as caught:
        run(tmp_path, item_reader=reader(url=url))
    assert caught.value.cause == cause
    assert caplog.messages == [f"{url}: {cause}"]


def test_the_log_names_the_file_of_many(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    put(tmp_path / "data/1.csv", "a,b\n1,2\n")
    url = put(tmp_path / "data/2.csv", "a,a\n1,2\n")
    reader = S3ObjectsItemReader(
        url=(tmp_path / "data").as_uri(),
        transformation=ReaderTransformation.LOAD_AND_FLATTEN,
        input_type=InputType.CSV,
    )
    with caplog.at_level(logging.ERROR), pytest.raises(ItemReaderFailed):
        run(tmp_path, item_reader=reader)
    assert caplog.messages == [f"{url}: CSV headers cannot contain duplicates."]


def test_a_cause_that_names_the_file_is_not_logged_twice(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    url = put(tmp_path / "f.json", "[1,")
    with caplog.at_level(logging.ERROR), pytest.raises(ItemReaderFailed, match="not valid JSON"):
        run(tmp_path, item_reader=S3JsonItemReader(url=url))
    assert caplog.messages == []
