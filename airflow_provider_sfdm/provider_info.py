"""What Airflow reads to know this package as a provider (entry point ``apache_airflow_provider``)."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the provider, as Airflow's ``provider_info.schema.json`` asks."""
    return {
        # The canonical name of the distribution: any other breaks `airflow providers` for all providers.
        "package-name": "airflow-provider-sfdm",
        "name": "Step Functions Distributed Map",
        "description": "AWS Step Functions Distributed Map for Apache Airflow: map a function over data of any size.",
        "task-decorators": [
            {
                "name": "distributed_map",
                "class-name": "airflow_provider_sfdm.decorators.distributed_map.distributed_map",
            }
        ],
        "integrations": [
            {
                "integration-name": "AWS Step Functions Distributed Map",
                "external-doc-url": ("https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html"),
                "tags": ["aws"],
            }
        ],
        "operators": [
            {
                "integration-name": "AWS Step Functions Distributed Map",
                "python-modules": [
                    "airflow_provider_sfdm.operators.step_functions",
                    "airflow_provider_sfdm.operators.update_map_run",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "AWS Step Functions Distributed Map",
                "python-modules": ["airflow_provider_sfdm.sensors.map_run"],
            }
        ],
        "hooks": [
            {
                "integration-name": "AWS Step Functions Distributed Map",
                "python-modules": ["airflow_provider_sfdm.hooks.step_functions"],
            }
        ],
        "triggers": [
            {
                "integration-name": "AWS Step Functions Distributed Map",
                "python-modules": ["airflow_provider_sfdm.triggers.map_run"],
            }
        ],
        "cli": ["airflow_provider_sfdm.cli.provider.get_cli_commands"],
        "extra-links": ["airflow_provider_sfdm.links.step_functions.MapRunLink"],
        "config": {
            "sfdm": {
                "description": "Distributed Map: the defaults of its map runs.",
                "options": {
                    "storage": {
                        "description": (
                            "URL of the folder below which map runs keep their plans, progress and (without a\n"
                            "ResultWriter) results; every task of the map must reach it, so with workers on\n"
                            "other machines it is a bucket. Empty: the folder sfdm in AIRFLOW_HOME.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/map-runs",
                        "default": "",
                    },
                    "engine": {
                        "description": (
                            "What runs the maps that do not say so themselves: airflow (tasks of this Airflow) or\n"
                            "stepfunctions (AWS Step Functions).\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "stepfunctions",
                        "default": "airflow",
                    },
                    "role_arn": {
                        "description": (
                            "The IAM role of the state machines that are made for maps on Step Functions, unless the\n"
                            "map names one itself.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "arn:aws:iam::123456789012:role/distributed-maps",
                        "default": "",
                    },
                    "partitions": {
                        "description": (
                            "Into how many partitions (mapped task instances) a map run is divided, unless the map\n"
                            "says so itself; fewer when it has fewer batches. 0: the engine's default.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "64",
                        "default": "0",
                    },
                    "checkpoint_seconds": {
                        "description": (
                            "How often a partition records what it has finished: the work that a killed task may\n"
                            "have to do again. Each time costs an object in the storage of map runs.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "10",
                        "default": "2",
                    },
                    "storage_retry_seconds": {
                        "description": (
                            "How long a call is tried again that a storage does not answer, with growing waits;\n"
                            "then the task fails, and its retries go on. 0: only what the clients try themselves.\n"
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "300",
                        "default": "60",
                    },
                },
            }
        },
    }
