"""The interpreter of the Amazon States Language: what a state costs, and what a child workflow costs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_sfdm import AslProcessor, DistributedMap, ResultWriter, S3JsonItemReader, run_map
from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.states.machine import compile_machine, execute
from tools.servers import ministack

from .harness import Row, measure, seconds

GROUP = "states"
CHAIN = 5_000
"""States in a row; half of what an execution may have."""
DATA = {"n": 1, "type": "a", "value": 22}
RULES: list[dict[str, Any]] = [
    {"Not": {"Variable": "$.type", "StringEquals": "a"}},
    {"And": [{"Variable": "$.value", "NumericGreaterThanEquals": 20}, {"Variable": "$.value", "NumericLessThan": 30}]},
]
QUERIES = [
    {"Condition": "{% $states.input.type != 'a' %}"},
    {"Condition": "{% $states.input.value >= 20 and $states.input.value < 30 %}"},
]
PARAMETERS = {"n.$": "$.n", "type.$": "$.type", "value.$": "States.MathAdd($.value, 0)", "id.$": "$$.Execution.Id"}
OUTPUT = {name: f"{{% $states.input.{name} %}}" for name in DATA}
JSONATA = {"QueryLanguage": "JSONata"}
STATES: list[tuple[str, dict[str, Any], float]] = [
    ("Pass, JSONPath: four parameters, a function among them", {"Type": "Pass", "Parameters": PARAMETERS}, 100),
    ("Choice, JSONPath: the second rule of three comparisons", {"Type": "Choice", "Choices": RULES}, 100),
    ("Pass, JSONata: three expressions", {"Type": "Pass", **JSONATA, "Output": OUTPUT}, 300),
    ("Choice, JSONata: the second of two conditions", {"Type": "Choice", **JSONATA, "Choices": QUERIES}, 300),
]


def chain(state: Mapping[str, Any]) -> int:
    """An execution of one state many times over, compiled before. Returns how many."""
    states = {f"S{index}": _leading(state, f"S{index + 1}") for index in range(CHAIN)}
    machine = compile_machine({"StartAt": "S0", "States": {**states, f"S{CHAIN}": {"Type": "Succeed"}}})
    services = local_services()
    begun = time.perf_counter()
    outcome = execute(machine, DATA, services)
    took = time.perf_counter() - begun
    assert outcome.status == "SUCCEEDED", outcome
    return round(took / CHAIN * 1e9)


def _leading(state: Mapping[str, Any], following: str) -> dict[str, Any]:
    if state["Type"] != "Choice":
        return {**state, "Next": following}
    return {**state, "Choices": [{**rule, "Next": following} for rule in state["Choices"]]}


def children(count: int) -> int:
    """A map run of so many children of one Pass state on one partition, results written. Returns how many succeeded."""
    with TemporaryDirectory() as folder:
        items = Path(folder, "items.json")
        items.write_text(json.dumps(list(range(count))))
        definition = DistributedMap(
            item_processor=AslProcessor(start_at="Pass", states={"Pass": {"Type": "Pass", "End": True}}),
            item_reader=S3JsonItemReader(url=items.as_uri()),
            result_writer=ResultWriter(url=Path(folder, "results").as_uri()),
        )
        summary = run_map(definition, storage=Path(folder, "map-runs").as_uri())
        return summary.raise_for_status().item_counts.succeeded


def emulator(count: int) -> float:
    """Seconds of the same in ministack, by its own clock."""
    children = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **children}
    state = {"Type": "Map", "ItemProcessor": processor, "ResultPath": None, "End": True}
    with TemporaryDirectory() as folder, ministack(Path(folder)) as server:
        client = server.states_client()
        machine = client.create_state_machine(
            name="children",
            definition=json.dumps({"StartAt": "Map", "States": {"Map": state}}),
            roleArn="arn:aws:iam::000000000000:role/r",
        )
        begun = time.perf_counter()
        execution = client.start_execution(
            stateMachineArn=machine["stateMachineArn"], input=json.dumps(list(range(count)))
        )
        while (found := client.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
            time.sleep(0.05)
        took = time.perf_counter() - begun
        assert found["status"] == "SUCCEEDED", found
        return took


def run(quick: bool) -> list[Row]:
    """Measure the group."""
    rows = []
    for name, state, limit in STATES:
        samples = [measure(chain, state=state) for _ in range(3)]
        cost = min(sample.result for sample in samples) / 1000
        figure = f"{cost:.1f} µs a state"
        rows.append(
            Row(group=GROUP, name=name, measured=figure, target=f"≤ {limit:g} µs", figure=figure, within=cost <= limit)
        )
    count = 20_000 if quick else 100_000
    sample = measure(children, count=count)
    assert sample.result == count
    few = 500 if quick else 2_000
    other = emulator(few) / few * 1e6
    ours = sample.wall / count * 1e6
    rows.append(
        Row(
            group=GROUP,
            name=f"{count:,} children of one Pass state, one partition; against ministack with {few:,}",
            measured=f"{seconds([sample])}, {ours:.0f} µs a child",
            compared=f"{other:,.0f} µs a child",
            figure=f"{other / ours:,.0f} times as fast",
            target="≤ 10 s for 100,000",
            within=sample.wall <= 10 * count / 100_000,
        )
    )
    return rows
