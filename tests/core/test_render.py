from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import CsvHeaders, S3CsvItemReader, S3JsonItemReader, S3ObjectsItemReader
from airflow_provider_sfdm.core.render import render
from airflow_provider_sfdm.core.values import QueryLanguage
from airflow_provider_sfdm.core.writer import ResultWriter

VALUES = {"{{ ds }}": "2026-11-23", "{{ n }}": "12", "{{ x }}": " 1.5\n", "{{ url }}": "s3://b/k.csv"}


def child(item: Any) -> Any:
    return item


def renderer(template: str) -> str:
    for name, value in VALUES.items():
        template = template.replace(name, value)
    return template


def made(**fields: Any) -> DistributedMap:
    return DistributedMap(**{"item_processor": child, **fields})


def test_everything_the_author_wrote_is_rendered() -> None:
    definition = made(
        item_processor=LambdaFunction("delays-{{ ds }}", "{{ n }}"),
        item_reader=S3CsvItemReader(
            bucket="b",
            key="{{ ds }}.csv",
            version_id="{{ n }}",
            max_items="{{ n }}",
            csv_headers=CsvHeaders.use(["day", "{{ ds }}"]),
        ),
        item_selector={"day": "{{ ds }}", "deep": [{"n": "{{ n }}"}, 3], "path.$": "$.{{ ds }}[0]"},
        item_batcher=ItemBatcher(
            max_items_per_batch="{{ n }}", max_input_bytes_per_batch="{{ n }}00", batch_input={"d": "{{ ds }}"}
        ),
        max_concurrency="{{ n }}",
        tolerated_failure_percentage="{{ x }}",
        tolerated_failure_count_path="$.count{{ n }}",
        label="run-{{ ds }}",
        result_writer=ResultWriter(bucket="out", prefix="{{ ds }}"),
    )
    assert render(definition, renderer) == made(
        item_processor=LambdaFunction("delays-2026-11-23", "12"),
        item_reader=S3CsvItemReader(
            bucket="b",
            key="2026-11-23.csv",
            version_id="12",
            max_items=12,
            csv_headers=CsvHeaders.use(["day", "2026-11-23"]),
        ),
        item_selector={"day": "2026-11-23", "deep": [{"n": "12"}, 3], "path.$": "$.2026-11-23[0]"},
        item_batcher=ItemBatcher(
            max_items_per_batch=12, max_input_bytes_per_batch=1200, batch_input={"d": "2026-11-23"}
        ),
        max_concurrency=12,
        tolerated_failure_percentage=1.5,
        tolerated_failure_count_path="$.count12",
        label="run-2026-11-23",
        result_writer=ResultWriter(bucket="out", prefix="2026-11-23"),
    )


def test_a_url_that_turns_out_to_be_s3_becomes_bucket_and_key() -> None:
    definition = made(item_reader=S3CsvItemReader(url="{{ url }}"), result_writer=ResultWriter(url="{{ url }}"))
    rendered = render(definition, renderer)
    assert rendered.item_reader == S3CsvItemReader(bucket="b", key="k.csv")
    assert rendered.result_writer == ResultWriter(bucket="b", prefix="k.csv")


def refuse(template: str) -> str:
    raise AssertionError(f"{template!r} must not be rendered")


def test_data_functions_and_paths_are_never_rendered() -> None:
    definition = made(
        item_reader=S3ObjectsItemReader(bucket=JsonPath("$['{{ ds }}']"), max_items_path="$.n"),
        input={"a": "{{ ds }}"},
        item_selector=child,
        comment="{{ ds }}",
        state_fields={"Next": "{{ ds }}"},
    )
    assert render(definition, refuse) == definition
    definition = made(items=["{{ ds }}"])
    assert render(definition, refuse) == definition
    states = {"A": {"Type": "Pass", "End": True, "Result": "{{ ds }}"}}
    definition = made(item_processor=AslProcessor(start_at="A", states=states))
    assert render(definition, refuse) == definition


