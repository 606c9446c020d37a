"""What operator and sensor share: a watch in the task itself, or in a trigger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from ..compat import AirflowException, AirflowFailException, ResolveMixin
from ..core.errors import InvalidDefinition
from ..core.values import is_template, shown
from ..local.waiting import wait
from ..stepfunctions.watcher import Look, MapRunWatcher


class Interrupted(Exception):
    """The task was killed while it waited."""


class Waiter:
    """Waits for a watch to end, in this process. ``interrupt`` ends the waiting from a signal handler."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """End the waiting."""
        self._interrupted.set()

    @property
    def interrupted(self) -> bool:
        return self._interrupted.is_set()

    def wait_for(self, watcher: MapRunWatcher) -> Look:
        """The look that ended the watch.

        :raises Interrupted: somebody ended the waiting.
        :raises ServiceError: the watch failed.
        """
        return self._look_until(watcher, lambda look: look.judgement is not None)

    def look_at(self, watcher: MapRunWatcher, ended: bool) -> Look:
        """How things stand, where another one has watched: a look that got all of its answers, and shows the end where
        that one saw it (``ended``).

        :raises Interrupted: somebody ended the waiting.
        :raises ServiceError: the service did not answer.
        """
        return self._look_until(watcher, lambda look: look.judgement is not None or (not ended and _runs_on(look)))

    def _look_until(self, watcher: MapRunWatcher, enough: Callable[[Look], bool]) -> Look:
        while True:
            look = watcher.look()
            if self.interrupted:
                raise Interrupted
            if enough(look):
                return look
            if wait(self._interrupted, look.wait):
                raise Interrupted


def _runs_on(look: Look) -> bool:
    """Whether it tells of a map that runs on; where its execution has ended, the Map Run may be about to."""
    return look.answered and not (look.execution is not None and look.execution.status.ended)


def watch_failed(event: Mapping[str, object]) -> AirflowException:
    """What a trigger that could not watch is for its task: worth another attempt, as the execution goes on."""
    return AirflowException(f"the execution could not be watched: {event['failed']}")


def refused(error: Exception) -> AirflowFailException:
    """An error that the same attempt again would have again."""
    return AirflowFailException(str(error))


def seconds(value: object, field: str) -> float | None:
    """A span of time in seconds, given as such or as a timedelta.

    :raises InvalidDefinition: it is none above 0.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return value
    raise InvalidDefinition(field, f"must be a number of seconds above 0 or a timedelta, got {shown(value)}")


def is_late(value: object) -> bool:
    """Whether an argument's value is known in the run only: a template, or what Airflow resolves then."""
    return is_template(value) or isinstance(value, ResolveMixin)


def literal(value: object) -> bool:
    """Whether an argument is a text that is known when the DAG is parsed."""
    return isinstance(value, str) and not is_template(value)
