"""The calls of AWS Step Functions that a Distributed Map needs, typed: boto3 and nothing else.

What they return are values (:mod:`..core.executions`); what they fail with is a :class:`~.errors.ServiceError`, which
says what to do. Lists are followed over all their pages, lazily.
"""

from __future__ import annotations

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from ..core.arns import ArnKind, StatesArn, machine_arn
from ..core.errors import InvalidDefinition
from ..core.executions import ChildExecution, Execution, ExecutionStatus, MapRun, MapRunListed
from ..core.map_run_updates import MapRunLimits
from .errors import Diagnostic, ExecutionNameTaken, InvalidStateMachine, NotFound, ServiceError, calling

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import LoggingConfigurationTypeDef, TagTypeDef

log = logging.getLogger(__name__)

# What AWS fills in.
_NO_LOGGING: dict[str, Any] = {"level": "OFF", "includeExecutionData": False}
# How often a change of a state machine is tried again that another one got in the way of.
_ATTEMPTS_AT_CHANGE = 3
_DESCRIBED_AT_ONCE = 100


class Change(StrEnum):
    """What became of a state machine."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A state machine as it stands. ``version_arn`` is that of its content, where a version was asked for."""

    arn: str
    change: Change
    version_arn: str | None = None

    @property
    def start_arn(self) -> str:
        """What to start: the version, where there is one."""
        return self.version_arn or self.arn


@dataclass(frozen=True, kw_only=True)
class StateMachineContent:
    """What a state machine is made of. ``definition`` is the whole document in plain JSON values.

    ``tags`` are set, and others are left; ``logging_configuration`` is AWS's ``loggingConfiguration``, None leaves it.
    """

    name: str
    definition: Mapping[str, Any]
    role_arn: str
    tags: Mapping[str, str] | None = None
    logging_configuration: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """The definition as it is sent; the same text for the same values."""
        return json.dumps(self.definition, ensure_ascii=False, separators=(",", ":"))


