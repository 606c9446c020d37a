"""What an execution on the command line reaches: AWS services, storage, Python functions."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .reading import UsageProblem

if TYPE_CHECKING:
    from argparse import Namespace

    from botocore.config import Config

    from ..storage import Connections

_log = logging.getLogger(__name__)
_BUCKET = re.compile(r"[\w.-]+", re.ASCII)


class Clients:
    """Makes boto3 clients as the options say."""

    def __init__(self, profile: str | None, region: str | None, endpoint_url: str | None) -> None:
        self._profile = profile
        self._region = region
        self._endpoint_url = endpoint_url

    def task_client(self, service: str, config: Config) -> Any:
        """A client of a service that a Task state names."""
        return self._client(service, self._profile, config)

    def connections(self) -> Connections:
        """How Distributed Maps reach their data. A name before the bucket (``s3://name@bucket``) is a profile."""
        from botocore.config import Config

        from ..storage import Connections

        config = Config(retries={"mode": "standard", "max_attempts": 5})
        return Connections(
            s3_client=lambda name: self._client("s3", name or self._profile, config),
            lambda_client=lambda config: self._client("lambda", self._profile, config),
        )

    def _client(self, service: str, profile: str | None, config: Config) -> Any:
        import boto3
        from botocore.config import Config

        if service == "s3" and self._endpoint_url is not None:
            # Local servers rarely have a host name for every bucket.
            config = config.merge(Config(s3={"addressing_style": "path"}))
        session = boto3.session.Session(profile_name=profile, region_name=self._region)
        client = session.client(  # type: ignore[call-overload]  # the stubs name every service
            service, config=config, endpoint_url=self._endpoint_url
        )
        client.meta.events.register("needs-retry", _tell)
        return client


def _tell(caught_exception: Exception | None = None, attempts: int = 0, **_: Any) -> None:
    """An address where nobody answers is tried for seconds: say so at once. Decides nothing about the retry."""
    if caught_exception is not None and attempts == 1:
        _log.warning("%s; trying again", caught_exception)


class AirflowClients:
    """Makes boto3 clients from an Airflow connection; for ``airflow sfdm`` only."""

    def __init__(self, aws_conn_id: str) -> None:
        from ..hooks.clients import airflow_clients

        self._aws_conn_id = aws_conn_id
        self._make = airflow_clients(aws_conn_id)

    def task_client(self, service: str, config: Config) -> Any:
        """A client of a service that a Task state names."""
        return self._make(service, config)

    def connections(self) -> Connections:
        """How Distributed Maps reach their data. A name before the bucket is another connection."""
        from ..hooks.connections import airflow_connections

        return airflow_connections(self._aws_conn_id)


def clients_of(options: Namespace) -> Clients | AirflowClients:
    """What the options of ``run`` say of AWS. Raises UsageProblem."""
    aws_conn_id = getattr(options, "aws_conn_id", None)  # `airflow sfdm run` alone has it
    if aws_conn_id is None:
        return Clients(options.profile, options.region, options.endpoint_url)
    if options.profile or options.region or options.endpoint_url:
        raise UsageProblem("--aws-conn-id says it all: leave out --profile, --region and --endpoint-url")
    return AirflowClients(aws_conn_id)


def url_of(place: str) -> str:
    """A folder or URL as a URL: a path is taken from where the command runs."""
    return place if "://" in place else Path(place).absolute().as_uri()


def connections_of(options: Namespace, clients: Clients | AirflowClients) -> Connections:
    """How Distributed Maps reach their data, with ``--bucket``. Raises UsageProblem."""
    connections = clients.connections()
    return replace(connections, buckets=_buckets(options.bucket, connections)) if options.bucket else connections


def _buckets(given: list[str], connections: Connections) -> dict[str, str]:
    """What stands for a bucket, by the bucket's name."""
    from ..storage import StorageError, open_folder

    found: dict[str, str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not (_BUCKET.fullmatch(name) and equals and place):
            raise UsageProblem(f"--bucket {text}: write NAME=FOLDER or NAME=URL")
        if name in found:
            raise UsageProblem(f"--bucket {text}: {name} is given twice")
        if "://" not in place and not Path(place).is_dir():
            raise UsageProblem(f"--bucket {text}: {place} is no folder")
        found[name] = url_of(place)
        try:
            open_folder(found[name], connections)
        except StorageError as error:
            raise UsageProblem(f"--bucket {text}: {error.reason}") from None
    return found


def functions(references: list[str]) -> dict[str, Any]:
    """The Python functions of ``module:attribute`` dicts. Raises UsageProblem."""
    found: dict[str, Any] = {}
    if references and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` has it
    for reference in references:
        module, colon, attribute = reference.partition(":")
        if not (module and colon and attribute):
            raise UsageProblem(f"--functions {reference}: write module:attribute")
        try:
            value: Any = import_module(module)
            for name in attribute.split("."):
                value = getattr(value, name)
        except SystemExit as error:
            raise UsageProblem(f"--functions {reference}: it called sys.exit({error.code!r})") from None
        except Exception as error:  # a module may raise anything
            raise UsageProblem(f"--functions {reference}: {type(error).__name__}: {error}") from None
        if not isinstance(value, Mapping) or not all(
            isinstance(name, str) and callable(function) for name, function in value.items()
        ):
            raise UsageProblem(f"--functions {reference}: it must be a dict of functions by their resources' names")
        found |= value
    return found
