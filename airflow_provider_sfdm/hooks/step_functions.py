"""The hook: AWS Step Functions through an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.step_function import StepFunctionHook
from botocore.config import Config

from ..aws.step_functions import StepFunctions, StepFunctionsCalls
from ..core.executions import Execution
from ..runtime.results import MapRunResults
from ..stepfunctions.map_run_summary import find_manifest
from .connections import airflow_connections

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# Every call may be made twice: starts go by name, redrives by token, the others change nothing or do so once.
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
# A look at a map is repeated anyway, by the pace of the watch: tries of its own would only use up the account's quota.
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=10, read_timeout=60)


class StepFunctionsDistributedMapHook(StepFunctionsCalls, StepFunctionHook):
    """Distributed Maps on AWS Step Functions: the amazon provider's hook, and what it lacks.

    ::

        hook = StepFunctionsDistributedMapHook(aws_conn_id="aws_default")
        for map_run in hook.list_map_runs(execution_arn):
            print(hook.get_map_run(map_run.arn).item_counts)
            for child in hook.list_children(map_run.arn, "FAILED", described=True):
                print(child.name, child.error, child.cause)
            hook.update_map_run(map_run.arn, MapRunLimits(max_concurrency=50))

    The methods are those of :class:`~airflow_provider_sfdm.aws.step_functions.StepFunctionsCalls`:
    ``validate_state_machine``, ``create_or_update_state_machine``, ``start``, ``get_execution``, ``find_execution``,
    ``stop``, ``redrive``, ``list_map_runs``, ``get_map_run``, ``update_map_run``, ``list_children``; and ``results``.
    Calls are tried up to 8 times, with back-off, unless the connection's or the argument's botocore config says
    otherwise.

    :param aws_conn_id: Airflow connection; without one, or where it does not exist, boto3's own credentials.
    :param region_name: Region; default: the connection's.
    :param verify: whether, or with which bundle, certificates are verified.
    :param config: botocore config.
    """

    @cached_property
    def conn(self) -> SFNClient:
        client: SFNClient = self.get_client_type(region_name=self.region_name, config=_PATIENT.merge(self.config))
        return client

    @property
    def states_client(self) -> SFNClient:
        return self.conn

    def polling(self) -> StepFunctions:
        """The same calls, each made once: for a watch, which repeats them at its own pace."""
        return StepFunctions(
            self.get_client_type(region_name=self.region_name, config=self.config.merge(_ONCE)),
        )

    def renewed(self) -> StepFunctionsDistributedMapHook:
        """A new hook that reads the connection again: its credentials may be new ones."""
        return type(self)(
            aws_conn_id=self.aws_conn_id, region_name=self._region_name, verify=self._verify, config=self._config
        )

    def results(self, map_run_arn: str, execution: Execution | None = None) -> MapRunResults | None:
        """The exported results of a Map Run, read lazily with the same connection; None where it exports none.

        :raises StorageError: the manifest is not there (yet), or cannot be read.
        """
        manifest = find_manifest(self, execution, self.get_map_run(map_run_arn))
        if manifest is None:
            return None
        return MapRunResults.from_manifest(manifest, airflow_connections(self.aws_conn_id))

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