class StepFunctionsCalls(ABC):
    """The calls. A subclass says where the clients come from."""

    @property
    @abstractmethod
    def states_client(self) -> SFNClient:
        """The client. It may repeat any call by itself: nothing here is done twice by that."""

    # State machines

    def validate_state_machine(self, definition: Mapping[str, Any] | str) -> list[Diagnostic]:
        """Have the service check a definition, without creating anything. Returns its warnings.

        :raises InvalidStateMachine: there are errors; shows all of them by location.
        """
        text = definition if isinstance(definition, str) else json.dumps(definition, ensure_ascii=False)
        with calling("ValidateStateMachineDefinition"):
            answer = self.states_client.validate_state_machine_definition(definition=text, severity="WARNING")
        found = [
            Diagnostic(one["severity"], one["code"], one["message"], one.get("location", ""))
            for one in answer["diagnostics"]
        ]
        errors = [one for one in found if one.severity != "WARNING"]
        if answer["result"] == "OK":
            return found
        reason = "; ".join(str(one) for one in errors) or "the definition is not valid"
        raise InvalidStateMachine("ValidateStateMachineDefinition", "InvalidDefinition", reason, found)

    def create_or_update_state_machine(
        self, content: StateMachineContent, *, publish: bool = False, validate: bool = True, partition: str = "aws"
    ) -> StateMachine:
        """Bring the state machine of that name to this content, by as few changes as that takes: maybe none.

        A definition that is new to the service is validated first (``validate``), for its findings by location.

        With ``publish`` the content becomes a version, if it is none yet, whose ARN runs this very content: right
        after an update AWS may still start the content before, and another run may update it again meanwhile.
        Definitions are compared as JSON values.

        :raises InvalidStateMachine: the service refuses the definition.
        :raises InvalidDefinition: the role is none.
        """
        arn = machine_arn(content.name, self.states_client.meta.region_name, content.role_arn, partition)
        for attempt in range(1, _ATTEMPTS_AT_CHANGE + 1):
            try:
                return self._bring_to(arn, content, publish=publish, validate=validate)
            except ServiceError as error:
                # Somebody made or changed it at the same moment: look again.
                if error.code not in ("StateMachineAlreadyExists", "ConflictException"):
                    raise
                if attempt == _ATTEMPTS_AT_CHANGE:
                    raise
                time.sleep(attempt)
        raise AssertionError("unreachable")

    def _bring_to(self, arn: str, content: StateMachineContent, *, publish: bool, validate: bool) -> StateMachine:
        try:
            with calling("DescribeStateMachine"):
                found = self.states_client.describe_state_machine(stateMachineArn=arn)
        except NotFound:
            if validate:
                self._validate(content)
            return self._create(content, publish)
        changed: dict[str, Any] = {}
        if not _same_json(found["definition"], content.definition):
            if validate:
                self._validate(content)
            changed["definition"] = content.text
        if found["roleArn"] != content.role_arn:
            changed["roleArn"] = content.role_arn
        logging = content.logging_configuration
        if logging is not None and _NO_LOGGING | dict(logging) != _NO_LOGGING | dict(
            found.get("loggingConfiguration", {})
        ):
            # AWS wants a definition or a role beside it.
            changed |= {"loggingConfiguration": dict(logging), "roleArn": content.role_arn}
        self._tag(found["stateMachineArn"], content.tags)
        if changed:
            changed |= {"publish": True} if publish else {}
            with calling("UpdateStateMachine"):
                updated = self.states_client.update_state_machine(stateMachineArn=arn, **changed)
            return StateMachine(arn, Change.UPDATED, updated.get("stateMachineVersionArn"))
        version = self._version(arn, found.get("revisionId")) if publish else None
        return StateMachine(arn, Change.UNCHANGED, version)

    def _validate(self, content: StateMachineContent) -> None:
        try:
            warnings = self.validate_state_machine(content.text)
        except InvalidStateMachine:
            raise
        except ServiceError as error:
            # Not allowed, or not there: what is wrong shows when the state machine is made.
            log.info("The definition could not be validated beforehand: %s", error)
            return
        for one in warnings:
            log.warning("%s: %s", content.name, one)

    def _create(self, content: StateMachineContent, publish: bool) -> StateMachine:
        options: dict[str, Any] = {"publish": True} if publish else {}
        if content.tags:
            options["tags"] = _tag_list(content.tags)
        if content.logging_configuration is not None:
            options["loggingConfiguration"] = _logging(content.logging_configuration)
        with calling("CreateStateMachine"):
            made = self.states_client.create_state_machine(
                name=content.name, definition=content.text, roleArn=content.role_arn, type="STANDARD", **options
            )
        return StateMachine(made["stateMachineArn"], Change.CREATED, made.get("stateMachineVersionArn"))

    def _version(self, arn: str, revision: str | None) -> str:
        """The version of the revision; AWS makes none where there is one."""
        with calling("PublishStateMachineVersion"):
            published = self.states_client.publish_state_machine_version(
                stateMachineArn=arn,
                revisionId=revision or "INITIAL",  # the name of a revision that is the first
            )
        return published["stateMachineVersionArn"]

    def _tag(self, arn: str, tags: Mapping[str, str] | None) -> None:
        if not tags:
            return
        with calling("ListTagsForResource"):
            found = self.states_client.list_tags_for_resource(resourceArn=arn)["tags"]
        has = {tag.get("key"): tag.get("value") for tag in found}
        missing = {key: value for key, value in tags.items() if has.get(key) != value}
        if missing:
            with calling("TagResource"):
                self.states_client.tag_resource(resourceArn=arn, tags=_tag_list(missing))

    # Executions

    def start(self, state_machine_arn: str, name: str, execution_input: str) -> str:
        """Start an execution and return its ARN. The same call again finds the execution that it started.

        :raises ExecutionNameTaken: there is one of that name with another input, or it has ended.
        :raises InvalidDefinition: this is not the ARN of a state machine (version, alias).
        """
        machine = StatesArn.parse(state_machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
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
        StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        with calling("DescribeExecution"):
            answer = self.states_client.describe_execution(executionArn=execution_arn)
        return Execution.from_api(answer)

    def stop(self, execution_arn: str, error: str, cause: str) -> bool:
        """Stop an execution, with its Map Runs and children; False where it has ended already."""
        StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)
        try:
            with calling("StopExecution"):
                self.states_client.stop_execution(executionArn=execution_arn, error=error[:256], cause=cause[:32_768])
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
        StatesArn.parse(execution_arn, "execution_arn", ArnKind.EXECUTION)
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
        StatesArn.parse(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
        with calling("DescribeMapRun"):
            answer = self.states_client.describe_map_run(mapRunArn=map_run_arn)
        return MapRun.from_api(answer)

    def update_map_run(self, map_run_arn: str, limits: MapRunLimits) -> None:
        """Change the limits of a Map Run that is running.

        :raises InvalidDefinition: there is nothing to change.
        :raises ServiceError: it is not running any more (``ValidationException``).
        """
        StatesArn.parse(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
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
        StatesArn.parse(map_run_arn, "map_run_arn", ArnKind.MAP_RUN)
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


class StepFunctions(StepFunctionsCalls):
    """The calls of a client that is given: ``StepFunctions(boto3.client("stepfunctions"))``."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    @property
    def states_client(self) -> SFNClient:
        return self._client


def same_input(execution: Execution, text: str) -> bool:
    """Whether an execution has this input, compared as JSON values."""
    return execution.input is not None and _same_json(execution.input, json.loads(text))


def _name_taken(found: Execution, execution_input: str) -> ExecutionNameTaken:
    if found.status.ended:
        reason = f"{found.arn} has ended ({found.status}), and its name can be used again after 90 days only"
    elif not same_input(found, execution_input):
        reason = f"{found.arn} is running with another input"
    else:
        reason = f"{found.arn} is running"
    return ExecutionNameTaken("StartExecution", "ExecutionAlreadyExists", reason, "give another execution_name")


def _same_json(text: str, value: object) -> bool:
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def _tag_list(tags: Mapping[str, str]) -> Sequence[TagTypeDef]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _logging(given: Mapping[str, Any]) -> LoggingConfigurationTypeDef:
    level: Literal["ALL", "ERROR", "FATAL", "OFF"] = given.get("level", "OFF")
    return {**given, "level": level}  # type: ignore[typeddict-item]  # the service checks the rest
