"""Mapped operators and sensors of Step Functions, in real runs of dag.test()."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, ItemBatcher, PythonFunction
from tests.stepfunctions.scripted import ScriptedStepFunctions
from tests.stepfunctions.scripted_model import Map, Step

FILE = "mapped_step_functions.py"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedStepFunctions]:
    """Executions that succeed at the third look."""
    done = Map(status="SUCCEEDED", items={"succeeded": 1, "total": 1})
    with ScriptedStepFunctions() as scripted:
        monkeypatch.setenv("AIRFLOW_CONN_SCRIPTED", scripted.airflow_connection())
        steps = [Step(maps=[Map(items={"running": 1, "total": 1})]), Step(status="SUCCEEDED", output=[1], maps=[done])]
        create = scripted.CreateStateMachine

        def creating(request: dict[str, Any]) -> dict[str, Any]:
            scripted.plan(request["name"], steps)
            return create(request)

        scripted.CreateStateMachine = creating  # type: ignore[method-assign]  # whatever the machine is called
        yield scripted


def test_mapped_operators_sensors_and_groups(run_dag: Any, server: ScriptedStepFunctions) -> None:
    run = run_dag(FILE, "mapped_step_functions")
    assert run.state == "success", run.log[-3000:]
    mapped = ("map_waits", "sense_waits", "map_deferred", "sense_deferred")
    for task_id in (*mapped, "each.by_input", "each.by_group.run_map", "by_items.map"):
        assert run.states(task_id) == ["success", "success"], task_id
        arns = {run.xcom(task_id, index)["executionArn"] for index in (0, 1)}
        assert len(arns) == 2, "each of them has an execution of its own"
    for index in (0, 1):
        assert run.xcom("sense_deferred", index)["executionArn"] == run.xcom("map_deferred", index)["executionArn"]


def test_what_upstream_gives_is_data(run_dag: Any, server: ScriptedStepFunctions) -> None:
    """Jinja in it must never be rendered: a template reaches connections and variables."""
    run_dag(FILE, "mapped_step_functions", again=True)
    given = [json.loads(request["input"]) for request in server.called("StartExecution")]
    words = [one["word"] for one in given if "word" in one]
    assert len(words) == 8
    assert set(words) == {"{{ 6 * 7 }}"}
    assert sorted(one["items"] for one in given if "input" in one) == [["b"], ["{{ 1 + 1 }}"]]


def test_a_mapped_definition_is_the_same_text_at_every_parse() -> None:
    """Airflow stores it in the serialized DAG: an address would make a new version of the DAG each time."""

    def made() -> DistributedMap:
        def work(batch: Any) -> None: ...

        return DistributedMap(
            item_processor=PythonFunction(work, per_item=True),
            items=[{"secret": number} for number in range(1000)],
            input={"token": "x"},
            item_batcher=ItemBatcher(max_items_per_batch=5),
            max_concurrency=3,
        )

    text = str(made())
    assert text == str(made()) == repr(made())
    assert "0x" not in text
    assert "secret" not in text
    assert "token" not in text
    assert "items=<1000 items>" in text
    assert "max_concurrency=3" in text
