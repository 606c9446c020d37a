from __future__ import annotations

import functools
import pickle
from typing import Any

import pytest

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.processors import (
    AslProcessor,
    LambdaFunction,
    PythonFunction,
    TaskGroupProcessor,
    as_processor,
)
from airflow_provider_sfdm.core.values import QueryLanguage

PASS = {"Pass": {"Type": "Pass", "End": True}}
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:delays"


def plain(batch: Any) -> Any:
    return batch


async def waits(batch: Any) -> Any:
    return batch


class Callable_:
    async def __call__(self, batch: Any) -> Any:
        return batch


def test_is_async() -> None:
    assert not PythonFunction(plain).is_async
    assert PythonFunction(waits).is_async
    assert PythonFunction(functools.partial(waits)).is_async
    assert PythonFunction(Callable_()).is_async
    assert not PythonFunction(print).is_async


def nothing() -> None: ...


def two(item: Any, batch_input: Any) -> None: ...


def three(item: Any, batch_input: Any, more: Any) -> None: ...


def named(*, batch: Any) -> None: ...


@functools.wraps(two)
def wrapped(*arguments: Any) -> None: ...


def optional(batch: Any, more: Any = 1) -> None: ...


@pytest.mark.parametrize(
    ("function", "per_item", "takes"),
    [
        (nothing, False, r"one argument, which nothing\(\) -> .* cannot take"),
        (two, False, "one argument, which two"),
        (named, False, "one argument, which named"),
        (functools.partial(plain, 1), False, "one argument, which partial"),
        (nothing, True, "one item, and the BatchInput if it has a second parameter, which nothing"),
        (three, True, "which three"),
    ],
)
def test_functions_that_cannot_be_called(function: Any, per_item: bool, takes: str) -> None:
    with pytest.raises(InvalidDefinition, match=takes) as refused:
        PythonFunction(function, per_item=per_item)
    assert refused.value.field == "ItemProcessor"


@pytest.mark.parametrize("function", [plain, optional, functools.partial(two, 1), len, dict, int, print, wrapped])
def test_functions_of_one_argument(function: Any) -> None:
    assert PythonFunction(function).function is function
    assert PythonFunction(function, per_item=True).per_item
    assert PythonFunction(two, per_item=True).per_item


def test_a_bare_function_is_a_python_function() -> None:
    assert as_processor(plain) == PythonFunction(plain)
    group = TaskGroupProcessor(plain)
    assert as_processor(group) is group


@pytest.mark.parametrize("value", ["delays", 3, None, PASS])
def test_what_is_no_processor(value: Any) -> None:
    with pytest.raises(InvalidDefinition, match="ItemProcessor: "):
        as_processor(value)


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        (PythonFunction, {"function": 1}, "ItemProcessor"),
        (PythonFunction, {"function": plain, "per_item": 1}, "ItemProcessor"),
        (TaskGroupProcessor, {"function": "f"}, "ItemProcessor"),
        (LambdaFunction, {"function_name": ""}, "ItemProcessor.States.Invoke.Parameters.FunctionName"),
        (LambdaFunction, {"function_name": None}, "ItemProcessor.States.Invoke.Parameters.FunctionName"),
        (
            LambdaFunction,
            {"function_name": "f", "qualifier": ""},
            "ItemProcessor.States.Invoke.Parameters.Qualifier",
        ),
        (LambdaFunction, {"function_name": "f", "state_name": "x" * 81}, "ItemProcessor.States"),
        (LambdaFunction, {"function_name": "{% $f %}"}, "ItemProcessor.States.Invoke.Arguments"),
        (LambdaFunction, {"function_name": "f", "direct": True}, "ItemProcessor.States.Invoke.Resource"),
        (
            LambdaFunction,
            {"function_name": ARN, "qualifier": "1", "direct": True},
            "ItemProcessor.States.Invoke.Resource",
        ),
        (AslProcessor, {"start_at": "A", "states": {}}, "ItemProcessor.States"),
        (AslProcessor, {"start_at": "A", "states": None}, "ItemProcessor.States"),
        (AslProcessor, {"start_at": "A", "states": PASS}, "ItemProcessor.StartAt"),
        (AslProcessor, {"start_at": [], "states": PASS}, "ItemProcessor.StartAt"),
        (AslProcessor, {"start_at": "A", "states": {"A": {}}}, "ItemProcessor.States.A"),
        (AslProcessor, {"start_at": "Pass", "states": PASS, "query_language": "SQL"}, "ItemProcessor.QueryLanguage"),
        (AslProcessor, {"start_at": "Pass", "states": PASS, "comment": 1}, "ItemProcessor.Comment"),
    ],
)
def test_refused(kind: Any, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        kind(**arguments)
    assert caught.value.field == field


def test_values() -> None:
    kind: Any = AslProcessor
    processor = kind(start_at="Pass", states=PASS, query_language="JSONata")
    assert processor.query_language is QueryLanguage.JSONATA
    assert processor.states == PASS
    assert processor.states is not PASS
    values = [processor, PythonFunction(plain, per_item=True), LambdaFunction(ARN, direct=True)]
    assert pickle.loads(pickle.dumps(values)) == values
