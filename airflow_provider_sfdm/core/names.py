"""Names and ARNs of a map run and of its child executions, in AWS's forms.

The Airflow engine has no AWS account: its ARNs say so in the region (``airflow``) and the account (zeros), unless the
map run belongs to an execution that has others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import md5
from uuid import NAMESPACE_URL, UUID, uuid3

from .errors import InvalidDefinition

ENGINE_REGION = "airflow"
ENGINE_ACCOUNT = "000000000000"
_NOT_IN_NAMES = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"/\x00-\x1f\x7f-\x9f]+")
# AWS: "execution name ... 1 to 80 characters"
_MAX_NAME = 80


def safe_name(text: str) -> str:
    """Turn any text into a name that AWS would take: forbidden characters become ``-``, at most 80 characters."""
    return _NOT_IN_NAMES.sub("-", text).strip("-")[:_MAX_NAME] or "map"


@dataclass(frozen=True, slots=True)
class MapRunName:
    """Who a map run is: the machine's (DAG's) name, the map's label and the run's UUID; and where it is."""

    name: str
    label: str
    uuid: str
    region: str = ENGINE_REGION
    account: str = ENGINE_ACCOUNT

    def __post_init__(self) -> None:
        try:
            UUID(self.uuid)
        except ValueError as error:
            raise InvalidDefinition("MapRunArn", f"{self.uuid!r} is not a UUID") from error

    @classmethod
    def new(cls, name: str, label: str | None, run_uuid: UUID) -> MapRunName:
        """Name a map run; without a label it gets one derived from the name, the same for every run (as on AWS)."""
        machine = safe_name(name)
        return cls(machine, label or str(uuid3(NAMESPACE_URL, machine)), str(run_uuid))

    @property
    def arn(self) -> str:
        """The MapRunArn: ``arn:aws:states:R:A:mapRun:NAME/LABEL:UUID``."""
        return self._arn("mapRun", f"{self.name}/{self.label}:{self.uuid}")

    @property
    def child_machine_arn(self) -> str:
        """The StateMachineArn that child executions show."""
        return self._arn("stateMachine", f"{self.name}/{self.label}")

    @property
    def execution_arn_prefix(self) -> str:
        """What the ExecutionArn of every child begins with; the child's name follows."""
        return self._arn("execution", f"{self.name}/{self.label}:")

    @property
    def parent_execution_arn(self) -> str:
        return self._arn("execution", f"{self.name}:{self.uuid}")

    @property
    def machine_arn(self) -> str:
        return self._arn("stateMachine", self.name)

    def _arn(self, kind: str, rest: str) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:{kind}:{rest}"

    def child_arn(self, index: int, *, express: bool) -> str:
        """The ExecutionArn of child execution ``index``.

        That of an EXPRESS child carries a second id; children here run once an id, so it is the name again.
        """
        return self.arn_of_child(self.child_name(index), express=express)

    def arn_of_child(self, name: str, *, express: bool) -> str:
        """The ExecutionArn of the child execution of that name."""
        if express:
            return self._arn("express", f"{self.name}/{self.label}:{name}:{name}")
        return f"{self.execution_arn_prefix}{name}"

    def child_name(self, index: int) -> str:
        """The name of child execution ``index``: a version 3 UUID, the same at every attempt.

        Written out instead of ``uuid.uuid3`` because that costs four times as much, once a child.
        """
        digest = md5(self.uuid.encode() + b"/%d" % index, usedforsecurity=False).hexdigest()
        variant = "89ab"[int(digest[16], 16) & 3]
        return f"{digest[:8]}-{digest[8:12]}-3{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:]}"
