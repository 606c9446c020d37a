"""What an execution reaches outside the interpreter: services, time, chance. All of it is given to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.names import MapRunName
from .failures import NotInvokable
from .lifetime import Lifetime
from .limits import DEFAULT_LIMITS, Limits
from .seam import Invoke, TaskCall

Thunk = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class DistributedRun:
    """A Distributed Map that a state asks for: a map run of its own.

    :param state_name: the Map state's name.
    :param event_id: the id of the event the state was entered at, for causes.
    :param state: the Map state, with every JSONata expression and intrinsic function already evaluated.
    :param input: its effective input, after InputPath.
    :param selector: makes an item from its raw value and its ``Map.Item`` context; None where the state has no
        ItemSelector, or one that ``state`` still holds.
    :param variables: the workflow variables.
    :param map_run: who the map run is.
    :param run_child: runs one child execution on its input, of that name, until the lifetime that it is given ends;
        raises StateFailed, ExecutionTimedOut or Aborted.
    :param blocks: whether children mostly wait, so that they should overlap.
    :param lifetime: what ends the map run early.
    """

    state_name: str
    event_id: int
    state: Mapping[str, Any]
    input: Any
    selector: Callable[[Any, Mapping[str, Any]], Any] | None
    variables: Mapping[str, Any]
    map_run: MapRunName
    run_child: Callable[[Any, str, Lifetime], Any]
    blocks: bool
    lifetime: Lifetime


class RunDistributed(Protocol):
    """Runs a Distributed Map to its end."""

    def __call__(self, request: DistributedRun, /) -> Any:
        """Return the output of the map, as the state sees it.

        :raises airflow_provider_sfdm.core.errors.StatesError: the map run failed.
        :raises airflow_provider_sfdm.states.lifetime.Aborted: its lifetime ended first.
        """
        ...


def refuse(resource: str, arguments: Any, call: TaskCall) -> Any:
    """The `Invoke` of an interpreter that was given no services."""
    raise NotInvokable(f"No service was given that could run the resource {resource}")


def one_by_one(thunks: Sequence[Thunk], limit: int, lifetime: Lifetime) -> list[Any]:
    """Run branches or iterations in turn, in this thread. ``limit`` is how many may run at once."""
    return [thunk() for thunk in thunks]


@dataclass(frozen=True, slots=True)
class Services:
    """The outside world of an execution.

    :param clock: seconds since 1970.
    :param monotonic: seconds that only grow, to bound what an expression takes; never a simulated clock.
    :param sleep: waits that many seconds, or until the lifetime ends.
    :param random: a number from 0 to below 1.
    :param uuid: a new version 4 UUID.
    :param together: runs branches and iterations, in turn or at once, and returns their results in order. When one
        fails it ends the lifetime that they share, so that the others end as well, and raises what that one raised.
        Raises Aborted where the lifetime ended before all of them had begun: there is no list with gaps.
    """

    clock: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float, Lifetime], None]
    random: Callable[[], float]
    uuid: Callable[[], str]
    invoke: Invoke = refuse
    run_distributed: RunDistributed | None = None
    together: Callable[[Sequence[Thunk], int, Lifetime], list[Any]] = one_by_one
    limits: Limits = field(default=DEFAULT_LIMITS)
