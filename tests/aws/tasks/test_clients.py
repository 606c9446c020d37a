"""Where clients come from, and how they are shared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.hooks.clients import airflow_clients
from airflow_provider_sfdm.states.seam import Invoke, TaskCall, TaskFailed
from tools.servers import S3Endpoint

from .helpers import CALL, FUNCTION, SDK, Answer, at, serving


def test_clients_are_made_once_for_each_service_and_time_limit() -> None:
    with serving(lambda seen: Answer({})) as server:
        made: list[tuple[str, float, Any]] = []
        factory = at(server.url)

        def counted(service: str, config: Config) -> Any:
            options: Any = config
            made.append((service, options.read_timeout, options.retries["total_max_attempts"]))
            return factory(service, config)

        tasks = Tasks(counted)
        assert made == [], "nothing is connected before it is needed"
        for _ in range(3):
            tasks(SDK + "dynamodb:listTables", {}, CALL)
            tasks(FUNCTION + "f", {}, CALL)
            tasks(FUNCTION + "f", {}, TaskCall("JSONPath", {}, timeout_seconds=7))
            tasks(FUNCTION + "f", {}, TaskCall("JSONPath", {}, timeout_seconds=9000))
    assert made == [("dynamodb", 60.0, 1), ("lambda", 930.0, 1), ("lambda", 8, 1)]


def test_tasks_are_what_the_interpreter_calls() -> None:
    invoke: Invoke = Tasks(functions={"f": lambda arguments: arguments})
    assert invoke("f", 1, CALL) == 1


def test_threads_share_tasks() -> None:
    with serving(lambda seen: Answer(seen.body)) as server:
        tasks = Tasks(at(server.url), concurrency=16)
        with ThreadPoolExecutor(16) as pool:
            results = pool.map(lambda number: tasks(FUNCTION + "f", number, CALL), range(200))
            assert list(results) == list(range(200))


def test_an_airflow_connection(monkeypatch: pytest.MonkeyPatch, moto_server: S3Endpoint) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TASKS_TEST", moto_server.airflow_connection())
    tasks = Tasks(airflow_clients("tasks_test"))
    assert "Buckets" in tasks(SDK + "s3:listBuckets", {}, CALL)
    assert "Account" in tasks(SDK + "sts:getCallerIdentity", {}, CALL)


def test_the_config_of_a_task_goes_before_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda seen: Answer({"message": "m"}, 500)) as server:
        extra = {"endpoint_url": server.url, "region_name": "us-east-1"}
        extra["config_kwargs"] = {"retries": {"total_max_attempts": 5}, "user_agent_extra": "mine"}  # type: ignore[assignment]
        connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_TASKS_TEST", json.dumps(connection))
        with pytest.raises(TaskFailed, match=r"Lambda\.AWSLambdaException"):
            Tasks(airflow_clients("tasks_test"))(FUNCTION + "f", {}, CALL)
    (seen,) = server.seen
    assert "mine" in seen.headers["user-agent"]
