"""JSONata and intrinsic functions in a map's own fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    DistributedMap,
    InvalidDefinition,
    ItemBatcher,
    ResultWriter,
    S3CsvItemReader,
    run_map,
)
from airflow_provider_sfdm.core.errors import StatesError
from airflow_provider_sfdm.core.paths import Scope
from airflow_provider_sfdm.core.values import UNSET, Intrinsic
from airflow_provider_sfdm.runtime.evaluation import evaluated
from tests.runtime.helpers import echo

JSONATA: dict[str, Any] = {"query_language": "JSONata"}


def outcome(tmp_path: Path, given: Any, **fields: Any) -> Any:
    definition = DistributedMap(**{"item_processor": echo, **fields})
    return run_map(definition, given, tmp_path.as_uri())


def test_the_fields_of_a_map_in_jsonata(tmp_path: Path) -> None:
    summary = outcome(
        tmp_path,
        {"rows": [1, 2, 3], "limit": 7, "size": 2},
        **JSONATA,
        items="{% $states.input.rows %}",
        item_selector={
            "n": "{% $states.context.Map.Item.Value * 10 %}",
            "i": "{% $states.context.Map.Item.Index %}",
            "plain.$": "$",
        },
        item_batcher=ItemBatcher(
            max_items_per_batch="{% $states.input.size %}", batch_input={"limit": "{% $states.input.limit %}"}
        ),
        max_concurrency="{% $states.input.limit %}",
        tolerated_failure_count="{% 1 + 1 %}",
        tolerated_failure_percentage="{% 12.5 %}",
    )
    items = [{"n": 10 * n, "i": n - 1, "plain.$": "$"} for n in (1, 2, 3)]
    batch_input = {"limit": 7}
    assert summary.output == [
        {"BatchInput": batch_input, "Items": items[:2]},
        {"BatchInput": batch_input, "Items": items[2:]},
    ]
    assert summary.max_concurrency == 7
    assert (summary.tolerated_failure_count, summary.tolerated_failure_percentage) == (2, 12.5)


def test_a_selector_that_is_one_expression(tmp_path: Path) -> None:
    selector = "{% {'key': $states.context.Map.Item.Key} %}"
    summary = outcome(tmp_path, {}, **JSONATA, items="{% {'a': 1, 'b': 2} %}", item_selector=selector)
    assert summary.output == [{"key": "a"}, {"key": "b"}]


def test_a_data_set_and_its_results_are_where_jsonata_says(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    summary = outcome(
        tmp_path / "runs",
        {"file": (tmp_path / "rows.csv").as_uri(), "out": (tmp_path / "out").as_uri(), "most": 1},
        **JSONATA,
        item_reader=S3CsvItemReader(url="{% $states.input.file %}", max_items="{% $states.input.most %}"),
        result_writer=ResultWriter(url="{% $states.input.out %}"),
        item_selector={"sum": "{% $number($states.context.Map.Item.Value.a) + 1 %}"},
    )
    assert summary.item_counts.succeeded == 1
    assert '{\\"sum\\":2}' in "".join(path.read_text() for path in (tmp_path / "out").rglob("SUCCEEDED_0.json"))


def test_intrinsic_functions_in_payload_templates(tmp_path: Path) -> None:
    summary = outcome(
        tmp_path,
        {"day": "monday"},
        items=[1, 2],
        item_selector={"text.$": "States.Format('{} of {}', $$.Map.Item.Value, $.day)", "day.$": "$.day"},
        item_batcher=ItemBatcher(max_items_per_batch=2, batch_input={"sum.$": "States.MathAdd(1, 2)"}),
    )
    items = [{"text": f"{n} of monday", "day": "monday"} for n in (1, 2)]
    assert summary.output == [{"BatchInput": {"sum": 3}, "Items": items}]


def test_one_expression_gives_all_arguments() -> None:
    arguments = "{% {'Bucket': $states.input.bucket, 'Key': 'k', 'ExpectedBucketOwner': '123456789012'} %}"
    definition = DistributedMap(
        item_processor=echo,
        **JSONATA,
        item_reader=S3CsvItemReader(arguments=arguments),
        result_writer=ResultWriter(
            arguments="{% {'Bucket': $states.input.bucket, 'Prefix': $states.context.State.Name} %}"
        ),
    )
    context = {"Execution": {"Id": "e"}, "StateMachine": {"Id": "m"}}
    made = evaluated(definition, Scope({"bucket": "b"}, context, {}), "Each")
    assert made.item_reader == S3CsvItemReader(bucket="b", key="k", expected_bucket_owner="123456789012")
    assert made.result_writer == ResultWriter(bucket="b", prefix="Each")


def test_an_intrinsic_function_tells_where_the_data_is(tmp_path: Path) -> None:
    (tmp_path / "monday.csv").write_text("a\n1\n")
    url = Intrinsic(f"States.Format('{tmp_path.as_uri()}/{{}}.csv', $.day)")
    summary = outcome(tmp_path / "runs", {"day": "monday"}, item_reader=S3CsvItemReader(url=url))
    assert summary.output == [{"a": "1"}]


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_values_are_data_and_never_expressions(language: str, tmp_path: Path) -> None:
    hostile = {"x": "{% 1 + 1 %}", "y.$": "$.secret"}
    jsonata = language == "JSONata"
    summary = outcome(
        tmp_path,
        {"rows": [hostile], "secret": 1},
        query_language=language,
        **({"items": "{% $states.input.rows %}"} if jsonata else {"items_path": "$.rows"}),
        item_batcher=ItemBatcher(
            max_items_per_batch=1,
            batch_input={"all": "{% $states.input.rows %}"}
            if jsonata
            else {"all.$": "$.rows", "id.$": "States.ArrayLength($.rows)"},
        ),
    )
    (batch,) = summary.output
    assert batch["Items"] == [hostile]
    assert batch["BatchInput"]["all"] == [hostile]


@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"items": "{% 1 %}"}, "States.QueryEvaluationError", "Expected 'array', but was 'number' for value: 1"),
        ({"items": "{% $states.input.none %}"}, "States.QueryEvaluationError", "returned nothing (undefined)."),
        (
            {"items": UNSET, "max_concurrency": "{% 1 %}"},
            "States.QueryEvaluationError",
            "Map state input must be an array but was: {}",
        ),
        ({"max_concurrency": "{% 'a' %}"}, "States.QueryEvaluationError", "Expected 'number', but was 'string'"),
        ({"max_concurrency": "{% -1 %}"}, "States.Runtime", "MaxConcurrency cannot be negative."),
        ({"tolerated_failure_percentage": "{% 101 %}"}, "States.Runtime", "must be between 0 and 100."),
        ({"item_selector": {"a": "{% $error('no') %}"}}, "States.QueryEvaluationError", "'ItemSelector/a'"),
    ],
)
def test_an_expression_that_fails(fields: dict[str, Any], error: str, cause: str, tmp_path: Path) -> None:
    with pytest.raises(StatesError) as failed:
        outcome(tmp_path, {}, **{**JSONATA, "items": [1], **fields})
    assert failed.value.error == error
    assert failed.value.cause.startswith(
        "An error occurred while executing the state 'map' (entered at the event id #2)"
    )
    assert cause in failed.value.cause


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({**JSONATA, "item_selector": {"a": "{% ( %}"}}, "ItemSelector/a"),
        ({"item_selector": {"a.$": "States.None()"}}, "ItemSelector.a.$"),
    ],
)
def test_an_expression_that_does_not_compile_is_refused_first(
    fields: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        outcome(tmp_path, {}, items=[1], **fields)
    assert refused.value.field == field
    assert not list(tmp_path.iterdir())
