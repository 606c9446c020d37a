"""Judging a running map: what its execution and its Map Run show now, against what its author wants.

The one place where a status, a condition or the time ends the watch over a map on Step Functions. Operator, trigger and
sensor all ask it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from .conditions import MapRunCondition, as_conditions
from .counters import MapRunStatus
from .executions import Execution, ExecutionStatus, MapRun
from .map_run_updates import MapRunUpdate, as_updates
from .summary import FAIL_WHEN


class Outcome(StrEnum):
    """How the watch over a map ended."""

    SUCCEEDED = "succeeded"
    """The execution (or the Map Run, where only that is watched) succeeded."""
    FAILED = "failed"
    """It ended otherwise, whatever the reason."""
    FAIL_WHEN = "fail_when"
    """One of the author's conditions for a failure is met."""
    SUCCEED_WHEN = "succeed_when"
    """One of the author's conditions for going on is met."""
    TIMED_OUT = "timed_out"
    """The author's time is over."""


RESET_SECONDS = 10.0
"""So long after a redrive the counters may still be those before it (recorded: at the first look)."""
STOP_ERRORS = {
    Outcome.FAIL_WHEN: FAIL_WHEN,
    Outcome.SUCCEED_WHEN: "MapRun.SucceedWhen",
    Outcome.TIMED_OUT: "MapRun.Timeout",
}
"""The error that an execution is stopped with: who looks at it later, another attempt say, sees why."""
ATTEMPT_IS_OVER = "not done when the execution_timeout of the task was over"
"""Why an execution is stopped when the time of the task's attempt is over."""
KILLED = "MapRun.Killed"
"""The error of an execution that was stopped because its task was."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What ends the watch over a map, besides its end, and what is changed while it runs.

    ``timeout`` is in seconds of wall time since the execution began or was redriven last; ``deadline`` is the moment
    (epoch seconds) at which the time of the task's attempt is over. ``redrive_count`` is the
    redrive that the execution must show before its status counts: right after a redrive AWS may still show the end of
    the run before. ``label`` is that of the Map state, where a state machine has several. ``is_known`` says that the
    execution is there: what has just been started may not be found at once.
    """

    fail_when: tuple[MapRunCondition, ...] = ()
    succeed_when: tuple[MapRunCondition, ...] = ()
    stop_on_fail_when: bool = True
    stop_on_succeed_when: bool = False
    stop_on_timeout: bool = True
    timeout: float | None = None
    deadline: float | None = None
    updates: tuple[MapRunUpdate, ...] = ()
    label: str | None = None
    redrive_count: int = 0
    poll_interval: float | None = None
    is_known: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for a trigger."""
        content = {one.name: getattr(self, one.name) for one in fields(self)}
        return content | {
            "fail_when": [str(condition) for condition in self.fail_when],
            "succeed_when": [str(condition) for condition in self.succeed_when],
            "updates": [update.to_json() for update in self.updates],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WatchOptions:
        """Read ``to_dict``'s result back."""
        return cls(
            **{
                **data,
                "fail_when": as_conditions(data["fail_when"], "fail_when"),
                "succeed_when": as_conditions(data["succeed_when"], "succeed_when"),
                "updates": as_updates(data["updates"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """An outcome, and the condition that was met or the time that was over, in words."""

    outcome: Outcome
    why: str | None = None


def judge(options: WatchOptions, execution: Execution | None, map_run: MapRun | None, now: float) -> Judgement | None:
    """How the watch ends, or None while it goes on. ``execution`` is None where a Map Run alone is watched.

    The author's conditions come before the status, and are judged at the end, too: a map that ends between two looks
    has the outcome that it would have had with a look in between. A failure comes before a success.
    """
    if execution is not None and (before := _stopped_by_us(execution)) is not None:
        return before
    ended = _end(execution, map_run)
    if map_run is not None and (ended is not None or _counters_are_new(execution, map_run, now)):
        for outcome, conditions in (
            (Outcome.FAIL_WHEN, options.fail_when),
            (Outcome.SUCCEED_WHEN, options.succeed_when),
        ):
            for condition in conditions:
                if condition.met(map_run.item_counts, map_run.execution_counts):
                    return Judgement(outcome, condition.told(map_run.item_counts, map_run.execution_counts))
    if ended is not None:
        return Judgement(Outcome.SUCCEEDED if ended is MapRunStatus.SUCCEEDED else Outcome.FAILED)
    began = execution.began if execution else (map_run.redrive_date or map_run.start) if map_run else now
    if options.timeout is not None and now - began >= options.timeout:
        return Judgement(Outcome.TIMED_OUT, f"not done {options.timeout:g} seconds after it began")
    if options.deadline is not None and now >= options.deadline:
        return Judgement(Outcome.TIMED_OUT, ATTEMPT_IS_OVER)
    return None


def _counters_are_new(execution: Execution | None, map_run: MapRun, now: float) -> bool:
    """Whether the counters are not those of the run before a redrive, which nobody wants to be judged again."""
    redriven = execution.redrive_date if execution else map_run.redrive_date
    if redriven is None:
        return True
    if execution is not None and map_run.status is not MapRunStatus.RUNNING:
        return False  # it may be about to be redriven; if not, it is judged at the end
    return now - redriven >= RESET_SECONDS


def _end(execution: Execution | None, map_run: MapRun | None) -> MapRunStatus | None:
    status = execution.status.verdict if execution else map_run.status if map_run else MapRunStatus.RUNNING
    return None if status is MapRunStatus.RUNNING else status


def _stopped_by_us(execution: Execution) -> Judgement | None:
    """The judgement that an execution was stopped for: it stands, whatever the counters became afterwards."""
    if execution.status is not ExecutionStatus.ABORTED:
        return None
    for outcome, error in STOP_ERRORS.items():
        if execution.error == error:
            return Judgement(outcome, execution.cause)
    return None
