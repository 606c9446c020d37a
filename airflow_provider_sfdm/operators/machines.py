"""What a task starts on Step Functions: a machine made around a DistributedMap, one of a whole document, or one that is
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..aws.state_machines import StateMachine, StateMachineContent
from ..aws.step_functions import StepFunctionsCalls
from ..compat import Context, conf
from ..core.arns import ArnKind, StatesArn, role_account
from ..core.definition import DistributedMap
from ..core.engines import Engine, refuse_unsupported
from ..core.errors import DataLimitExceeded, InvalidDefinition
from ..core.json import dumps
from ..core.limits import MAX_PAYLOAD_BYTES
from ..core.state_machine import execution_input, state_machine_of
from ..core.values import UNSET, json_copy, shown
from .authored import AuthoredMap
from .places import SECTION
from .waiting import literal


@dataclass(frozen=True, eq=False)
class MachineSource:
    """Where a state machine comes from: exactly one of the three is given."""

    authored: AuthoredMap | None = None
    document: Mapping[str, Any] | None = None
    arn: str | None = None

    @classmethod
    def of(cls, definition: object, arn: str | None, input: Any, items: Any) -> MachineSource:
        """Check what an author gave, as far as it is known when the DAG is parsed.

        :raises InvalidDefinition: it cannot be, or not on this engine.
        :raises TypeError: not one of ``definition`` and ``state_machine_arn``.
        """
        if (definition is None) == (arn is None):
            raise TypeError("give definition= (a DistributedMap or a whole state machine) or state_machine_arn=")
        if isinstance(definition, DistributedMap):
            refuse_unsupported(definition, engine=Engine.STEPFUNCTIONS)
            AuthoredMap.of(definition, input, items).check_source()
            # The input is a template field of its own: Airflow knows its very object by what came from upstream.
            return cls(authored=AuthoredMap.of(definition, {}, items))
        if items is not UNSET:
            raise TypeError("items= goes with a DistributedMap; a state machine gets them in its input=")
        if definition is not None:
            return cls(document=_document(definition))
        if literal(arn):
            StatesArn.parse(arn, "state_machine_arn", ArnKind.STATE_MACHINE)
        return cls(arn=arn)

    @property
    def is_made(self) -> bool:
        """Whether the task makes the machine, for which it needs a role."""
        return self.arn is None


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """How a machine is made. All texts are rendered."""

    name: str
    role_arn: str
    publish: bool
    validate: bool
    tags: Mapping[str, str] | None
    logging_configuration: Mapping[str, Any] | None
    partition: str

    def bring(self, calls: StepFunctionsCalls, document: Mapping[str, Any]) -> StateMachine:
        """Create or update the machine of this document."""
        role_account(self.role_arn)
        content = StateMachineContent(
            name=self.name,
            definition=document,
            role_arn=self.role_arn,
            tags=self.tags,
            logging_configuration=self.logging_configuration,
        )
        return calls.create_or_update_state_machine(
            content, publish=self.publish, validate=self.validate, partition=self.partition
        )


def configured_role(given: str | None) -> str | None:
    """The role for machines that a task makes: the argument, else ``[sfdm] role_arn``."""
    return given or conf.get(SECTION, "role_arn", fallback="") or None


def map_run_of(
    authored: AuthoredMap, view: Mapping[str, Any], run_input: Any, context: Context
) -> tuple[dict[str, Any], str]:
    """The machine around a map, and the input of its execution, with the values of one run. ``run_input`` is rendered.

    :raises InvalidDefinition: a rendered value is none that the field can have.
    :raises StatesError: the input is too large.
    """
    definition = authored.rendered(view)
    refuse_unsupported(definition, engine=Engine.STEPFUNCTIONS)
    items = authored.items(context)
    if items is not UNSET and not isinstance(items, Mapping | str | list):
        items = list(items)  # an upstream task's lazy sequence
    return state_machine_of(definition), execution_input(definition, run_input, items)


def plain_input(given: Any) -> str:
    """The input of a machine that is given: a JSON value, or its text.

    :raises InvalidDefinition: it is no JSON.
    :raises DataLimitExceeded: it is over AWS's 256 KiB.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise InvalidDefinition("input", f"is not JSON: {error}") from error
    try:
        text = dumps(json_copy(given, "input"))
    except ValueError as error:
        raise InvalidDefinition("input", f"is no JSON: {error}") from error
    if len(text) > MAX_PAYLOAD_BYTES:
        raise DataLimitExceeded(
            f"the input of the execution has {len(text):,} bytes, and Step Functions takes {MAX_PAYLOAD_BYTES:,}: "
            "put it into S3, and hand its place over"
        )
    return text.decode()


def _document(given: object) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise InvalidDefinition("definition", f"is not JSON: {error}") from error
    if not isinstance(given, Mapping):
        problem = f"must be a DistributedMap or a state machine (a mapping or JSON text), got {shown(given)}"
        raise InvalidDefinition("definition", problem)
    document: dict[str, Any] = json_copy(given, "definition")
    if "StartAt" not in document or "States" not in document:
        hint = ""
        if document.get("Type") == "Map":
            hint = ": this is a Map state, give DistributedMap.from_asl(…)"
        raise InvalidDefinition("definition", f"a state machine has StartAt and States{hint}")
    return document
