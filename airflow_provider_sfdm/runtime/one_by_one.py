"""Runs child executions one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..core.errors import ChildAborted
from ..local.invocation import Invoke, describe, encode_output, is_failure
from ..local.waiting import comes_true
from .children import Child, ChildPolicy, OnEnd, aborted, failed, succeeded
from .concurrency import Concurrency
from .retries import Retries
from .stop import StopSignal


def run_one_by_one(
    children: Iterator[Child],
    invoke: Invoke,
    policy: ChildPolicy,
    stop: StopSignal,
    on_end: OnEnd,
    concurrency: Concurrency,
) -> bool:
    """Run children in this thread, in order, until there are no more or ``stop`` is set; False then. True: now another
    number than one may be in flight.

    The fastest way for a function that computes; an attempt cannot be timed out here.
    """
    retriers, argument = policy.retry, policy.argument
    while not stop.is_set():
        if concurrency.limit != 1:
            return True
        child = next(children, None)
        if child is None:
            return False
        start = time.time()
        retries = Retries(retriers) if retriers else None
        while True:
            try:
                output = invoke(argument(child))
                outcome = succeeded(start, output, encode_output(output))
            except ChildAborted:
                outcome = aborted(start, policy)
            except BaseException as exception:
                if not is_failure(exception):
                    raise
                error, cause = describe(exception)
                delay = retries.delay(child.outcomes, error, cause) if retries else None
                if delay is None:
                    outcome = failed(start, error, cause, exception)
                elif comes_true(lambda: policy.aborts(stop), delay):
                    outcome = aborted(start, policy)
                else:
                    child.renew()
                    continue
            break
        on_end(child, outcome)
    return False
