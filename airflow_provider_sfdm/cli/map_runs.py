"""``sfdm describe``, ``set``, ``stop`` and ``redrive``: map runs of the Airflow engine, from outside."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from .printing import FAILED, SUCCEEDED, Broken, complain, print_json
from .reading import UsageProblem
from .world import AirflowClients, clients_of, url_of


def describe(options: Namespace) -> int:
    """``sfdm describe``."""
    from ..runtime.control import describe_map_run

    return _print(options, describe_map_run)


def change(options: Namespace) -> int:
    """``sfdm set``."""
    from ..runtime.control import update_map_run

    return _print(
        options,
        update_map_run,
        max_concurrency=options.max_concurrency,
        tolerated_failure_count=options.tolerated_failure_count,
        tolerated_failure_percentage=options.tolerated_failure_percentage,
    )


def stop(options: Namespace) -> int:
    """``sfdm stop``."""
    from ..runtime.control import stop_map_run

    return _print(options, stop_map_run, error=options.error, cause=options.cause, close=options.close)


def redrive(options: Namespace) -> int:
    """``sfdm redrive``."""
    return _print(options, _redrive)


def _redrive(map_run: str, **place: Any) -> dict[str, Any]:
    from sqlalchemy.exc import SQLAlchemyError

    from ..core.arns import MAX_NAME
    from ..core.names import safe_name
    from ..runtime.catalog import find_map_run, owner_of
    from ..runtime.control import describe_map_run
    from ..runtime.redrive import NotRedrivable

    folder = find_map_run(map_run, **place)
    summary = describe_map_run(folder.url, connections=place["connections"])
    if summary.status == "SUCCEEDED":
        raise NotRedrivable(f"{summary.map_run_arn} is SUCCEEDED")
    owner = owner_of(folder)
    if owner is None:
        raise NotRedrivable(f"no DAG has begun {summary.map_run_arn}: redrive_map() redrives those of scripts")
    # The ARN that was given counts, not what whoever writes in the storage says.
    name = str(summary.map_run_arn).split(":")[6].partition("/")[0]
    if "://" not in map_run:
        name = map_run.split(":")[6].partition("/")[0]
    if not f"{name}.".startswith(f"{safe_name(owner.dag_id)}.") and len(name) < MAX_NAME:
        raise NotRedrivable(f"{folder.url} says that it is of the DAG {owner.dag_id}, and its ARN that it is of {name}")
    from .clearing import clear_tasks

    try:
        cleared = clear_tasks(owner)
    except SQLAlchemyError as error:
        what = str(error).splitlines()[0]
        raise Broken(f"Airflow's database cannot be used: {what}; is this the environment of its scheduler?") from None
    return {"mapRunArn": summary.map_run_arn, "dagId": owner.dag_id, "dagRunId": owner.run_id, "cleared": cleared}


def _print(options: Namespace, function: Callable[..., Any], **arguments: Any) -> int:
    from ..core.errors import InvalidDefinition, StatesError
    from ..core.summary import MapRunSummary
    from ..runtime.catalog import MapRunNotFound
    from ..runtime.control import MapRunEnded
    from ..runtime.plan import UnreadablePlan
    from ..runtime.redrive import NotRedrivable
    from ..storage import StorageError

    try:
        result = function(options.map_run, **_place(options), **arguments)
    except (InvalidDefinition, MapRunNotFound) as error:
        raise UsageProblem(str(error)) from None
    except (MapRunEnded, NotRedrivable) as error:
        complain(str(error))
        return FAILED
    except (StatesError, StorageError) as error:
        raise Broken(str(error)) from None
    except UnreadablePlan as error:
        raise Broken(f"{options.map_run}: {error}") from None
    if isinstance(result, MapRunSummary):
        # AWS's DescribeMapRun has no output either: it may be a quarter of a megabyte.
        result = {name: value for name, value in result.to_dict().items() if name != "output"}
    print_json(result)
    return SUCCEEDED


def _place(options: Namespace) -> dict[str, Any]:
    """Where map runs are, and how that is reached: as the options say; for ``airflow sfdm`` as Airflow does."""
    given = options.profile or options.region or options.endpoint_url
    storage = None if options.storage is None else url_of(options.storage)
    if hasattr(options, "aws_conn_id") and not given:
        from ..hooks.connections import AWS_CONN_ID
        from ..operators.places import storage_url

        connections = AirflowClients(options.aws_conn_id or AWS_CONN_ID).connections()
        return {"storage": storage or storage_url(), "connections": connections}
    return {"storage": storage, "connections": clients_of(options).connections()}
