"""Running a job: started, looked at until it has ended, stopped when its task is over first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ...local.bounds import Bounds
from ...states.seam import TaskFailed
from .calls import Surroundings
from .clients import Clients
from .jobs import Job, Started
from .starting import Start

log = logging.getLogger(__name__)

_FIRST_SECONDS = 1.0
_GROWTH = 1.5
_LONGEST_SECONDS = 20.0
# A service may not know at once what it has just started; Batch and ECS say so with an empty list.
_UNKNOWN_LOOKS = 10


def run_job(
    job: Job, service: str, request: Mapping[str, Any], call: Callable[[], Any], surroundings: Surroundings
) -> Mapping[str, Any]:
    """Start a job and look at it until it has ended. Whatever else ends the wait stops the job, as on AWS.

    :param service: as boto3 names it. :param call: starts the job as ``request`` says.
    :raises TaskFailed, ExecutionTimedOut, Aborted: the task is over first.
    """

    def stop(started: Started) -> None:
        _stop(job, surroundings.clients, service, started)

    started = Start(job, request, call, stop).run(surroundings.bounds)
    try:
        return _look_on(job, surroundings.clients.patient(service), started, surroundings.bounds)
    except BaseException:
        stop(started)
        raise


def _look_on(job: Job, client: Any, started: Started, bounds: Bounds) -> Mapping[str, Any]:
    pause, unknown = _FIRST_SECONDS, 0
    while True:
        found = bounds.run(lambda: job.look(client, started))
        if found is not None and job.succeeded(found) is not None:
            known: Mapping[str, Any] = found
            return known
        unknown = unknown + 1 if found is None else 0
        if unknown > _UNKNOWN_LOOKS:
            raise TaskFailed("States.TaskFailed", f"The service does not know the job that it started: {started}")
        bounds.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_SECONDS)


def _stop(job: Job, clients: Clients, service: str, started: Started) -> None:
    try:
        job.stop(clients.brief(service), started)
    except Exception as error:
        # The task fails for another reason, which must not be lost.
        log.warning("The job %s could not be stopped: %s", dict(started), type(error).__name__)
