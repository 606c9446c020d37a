"""What a template builds is counted as it is built: copying an input many times does not take memory for all of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.json import dumps, excerpt, least_bytes
from airflow_provider_sfdm.core.limits import MAX_PAYLOAD_BYTES
from airflow_provider_sfdm.states.failures import StateFailed
from airflow_provider_sfdm.states.machine import Outcome, compile_machine, execute
from airflow_provider_sfdm.states.payloads import check_payload
from airflow_provider_sfdm.states.seam import TaskCall
from airflow_provider_sfdm.states.validation.machine import check
from tests.states.helpers import World, failing, jsonata, machine
from tests.states.test_intrinsics import json_values

END = {"End": True}
PASS = {"Type": "Pass", **END}
TASK: dict[str, Any] = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", **END}
ITEMS = [{"id": number, "name": "x" * 20} for number in range(1_000)]
DATA = {"items": ITEMS, "text": "y" * 20_000, "list": [1, 2, 3]}
COPIES = 600
NAMES = [f"m{number}" for number in range(COPIES)]
# Built to its end, each attack takes hundreds of megabytes and more.
MOST = 32_000_000


def paths(text: str = "$", count: int = COPIES) -> dict[str, Any]:
    return {f"{name}.$": text for name in NAMES[:count]}


def expressions(text: str = "{% $states.input %}", count: int = COPIES) -> dict[str, Any]:
    return dict.fromkeys(NAMES[:count], text)


def nested(part: Any) -> dict[str, Any]:
    return {"a": {"b": [{"c": part}, {"d": part}]}}


def answer(resource: str, arguments: Any, call: TaskCall) -> Any:
    if resource.endswith(":failing"):
        raise failing(cause="z" * 30_000)
    return DATA


def attempt(definition: Any) -> tuple[Outcome, int]:
    """The outcome, and how much memory its execution took at the most."""
    check(definition)
    compiled, services = compile_machine(definition), World(answer).services
    tracemalloc.start()
    try:
        outcome = execute(compiled, DATA, services)
        return outcome, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def failing_task(catcher: dict[str, Any]) -> dict[str, Any]:
    return {
        **TASK,
        "Resource": TASK["Resource"].removesuffix("f") + "failing",
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", **catcher}],
    }


MAP = {"Type": "Map", **END, "ItemProcessor": {"StartAt": "P", "States": {"P": PASS}}}
DISTRIBUTED = {
    **MAP,
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P",
        "States": {"P": PASS},
    },
}
BATCHER = {"MaxItemsPerBatch": 1}
FORMAT = "States.Format('" + "{}" * 10 + "'" + ", $" * 10 + ")"
MULTIPLE_ARRAYS = "States.Array(" + ", ".join(["$"] * 500) + ")"
JSON_OF_JSON = "States.JsonToString(" * 9 + "$" + ")" * 9

JSONPATH: dict[str, Any] = {
    "Parameters": machine(A={**PASS, "Parameters": paths()}),
    "Parameters, nested": machine(A={**PASS, "Parameters": nested(paths())}),
    "Parameters in two states": machine(
        A={"Type": "Pass", "Parameters": paths(count=3), "Next": "B"}, B={**PASS, "Parameters": paths()}
    ),
    "Parameters of a task": machine(A={**TASK, "Parameters": paths()}),
    "Parameters of a Parallel": machine(
        A={"Type": "Parallel", "Branches": [{"StartAt": "P", "States": {"P": PASS}}], "Parameters": paths(), **END}
    ),
    "ResultSelector": machine(A={**TASK, "ResultSelector": paths()}),
    "ItemSelector": machine(A={**MAP, "ItemsPath": "$.list", "ItemSelector": paths()}),
    "BatchInput": machine(A={**DISTRIBUTED, "ItemsPath": "$.list", "ItemBatcher": {**BATCHER, "BatchInput": paths()}}),
    "Assign": machine(A={**PASS, "Assign": {"v": paths()}}),
    "Assign of many": machine(A={**PASS, "Assign": paths(FORMAT)}),
    "Catch's Assign": machine(A=failing_task({"Assign": paths(), "ResultPath": "$.error"}), B=PASS),
    "a function's text": machine(A={**PASS, "Parameters": paths(FORMAT)}),
    "a function's array": machine(A={**PASS, "Parameters": paths(MULTIPLE_ARRAYS, 9)}),
    "unique parts of an array": machine(A={**PASS, "Parameters": {"x.$": f"States.ArrayUnique({MULTIPLE_ARRAYS})"}}),
    "text of text": machine(A={**PASS, "Parameters": {"x.$": JSON_OF_JSON}}),
    "a path that repeats": machine(A={**PASS, "OutputPath": "$.items[" + ",".join("*" * 100) + "]"}),
    "paths of paths": machine(A={**PASS, "InputPath": "$..*", "Parameters": {"x.$": "$..*"}, "OutputPath": "$..*"}),
    "an inline Map of what is large": machine(A={**MAP, "ItemsPath": "$.items", "ItemSelector": {"x.$": "$.items"}}),
    "a cause": machine(A={**PASS, "Parameters": paths(count=3), "Assign": {"x.$": "$.gone"}}),
}
JSONATA: dict[str, Any] = {
    "Output": jsonata(A={**PASS, "Output": expressions()}),
    "Output, nested": jsonata(A={**PASS, "Output": nested(expressions())}),
    "Output, an array": jsonata(A={**PASS, "Output": ["{% $states.input %}"] * COPIES}),
    "Arguments": jsonata(A={**TASK, "Arguments": expressions()}),
    "Assign": jsonata(A={**PASS, "Assign": expressions()}),
    "Assign of one": jsonata(A={**PASS, "Assign": {"v": expressions()}}),
    "Items": jsonata(A={**MAP, "Items": ["{% $states.input %}"] * COPIES}),
    "ItemSelector": jsonata(A={**MAP, "Items": [1], "ItemSelector": expressions()}),
    "BatchInput": jsonata(A={**DISTRIBUTED, "Items": [1], "ItemBatcher": {**BATCHER, "BatchInput": expressions()}}),
    "a Choice's Output": jsonata(
        A={"Type": "Choice", "Choices": [{"Condition": True, "Next": "B", "Output": expressions()}]}, B=PASS
    ),
    "a Choice's Assign": jsonata(
        A={"Type": "Choice", "Choices": [{"Condition": True, "Next": "B", "Assign": expressions()}]}, B=PASS
    ),
    "Catch's Output": jsonata(A=failing_task({"Output": expressions()}), B=PASS),
    "Catch's Assign": jsonata(A=failing_task({"Assign": expressions()}), B=PASS),
    "Catch's errorOutput": jsonata(A=failing_task({"Output": expressions("{% $states.errorOutput %}")}), B=PASS),
    "an object": jsonata(A={**PASS, "Output": "{% {" + ",".join(f"'{n}':$states.input" for n in NAMES) + "} %}"}),
    "an array": jsonata(A={**PASS, "Output": "{% [" + ",".join(["[$states.input]"] * COPIES) + "] %}"}),
    "a Map over what is no array": jsonata(A={**MAP, "Items": "{% {'a':[$states.input,$states.input]} %}"}),
}


@pytest.mark.parametrize("definition", JSONPATH.values(), ids=JSONPATH)
def test_jsonpath_is_stopped(definition: Any) -> None:
    outcome, peak = attempt(definition)
    assert outcome.status == "FAILED"
    assert peak < MOST


@pytest.mark.parametrize("definition", JSONATA.values(), ids=JSONATA)
def test_jsonata_is_stopped(definition: Any) -> None:
    outcome, peak = attempt(definition)
    assert outcome.status == "FAILED"
    assert peak < MOST
    assert len(outcome.cause or "") <= 32_768


@pytest.mark.parametrize(("size", "refused"), [(MAX_PAYLOAD_BYTES, False), (MAX_PAYLOAD_BYTES + 1, True)])
@pytest.mark.parametrize("character", ["a", "é", "\n", "\x01"])
def test_the_size_is_counted_to_the_byte(size: int, refused: bool, character: str) -> None:
    width = len(orjson.dumps(character)) - 2
    value: Any = {"k": [1, None, character * ((size - 100) // width)]}
    value["pad"] = "a" * (size - len(orjson.dumps({**value, "pad": ""})))
    assert len(orjson.dumps(value)) == size
    if refused:
        with pytest.raises(StateFailed):
            check_payload(value, "task")
    else:
        check_payload(value, "task")


@given(json_values)
def test_the_least_size_is_never_too_large(value: Any) -> None:
    assert least_bytes(value, 10**9) <= len(dumps(value))
    assert least_bytes(value, 3) <= max(4, len(dumps(value)))


@given(json_values, st.integers(0, 60))
def test_an_excerpt_is_the_beginning(value: Any, characters: int) -> None:
    assert excerpt(value, characters) == dumps(value).decode()[:characters]


def test_names_that_are_no_text_are_counted() -> None:
    assert least_bytes({1: 2, 3: 4}, 100) <= len(json.dumps({1: 2, 3: 4}, separators=(",", ":")))
