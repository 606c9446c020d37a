from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import (
    InvalidDefinition,
    ItemReaderFailed,
    StatesError,
    StatesRuntime,
    UnsupportedField,
)
from airflow_provider_sfdm.core.paths import JsonPath, Scope
from airflow_provider_sfdm.core.readers import S3CsvItemReader, S3ObjectsItemReader
from airflow_provider_sfdm.core.resolve import effective_scope, resolve, resolve_batching, resolve_items
from airflow_provider_sfdm.core.values import QueryLanguage
from airflow_provider_sfdm.core.writer import ResultWriter

PREFIX = "An error occurred while executing the state 'MapState' (entered at the event id #2). "


def child(item: Any) -> Any:
    return item


def a_map(**fields: Any) -> DistributedMap:
    return DistributedMap(item_processor=child, **fields)


def resolved(input: Any, **fields: Any) -> DistributedMap:
    return resolve(a_map(**fields), Scope(input), "MapState")


def cause_of(input: Any, **fields: Any) -> str:
    with pytest.raises(StatesRuntime) as error:
        resolved(input, **fields)
    return error.value.cause


def test_every_number_of_a_path_is_replaced() -> None:
    made = resolve(
        a_map(
            item_reader=S3CsvItemReader(bucket="b", key="k", max_items_path="$.limits.items"),
            item_batcher=ItemBatcher(max_items_per_batch_path="$.batch", max_input_bytes_per_batch_path="$bytes"),
            max_concurrency_path="$.concurrency",
            tolerated_failure_count_path="$.count",
            tolerated_failure_percentage_path="$.percentage",
        ),
        Scope(
            {"limits": {"items": "2"}, "batch": "20", "concurrency": "1", "count": 0, "percentage": 1.1},
            variables={"bytes": "15000"},
        ),
    )
    assert made == a_map(
        item_reader=S3CsvItemReader(bucket="b", key="k", max_items=2),
        item_batcher=ItemBatcher(max_items_per_batch=20, max_input_bytes_per_batch=15_000),
        max_concurrency=1,
        tolerated_failure_count=0,
        tolerated_failure_percentage=1.1,
    )


def test_a_definition_without_paths_stays_as_it_is() -> None:
    definition = a_map(
        item_reader=S3CsvItemReader(bucket="b", key="k", max_items=0),
        item_batcher=ItemBatcher(max_items_per_batch=20),
        max_concurrency=5,
        tolerated_failure_percentage=0.5,
        result_writer=ResultWriter(bucket="out"),
    )
    assert resolve(definition, Scope({})) == definition
    assert resolve(a_map(), Scope([])) == a_map()


def test_text_of_a_path_is_replaced_and_checked_as_text() -> None:
    made = resolved(
        {"in": "data", "day": "2026-11-23", "out": "s3://results/runs"},
        item_reader=S3CsvItemReader(bucket=JsonPath("$.in"), key=JsonPath("$.day")),
        result_writer=ResultWriter(url=JsonPath("$.out")),
    )
    assert made.item_reader == S3CsvItemReader(bucket="data", key="2026-11-23")
    assert made.result_writer == ResultWriter(bucket="results", prefix="runs")


@pytest.mark.parametrize("value", [3, "", None, ["b"]])
def test_text_of_a_path_must_be_text(value: Any) -> None:
    cause = cause_of({"b": value}, item_reader=S3ObjectsItemReader(bucket=JsonPath("$.b")))
    assert cause.startswith(f"{PREFIX}The JSONPath '$.b' specified for the field 'Bucket.$' refers to value \"")


def test_a_url_of_a_path_is_checked_as_a_url() -> None:
    cause = cause_of({"u": "no url"}, item_reader=S3CsvItemReader(url=JsonPath("$.u")))
    assert cause.startswith(f"{PREFIX}The value of ItemReader 'no url' is no URL")


def test_text_of_a_path_that_leads_nowhere() -> None:
    cause = cause_of({"a": 1}, result_writer=ResultWriter(bucket="b", prefix=JsonPath("$.p")))
    assert cause == (
        f"{PREFIX}The JSONPath '$.p' specified for the field 'Prefix.$' could not be found in the input '{{\"a\":1}}'"
    )


NUMBERS = {
    "ToleratedFailureCount": "tolerated_failure_count",
    "MaxConcurrency": "max_concurrency",
    "MaxItemsPerBatch": "max_items_per_batch",
    "MaxInputBytesPerBatch": "max_input_bytes_per_batch",
    "MaxItems": "max_items",
}


