"""The same definitions on both engines: the same summaries, and the same records in the result files.

The DAG runs twice, each time with another ``[sfdm] engine``. Lambda functions run in ministack, data and results are in
a real S3 server. Step Functions is the scripted server, which speaks its protocol; what an execution *does* there is
done by this package's own engine, from the state machine that was sent. So this shows that a definition survives the
way there and a result the way back. That AWS itself does the same is shown by tests/live, with credentials, and by the
recorded executions in tests/conformance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap, StatesError, run_map
from airflow_provider_sfdm.core.arns import plain_name
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.storage import Connections
from tests.stepfunctions.cases import CASES, CODE, FAIL, compared, put_data, records
from tests.stepfunctions.functions import lambda_client, make_function
from tests.stepfunctions.scripted import ScriptedStepFunctions
from tests.stepfunctions.scripted_model import Map, Step
from tools.servers import REGION, S3Endpoint


@pytest.fixture
def servers_of_both(
    s3_server: S3Endpoint, ministack: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connections]:
    """A Step Functions that runs executions, and the connection to it, to S3 and to Lambda."""
    make_function(ministack, "work", CODE)

    connections = Connections(
        s3_client=lambda _: s3_server.client(), lambda_client=lambda config: lambda_client(ministack, config)
    )
    with ScriptedStepFunctions() as step_functions:
        for name in CASES:
            machine = plain_name("both_engines", f"{name}.run_map")
            step_functions.plan(machine, lambda definition, given: _run(definition, given, connections))
        services = {
            "stepfunctions": step_functions.url,
            "s3": s3_server.endpoint_url,
            "lambda": ministack.endpoint_url,
        }
        connection = {
            "conn_type": "aws",
            "login": s3_server.access_key,
            "password": s3_server.secret_key,
            "extra": {
                "region_name": REGION,
                "service_config": {service: {"endpoint_url": url} for service, url in services.items()},
            },
        }
        monkeypatch.setenv("AIRFLOW_CONN_BOTH", json.dumps(connection))
        yield connections


def _run(machine: dict[str, Any], given: Any, connections: Connections) -> Step:
    """An execution of a machine whose one state is a Distributed Map."""
    (state,) = machine["States"].values()
    definition = DistributedMap.from_asl(state)
    try:
        summary = run_map(definition, given, connections=connections)
    except StatesError as error:
        return Step(status="FAILED", error=error.error, cause=error.cause)
    uuid = str(summary.map_run_arn).rpartition(":")[2]

    def counts(counted: Counts) -> dict[str, int]:
        return counted.to_dict()

    shown = Map(
        status=str(summary.status),
        uuid=uuid,
        items=counts(summary.item_counts),
        executions=counts(summary.execution_counts),
        max_concurrency=summary.max_concurrency,
        tolerated_failure_count=summary.tolerated_failure_count,
        tolerated_failure_percentage=summary.tolerated_failure_percentage,
    )
    return Step(
        status=str(summary.status), output=summary.output, error=summary.error, cause=summary.cause, maps=[shown]
    )


def test_the_same_definition_gives_the_same_on_both_engines(
    run_dag: Any,
    servers_of_both: Connections,
    s3_server: S3Endpoint,
    s3_bucket: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket, client = s3_bucket(), s3_server.client()
    put_data(client, bucket)
    runs = {}
    for engine in ("airflow", "stepfunctions"):
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", engine)
        runs[engine] = run_dag("both_engines.py", "both_engines", bucket=bucket, engine=engine)
    here = {name: runs["airflow"].xcom(f"{name}.write_results") for name in CASES}
    there = {name: runs["stepfunctions"].xcom(f"{name}.run_map") for name in CASES}
    for name in CASES:
        if name == "missing_file":
            # No data, no map run: the airflow engine has no summary then.
            assert here[name] is None
            assert there[name]["error"] == "States.ItemReaderFailed"
            assert "States.ItemReaderFailed" in runs["airflow"].log
            continue
        assert compared(there[name]) == compared(here[name]), name
        exported = "result_writer" in CASES[name]
        if not exported:
            assert there[name]["output"] == here[name]["output"], name
            continue
        assert records(there[name], servers_of_both) == records(here[name], servers_of_both), name
        for summary in (there[name], here[name]):
            if summary["status"] == "SUCCEEDED":
                details = summary["output"]["ResultWriterDetails"]
                assert summary["manifest"].endswith(f"{bucket}/{details['Key']}")
    statuses = {name: summary["status"] for name, summary in there.items()}
    assert statuses == {name: "FAILED" if name in FAIL else "SUCCEEDED" for name in CASES}
    assert there["tolerated"]["itemCounts"]["failed"] == 2
    assert there["breached"]["itemCounts"]["pending"] > 0
