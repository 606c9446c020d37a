"""The cases of both engines on real AWS, beside this package's own engine on the same data. Costs a few cents.

Skipped without an account::

    SFDM_LIVE_ROLE_ARN=… SFDM_LIVE_BUCKET=… SFDM_LIVE_FUNCTION=… make test ARGS="tests/live"
"""

from __future__ import annotations

import uuid

import pytest

from airflow_provider_sfdm import MapRunLimits, StatesError, run_map
from airflow_provider_sfdm.aws.errors import InvalidStateMachine, ServiceError
from airflow_provider_sfdm.core.conditions import MapRunCondition
from airflow_provider_sfdm.core.state_machine import state_machine_of
from airflow_provider_sfdm.core.summary import MapRunSummary
from airflow_provider_sfdm.core.watching import WatchOptions
from tests.live.conftest import Account
from tests.stepfunctions.cases import CASES, FAIL, compared, definition_of, input_of, put_data, records
from tests.stepfunctions.running import run_on


@pytest.fixture(scope="module")
def folder(account: Account) -> str:
    """Where the results of these tests go; the data is beside it."""
    put_data(account.s3, account.bucket)
    return f"live/{uuid.uuid4()}"


def on_aws(account: Account, name: str, folder: str, **options: WatchOptions) -> MapRunSummary:
    return run_on(
        account.calls,
        definition_of(name, account.function),
        input_of(name, account.bucket, folder),
        name=f"sfdm-live-tests-{name}",
        role_arn=account.role_arn,
        connections=account.connections,
        **options,
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_aws_and_the_airflow_engine_agree(name: str, account: Account, folder: str) -> None:
    there = on_aws(account, name, f"{folder}/aws")
    assert there.status == ("FAILED" if name in FAIL else "SUCCEEDED")
    definition = definition_of(name, account.function)
    try:
        here = run_map(definition, input_of(name, account.bucket, f"{folder}/here"), connections=account.connections)
    except StatesError as error:
        assert there.error == error.error
        return
    assert compared(there.to_dict()) == compared(here.to_dict())
    if there.manifest is None:
        assert there.output == here.output
    else:
        assert records(there.to_dict(), account.connections) == records(here.to_dict(), account.connections)


def test_a_condition_stops_the_execution_or_it_was_faster(account: Account, folder: str) -> None:
    options = WatchOptions(fail_when=(MapRunCondition.parse("failed >= 1"),), poll_interval=1)
    summary = on_aws(account, "tolerated", f"{folder}/stopped", options=options)
    assert (summary.status, summary.error) in (("ABORTED", "MapRun.FailWhen"), ("SUCCEEDED", None))


def test_the_service_finds_what_is_wrong(account: Account) -> None:
    machine = state_machine_of(definition_of("array", account.function))
    assert account.calls.validate_state_machine(machine) == []
    with pytest.raises(InvalidStateMachine) as caught:
        account.calls.validate_state_machine({**machine, "StartAt": "Nowhere"})
    assert any("/StartAt" in one.location for one in caught.value.diagnostics)


def test_limits_of_an_ended_map_run_cannot_be_changed(account: Account, folder: str) -> None:
    summary = on_aws(account, "array", f"{folder}/ended")
    with pytest.raises(ServiceError, match="ValidationException"):
        account.calls.update_map_run(str(summary.map_run_arn), MapRunLimits(max_concurrency=2))