def with_path(field: str) -> dict[str, Any]:
    if field == "MaxItems":
        return {"item_reader": S3CsvItemReader(bucket="b", key="k", max_items_path="$.number")}
    path = {f"{NUMBERS[field]}_path": "$.number"}
    return {"item_batcher": ItemBatcher(**path)} if "Batch" in field else path


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({}, "{}"),
        ("NoNumber", "NoNumber"),
        (1.5, "1.5"),
        (2.0, "2.0"),
        ("2.0", "2.0"),
        ("", ""),
        (" 2", " 2"),
        ("٣", "٣"),
        (True, "true"),
        (None, "null"),
        ([1, 2], "[1,2]"),
        (2**63, "9223372036854775808"),
        ("9" * 5_000, "9" * 1_000 + "…"),
    ],
)
def test_what_is_no_integer(field: str, value: Any, shown: str) -> None:
    expected = f'The {field}Path field refers to value "{shown}" which is not a valid integer: $.number'
    assert cause_of({"number": value}, **with_path(field)) == PREFIX + expected


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_that_is_not_there(field: str) -> None:
    expected = f"The JSONPath '$.number' specified for the field '{field}Path' could not be found in the input '{{}}'"
    assert cause_of({}, **with_path(field)) == PREFIX + expected


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("ToleratedFailureCount", -1, "ToleratedFailureCount cannot be negative."),
        ("MaxConcurrency", "-1", "MaxConcurrency cannot be negative."),
        ("MaxItemsPerBatch", 0, "MaxItemsPerBatch must be positive."),
        ("MaxInputBytesPerBatch", -5, "MaxInputBytesPerBatch must be positive."),
    ],
)
def test_numbers_out_of_range(field: str, value: Any, problem: str) -> None:
    assert cause_of({"number": value}, **with_path(field)) == PREFIX + problem


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, '"{}" which is not a valid float: $.p'),
        ("NoNumber", '"NoNumber" which is not a valid float: $.p'),
        ("NaN", '"NaN" which is not a valid float: $.p'),
        ("1e", '"1e" which is not a valid float: $.p'),
        (True, '"true" which is not a valid float: $.p'),
        (None, '"null" which is not a valid float: $.p'),
    ],
)
def test_what_is_no_percentage(value: Any, problem: str) -> None:
    cause = cause_of({"p": value}, tolerated_failure_percentage_path="$.p")
    assert cause == f"{PREFIX}The ToleratedFailurePercentagePath field refers to value {problem}"


@pytest.mark.parametrize("value", [-1.1, -1, 100.1, "-0.5", "1e3"])
def test_percentages_out_of_range(value: Any) -> None:
    cause = cause_of({"p": value}, tolerated_failure_percentage_path="$.p")
    assert cause == f"{PREFIX}ToleratedFailurePercentage must be between 0 and 100."


@pytest.mark.parametrize(("value", "number"), [(0, 0), (100, 100), (1.1, 1.1), ("0.5", 0.5), ("7", 7), (".5", 0.5)])
def test_percentages(value: Any, number: float) -> None:
    assert resolved({"p": value}, tolerated_failure_percentage_path="$.p").tolerated_failure_percentage == number


@pytest.mark.parametrize("value", [0, 2, "2", 100_000_001])
def test_max_items_of_a_path_may_be_more_than_a_literal(value: Any) -> None:
    reader = resolved({"number": value}, **with_path("MaxItems")).item_reader
    assert reader is not None
    assert (reader.max_items, reader.max_items_path) == (int(value), None)


def test_negative_max_items_fails_the_reader_and_only_after_the_map_itself() -> None:
    fields = with_path("MaxItems")
    with pytest.raises(ItemReaderFailed) as error:
        resolved({"number": -1}, **fields)
    assert error.value.cause == "field MaxItems must be positive"
    cause = cause_of({"number": -1}, tolerated_failure_count_path="$.number", **fields)
    assert cause == f"{PREFIX}ToleratedFailureCount cannot be negative."


def test_more_than_aws_allows_is_taken_as_what_it_allows() -> None:
    batcher = resolved({"number": 300_000}, **with_path("MaxInputBytesPerBatch")).item_batcher
    assert batcher is not None
    assert batcher.max_input_bytes_per_batch == 262_144


def test_paths_of_numbers_refer_to_one_place() -> None:
    for path in ("$.a[*]", "$..a"):
        with pytest.raises(InvalidDefinition) as error:
            resolved({"a": [1]}, max_concurrency_path=path)
        assert error.value.field == "MaxConcurrencyPath"


def test_input_path_comes_first() -> None:
    scope = Scope({"inner": {"n": 3, "items": [1]}})
    definition = a_map(max_concurrency_path="$.n", items_path="$.items", state_fields={"InputPath": "$.inner"})
    assert effective_scope(definition, scope).input == {"n": 3, "items": [1]}
    assert resolve(definition, scope).max_concurrency == 3
    assert resolve_items(definition, scope) == [1]
    nothing = a_map(state_fields={"InputPath": None})
    assert effective_scope(nothing, scope).input == {}
    gone = a_map(state_fields={"InputPath": "$.gone"})
    with pytest.raises(StatesRuntime) as error:
        resolve(gone, scope, "MapState")
    assert error.value.cause == f"{PREFIX}Invalid path '$.gone' : No results for path: $['gone']"


