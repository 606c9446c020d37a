"""The hook: the same calls through an Airflow connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config

from airflow_provider_sfdm.aws.errors import CredentialsRefused, Throttled
from airflow_provider_sfdm.hooks.step_functions import StepFunctionsDistributedMapHook
from tests.stepfunctions.scripted import Map, ScriptedStepFunctions, Step, arn
from tools.servers import S3Endpoint

MAP_RUN = arn("mapRun", "m/Map:1")
UUID = "4a0e3b54-0a53-4a3c-9d8e-0c1d2e3f4a5b"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedStepFunctions]:
    """A server, which the connection ``aws_default`` names."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    with ScriptedStepFunctions() as started:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", started.airflow_connection())
        yield started


def attempts(server: ScriptedStepFunctions, call: Callable[[str], object]) -> int:
    """How often a call is made that is always throttled."""
    server.calls.clear()
    server.fail("DescribeMapRun", times=None)
    with pytest.raises(Throttled):
        call(MAP_RUN)
    server.recover("DescribeMapRun")
    return len(server.called("DescribeMapRun"))


def two_tries(key: str = "total_max_attempts") -> dict[str, Any]:
    return {"retries": {"mode": "standard", key: 2}}


def test_the_calls_go_through_the_connection(server: ScriptedStepFunctions) -> None:
    hook = StepFunctionsDistributedMapHook(aws_conn_id="aws_default")
    machine = server.add_machine("m")
    server.plan("m", [Step(maps=[Map(items={"running": 3})])], moves_on=None)
    execution = hook.start(machine, "e", "{}")
    (listed,) = hook.list_map_runs(execution)
    assert hook.get_map_run(listed.arn).item_counts.running == 3
    assert hook.conn_region_name == "us-east-1"
    assert hook.conn is hook.states_client is hook.get_conn()


def test_a_call_is_tried_eight_times(server: ScriptedStepFunctions) -> None:
    assert attempts(server, StepFunctionsDistributedMapHook().get_map_run) == 8


def test_the_connection_s_config_counts(server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = server.airflow_connection(config_kwargs={**two_tries(), "user_agent_extra": "ours"})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    hook = StepFunctionsDistributedMapHook()
    assert attempts(server, hook.get_map_run) == 2
    config = hook.conn.meta.config
    assert "ours" in str(config.user_agent_extra)  # type: ignore[attr-defined]
    # What it does not say is ours.
    assert (config.connect_timeout, config.read_timeout) == (10, 60)  # type: ignore[attr-defined]


def test_the_argument_s_config_counts(server: ScriptedStepFunctions) -> None:
    hook = StepFunctionsDistributedMapHook(config=Config(**two_tries(), read_timeout=7))
    assert attempts(server, hook.get_map_run) == 2
    assert hook.conn.meta.config.read_timeout == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize("config", [None, Config(**two_tries())])
def test_polling_makes_each_call_once(config: Config | None, server: ScriptedStepFunctions) -> None:
    hook = StepFunctionsDistributedMapHook(config=config)
    assert attempts(server, hook.polling().get_map_run) == 1


@pytest.mark.parametrize("key", ["max_attempts", "total_max_attempts"])
def test_polling_makes_each_call_once_whatever_the_connection_says(
    key: str, server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection(config_kwargs=two_tries(key)))
    hook = StepFunctionsDistributedMapHook()
    assert attempts(server, hook.polling().get_map_run) == 1


def test_polling_keeps_the_rest_of_the_connection(server: ScriptedStepFunctions) -> None:
    hook = StepFunctionsDistributedMapHook(config=Config(user_agent_extra="ours"))
    config: Any = hook.polling().states_client.meta.config
    assert "ours" in config.user_agent_extra


def test_a_renewed_hook_reads_the_connection_again(
    server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = StepFunctionsDistributedMapHook(region_name="us-east-1", config=Config(**two_tries()))
    server.fail("DescribeMapRun", "ExpiredTokenException", "The token is expired")
    with pytest.raises(CredentialsRefused):
        hook.get_map_run(MAP_RUN)
    connection = json.loads(server.airflow_connection()) | {"login": "new-key"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    renewed = hook.renewed()
    assert type(renewed) is StepFunctionsDistributedMapHook
    assert access_key(hook) == "key"
    assert access_key(renewed) == "new-key"
    # The rest is as it was.
    assert renewed.conn.meta.region_name == hook.conn.meta.region_name == "us-east-1"
    assert attempts(server, renewed.get_map_run) == 2


def access_key(hook: StepFunctionsDistributedMapHook) -> str:
    client: Any = hook.conn
    return str(client._request_signer._credentials.access_key)


def test_a_connection_that_does_not_exist_means_boto3_s_own_credentials(
    server: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", server.url)
    hook = StepFunctionsDistributedMapHook(aws_conn_id=None, region_name="us-east-1")
    machine = server.add_machine("m")
    assert hook.start(machine, "e", "{}") == arn("execution", "m:e")
    assert access_key(hook) == "testing"


def test_results_are_read_with_the_same_connection(
    server: ScriptedStepFunctions,
    s3_server: S3Endpoint,
    s3_bucket: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = s3_bucket()
    # One connection, two endpoints: the service's own wins.
    content = json.loads(server.airflow_connection())
    content |= {"login": s3_server.access_key, "password": s3_server.secret_key}
    content["extra"] = {
        "region_name": "us-east-1",
        "service_config": {
            "stepfunctions": {"endpoint_url": server.url},
            "s3": {"endpoint_url": s3_server.endpoint_url},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(content))
    state = {
        "Type": "Map",
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "A", "States": {}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": bucket}},
        "End": True,
    }
    machine = server.add_machine("m", {"StartAt": "Map", "States": {"Map": state}})
    server.plan("m", [Step(status="FAILED", error="E", maps=[Map(status="FAILED", uuid=UUID)])], moves_on=None)
    hook = StepFunctionsDistributedMapHook()
    execution = hook.start(machine, "e", "{}")
    (listed,) = hook.list_map_runs(execution)
    manifest = {
        "DestinationBucket": bucket,
        "MapRunArn": listed.arn,
        "ResultFiles": {"FAILED": [], "PENDING": [], "SUCCEEDED": [{"Key": f"{UUID}/SUCCEEDED_0.json", "Size": 7}]},
    }
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key=f"{UUID}/manifest.json", Body=json.dumps(manifest).encode())
    client.put_object(Bucket=bucket, Key=f"{UUID}/SUCCEEDED_0.json", Body=b"[1,[2]]")
    for results in (hook.results(listed.arn), hook.results(listed.arn, hook.get_execution(execution))):
        assert results is not None
        assert [child.output for child in results.succeeded()] == [1, [2]]


def test_a_map_run_without_exported_results(server: ScriptedStepFunctions) -> None:
    machine = server.add_machine("m")
    server.plan("m", [Step(status="SUCCEEDED", output=[], maps=[Map(status="SUCCEEDED")])], moves_on=None)
    hook = StepFunctionsDistributedMapHook()
    (listed,) = hook.list_map_runs(hook.start(machine, "e", "{}"))
    assert hook.results(listed.arn) is None
