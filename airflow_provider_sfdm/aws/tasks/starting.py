"""Starting a job, so that none is forgotten: the call that starts it may be given up before it has answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...local.bounds import Bounds
from ...local.unfinished import leave
from ...local.waiting import SETTLE_SECONDS, wait
from ...states.failures import ExecutionTimedOut
from ...states.seam import TaskFailed
from .jobs import Job, Started

Stop = Callable[[Started], None]


class Start:
    """One start of ``job``.

    :param call: calls the service and returns its answer.
    :param stop: stops a job; never raises.
    """

    def __init__(self, job: Job, request: Mapping[str, Any], call: Callable[[], Any], stop: Stop) -> None:
        self._job = job
        self._request = request
        self._call = call
        self._stop = stop
        self._lock = threading.Lock()
        self._given_up = self._begun = False
        self._started: Started | None = None
        self._ended = threading.Event()

    def run(self, bounds: Bounds) -> Started:
        """What names the job.

        When the task is over first, a job that starts all the same is stopped: in the thread that its start is left
        behind in. Where everything ends (an abort, a signal) that is waited for, if it does not take long.

        :raises TaskFailed: as the call does; or the service has started a part of it, which is stopped.
        """
        try:
            answer = bounds.run(self._begin)
            assert self._started is not None
            self._job.check(answer)
            return self._started
        except BaseException as error:
            with self._lock:
                self._given_up = True
                started, begun = self._started, self._begun
            if started is not None:
                self._stop(started)
            elif not begun:  # nor will it
                pass
            elif isinstance(error, TaskFailed | ExecutionTimedOut):
                leave(self._ended)
            else:
                wait(self._ended, SETTLE_SECONDS)
            raise

    def _begin(self) -> Any:
        with self._lock:
            if self._given_up:
                return None
            self._begun = True
        try:
            answer = self._call()
            started = self._job.started(self._request, answer)
            with self._lock:
                given_up = self._given_up
                self._started = started
            if given_up:
                self._stop(started)
            return answer
        finally:
            self._ended.set()