def test_jsonata_is_not_jinja() -> None:
    definition = made(
        query_language=QueryLanguage.JSONATA,
        item_reader=S3CsvItemReader(bucket="{% $b %}", key="k", max_items="{% $n %}"),
        item_selector={"a": "{% $states.context.Map.Item.Value %}"},
        item_batcher=ItemBatcher(max_items_per_batch="{% $n %}", batch_input="{% {'a': {{}} } %}"),
        max_concurrency="{% $n %}",
    )
    assert render(definition, refuse) == definition
    mixed = made(query_language=QueryLanguage.JSONATA, item_selector={"a": "{% $x %}", "b": "{{ ds }}"})
    assert render(mixed, renderer).item_selector == {"a": "{% $x %}", "b": "2026-11-23"}


def test_statements_are_jinja_in_jsonpath() -> None:
    seen = []

    def choose(template: str) -> str:
        seen.append(template)
        return "chosen"

    definition = made(item_reader=S3CsvItemReader(bucket="{% if a %}x{% else %}y{% endif %}", key="k"))
    assert render(definition, choose).item_reader == S3CsvItemReader(bucket="chosen", key="k")
    assert seen == ["{% if a %}x{% else %}y{% endif %}"]


@pytest.mark.parametrize(
    "text", ["1.5", "", "1_000", "0x10", "ten", "1e3", "\uff11\uff12", "{{ m }}", "{% $n %}", "None"]
)
def test_what_is_no_integer(text: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        render(made(max_concurrency="{{ m }}"), lambda _: text)
    assert caught.value.field == "MaxConcurrency"
    assert "'{{ m }}'" in caught.value.problem
    assert repr(text) in caught.value.problem


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "", "1,5", "50%"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(InvalidDefinition, match="ToleratedFailurePercentage: "):
        render(made(tolerated_failure_percentage="{{ p }}"), lambda _: text)


@pytest.mark.parametrize(
    ("fields", "result", "field"),
    [
        ({"max_concurrency": "{{ m }}"}, "10001", "MaxConcurrency"),
        ({"max_concurrency": "{{ m }}"}, 1.5, "MaxConcurrency"),
        ({"max_concurrency": "{{ m }}"}, True, "MaxConcurrency"),
        ({"max_concurrency": "{{ m }}"}, None, "MaxConcurrency"),
        ({"tolerated_failure_count": "{{ m }}"}, "-1", "ToleratedFailureCount"),
        ({"label": "{{ m }}"}, "a b", "Label"),
        ({"label": "{{ m }}"}, 5, "Label"),
        ({"item_selector": {"a": [{"b": "{{ m }}"}]}}, [1], "ItemSelector.a[0].b"),
        ({"item_selector": {"a.$": "{{ m }}"}}, "x", "ItemSelector.a.$"),
        ({"item_reader": S3CsvItemReader(bucket="b", key="{{ m }}")}, "", "ItemReader.Parameters.Key"),
        (
            {"item_reader": S3CsvItemReader(bucket="b", key="k", max_items="{{ m }}")},
            "100000001",
            "ItemReader.ReaderConfig.MaxItems",
        ),
        (
            {"item_reader": S3JsonItemReader(bucket="b", key="k", items_pointer="{{ m }}")},
            "a",
            "ItemReader.ReaderConfig.ItemsPointer",
        ),
        ({"item_batcher": ItemBatcher(max_items_per_batch="{{ m }}")}, "0", "ItemBatcher.MaxItemsPerBatch"),
        ({"result_writer": ResultWriter(url="{{ m }}")}, "/tmp", "ResultWriter"),
        ({"max_concurrency_path": "{{ m }}"}, "x", "MaxConcurrencyPath"),
    ],
)
def test_rendered_values_are_checked_again(fields: dict[str, Any], result: Any, field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        render(made(**fields), lambda _: result)
    assert caught.value.field == field


def test_native_rendering_gives_numbers() -> None:
    assert render(made(max_concurrency="{{ m }}"), lambda _: 7).max_concurrency == 7


def test_errors_of_the_renderer_pass_through() -> None:
    def undefined(template: str) -> str:
        raise KeyError(template)

    with pytest.raises(KeyError):
        render(made(label="{{ m }}"), undefined)
