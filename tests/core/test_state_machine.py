"""The state machine around a map, and the input of its execution."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.asl_states import all_states
from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import DataLimitExceeded, InvalidDefinition, UnsupportedField
from airflow_provider_sfdm.core.limits import MAX_PAYLOAD_BYTES
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import S3CsvItemReader, S3JsonItemReader, S3ObjectsItemReader
from airflow_provider_sfdm.core.state_machine import execution_input, state_machine_of
from airflow_provider_sfdm.core.values import UNSET, QueryLanguage
from airflow_provider_sfdm.core.writer import ResultWriter

JSONATA = QueryLanguage.JSONATA


def function(item: Any) -> Any:
    return item


def made(**fields: Any) -> DistributedMap:
    return DistributedMap(**{"item_processor": LambdaFunction("delays"), **fields})


def states_named(*names: str) -> AslProcessor:
    return AslProcessor(start_at=names[0], states={name: {"Type": "Pass", "End": True} for name in names})


def map_state(definition: DistributedMap) -> dict[str, Any]:
    """The one Map state of the machine."""
    found = [state for state in state_machine_of(definition)["States"].values() if state["Type"] == "Map"]
    assert len(found) == 1
    return dict(found[0])


READERS = [
    S3CsvItemReader(bucket="flights", key=JsonPath("$.key"), max_items=100),
    S3JsonItemReader(bucket="flights", key="all.json", items_pointer="/rows"),
    S3ObjectsItemReader(bucket="flights", prefix="2026/"),
]


@pytest.mark.parametrize("reader", READERS)
def test_a_map_that_reads_is_the_machine(reader: Any) -> None:
    definition = made(
        item_reader=reader,
        item_batcher=ItemBatcher(max_items_per_batch=500),
        max_concurrency=1000,
        tolerated_failure_percentage=10,
        label="delays",
        result_writer=ResultWriter(bucket="processed", prefix="delays"),
        state_fields={"InputPath": "$.day"},
    )
    assert state_machine_of(definition) == {"StartAt": "Map", "States": {"Map": definition.to_asl()}}
    assert execution_input(definition, {"day": {"key": "k"}}) == '{"day":{"key":"k"}}'
    assert DistributedMap.from_asl(map_state(definition)) == definition


@pytest.mark.parametrize(
    "fields",
    [
        {"items_path": "$.orders", "max_concurrency_path": "$.n"},
        {},
        {"query_language": JSONATA, "items": "{% $states.input.orders %}"},
    ],
)
def test_a_map_whose_items_are_in_its_input_is_the_machine(fields: dict[str, Any]) -> None:
    definition = made(**fields)
    assert state_machine_of(definition) == {"StartAt": "Map", "States": {"Map": definition.to_asl()}}
    assert execution_input(definition, {"orders": [1]}) == '{"orders":[1]}'
    assert DistributedMap.from_asl(map_state(definition)) == definition


@pytest.mark.parametrize(
    ("given_", "rewritten"),
    [
        ({}, "$.input"),
        ({"InputPath": "$"}, "$.input"),
        ({"InputPath": "$.a"}, "$.input.a"),
        ({"InputPath": "$['a b'][0]"}, "$.input['a b'][0]"),
        ({"InputPath": "$[0]"}, "$.input[0]"),
        ({"InputPath": "$.a[*].b"}, "$.input.a[*].b"),
        ({"InputPath": "$..a"}, "$.input..a"),
        ({"InputPath": "$$.Execution.StartTime"}, "$$.Execution.StartTime"),
        ({"InputPath": "$$"}, "$$"),
        ({"InputPath": "$variable"}, "$variable"),
        ({"InputPath": "$variable.a"}, "$variable.a"),
        ({"InputPath": None}, None),
    ],
)
def test_items_are_beside_the_input(given_: dict[str, Any], rewritten: str | None) -> None:
    """What the map sees as ``$`` is its input alone, as on the other engine."""
    definition = made(
        items=[{"order": 1}, {"order": 2}],
        item_selector={"day.$": "$.day", "order.$": "$$.Map.Item.Value"},
        tolerated_failure_count_path="$.tolerated",
        state_fields=given_,
    )
    state = map_state(definition)
    assert state["ItemsPath"] == "$$.Execution.Input.items"
    assert state["InputPath"] == rewritten
    assert "Items" not in state
    assert '"order": 1' not in json.dumps(state_machine_of(definition))
    # Everything else is what the map says without its items.
    bare = made(item_selector=definition.item_selector, tolerated_failure_count_path="$.tolerated").to_asl()
    assert {name: value for name, value in state.items() if name not in ("ItemsPath", "InputPath")} == bare
    assert json.loads(execution_input(definition, {"day": "d", "tolerated": 1}, definition.items)) == {
        "input": {"day": "d", "tolerated": 1},
        "items": [{"order": 1}, {"order": 2}],
    }


def test_the_machine_is_the_same_whatever_the_items_are() -> None:
    few, many = made(items=[1]), made(items=list(range(100)))
    assert state_machine_of(few) == state_machine_of(many)


def test_items_with_jsonata() -> None:
    definition = made(
        query_language=JSONATA,
        items=[1, 2],
        item_selector={"day": "{% $states.input.day %}"},
        tolerated_failure_percentage="{% $states.input.share %}",
    )
    machine = state_machine_of(definition)
    assert machine["StartAt"] == "Input"
    assert machine["States"]["Input"] == {
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Output": "{% $states.input.input %}",
        "Next": "Map",
    }
    state = machine["States"]["Map"]
    assert state["QueryLanguage"] == "JSONata"
    assert state["Items"] == "{% $states.context.Execution.Input.items %}"
    assert "InputPath" not in state
    assert "ItemsPath" not in state
    assert state["ToleratedFailurePercentage"] == "{% $states.input.share %}"
    assert execution_input(definition, {"day": "d"}, [1, 2]) == '{"input":{"day":"d"},"items":[1,2]}'


@pytest.mark.parametrize(
    ("processor", "name"),
    [
        (states_named("A"), "Map"),
        (states_named("Map"), "Map 2"),
        (states_named("Map", "Map 2", "Map 4"), "Map 3"),
        (LambdaFunction("f", state_name="Map"), "Map 2"),
        (
            AslProcessor(
                start_at="Both",
                states={
                    "Both": {
                        "Type": "Parallel",
                        "End": True,
                        "Branches": [
                            {"StartAt": "Map", "States": {"Map": {"Type": "Pass", "End": True}}},
                            {
                                "StartAt": "Inner",
                                "States": {
                                    "Inner": {
                                        "Type": "Map",
                                        "End": True,
                                        "ItemProcessor": {
                                            "StartAt": "Map 2",
                                            "States": {"Map 2": {"Type": "Pass", "End": True}},
                                        },
                                    }
                                },
                            },
                        ],
                    }
                },
            ),
            "Map 3",
        ),
    ],
)
@pytest.mark.parametrize("items", [UNSET, [1]])
def test_names_of_states_are_unique_in_the_whole_machine(processor: Any, name: str, items: Any) -> None:
    definition = made(item_processor=processor, items=items)
    machine = state_machine_of(definition)
    assert machine["StartAt"] == name
    names = [found for found, _ in all_states(machine["States"])]
    assert len(names) == len(set(names))


def test_the_state_before_a_jsonata_map_has_a_name_of_its_own() -> None:
    processor = states_named("Input", "Map")
    machine = state_machine_of(made(item_processor=processor, query_language=JSONATA, items=[1]))
    assert list(machine["States"]) == ["Input 2", "Map 2"]
    assert machine["States"]["Input 2"]["Next"] == "Map 2"
    names = [found for found, _ in all_states(machine["States"])]
    assert sorted(names) == ["Input", "Input 2", "Map", "Map 2"]


@pytest.mark.parametrize("fields", [{"item_processor": function}, {"item_selector": function}])
@pytest.mark.parametrize("items", [UNSET, [1]])
def test_what_step_functions_cannot_run(fields: dict[str, Any], items: Any) -> None:
    with pytest.raises(UnsupportedField):
        state_machine_of(made(items=items, **fields))


class TestInput:
    @pytest.mark.parametrize("items", [None, [], ["x"]])
    @pytest.mark.parametrize("filling", ["a", "é", "\N{WINKING FACE}"])
    def test_exactly_the_limit_and_a_byte_more(self, items: Any, filling: str) -> None:
        definition = made() if items is None else made(items=items)

        def text(content: str) -> str:
            return execution_input(definition, {"text": content}, UNSET if items is None else items)

        room = MAX_PAYLOAD_BYTES - len(text("").encode())
        whole, rest = divmod(room, len(filling.encode()))
        fits = filling * whole + "b" * rest
        assert len(text(fits).encode()) == 262_144
        with pytest.raises(DataLimitExceeded, match="the input of the execution has 262,145 bytes") as refused:
            text(fits + "b")
        assert "S3" in refused.value.cause
        assert ("S3JsonItemReader" in refused.value.cause) is (items is not None)

    def test_items_count_too(self) -> None:
        definition = made(items=[])
        with pytest.raises(DataLimitExceeded, match="write the items to S3, and read them with S3JsonItemReader"):
            execution_input(definition, {}, ["x" * 1000] * 300)

    def test_members_of_an_object_are_what_a_child_gets(self) -> None:
        definition = made(items={"a": 1, "b": [2]})
        assert json.loads(execution_input(definition, {}, definition.items)) == {
            "input": {},
            "items": [{"Key": "a", "Value": 1}, {"Key": "b", "Value": [2]}],
        }
        jsonata = made(items={"a": 1}, query_language=JSONATA)
        # In JSONata the service maps over members by itself.
        assert json.loads(execution_input(jsonata, {}, jsonata.items))["items"] == {"a": 1}

    @pytest.mark.parametrize(
        "selector",
        [
            {"value.$": "$$.Map.Item.Value"},
            {"deep": [{"name.$": "$$.Map.Item.Key"}]},
            {"both.$": "States.Format('{}', $$.Map.Item.Value)"},
        ],
    )
    def test_a_selector_of_members_would_see_something_else(self, selector: dict[str, Any]) -> None:
        definition = made(items={"a": 1}, item_selector=selector)
        with pytest.raises(
            UnsupportedField, match="give an array of the objects that the selector needs, or use JSONata"
        ):
            execution_input(definition, {}, definition.items)
        # An array's elements are what they are.
        execution_input(definition, {}, [1, 2])

    def test_other_selectors_of_objects_are_fine(self) -> None:
        definition = made(items={"a": 1}, item_selector={"day.$": "$.day"})
        execution_input(definition, {"day": "d"}, definition.items)
        jsonata = made(
            items={"a": 1}, query_language=JSONATA, item_selector={"k": "{% $states.context.Map.Item.Key %}"}
        )
        execution_input(jsonata, {}, jsonata.items)

    @pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan"), {1: 2}, object(), UNSET])
    def test_what_is_no_json(self, value: Any) -> None:
        with pytest.raises(InvalidDefinition) as refused:
            execution_input(made(), {"a": value})
        assert refused.value.field == "input.a"
        with pytest.raises(InvalidDefinition) as refused:
            execution_input(made(items=[1]), {}, [0, value])
        assert refused.value.field == "Items[1]"

    def test_text_that_is_no_unicode(self) -> None:
        """Half of a surrogate pair: JSON in UTF-8 cannot carry it."""
        with pytest.raises(InvalidDefinition):
            execution_input(made(), {"a": "\ud800"})
        with pytest.raises(InvalidDefinition):
            execution_input(made(items=[1]), {}, ["\ud800"])

    @pytest.mark.parametrize("items", [UNSET, None, 3, "text", "[1, 2]", True])
    def test_items_that_are_none(self, items: Any) -> None:
        with pytest.raises(InvalidDefinition) as refused:
            execution_input(made(items=[1]), {}, items)
        assert refused.value.field == "Items"

    def test_tuples_are_arrays(self) -> None:
        assert execution_input(made(items=(1,)), {"a": (1, 2)}, (1, 2)) == '{"input":{"a":[1,2]},"items":[1,2]}'

    @pytest.mark.parametrize("run_input", [None, [1, 2], "text", 3.5, {}])
    def test_any_json_is_an_input(self, run_input: Any) -> None:
        assert json.loads(execution_input(made(), run_input)) == run_input
        assert json.loads(execution_input(made(items=[]), run_input, [])) == {"input": run_input, "items": []}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
            max_leaves=8,
        ),
        st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    )
    def test_the_same_values_give_the_same_text(self, run_input: Any, items: list[Any]) -> None:
        """Another attempt can tell its execution by it."""
        definition = made(items=items)
        text = execution_input(definition, run_input, items)
        read = json.loads(text)
        assert read == {"input": run_input, "items": items}
        assert execution_input(definition, read["input"], read["items"]) == text
