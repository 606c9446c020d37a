"""``airflow sfdm …``: what Airflow makes of the provider's commands."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm.provider_info import get_provider_info

from .running import one


def _parser() -> ArgumentParser:
    """As Airflow's own parser adds commands."""
    (named,) = get_provider_info()["cli"]
    module, _, function = named.rpartition(".")
    add = import_module("airflow.cli.cli_parser")._add_command
    parser = ArgumentParser("airflow")
    commands: Any = parser.add_subparsers(dest="subcommand")
    for command in getattr(import_module(module), function)():
        add(commands, command)
    return parser


def _airflow(*arguments: str) -> object:
    """The exit code of ``airflow ARGUMENTS``."""
    options = _parser().parse_args(arguments)
    with pytest.raises(SystemExit) as ended:
        options.func(options)
    return ended.value.code


@pytest.fixture
def machine(tmp_path: Path) -> str:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(one({"Type": "Pass"})))
    return str(path)


def test_run(machine: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert _airflow("sfdm", "run", machine, "--input", '{"a": 1}') == 0
    assert json.loads(capfd.readouterr().out) == {"status": "SUCCEEDED", "output": {"a": 1}}


def test_run_with_buckets(machine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ("--aws-conn-id", "some", "--bucket", f"a={tmp_path}")
    assert _airflow("sfdm", "run", machine, *given, "--bucket", "b=nowhere") == 2
    assert capfd.readouterr().err.endswith("sfdm: --bucket b=nowhere: nowhere is no folder\n")
    assert _airflow("sfdm", "run", machine, *given) == 0


def test_run_with_a_connection(machine: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert _airflow("sfdm", "run", machine, "--aws-conn-id", "some", "--region", "eu-west-1") == 2
    assert "leave out --profile" in capfd.readouterr().err


def test_validate(machine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _airflow("sfdm", "validate", machine) == 0
    (tmp_path / "bad.json").write_text('{"StartAt": "A", "States": {}}')
    assert _airflow("sfdm", "validate", str(tmp_path / "bad.json"), "--json") == 1
    assert json.loads(capfd.readouterr().out)[0]["location"] == "/States"
