"""What Airflow learns of the provider is what Airflow accepts, and what is there."""

from __future__ import annotations

import json
import warnings
from importlib import import_module, metadata
from importlib.resources import files

from airflow.sdk import task

from airflow_provider_sfdm.decorators.distributed_map import distributed_map
from airflow_provider_sfdm.provider_info import get_provider_info


def test_airflows_schema_accepts_it() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    # By name, as there are no type stubs of this package of Airflow's.
    import_module("jsonschema").validate(get_provider_info(), schema)


def test_the_package_name_is_that_of_the_distribution() -> None:
    name = get_provider_info()["package-name"]
    entry_points = metadata.distribution(name).entry_points.select(group="apache_airflow_provider")
    assert [entry_point.load() for entry_point in entry_points] == [get_provider_info]


def test_airflow_lists_the_provider_and_its_decorator() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other providers
        manager = import_module("airflow.providers_manager").ProvidersManager()
        provider = manager.providers["airflow-provider-sfdm"]
    assert provider.version == metadata.version("airflow-provider-sfdm")
    found: object = task.distributed_map
    assert found is distributed_map


def test_configuration_has_defaults_descriptions_and_readers() -> None:
    options = get_provider_info()["config"]["sfdm"]["options"]
    places = import_module("airflow_provider_sfdm.operators.places")
    assert set(options) == {
        "checkpoint_seconds",
        "engine",
        "partitions",
        "role_arn",
        "storage",
        "storage_retry_seconds",
    }
    assert all(option["description"] and option["version_added"] for option in options.values())
    assert places.conf.get("sfdm", "storage") == options["storage"]["default"] == ""
    assert places.conf.getint("sfdm", "partitions") == int(options["partitions"]["default"])
    assert places.checkpoint_seconds() == float(options["checkpoint_seconds"]["default"])
    connections = import_module("airflow_provider_sfdm.hooks.connections").airflow_connections()
    assert connections.retry_seconds == float(options["storage_retry_seconds"]["default"])
    assert places.conf.get("sfdm", "engine") == options["engine"]["default"] == "airflow"
    assert places.conf.get("sfdm", "role_arn") == options["role_arn"]["default"] == ""


def test_every_module_that_the_provider_names_is_there() -> None:
    info = get_provider_info()
    kinds = ("operators", "sensors", "hooks", "triggers")
    named = [module for kind in kinds for entry in info[kind] for module in entry["python-modules"]]
    assert len(named) == 5
    for module in named:
        import_module(module)
    for link in info["extra-links"]:
        module, _, name = link.rpartition(".")
        assert getattr(import_module(module), name).name == "Map Run"
