"""AWS's field ``ItemProcessor``: what one child execution runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .errors import InvalidDefinition
from .values import (
    QueryLanguage,
    check_comment,
    check_string,
    choice,
    is_lone_jsonata,
    is_template,
    json_copy,
    shown,
)

MAX_NAME_LENGTH = 80
"""AWS's limit for the name of a state."""
FUNCTION_ARN = re.compile(r"arn:(aws[a-z0-9-]*):lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9$_-]+)?")
_FIELD = "ItemProcessor"


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling the function gives a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004  # an object's own async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


@dataclass(frozen=True)
class PythonFunction:
    """A Python function, sync or ``async``, of the child's input: a batch, or an item where there is no
    ItemBatcher.

    With ``per_item`` it takes one item of a batch at a time and every item has an outcome of its own.
    """

    function: Callable[..., Any]
    per_item: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidDefinition(_FIELD, f"must be a function, got {shown(self.function)}")
        per_item: object = self.per_item
        if not isinstance(per_item, bool):
            raise InvalidDefinition(_FIELD, f"per_item must be True or False, got {shown(self.per_item)}")
        self._check_parameters()

    @property
    def is_async(self) -> bool:
        """Whether calling the function gives a coroutine."""
        return is_async(self.function)

    def _check_parameters(self) -> None:
        try:
            # Not what is wrapped: a decorator may give it arguments of its own.
            signature = inspect.signature(self.function, follow_wrapped=False)
        except (TypeError, ValueError):  # some builtins do not tell
            return
        for arguments in ((None,), (None, None))[: 1 + self.per_item]:
            with suppress(TypeError):
                signature.bind(*arguments)
                return
        takes = "one item, and the BatchInput if it has a second parameter" if self.per_item else "one argument"
        name = getattr(self.function, "__name__", type(self.function).__name__)
        raise InvalidDefinition(_FIELD, f"the function is called with {takes}, which {name}{signature} cannot take")


@dataclass(frozen=True)
class LambdaFunction:
    """An AWS Lambda function, by name or ARN: its event is the child's input, its answer the output.

    ``state_name`` is the name of the one Task state that stands for it in the Amazon States Language. With
    ``direct`` that state's ``Resource`` is the function's own ARN, else ``arn:aws:states:::lambda:invoke``;
    the outcome is the same.
    """

    function_name: str
    qualifier: str | None = None
    state_name: str = "Invoke"
    direct: bool = False

    def __post_init__(self) -> None:
        task = f"{_FIELD}.States.{self.state_name}"
        check_string(self.state_name, f"{_FIELD}.States", "a state's name")
        check_string(self.function_name, f"{task}.Parameters.FunctionName", "a function's name or ARN")
        if self.qualifier is not None:
            check_string(self.qualifier, f"{task}.Parameters.Qualifier", "a version or alias")
        if len(self.state_name) > MAX_NAME_LENGTH:
            problem = f"a state's name has at most {MAX_NAME_LENGTH} characters, got {shown(self.state_name)}"
            raise InvalidDefinition(f"{_FIELD}.States", problem)
        for value in (self.function_name, self.qualifier):
            if is_lone_jsonata(value):
                problem = f"{value} depends on the child's input: write the task in an AslProcessor"
                raise InvalidDefinition(f"{task}.Arguments", problem)
        whole = is_template(self.function_name) or FUNCTION_ARN.fullmatch(self.function_name) is not None
        if self.direct and (self.qualifier is not None or not whole):
            problem = "a function that is the Resource itself is named by its whole ARN, qualifier included"
            raise InvalidDefinition(f"{task}.Resource", problem)


@dataclass(frozen=True, kw_only=True)
class AslProcessor:
    """Any child workflow, in the Amazon States Language: ``StartAt`` and ``States`` of an ItemProcessor.

    ``functions`` are Python functions of a task's arguments, by the ``Resource`` that names them; the airflow engine
    has them, Step Functions has not. One that has an ARN's name goes before what the ARN names.
    """

    start_at: str
    states: Mapping[str, Any]
    query_language: QueryLanguage | None = None
    comment: str | None = None
    # Not shown: addresses of functions are others at every parse.
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, function in self.functions.items():
            if not name or not callable(function):
                problem = f"must hold functions by their Resource, got {shown(function)} for {shown(name)}"
                raise InvalidDefinition(f"{_FIELD}.functions", problem)
        object.__setattr__(self, "functions", dict(self.functions))
        states = json_copy(self.states, f"{_FIELD}.States")
        if not isinstance(states, dict) or not states:
            problem = f"must hold at least one state, got {shown(self.states)}"
            raise InvalidDefinition(f"{_FIELD}.States", problem)
        object.__setattr__(self, "states", states)
        for name, state in states.items():
            if not isinstance(state, dict) or not isinstance(state.get("Type"), str):
                raise InvalidDefinition(f"{_FIELD}.States.{name}", "must be a state: an object with a Type")
        if self.start_at not in list(states):
            problem = f"must name one of the states ({', '.join(states)}), got {shown(self.start_at)}"
            raise InvalidDefinition(f"{_FIELD}.StartAt", problem)
        if self.query_language is not None:
            language = choice(QueryLanguage, self.query_language, f"{_FIELD}.QueryLanguage")
            object.__setattr__(self, "query_language", language)
        check_comment(self.comment, f"{_FIELD}.Comment")


@dataclass(frozen=True)
class TaskGroupProcessor:
    """An Airflow task group, of any operators: one mapped instance a child execution."""

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidDefinition(_FIELD, f"must be a @task_group function, got {shown(self.function)}")


ItemProcessor = PythonFunction | LambdaFunction | AslProcessor | TaskGroupProcessor


def as_processor(value: object) -> ItemProcessor:
    """``value`` as an item processor; a bare function becomes a :class:`PythonFunction`."""
    if isinstance(value, PythonFunction | LambdaFunction | AslProcessor | TaskGroupProcessor):
        return value
    if callable(value):
        return PythonFunction(value)
    if isinstance(value, Mapping):
        raise InvalidDefinition(
            _FIELD,
            "an ASL processor is AslProcessor(start_at=…, states=…), a Map state DistributedMap.from_asl(…)",
        )
    allowed = "a function, PythonFunction, LambdaFunction, AslProcessor or TaskGroupProcessor"
    raise InvalidDefinition(_FIELD, f"must be {allowed}, got {shown(value)}")
