"""The calls of AWS Step Functions that a Distributed Map needs, typed: boto3 and nothing else.

What they return are values (:mod:`..core.executions`); what they fail with is a :class:`~.errors.ServiceError`, which
says what to do. Lists are followed over all their pages, lazily.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.arns import ArnKind, StatesArn
from ..core.errors import InvalidDefinition
from ..core.executions import ChildExecution, Execution, ExecutionStatus, MapRun, MapRunListed
from ..core.limits import MAX_CAUSE, MAX_ERROR
from ..core.map_run_updates import MapRunLimits
from .errors import ExecutionNameTaken, NotFound, ServiceError, calling
from .state_machines import StateMachineCalls, same_json

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_DESCRIBED_AT_ONCE = 100


class StepFunctionsCalls(StateMachineCalls):
    """The calls about executions and Map Runs, and with them those about state machines."""

    # Executions

    def start(self, state_machine_arn: str, name: str, execution_input: str) -> str:
        """Start an execution and return its ARN. The same call again finds the execution that it started.

        :raises ExecutionNameTaken: there is one of that name with another input, or it has ended.
        :raises InvalidDefinition: this is not the ARN of a state machine (version, alias).
        """
        machine = self._here(state_machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        try:
            with calling("StartExecution"):
                answer = self.states_client.start_execution(
                    stateMachineArn=state_machine_arn, name=name, input=execution_input
                )
            return answer["executionArn"]
        except ExecutionNameTaken as error:
            # A call that was repeated after its answer got lost ends up here as well, once the execution has ended.
            found = self.find_execution(machine.execution_arn(name))
            if found is not None and same_input(found, execution_input) and not found.status.ended:
                return found.arn
            if found is None:
                raise
            raise _name_taken(found, execution_input) from error

    def find_execution(self, execution_arn: str) -> Execution | None:
        """The execution, or None where there is none."""
        try:
            return self.get_execution(execution_arn)
        except NotFound:
            return None

    def get_execution(self, execution_arn: str) -> Execution:
        """The execution as it is now; also a child execution.

        :raises NotFound: there is none.
        """
        self._here(execution_arn, "execution_arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        with calling("DescribeExecution"):
            answer = self.states_client.describe_execution(executionArn=execution_arn)
        return Execution.from_api(answer)

    def stop(self, execution_arn: str, error: str, cause: str) -> bool:
        """Stop an execution, with its Map Runs and children; False where it has ended already."""
        self._here(execution_arn, "execution_arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        try:
            with calling("StopExecution"):
                self.states_client.stop_execution(
                    executionArn=execution_arn, error=error[:MAX_ERROR], cause=cause[:MAX_CAUSE]
                )
        except NotFound:
            return False
        except ServiceError as refused:
            if refused.code != "ValidationException":
                raise
            # AWS answers so for one that is not running any more; for anything else it still is.
            found = self.find_execution(execution_arn)
            if found is not None and not found.status.ended:
                raise
            # A stop whose answer got lost is repeated by the client.
            return found is not None and (found.error, found.cause) == (error, cause)
        return True

    def redrive(self, execution_arn: str, token: str | None = None) -> None:
        """Run again what failed, was aborted or never started in an execution. ``token`` makes a repeated call one.

        :raises NotRedrivable: AWS says why.
        """
        self._here(execution_arn, "execution_arn", ArnKind.EXECUTION)
        with calling("RedriveExecution"):
            self.states_client.redrive_execution(
                executionArn=execution_arn, **({"clientToken": token} if token is not None else {})
            )

    def definition_of(self, execution_arn: str) -> dict[str, Any]:
        """The definition that an execution runs, as JSON values."""
        with calling("DescribeStateMachineForExecution"):
            answer = self.states_client.describe_state_machine_for_execution(executionArn=execution_arn)
        definition = json.loads(answer["definition"])
        return definition if isinstance(definition, dict) else {}

    # Map Runs

    def list_map_runs(self, execution_arn: str) -> Iterator[MapRunListed]:
        """The Map Runs of an execution, the newest first. Right after their start they may be missing."""
        found: list[MapRunListed] = []
        more: dict[str, Any] = {}
        while True:
            with calling("ListMapRuns"):
                page = self.states_client.list_map_runs(executionArn=execution_arn, **more)
            found += [MapRunListed.from_api(item) for item in page["mapRuns"]]
            if not page.get("nextToken"):
                return iter(sorted(found, key=lambda run: run.start, reverse=True))
            more = {"nextToken": page["nextToken"]}

    def get_map_run(self, map_run_arn: str) -> MapRun:
        """The Map Run as it is now.

        :raises NotFound: there is none.
        """
        self._here(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        with calling("DescribeMapRun"):
            answer = self.states_client.describe_map_run(mapRunArn=map_run_arn)
        return MapRun.from_api(answer)

    def update_map_run(self, map_run_arn: str, limits: MapRunLimits) -> None:
        """Change the limits of a Map Run that is running.

        :raises InvalidDefinition: there is nothing to change.
        :raises ServiceError: it is not running any more (``ValidationException``).
        """
        self._here(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        arguments: dict[str, Any] = dict(limits.to_dict())
        if not arguments:
            raise InvalidDefinition("limits", "give max_concurrency, tolerated_failure_count or …_percentage")
        with calling("UpdateMapRun"):
            self.states_client.update_map_run(mapRunArn=map_run_arn, **arguments)

    def list_children(
        self, map_run_arn: str, status: ExecutionStatus | str | None = None, *, described: bool = False
    ) -> Iterator[ChildExecution]:
        """The child executions of a Map Run that have started, the newest first, page by page.

        With ``described`` each has its error and cause; that takes a DescribeExecution a child.
        """
        self._here(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        arguments: dict[str, Any] = {"mapRunArn": map_run_arn, "maxResults": _DESCRIBED_AT_ONCE if described else 1000}
        if status is not None:
            arguments["statusFilter"] = ExecutionStatus(status).value
        while True:
            with calling("ListExecutions"):
                page = self.states_client.list_executions(**arguments)
            for item in page["executions"]:
                child = ChildExecution.from_api(item)
                if described:
                    execution = self.get_execution(child.arn)
                    child = replace(child, error=execution.error, cause=execution.cause)
                yield child
            if not page.get("nextToken"):
                return
            arguments["nextToken"] = page["nextToken"]

    def state_input(self, execution_arn: str, state_name: str) -> str | None:
        """The input that a Map state got, as JSON text; None where it has not been entered in the first 1,000 events
        of the history.
        """
        with calling("GetExecutionHistory"):
            page = self.states_client.get_execution_history(executionArn=execution_arn, maxResults=1000)
        for event in page["events"]:
            entered = event.get("stateEnteredEventDetails", {})
            if event["type"] == "MapStateEntered" and entered.get("name") == state_name:
                return entered.get("input")
        return None

    def _here(self, text: object, field: str, *kinds: ArnKind) -> StatesArn:
        """An ARN that must be of one of the kinds, and of the client's Region: a service knows its own ones only.

        :raises InvalidDefinition: it is not.
        """
        arn, region = StatesArn.parse(text, field, *kinds), self.states_client.meta.region_name
        if arn.region != region:
            problem = f"{arn.text} is in {arn.region}, and the connection's Region is {region}: give region_name="
            raise InvalidDefinition(field, problem)
        return arn


class StepFunctions(StepFunctionsCalls):
    """The calls of a client that is given: ``StepFunctions(boto3.client("stepfunctions"))``."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    @property
    def states_client(self) -> SFNClient:
        return self._client


def same_input(execution: Execution, text: str) -> bool:
    """Whether an execution has this input, compared as JSON values."""
    return execution.input is not None and same_json(execution.input, json.loads(text))


def _name_taken(found: Execution, execution_input: str) -> ExecutionNameTaken:
    if found.status.ended:
        reason = f"{found.arn} has ended ({found.status}), and its name can be used again after 90 days only"
    elif not same_input(found, execution_input):
        reason = f"{found.arn} is running with another input"
    else:
        reason = f"{found.arn} is running"
    return ExecutionNameTaken("StartExecution", "ExecutionAlreadyExists", reason, "give another execution_name")