def test_items_of_the_input() -> None:
    assert resolve_items(a_map(), Scope([1, 2])) == [1, 2]
    assert resolve_items(a_map(items_path="$.values"), Scope({"values": []})) == []
    assert resolve_items(a_map(items_path="$v.list"), Scope({}, variables={"v": {"list": [3]}})) == [3]
    assert resolve_items(a_map(items_path="$$.Execution.Input"), Scope({}, {"Execution": {"Input": [4]}})) == [4]


@pytest.mark.parametrize("value", [{}, {"a": [1]}, "text", 3, True, None])
def test_items_path_must_point_to_an_array(value: Any) -> None:
    with pytest.raises(StatesRuntime) as error:
        resolve_items(a_map(), Scope(value), "MapState")
    assert error.value.cause == 'Reference path "$" must point to array.'


def test_items_path_that_leads_nowhere_or_to_many() -> None:
    with pytest.raises(StatesRuntime) as error:
        resolve_items(a_map(items_path="$.a.b"), Scope({}), "MapState")
    assert error.value.cause == f"{PREFIX}Invalid path '$.a.b' : Missing property in path $['a']"
    with pytest.raises(InvalidDefinition) as invalid:
        resolve_items(a_map(items_path="$.a[*]"), Scope({"a": [1]}))
    assert invalid.value.field == "ItemsPath"


def test_items_path_is_ignored_beside_a_reader() -> None:
    definition = a_map(item_reader=S3CsvItemReader(bucket="b", key="k"), items_path="$.gone")
    assert resolve(definition, Scope({})) == definition


def test_given_items() -> None:
    assert resolve_items(a_map(items=(1, 2)), Scope({})) == [1, 2]
    assert resolve_items(a_map(items={"a": 1}), Scope({})) == {"a": 1}
    # A template that was rendered to something else.
    wrong = a_map(items=[])
    object.__setattr__(wrong, "items", "text")
    with pytest.raises(StatesRuntime) as error:
        resolve_items(wrong, Scope({}), "MapState")
    assert error.value.cause == f"{PREFIX}Map state input must be an array but was: text"


def test_batching() -> None:
    template = {"run.$": "$.run", "bucket": "$.run", "id.$": "$$.Execution.Id"}
    scope = Scope({"in": {"run": "r"}}, {"Execution": {"Id": "e"}})
    definition = a_map(
        item_batcher=ItemBatcher(max_items_per_batch=2, batch_input=template),
        state_fields={"InputPath": "$.in"},
    )
    batching = resolve_batching(resolve(definition, scope), scope)
    assert batching.max_items == 2
    assert batching.input_of([1, 2]) == {"BatchInput": {"run": "r", "bucket": "$.run", "id": "e"}, "Items": [1, 2]}
    assert batching.max_bytes == 262_144
    sized = resolve_batching(a_map(item_batcher=ItemBatcher(max_input_bytes_per_batch=100)), scope)
    assert (sized.max_items, sized.max_bytes) == (None, 100)
    assert resolve_batching(a_map(), scope).input_of(["a"]) == "a"


def test_batch_input_that_is_not_there() -> None:
    batcher = ItemBatcher(max_items_per_batch=2, batch_input={"run.$": "$.run"})
    with pytest.raises(StatesRuntime) as error:
        resolve_batching(a_map(item_batcher=batcher), Scope({}), "MapState")
    expected = "The JSONPath '$.run' specified for the field 'run.$' could not be found in the input '{}'"
    assert error.value.cause == PREFIX + expected


def test_what_is_not_rendered_or_evaluated_is_refused() -> None:
    jsonata = {"query_language": QueryLanguage.JSONATA}
    expression = "{% $states.input.n %}"
    for field, fields in (
        ("MaxConcurrency", {"max_concurrency": expression}),
        ("ToleratedFailurePercentage", {"tolerated_failure_percentage": expression}),
        ("ItemReader.Arguments.Bucket", {"item_reader": S3ObjectsItemReader(bucket=expression)}),
    ):
        with pytest.raises(UnsupportedField) as error:
            resolve(a_map(**jsonata, **fields), Scope({}))
        assert error.value.field == field
    batcher = ItemBatcher(max_items_per_batch=2, batch_input={"deep": [expression]})
    with pytest.raises(UnsupportedField, match=r"ItemBatcher\.BatchInput"):
        resolve_batching(a_map(**jsonata, item_batcher=batcher), Scope({}))
    with pytest.raises(UnsupportedField, match="Items"):
        resolve_items(a_map(**jsonata, items=expression), Scope({}))
    with pytest.raises(InvalidDefinition, match="not been rendered") as invalid:
        resolved({}, max_concurrency="{{ params.n }}")
    assert invalid.value.field == "MaxConcurrency"
    unresolved = a_map(item_batcher=ItemBatcher(max_items_per_batch_path="$.n"))
    with pytest.raises(InvalidDefinition, match="not resolved"):
        resolve_batching(unresolved, Scope({"n": 1}))


def test_errors_have_awss_names() -> None:
    with pytest.raises(StatesError) as error:
        resolved({"number": {}}, **with_path("MaxConcurrency"))
    assert error.value.error == "States.Runtime"
