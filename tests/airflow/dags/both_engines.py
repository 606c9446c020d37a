"""One DAG for both engines: ``[sfdm] engine`` says which one runs its maps."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_sfdm import DistributedMapTaskGroup
from tests.stepfunctions.cases import CASES, definition_of, input_of


@dag(dag_id="both_engines", schedule=None, params={"bucket": Param("", type="string"), "engine": Param("")})
def both_engines() -> None:
    for name in CASES:
        DistributedMapTaskGroup(
            name,
            definition_of(name),
            input=input_of(name, "{{ params.bucket }}", "{{ params.engine }}"),
            aws_conn_id="both",
            storage="s3://both@{{ params.bucket }}/map-runs",
            step_functions={"role_arn": "arn:aws:iam::123456789012:role/maps"},
        )


both_engines()
