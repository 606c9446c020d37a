"""Who an execution is: its ARNs and names, and what the context object says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.records import Redriven
from .timestamps import render


@dataclass(frozen=True, slots=True)
class Identity:
    """Of one execution.

    :param state_machine_arn: ``arn:aws:states:R:A:stateMachine:NAME``, behind ``/`` the label of a Distributed Map
        whose child this is.
    :param execution_arn: that of the execution, ``…:execution:NAME:EXECUTION`` or ``…:express:NAME:EXECUTION:ID``.
    :param role_arn: the role's.
    :param express: whether the execution is of type EXPRESS.
    :param redriven: what a redrive says of a child execution.
    """

    state_machine_arn: str
    execution_arn: str
    role_arn: str
    express: bool = False
    redriven: Redriven | None = None

    @property
    def machine_name(self) -> str:
        """The state machine's name, without a label."""
        return self.state_machine_arn.split(":")[6].partition("/")[0]

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.execution_arn.split(":")[7]

    @property
    def is_child(self) -> bool:
        """Whether this is a child execution of a Distributed Map."""
        return "/" in self.state_machine_arn

    def context(self, execution_input: Any, started: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """``$$.Execution`` and ``$$.StateMachine``; ``started`` is in seconds since 1970.

        Recorded: a standalone EXPRESS execution has no RedriveCount, a child of either type has.
        """
        execution: dict[str, Any] = {
            "Id": self.execution_arn,
            "Input": execution_input,
            "StartTime": render(started),
            "Name": self.name,
            "RoleArn": self.role_arn,
        }
        if self.is_child or not self.express:
            execution["RedriveCount"] = 0
        if self.redriven is not None and self.redriven.count:
            execution["RedriveCount"] = self.redriven.count
            if not self.express:  # recorded: those of EXPRESS have no RedriveTime
                execution["RedriveTime"] = self.redriven.date
                execution["StartTime"] = self.redriven.start
        return execution, {"Id": self.state_machine_arn, "Name": self.machine_name}

    def child(self, label: str, execution_name: str, *, express: bool) -> Identity:
        """A child execution of the Distributed Map ``label``. The second id of an EXPRESS one is its name again."""
        prefix = ":".join(self.state_machine_arn.split(":")[:5])
        name = f"{self.machine_name}/{label}"
        machine = f"{prefix}:stateMachine:{name}"
        if express:
            return Identity(machine, f"{prefix}:express:{name}:{execution_name}:{execution_name}", self.role_arn, True)
        return Identity(machine, f"{prefix}:execution:{name}:{execution_name}", self.role_arn)


LOCAL = Identity(
    "arn:aws:states:us-east-1:000000000000:stateMachine:local",
    "arn:aws:states:us-east-1:000000000000:execution:local:local",
    "arn:aws:iam::000000000000:role/local",
)
"""Of an execution that has no ARNs: it runs outside of AWS."""
