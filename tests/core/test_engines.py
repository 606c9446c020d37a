from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.engines import unsupported_on_airflow
from airflow_provider_sfdm.core.processors import AslProcessor, LambdaFunction
from airflow_provider_sfdm.core.readers import S3ObjectsItemReader

ASL = AslProcessor(start_at="A", states={"A": {"Type": "Pass", "End": True}})


def child(item: Any) -> Any:
    return item


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, []),
        ({"item_processor": LambdaFunction("f")}, []),
        ({"item_processor": ASL}, []),
        ({"item_selector": {"a.$": "$.x", "b": "States.UUID()"}}, []),
        ({"item_selector": {"a": [{"b.$": "States.UUID()"}], "c.$": "States.Array(1)"}}, []),
        ({"query_language": "JSONata", "item_selector": {"a": ["{% $x %}"]}, "items": "{% $x %}"}, []),
        (
            {"item_reader": S3ObjectsItemReader(bucket="b", arguments={"MaxKeys": 1, "StartAfter": "a"})},
            ["ItemReader.Parameters.StartAfter"],
        ),
        ({"state_fields": {"Next": "B", "InputPath": "$.a", "ResultPath": "$", "OutputPath": "$"}}, []),
        (
            {"state_fields": {"Retry": [], "Catch": [], "ResultPath": None, "OutputPath": "$.a"}},
            ["Retry", "Catch", "ResultPath", "OutputPath"],
        ),
        ({"state_fields": {"Assign": {}, "ResultSelector": {}}}, ["Assign", "ResultSelector"]),
        ({"query_language": "JSONata", "state_fields": {"Output": None}}, ["Output"]),
    ],
)
def test_unsupported(fields: dict[str, Any], refused: list[str]) -> None:
    definition = DistributedMap(**{"item_processor": child, **fields})
    found = unsupported_on_airflow(definition)
    assert [error.field for error in found] == refused
    assert all(error.problem for error in found)
