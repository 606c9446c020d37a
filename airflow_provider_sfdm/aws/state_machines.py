"""State machines of AWS Step Functions: validated, made, changed and versioned, by as few changes as it takes."""

from __future__ import annotations

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from ..core.arns import ArnKind, StatesArn, machine_arn
from ..core.errors import InvalidDefinition
from .errors import Diagnostic, InvalidStateMachine, NotFound, PermissionMissing, ServiceError, calling

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import LoggingConfigurationTypeDef, TagTypeDef

log = logging.getLogger(__name__)

# What AWS fills in.
_NO_LOGGING: dict[str, Any] = {"level": "OFF", "includeExecutionData": False}
# How often a change of a state machine is tried again that another one got in the way of.
_ATTEMPTS_AT_CHANGE = 3


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


class StateMachineCalls(ABC):
    """The calls about state machines. A subclass says where the client comes from."""

    @property
    @abstractmethod
    def states_client(self) -> SFNClient:
        """The client. It may repeat any call by itself: nothing here is done twice by that."""

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

    def refuse_express(self, state_machine_arn: str) -> None:
        """Refuse a machine of the type EXPRESS, which has no Distributed Map: before it has been started.

        Nothing is refused where DescribeStateMachine is not allowed.

        :raises InvalidDefinition: it is one.
        """
        arn = StatesArn.parse(state_machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        try:
            with calling("DescribeStateMachine"):
                found = self.states_client.describe_state_machine(stateMachineArn=arn.machine_arn)
        except PermissionMissing as error:
            log.info("The type of the state machine is not known: %s", error)
            return
        if found["type"] == "EXPRESS":
            problem = "is of the type EXPRESS, which runs no Distributed Map and cannot be watched"
            raise InvalidDefinition("state_machine_arn", f"{state_machine_arn} {problem}")

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
        if not same_json(found["definition"], content.definition):
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


def same_json(text: str, value: object) -> bool:
    """Whether a JSON text says this value; whatever is no JSON does not."""
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def _tag_list(tags: Mapping[str, str]) -> Sequence[TagTypeDef]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _logging(given: Mapping[str, Any]) -> LoggingConfigurationTypeDef:
    level: Literal["ALL", "ERROR", "FATAL", "OFF"] = given.get("level", "OFF")
    return {**given, "level": level}  # type: ignore[typeddict-item]  # the service checks the rest
