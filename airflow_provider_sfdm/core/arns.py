"""ARNs of AWS Step Functions: which kind one is, and what it names.

======================  ==================================================================
state machine           ``arn:aws:states:R:A:stateMachine:NAME``, with ``:VERSION`` or ``:ALIAS``
execution               ``arn:aws:states:R:A:execution:NAME:EXECUTION``
Map Run                 ``arn:aws:states:R:A:mapRun:NAME/LABEL:UUID``
child execution         ``arn:aws:states:R:A:execution:NAME/LABEL:UUID``, or ``:express:NAME/LABEL:UUID:UUID``
======================  ==================================================================

Source: the Step Functions API reference and recorded executions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from .errors import InvalidDefinition
from .values import shown

MAX_NAME = 80
"""AWS's limit for the name of a state machine and of an execution."""

_ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z0-9-]+)?):states:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"(?P<kind>stateMachine|execution|express|mapRun):(?P<machine>[^:/\s]+)(?:/(?P<label>[^:/\s]+))?(?::(?P<name>\S+))?"
)
_ROLE = re.compile(r"arn:aws(?:-[a-z0-9-]+)?:iam::(?P<account>\d{12}):role/\S+")
_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
# What CloudWatch Logs takes in names; AWS allows more, and then logs nothing.
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z_-]+")


class ArnKind(StrEnum):
    """What an ARN of Step Functions names, in words."""

    STATE_MACHINE = "a state machine"
    EXECUTION = "an execution"
    MAP_RUN = "a Map Run"
    CHILD_EXECUTION = "a child execution"
    EXPRESS_EXECUTION = "an execution of an EXPRESS state machine"
    DISTRIBUTED_MAP = "a Distributed Map state of a state machine"


@dataclass(frozen=True, slots=True)
class StatesArn:
    """A parsed ARN. ``name`` is the version or alias, the execution's name, or the Map Run's UUID."""

    text: str
    kind: ArnKind
    partition: str
    region: str
    account: str
    machine: str
    label: str | None
    name: str | None

    @classmethod
    def parse(cls, text: object, field: str, *expected: ArnKind) -> StatesArn:
        """Read an ARN that must be of one of the ``expected`` kinds.

        :raises InvalidDefinition: it is not; says what it is instead, naming ``field``.
        """
        wanted = " or ".join(expected)
        match = _ARN.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidDefinition(field, f"must be the ARN of {wanted}, got {shown(text)}")
        kind = _kind(match)
        if kind not in expected:
            raise InvalidDefinition(field, f"must be the ARN of {wanted}; {match[0]} is that of {kind}")
        places = (match[group] for group in ("partition", "region", "account", "machine", "label", "name"))
        return cls(match[0], kind, *places)

    @property
    def machine_arn(self) -> str:
        """The ARN of the state machine itself, without version, alias or label."""
        return self._arn("stateMachine", self.machine)

    def execution_arn(self, name: str) -> str:
        """The ARN of the state machine's execution of this name."""
        return self._arn("execution", f"{self.machine}:{name}")

    def _arn(self, kind: str, rest: str) -> str:
        return f"arn:{self.partition}:states:{self.region}:{self.account}:{kind}:{rest}"


def arn_of(given: object, member: str = "executionArn") -> object:
    """An ARN that is given as such, or as what has it as a member: the summary of a map, say."""
    return given.get(member) if isinstance(given, Mapping) else given


def machine_arn(name: str, region: str, role_arn: str, partition: str) -> str:
    """The ARN that a state machine of this name has: in the account of its role, as AWS takes no other role."""
    return f"arn:{partition}:states:{region}:{role_account(role_arn)}:stateMachine:{name}"


def role_account(role_arn: object) -> str:
    """The account of an IAM role.

    :raises InvalidDefinition: this is not the ARN of a role.
    """
    match = _ROLE.fullmatch(role_arn) if isinstance(role_arn, str) else None
    if match is None:
        raise InvalidDefinition(
            "role_arn", f"must be the ARN of an IAM role (arn:aws:iam::…:role/…), got {shown(role_arn)}"
        )
    return match["account"]


def check_name(name: object, field: str) -> None:
    """Refuse what AWS refuses as the name of a state machine or an execution.

    Source: ``name`` of CreateStateMachine and StartExecution in the Step Functions API reference.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        raise InvalidDefinition(field, f"must have 1 to {MAX_NAME} characters, got {shown(name)}")
    if (match := _FORBIDDEN.search(name)) is not None:
        raise InvalidDefinition(field, f"must not hold {match[0]!r}, got {shown(name)}")


def plain_name(*parts: str, limit: int = MAX_NAME) -> str:
    """A name of at most ``limit`` letters, digits, ``-`` and ``_``: the parts, joined by ``-``.

    Where that loses something (other characters, the length, which part is which) a digest of the parts keeps
    different ones apart.
    """
    name = _NOT_IN_NAMES.sub("-", "-".join(parts))
    if any(_NOT_IN_NAMES.search(part) or "-" in part for part in parts) or len(name) > limit:
        digest = f"-{sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"
        name = name[: limit - len(digest)].rstrip("-") + digest
    return name


def _kind(match: re.Match[str]) -> ArnKind | None:
    kind, labelled, named = match["kind"], match["label"] is not None, match["name"] is not None
    if kind == "stateMachine":
        return ArnKind.DISTRIBUTED_MAP if labelled else ArnKind.STATE_MACHINE
    if not named:
        return None
    if kind == "mapRun":
        return ArnKind.MAP_RUN if labelled else None
    if labelled:
        return ArnKind.CHILD_EXECUTION
    return ArnKind.EXECUTION if kind == "execution" else ArnKind.EXPRESS_EXECUTION
