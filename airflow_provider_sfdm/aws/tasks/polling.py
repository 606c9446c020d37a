"""Waiting for a job to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...states.seam import TaskFailed
from .errors import TIMEOUT
from .jobs import Job, Started

log = logging.getLogger(__name__)

_FIRST_SECONDS = 1.0
_GROWTH = 1.5
_LONGEST_SECONDS = 20.0
# A service may not know at once what it has just started; Batch and ECS say so with an empty list.
_UNKNOWN_LOOKS = 10


@dataclass(frozen=True)
class Waiting:
    """How to wait.

    :param sleep: waits that many seconds.
    :param clock: seconds that only grow.
    """

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def until_ended(self, job: Job, client: Any, started: Started, deadline: float | None) -> Mapping[str, Any]:
        """Look at a job until it has ended. Whatever else ends the wait stops the job, as on AWS.

        :raises TaskFailed: ``States.Timeout``, at the deadline.
        """
        try:
            return self._look_on(job, client, started, deadline)
        except BaseException:
            self._stop(job, client, started)
            raise

    def _look_on(self, job: Job, client: Any, started: Started, deadline: float | None) -> Mapping[str, Any]:
        pause, unknown = _FIRST_SECONDS, 0
        while True:
            found = job.look(client, started)
            if found is not None and job.succeeded(found) is not None:
                return found
            unknown = unknown + 1 if found is None else 0
            if unknown > _UNKNOWN_LOOKS:
                raise TaskFailed("States.TaskFailed", f"The service does not know the job that it started: {started}")
            left = None if deadline is None else deadline - self.clock()
            if left is not None and left <= 0:
                raise TaskFailed(TIMEOUT)
            self.sleep(pause if left is None else min(pause, left))
            pause = min(pause * _GROWTH, _LONGEST_SECONDS)

    @staticmethod
    def _stop(job: Job, client: Any, started: Started) -> None:
        try:
            job.stop(client, started)
        except Exception as error:
            # The task fails for another reason, which must not be lost.
            log.warning("The job %s could not be stopped: %s", dict(started), type(error).__name__)
