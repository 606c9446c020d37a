"""What another implementation of Distributed Map (ministack) makes of our definitions, as far as it goes.

It reads arrays, CSV, JSON, JSON Lines and listings, and selects; it knows no ItemBatcher and no ResultWriter. So far
both engines must give the same counters and outputs. All cases are compared in tests/airflow/test_both_engines.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_sfdm import run_map
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.storage import Connections
from tests.stepfunctions.cases import CODE, compared, definition_of, input_of, put_data
from tests.stepfunctions.functions import lambda_client, make_function
from tests.stepfunctions.running import run_on
from tools.servers import S3Endpoint

ROLE = "arn:aws:iam::000000000000:role/maps"


@pytest.fixture(scope="module")
def connections(ministack: S3Endpoint) -> Connections:
    make_function(ministack, "agree", CODE)
    client = ministack.client()
    client.create_bucket(Bucket="agree")
    put_data(client, "agree")

    return Connections(
        s3_client=lambda _: ministack.client(), lambda_client=lambda config: lambda_client(ministack, config)
    )


@pytest.mark.parametrize("name", ["array", "no_items", "selected", "csv", "jsonl", "listing", "tolerated", "retried"])
def test_an_independent_server_agrees(name: str, ministack: S3Endpoint, connections: Connections) -> None:
    definition = replace(definition_of(name, "agree"), item_batcher=None, result_writer=None)
    run_input = input_of(name, "agree", "agree")
    there = run_on(
        StepFunctions(ministack.states_client()),
        definition,
        run_input,
        name=f"agree-{name}",
        role_arn=ROLE,
        connections=connections,
    )
    here = run_map(definition, run_input, connections=connections)
    assert _without_written(compared(there.to_dict())) == _without_written(compared(here.to_dict()))
    if not there.item_counts.failed:  # it shows a failed child's output as null
        assert there.output == here.output


def _without_written(summary: dict[str, Any]) -> dict[str, Any]:
    """AWS counts results as written at the end even where none are exported (recorded); this server does not."""
    for counts in (summary["itemCounts"], summary["executionCounts"]):
        del counts["resultsWritten"]
    return summary
