"""What a partition says of the children that failed: the first ones in the log, all of them by error name."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import PurePath

from ..core.counters import counted
from ..core.json import loads
from .children import Child, Outcome

log = logging.getLogger(__name__)

# The first failures say what is wrong; ten thousand more would only hide it.
MAX_LOGGED_FAILURES = 10
MAX_LOGGED_ITEMS = 3  # of each of those
MAX_LOGGED_CAUSE = 500
MAX_ERROR_NAMES = 100


class FailureLog:
    """How many children failed with each error; the first of them are logged."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()

    def note(self, child: Child, outcome: Outcome, number: int) -> None:
        """A child failed, the ``number``-th of the partition."""
        if outcome.error is None:
            return
        if outcome.error in self.errors or len(self.errors) < MAX_ERROR_NAMES:
            self.errors[outcome.error] += 1
        if number <= MAX_LOGGED_FAILURES:
            _log_failure(child, outcome.error, outcome.cause or "")
            if number == MAX_LOGGED_FAILURES:
                log.warning("Further failures of this partition are only counted; all are in its FAILED file")


def _log_failure(child: Child, error: str, cause: str) -> None:
    failures = child.outcomes.failures if child.outcomes is not None else {}
    if not failures or (error, cause) in failures.values():  # the batch failed as a whole
        log.warning("Child execution %d failed: %s", child.index, _readable(error, cause))
        return
    for index in sorted(failures)[:MAX_LOGGED_ITEMS]:
        log.warning("Item %d of child execution %d failed: %s", index, child.index, _readable(*failures[index]))
    if (more := len(failures) - MAX_LOGGED_ITEMS) > 0:
        log.warning("... and %s of child execution %d", counted(more, "other item"), child.index)


# A line of a Python traceback, on AWS Lambda, too.
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in ([^\s\\]+)')


def _readable(error: str, cause: str) -> str:
    """An error with its cause for people: ``ValueError: order 0 has no price (at totals.py:12 in totals)``.

    A cause that is no JSON object with an errorMessage is cut, but told as it is.
    """
    try:
        content = loads(cause)
    except ValueError:
        content = None
    message, place = cause, ""
    if isinstance(content, dict) and isinstance(content.get("errorMessage"), str):
        message = content["errorMessage"]
        frames = content.get("stackTrace")
        found = _FRAME.search(str(frames[-1])) if isinstance(frames, list) and frames else None
        if found is not None:
            path, line, function = found.groups()
            place = f" (at {PurePath(path).name}:{line} in {function})"
    return f"{error}: {message[:MAX_LOGGED_CAUSE]}{place}" if message else f"{error}{place}"
