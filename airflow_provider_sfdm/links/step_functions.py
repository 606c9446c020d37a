"""Links from a task to what it started, in the AWS console."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink
from airflow.providers.amazon.aws.links.step_function import (
    StateMachineDetailsLink,
    StateMachineExecutionsDetailsLink,
)

_DOMAINS = {"aws": "aws.amazon.com", "aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}


class MapRunLink(BaseAwsLink):
    """The page of a Map Run."""

    name = "Map Run"
    key = "_step_functions_map_run"
    format_str = BASE_AWS_CONSOLE_LINK + "/states/home?region={region_name}#/maprun/{map_run_arn}"

    def format_link(self, *, map_run_arn: str | None = None, **kwargs: Any) -> str:
        if not map_run_arn:
            return ""
        link: str = super().format_link(map_run_arn=quote(map_run_arn, safe=""), **kwargs)
        return link


def execution_url(execution_arn: str) -> str:
    """The page of an execution, for messages."""
    partition, _, region = execution_arn.split(":")[1:4]
    domain = _DOMAINS.get(partition, _DOMAINS["aws"])
    return f"https://console.{domain}/states/home?region={region}#/v2/executions/details/{execution_arn}"


__all__ = ["MapRunLink", "StateMachineDetailsLink", "StateMachineExecutionsDetailsLink", "execution_url"]
