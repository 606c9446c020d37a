"""Retry and Catch of Task, Parallel and Map states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import InvalidDefinition, StatesError
from ..core.paths import in_state
from ..core.retry import JitterStrategy, Retrier, answers, as_retriers
from .assign import Assign
from .failures import StateFailed
from .io_jsonata import JsonataIO
from .result_path import compile_result_path
from .state import Following, Source
from .visit import MISSING, Visit

ALL, TASK_FAILED = "States.ALL", "States.TaskFailed"
_RETRIER = {
    "ErrorEquals": "error_equals",
    "IntervalSeconds": "interval_seconds",
    "MaxAttempts": "max_attempts",
    "BackoffRate": "backoff_rate",
    "MaxDelaySeconds": "max_delay_seconds",
    "JitterStrategy": "jitter_strategy",
}


def compile_retriers(retry: Any, place: str) -> tuple[Retrier, ...]:
    """The field ``Retry``. Raises InvalidDefinition naming the retrier and its field."""
    if not isinstance(retry, list):
        raise InvalidDefinition(place, "must be an array")
    retriers = []
    for index, fields in enumerate(retry):
        where = f"{place}[{index}]"
        if not isinstance(fields, Mapping):
            raise InvalidDefinition(where, "must be an object")
        unknown = [name for name in fields if name not in _RETRIER and name != "Comment"]
        if unknown:
            raise InvalidDefinition(f"{where}.{unknown[0]}", "is not a field of a retrier")
        options = {_RETRIER[name]: value for name, value in fields.items() if name != "Comment"}
        options.setdefault("error_equals", ())
        options.setdefault("jitter_strategy", JitterStrategy.NONE)
        try:
            retriers.append(Retrier(**options))
        except InvalidDefinition as error:
            raise InvalidDefinition(f"{where}.{error.field.removeprefix('Retry.')}", error.problem) from None
    try:
        return as_retriers(retriers)
    except InvalidDefinition as error:
        raise InvalidDefinition(place, error.problem) from None


class Catcher:
    """One catcher: which errors it answers, what becomes of the error, and the state that comes next."""

    __slots__ = ("_assign", "_combine", "_io", "errors", "following")

    def __init__(self, fields: Mapping[str, Any], index: int, source: Source) -> None:
        place = f"{source.place}.Catch[{index}]"
        self.errors = tuple(fields["ErrorEquals"])
        self.following: str = fields["Next"]
        self._io: JsonataIO | None = None
        self._assign: Assign | None = None
        if source.jsonata:
            self._io = JsonataIO(fields, f"Catch[{index}]/")
        else:
            self._combine = compile_result_path(fields.get("ResultPath", "$"), f"{place}.ResultPath")
            self._assign = Assign.of_jsonpath(fields, place)

    def leave(self, visit: Visit, failed: StateFailed) -> Any:
        """The state's output after ``failed``; variables are assigned. Raises StatesError."""
        error_output = failed.output()
        if self._io is not None:
            visit.error_output = error_output
            return self._io.shape(visit, error_output)
        if self._assign is not None:
            visit.run.variables.update(self._assign.values(visit.with_input(error_output)))
        return self._combine(visit.input, error_output)


class Recovery:
    """Runs a state's work until it succeeds, or nothing answers its failure any more."""

    __slots__ = ("_catchers", "_following", "_retriers")

    def __init__(self, source: Source) -> None:
        """Raises InvalidDefinition."""
        self._following = source.following
        self._retriers = compile_retriers(source.fields.get("Retry", []), f"{source.place}.Retry")
        catch = source.fields.get("Catch", [])
        self._catchers = [Catcher(fields, index, source) for index, fields in enumerate(catch)]

    def run(self, visit: Visit, work: Callable[[Visit], Any]) -> tuple[Any, Following]:
        """The output, and what comes next. Raises StateFailed, StatesError, ExecutionTimedOut and Aborted."""
        attempts = [0] * len(self._retriers)
        while True:
            try:
                return work(visit), self._following
            except StatesError as error:
                failed = StateFailed(error.error, in_state(error.cause, visit.name, visit.event))
            except StateFailed as error:
                failed = error
            if not self._retry(visit, failed, attempts):
                break
        for catcher in self._catchers:
            if answers(catcher.errors, failed.error):
                visit.result = MISSING
                return catcher.leave(visit, failed), catcher.following
        raise failed

    def _retry(self, visit: Visit, failed: StateFailed, attempts: list[int]) -> bool:
        """Wait for the next attempt; False where there is none. Each retrier counts its own attempts."""
        for index, retrier in enumerate(self._retriers):
            if answers(retrier.error_equals, failed.error):
                if attempts[index] >= retrier.max_attempts:
                    return False
                attempts[index] += 1
                visit.retry_count = (visit.retry_count or 0) + 1
                visit.result = MISSING
                random = visit.run.execution.services.random()
                visit.run.sleep(retrier.delay(attempts[index], random))
                return True
        return False
