"""Watches a map on Step Functions, one look at a time: the same for a task that waits, a trigger and a sensor.

A look costs at most one DescribeExecution, one ListMapRuns (until the Map Run is there, and at the end) and one
DescribeMapRun; when to look again follows :class:`~..core.pacing.Pace`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..aws.errors import CredentialsRefused, NotFound, ServiceError, Throttled, Transient
from ..aws.step_functions import StepFunctionsCalls
from ..core.arns import ArnKind, StatesArn
from ..core.counters import MapRunStatus, in_words
from ..core.executions import Execution, MapRun
from ..core.map_run_updates import MapRunLimits, UpdateSchedule
from ..core.pacing import LONGEST_BACK_OFF, Pace
from ..core.watching import STOP_ERRORS, Judgement, Outcome, WatchOptions, judge
from . import call_budget

LISTED_WITHIN = 15.0
"""Seconds after the end of an execution within which its Map Run must be listed: lists are eventually consistent."""
SETTLED_WITHIN = 120.0
"""Seconds that a Map Run gets to end, and to export, after its execution has: recorded are one or two."""
REDRIVEN_WITHIN = 120.0
"""Seconds within which a redrive must show: recorded are a few looks with the old status."""
FOUND_WITHIN = 60.0
"""Seconds within which what was started or listed must be found: AWS's descriptions are eventually consistent."""
GIVE_UP_AFTER = 900.0
"""Seconds that the service may be out of reach before the watch fails; the execution goes on meanwhile."""
_SOON = 2.0
_LOG_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. ``judgement`` is None while the watch goes on; ``wait`` is in seconds until the next look.

    ``execution`` is None where the call failed, and (``is_of_map_run``) where a Map Run alone is watched.
    """

    judgement: Judgement | None
    wait: float
    execution: Execution | None = None
    map_run: MapRun | None = None
    is_of_map_run: bool = False

    @property
    def answered(self) -> bool:
        """Whether the service told how things stand."""
        return self.execution is not None or self.is_of_map_run


class MapRunWatcher:
    """Watches an execution with its Map Run, or a Map Run alone.

    :raises ServiceError: from :meth:`look`, when a call fails in a way that another attempt would not mend.
    """

    def __init__(
        self,
        calls: StepFunctionsCalls,
        options: WatchOptions,
        *,
        execution_arn: str | None = None,
        map_run_arn: str | None = None,
        log: Any = None,
        on_progress: Callable[[MapRun], None] | None = None,
        renew: Callable[[], StepFunctionsCalls] | None = None,
        budget: call_budget.CallBudget = call_budget.SHARED,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
    ) -> None:
        if (execution_arn is None) == (map_run_arn is None):
            raise ValueError("give execution_arn or map_run_arn")
        self._calls = calls
        self._options = options
        self._execution_arn = execution_arn
        self._map_run_arn = map_run_arn
        self._log = log or logging.getLogger(__name__)
        self._on_progress = on_progress
        self._renew = renew
        self._budget = budget
        self._clock = clock
        self._dice = dice
        self._pace = Pace(options.poll_interval)
        self._schedule = UpdateSchedule(options.updates)
        self._unsent = MapRunLimits()
        self._last_age = 0.0
        self._map_run: MapRun | None = None
        self._judged: Judgement | None = None
        self._began_at = clock()
        self._failing_since: float | None = None
        self._failures = 0
        self._cannot_stop = False
        # When it is the turn of the next ListMapRuns (of an execution) and DescribeMapRun (of a mapRun).
        self._turns: dict[str, float] = {}
        self._renewed = False
        self._logged_at = 0.0
        self._logged = ""

    def look(self) -> Look:
        """Look once; stop the execution or change its limits where the options say so."""
        now = self._clock()
        try:
            found = self._look(now)
        except (Transient, CredentialsRefused) as error:
            return Look(None, self._after(error, now), map_run=self._map_run)
        self._failing_since, self._failures, self._renewed = None, 0, False
        return found

    def _look(self, now: float) -> Look:
        try:
            execution = self._calls.get_execution(self._execution_arn) if self._execution_arn else None
        except NotFound:
            if not self._options.is_known or now - self._began_at > FOUND_WITHIN:
                raise
            return Look(None, _SOON)
        if execution is not None and not self._is_redriven(execution, now):
            return Look(None, _SOON, execution)
        ended = execution is not None and execution.status.ended
        map_run = self._find_map_run(execution, now)
        self._pace.passed()
        if map_run is not None:
            self._tell(map_run, now)
        if ended and not self._is_settled(execution, map_run, now):
            return Look(None, _SOON, execution, map_run)
        judged = self._judged or judge(self._options, execution, map_run, now)
        if judged is None:
            if map_run is not None and map_run.status is MapRunStatus.RUNNING:
                self._update(map_run, now)
            self._last_age = self._age(execution, map_run, now)
            return Look(None, self._pace.wait(self._last_age, self._dice()), execution, map_run, execution is None)
        if not ended and execution is not None and self._must_stop(judged.outcome):
            if self._judged is None:
                judged = self._stop(execution, judged)
            self._judged = judged
            if not self._cannot_stop:  # the counters are final when the execution is: wait for that
                return Look(None, _SOON, execution, map_run)
        return Look(judged, 0.0, execution, map_run, execution is None)

    # The parts of a look

    def _is_redriven(self, execution: Execution, now: float) -> bool:
        if not execution.status.ended or execution.redrive_count >= self._options.redrive_count:
            return True
        if now - self._began_at > REDRIVEN_WITHIN:
            raise ServiceError(
                "RedriveExecution",
                "NotRedriven",
                f"{execution.arn} still shows {execution.status} with {execution.redrive_count} redrives, "
                f"{REDRIVEN_WITHIN:.0f} seconds after redrive {self._options.redrive_count}",
            )
        return False

    def _find_map_run(self, execution: Execution | None, now: float) -> MapRun | None:
        """The Map Run to judge: the one that was named, or the newest of the execution (with the label)."""
        ended = execution is not None and execution.status.ended
        if execution is not None and self._may_have_another(ended) and self._may_call(execution.arn, now, ended):
            self._map_run_arn = self._newest(execution.arn) or self._map_run_arn
        if self._map_run_arn is None:
            return None
        if self._may_call(self._map_run_arn, now, ended):
            try:
                self._map_run = self._calls.get_map_run(self._map_run_arn)
            except NotFound:
                # Listed already, and not found yet.
                if execution is None or now - self._began_at > FOUND_WITHIN:
                    raise
        return self._map_run

    def _may_have_another(self, ended: bool) -> bool:
        """Whether the execution may have a Map Run that is not known yet: until there is one; and when one has ended,
        as another may have followed it (a Retry, a second Map state).
        """
        known = self._map_run
        return self._map_run_arn is None or ended or (known is not None and known.status is not MapRunStatus.RUNNING)

    def _may_call(self, arn: str, now: float, ended: bool) -> bool:
        """Whether it is this call's turn in the process's budget; at the end it is made in any case."""
        place, kind = ":".join(arn.split(":")[3:5]), arn.split(":")[5]
        if kind not in self._turns:
            self._turns[kind] = self._budget.turn(place, now)
        if self._turns[kind] > now and not ended:
            return False
        del self._turns[kind]
        return True

    def _newest(self, execution_arn: str) -> str | None:
        label = self._options.label
        for run in self._calls.list_map_runs(execution_arn):
            if label is None or StatesArn.parse(run.arn, "map_run_arn", ArnKind.MAP_RUN).label == label:
                return run.arn
        return None

    def _is_settled(self, execution: Execution | None, map_run: MapRun | None, now: float) -> bool:
        """Whether the Map Run of an execution that has ended shows its end, too."""
        if execution is None:
            return True
        # By AWS's clock, as a sensor that is rescheduled remembers nothing; and by ours where that shows no time.
        waited = now - (execution.stop or self._began_at)
        if map_run is None:
            return waited >= LISTED_WITHIN
        if map_run.status is not MapRunStatus.RUNNING:
            return True
        if waited < SETTLED_WITHIN:
            return False
        self._log.warning(
            "%s is still RUNNING %.0f seconds after its execution ended: its counters are not final",
            map_run.arn,
            waited,
        )
        return True

    def _must_stop(self, outcome: Outcome) -> bool:
        options = self._options
        return {
            Outcome.FAIL_WHEN: options.stop_on_fail_when,
            Outcome.SUCCEED_WHEN: options.stop_on_succeed_when,
            Outcome.TIMED_OUT: options.stop_on_timeout,
        }.get(outcome, False)

    def _stop(self, execution: Execution, judged: Judgement) -> Judgement:
        """Stop the execution. Where that is refused the judgement stands, and says so."""
        self._log.info("Stopping %s: %s", execution.arn, judged.why)
        try:
            self._calls.stop(execution.arn, STOP_ERRORS[judged.outcome], judged.why or judged.outcome)
        except (Transient, CredentialsRefused):
            raise  # the next look tries again
        except ServiceError as error:
            self._cannot_stop = True
            self._log.error("%s could not be stopped, and runs on: %s", execution.arn, error)
            return Judgement(judged.outcome, f"{judged.why}; the execution could not be stopped: {error}")
        return judged

    def _update(self, map_run: MapRun, now: float) -> None:
        # With what did not get through the last time.
        limits = self._unsent = self._schedule.due(map_run, now).over(self._unsent).changes(map_run)
        if not limits:
            return
        try:
            self._calls.update_map_run(map_run.arn, limits)
        except (Transient, CredentialsRefused):
            raise  # the next look tries again
        except ServiceError as error:
            if error.code == "ValidationException":
                self._log.info("%s has ended before its limits could be changed", map_run.arn)
            else:  # the map itself is well
                self._log.error("The limits of %s could not be changed (%s): %s", map_run.arn, limits, error)
        else:
            self._log.info("Changed %s: %s", map_run.arn, limits)
        self._unsent = MapRunLimits()

    def _tell(self, map_run: MapRun, now: float) -> None:
        text = f"map run {map_run.status}: {in_words(map_run.item_counts, map_run.execution_counts)}"
        ended = map_run.status is not MapRunStatus.RUNNING
        if text == self._logged or (self._logged and not ended and now - self._logged_at < _LOG_SECONDS):
            return
        self._logged, self._logged_at = text, now
        if not ended:  # whoever asked for the watch tells the end
            self._log.info("%s", text)
        if self._on_progress is not None:
            try:
                self._on_progress(map_run)
            except Exception as error:  # whatever it is: the watch is more than its display
                self._log.warning("The counters could not be shown: %s: %s", type(error).__name__, error)

    @staticmethod
    def _age(execution: Execution | None, map_run: MapRun | None, now: float) -> float:
        began = execution.began if execution else (map_run.redrive_date or map_run.start) if map_run else now
        return max(0.0, now - began)

    def _after(self, error: Transient | CredentialsRefused, now: float) -> float:
        """How long to wait after a call that failed and may pass later.

        :raises ServiceError: it has failed for too long, or new credentials did not help.
        """
        if isinstance(error, CredentialsRefused):
            if self._renewed or self._renew is None:
                raise error
            self._renewed = True
            self._log.warning("%s; reading the connection again", error)
            self._calls = self._renew()
            return _SOON
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since > GIVE_UP_AFTER:
            raise error
        if isinstance(error, Throttled):
            self._pace.throttled(self._last_age)
            wait = self._pace.wait(self._last_age, self._dice())
        else:
            # Unlike too many calls this is over at once when it is over.
            self._failures += 1
            wait = min(self._pace.wait(self._last_age, self._dice()) * 2.0**self._failures, LONGEST_BACK_OFF)
        level = logging.INFO if isinstance(error, Throttled) else logging.WARNING
        self._log.log(level, "%s; looking again in %.0f seconds", error, wait)
        return wait


__all__ = ["GIVE_UP_AFTER", "LISTED_WITHIN", "REDRIVEN_WITHIN", "SETTLED_WITHIN", "Look", "MapRunWatcher"]
