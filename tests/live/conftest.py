"""A real AWS account, where the caller names one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.storage import Connections

# A role for state machines, with what DistributedMap.policy_statements() says; a bucket of the same Region, for data
# and results; and a Lambda function whose code is CODE in tests/stepfunctions/cases.py (Python, index.handler).
NEEDED = ("SFDM_LIVE_ROLE_ARN", "SFDM_LIVE_BUCKET", "SFDM_LIVE_FUNCTION")


@dataclass(frozen=True)
class Account:
    """An AWS account, and what there is in it for the tests."""

    calls: StepFunctions
    connections: Connections
    s3: Any
    role_arn: str
    bucket: str
    function: str


@pytest.fixture(scope="session")
def account(callers_aws: dict[str, str]) -> Iterator[Account]:
    """The account of the caller's credentials; skips, and says why, without it."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no real AWS: set {', '.join(missing)}, and credentials")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in callers_aws.items():
            patch.setenv(name, value)
        session = boto3.session.Session()
        yield Account(
            calls=StepFunctions(session.client("stepfunctions")),
            connections=Connections(
                s3_client=lambda _: session.client("s3"),
                lambda_client=lambda config: session.client("lambda", config=config),
            ),
            s3=session.client("s3"),
            role_arn=os.environ["SFDM_LIVE_ROLE_ARN"],
            bucket=os.environ["SFDM_LIVE_BUCKET"],
            function=os.environ["SFDM_LIVE_FUNCTION"],
        )
