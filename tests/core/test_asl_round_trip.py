"""from_asl(to_asl(definition)) is the definition, for all that Step Functions can run."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_sfdm.core.asl import from_asl, to_asl
from airflow_provider_sfdm.core.batcher import ItemBatcher
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.paths import JsonPath
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import (
    CsvDelimiter,
    CsvHeaders,
    InputType,
    ItemReader,
    ManifestType,
    ReaderTransformation,
    S3CsvItemReader,
    S3JsonItemReader,
    S3JsonLItemReader,
    S3ManifestItemReader,
    S3ObjectsItemReader,
    S3ParquetItemReader,
)
from airflow_provider_sfdm.core.retry import JitterStrategy, Retrier
from airflow_provider_sfdm.core.values import UNSET, ExecutionType, QueryLanguage
from airflow_provider_sfdm.core.writer import OutputType, ResultWriter, Transformation, WriterConfig

JSONATA = QueryLanguage.JSONATA
# Braces and per cents apart: what they make is tested in test_render and test_definition.
words = st.text(st.characters(exclude_characters="{}%", exclude_categories=["Cs"]), min_size=1, max_size=8)
paths = st.sampled_from(["$.a", "$.a.b[0]", "$['a b']", "$count"])
expressions = st.sampled_from(["{% $a %}", "{% $states.input.b %}"])
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "c.$d"]), plain_json, max_size=3)
templates = st.builds(lambda o, p: o | {"from.$": p}, objects, paths | st.just("$$.Map.Item.Value"))


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def texts(draw: st.DrawFn, language: QueryLanguage) -> Any:
    if draw(st.booleans()):
        return draw(words)
    return draw(expressions) if language is JSONATA else JsonPath(draw(paths))


@st.composite
def limits(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any], language: QueryLanguage) -> dict[str, Any]:
    if language is JSONATA:
        return {name: draw(optional(values | expressions))}
    return draw(st.fixed_dictionaries({}, optional={name: values}) | st.fixed_dictionaries({f"{name}_path": paths}))


headers = st.just(CsvHeaders.use_first_row()) | st.builds(CsvHeaders.use, st.lists(words, min_size=1, max_size=3))


@st.composite
def readers(draw: st.DrawFn, language: QueryLanguage) -> ItemReader:
    text = texts(language)
    common = {"bucket": draw(text), "expected_bucket_owner": draw(optional(text))}
    common |= draw(limits("max_items", st.integers(0, 100_000_000), language))
    csv = {"csv_headers": draw(headers), "csv_delimiter": draw(st.sampled_from(CsvDelimiter))}
    kind = draw(st.sampled_from(["csv", "json", "jsonl", "parquet", "inventory", "athena", "list", "load"]))
    if kind == "list":
        return S3ObjectsItemReader(**common, prefix=draw(optional(text)))
    if kind == "load":
        form = draw(st.sampled_from([one for one in InputType if one is not InputType.MANIFEST]))
        options = csv if form is InputType.CSV else {}
        load = ReaderTransformation.LOAD_AND_FLATTEN
        return S3ObjectsItemReader(**common, prefix=draw(text), transformation=load, input_type=form, **options)
    common["key"] = draw(text)
    if kind == "parquet":
        return S3ParquetItemReader(**common)
    common["version_id"] = draw(optional(text))
    if kind == "csv":
        return S3CsvItemReader(**common, **csv)
    if kind == "json":
        return S3JsonItemReader(**common, items_pointer=draw(st.sampled_from([None, "", "/a/b~1c"])))
    if kind == "jsonl":
        return S3JsonLItemReader(**common)
    if kind == "inventory":
        return S3ManifestItemReader(**common, csv_delimiter=csv["csv_delimiter"])
    form = draw(st.sampled_from([InputType.CSV, InputType.JSONL, InputType.PARQUET]))
    options = csv if form is InputType.CSV else {}
    return S3ManifestItemReader(**common, manifest_type=ManifestType.ATHENA_DATA, input_type=form, **options)


@st.composite
def batchers(draw: st.DrawFn, language: QueryLanguage) -> ItemBatcher:
    fields = draw(limits("max_input_bytes_per_batch", st.integers(1, 262_144), language))
    if not any(value is not None for value in fields.values()):
        fields["max_items_per_batch"] = draw(st.integers(1))
    batch_input = objects | expressions if language is JSONATA else objects | templates
    return ItemBatcher(**fields, batch_input=draw(optional(batch_input)))


@st.composite
def writers(draw: st.DrawFn, language: QueryLanguage) -> ResultWriter:
    config = st.builds(
        WriterConfig, transformation=st.sampled_from(Transformation), output_type=st.sampled_from(OutputType)
    )
    if draw(st.booleans()):
        return ResultWriter(writer_config=draw(config))
    text = texts(language)
    return ResultWriter(bucket=draw(text), prefix=draw(optional(text)), writer_config=draw(optional(config)))


retriers = st.builds(
    Retrier,
    error_equals=st.lists(st.sampled_from(["A", "States.Timeout"]), min_size=1, max_size=2).map(tuple),
    interval_seconds=st.integers(1, 50),
    max_attempts=st.integers(0, 99),
    backoff_rate=st.floats(1, 5),
    max_delay_seconds=st.none() | st.integers(51, 99),
    jitter_strategy=st.sampled_from(JitterStrategy),
)
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:delays:3"
lambdas = st.builds(LambdaFunction, words, optional(words), words) | st.just(LambdaFunction(ARN, direct=True))
workflows = st.builds(
    lambda name, comment, language: AslProcessor(
        start_at=name, states={name: {"Type": "Pass", "End": True}}, comment=comment, query_language=language
    ),
    words,
    optional(words),
    optional(st.sampled_from(QueryLanguage)),
)
around_paths = st.fixed_dictionaries(
    {},
    optional={
        "InputPath": st.none() | paths,
        "OutputPath": st.none() | paths,
        "ResultPath": st.none() | st.just("$.a"),
        "ResultSelector": objects,
    },
)
around = st.fixed_dictionaries(
    {}, optional={"Next": words, "Retry": st.just([{"ErrorEquals": ["E"]}]), "Catch": st.just([]), "Assign": objects}
)


@st.composite
def definitions(draw: st.DrawFn) -> DistributedMap:
    language = draw(st.sampled_from(QueryLanguage))
    fields: dict[str, Any] = {"item_processor": draw(lambdas | workflows)}
    if isinstance(fields["item_processor"], LambdaFunction):
        fields |= {"retry": tuple(draw(st.lists(retriers, max_size=2))), "timeout": draw(optional(st.integers(1, 99)))}
    source = draw(st.sampled_from(["reader", "items", "input"]))
    if source == "reader":
        fields["item_reader"] = draw(readers(language))
    elif source == "items" and language is JSONATA:
        fields["items"] = draw(st.lists(plain_json, max_size=2) | objects | expressions)
    elif language is not JSONATA:
        fields["items_path"] = draw(optional(paths))
    selector = objects | expressions if language is JSONATA else objects | templates
    fields |= draw(limits("max_concurrency", st.integers(0, 10_000), language))
    fields |= draw(limits("tolerated_failure_percentage", st.floats(0, 100) | st.integers(0, 100), language))
    fields |= draw(limits("tolerated_failure_count", st.integers(0), language))
    return DistributedMap(
        **fields,
        item_selector=draw(optional(selector)),
        item_batcher=draw(optional(batchers(language))),
        result_writer=draw(optional(writers(language))),
        label=draw(st.sampled_from([None, "x", "Zürich"])),
        execution_type=draw(st.sampled_from(ExecutionType)),
        comment=draw(optional(words)),
        query_language=language,
        state_fields=draw(around) | ({} if language is JSONATA else draw(around_paths)),
    )


@settings(max_examples=200, deadline=None)
@given(definitions())
def test_a_definition_comes_back(definition: DistributedMap) -> None:
    state = to_asl(definition)
    assert from_asl(state) == definition
    assert from_asl(json.dumps(state)) == definition
    assert (definition.items is UNSET) == ("Items" not in state)


@settings(max_examples=50, deadline=None)
@given(definitions())
def test_the_state_is_the_callers_to_change(definition: DistributedMap) -> None:
    before = json.dumps(to_asl(definition), sort_keys=True)
    _spoil(to_asl(definition))
    assert json.dumps(to_asl(definition), sort_keys=True) == before


def _spoil(value: Any) -> None:
    for member in list(value.values()) if isinstance(value, dict) else value:
        if isinstance(member, dict | list):
            _spoil(member)
    value.clear()
