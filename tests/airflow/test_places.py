"""Where map runs are kept, and how many partitions there may be."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.operators.places import map_runs_url, number_of_partitions, warn_if_out_of_reach
from airflow_provider_sfdm.runtime.engine import DEFAULT_PARTITIONS

RUN_ID = "scheduled__2024-01-01T00:00:00+00:00"


def context(dag_id: str = "d", run_id: str = RUN_ID) -> Any:
    return {"dag_run": SimpleNamespace(dag_id=dag_id, run_id=run_id)}


def test_the_folder_names_dag_run_and_group() -> None:
    expected = "s3://b/runs/d/scheduled__2024-01-01T00_00_00_00_00~d1a4594e/outer.m"
    assert map_runs_url("s3://b/runs/", context(), "outer.m") == expected


def test_the_argument_the_configuration_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.environ["AIRFLOW_HOME"]) / "sfdm"
    assert map_runs_url(None, context(run_id="r"), "m") == f"{home.as_uri()}/d/r/m"
    monkeypatch.setenv("AIRFLOW__SFDM__STORAGE", "gs://bucket")
    assert map_runs_url(None, context(run_id="r"), "m") == "gs://bucket/d/r/m"
    assert map_runs_url("s3://b", context(run_id="r"), "m") == "s3://b/d/r/m"


@pytest.mark.parametrize(
    ("run_id", "name"),
    [("..", "__"), ("../../etc", ".._.._etc"), ("a/b", "a_b"), ("\0", "_"), ("ü", "_"), (".", "_"), ("a%2Fb", "a_2Fb")],
)
def test_a_run_id_is_never_a_path(run_id: str, name: str) -> None:
    found = map_runs_url("file:///s", context(run_id=run_id), "m")
    assert re.fullmatch(rf"file:///s/d/{re.escape(name)}~[0-9a-f]{{8}}/m", found)


def test_each_text_has_a_folder_of_its_own() -> None:
    """What is remembered in it is which map run another attempt goes on with."""
    texts = ["run_1", "run+1", "run/1", "订单", "地区", ".", "..", "_", "__", "", "x" * 150, "x" * 151, "x" * 152]
    texts += [map_runs_url("s3://b", context(run_id=text), "m").split("/")[-2] for text in ("run+1", "订单", "x" * 151)]
    for ids in (lambda text: (text, "r", "m"), lambda text: ("d", text, "m"), lambda text: ("d", "r", text)):
        urls = {
            map_runs_url("s3://b", context(dag_id, run_id), group_id) for dag_id, run_id, group_id in map(ids, texts)
        }
        assert len(urls) == len(texts)


@pytest.mark.parametrize("text", ["run_1", "a.b=c-d", "backfill-20240101", "x" * 150])
def test_a_plain_name_stays(text: str) -> None:
    assert map_runs_url("s3://b", context(run_id=text), text) == f"s3://b/d/{text}/{text}"


def test_a_long_name_is_cut() -> None:
    found = map_runs_url("s3://b", context(run_id="x" * 10_000), "m")
    assert re.fullmatch(r"s3://b/d/x{141}~[0-9a-f]{8}/m", found)


def test_storage_is_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidDefinition, match="storage: 'rel/dir' is no URL: it needs a scheme"):
        map_runs_url("rel/dir", context(), "m")
    monkeypatch.setenv("AIRFLOW__SFDM__STORAGE", "/data")
    with pytest.raises(InvalidDefinition, match=r"\[sfdm\] storage: '/data' is no URL"):
        map_runs_url(None, context(), "m")


def test_partitions_of_the_author_the_configuration_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert number_of_partitions(None) == DEFAULT_PARTITIONS
    monkeypatch.setenv("AIRFLOW__SFDM__PARTITIONS", "30")
    assert number_of_partitions(None) == 30
    assert number_of_partitions(5) == 5
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "20")
    assert number_of_partitions(None) == 20
    monkeypatch.setenv("AIRFLOW__SFDM__PARTITIONS", "-1")
    with pytest.raises(ValueError, match=r"\[sfdm\] partitions must be 0 \(the default\) or more, got -1"):
        number_of_partitions(None)


@pytest.mark.parametrize(
    ("url", "configured", "executor", "warned"),
    [
        ("file:///s", "LocalExecutor", None, False),
        ("file:///s", "CeleryExecutor", None, True),
        ("/s", "CeleryExecutor", None, True),
        ("s3://b", "CeleryExecutor", None, False),
        ("file:///s", "CeleryExecutor,LocalExecutor", "LocalExecutor", False),
        ("file:///s", "LocalExecutor,my.module.KubernetesExecutor", "my.module.KubernetesExecutor", True),
        ("file:///s", "LocalExecutor,CeleryExecutor", None, False),
    ],
)
def test_a_local_folder_and_workers_elsewhere(
    url: str,
    configured: str,
    executor: str | None,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", configured)
    with caplog.at_level(logging.WARNING):
        warn_if_out_of_reach(url, executor)
    assert [f"the executor is {executor or configured.split(',')[0]}" in line for line in caplog.messages] == [
        True
    ] * warned
