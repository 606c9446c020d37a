"""boto3 clients of any service, from an Airflow connection: what Task states call AWS with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config

    from ..aws.tasks import ClientFactory


AWS_CONN_ID = "aws_default"


def airflow_clients(aws_conn_id: str | None = AWS_CONN_ID) -> ClientFactory:
    """Clients with a connection's credentials, region, role and endpoint_url.

    A connection that does not exist means boto3's own credentials, as everywhere in the amazon provider.
    """

    def client(service: str, config: Config) -> Any:
        # Imported here, because a run that calls no service needs no AWS client and this import takes a second.
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        hook: AwsGenericHook[Any] = AwsGenericHook(aws_conn_id=aws_conn_id, client_type=service)
        # The connection's own config counts, save where a task's says otherwise: calls are made once.
        return hook.get_client_type(config=hook.config.merge(config))

    return client
