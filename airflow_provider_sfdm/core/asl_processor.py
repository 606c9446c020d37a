"""``ItemProcessor`` in the Amazon States Language, to and from its value with the children's retry and
timeout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .asl_fields import Fields, without_none
from .errors import InvalidDefinition, UnsupportedField
from .processors import FUNCTION_ARN, AslProcessor, ItemProcessor, LambdaFunction
from .retry import JitterStrategy, Retrier
from .values import ExecutionType, QueryLanguage, choice, is_jsonata, shown

_INVOKE = re.compile(r"arn:(aws(?:-[a-z0-9-]+)?):states:::lambda:invoke")
_INPUT, _PAYLOAD = "{% $states.input %}", "{% $states.result.Payload %}"
_RETRIER_FIELDS = frozenset(
    ("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy")
)
_TASK_FIELDS = frozenset(("Type", "QueryLanguage", "Resource", "Retry", "TimeoutSeconds", "End"))
_MAX_TIMEOUT = 99_999_999


class Children(NamedTuple):
    """What a Map state says of its child executions."""

    processor: ItemProcessor
    execution_type: ExecutionType
    retry: tuple[Retrier, ...] = ()
    timeout: float | None = None
    partition: str | None = None


def processor_to_asl(children: Children, language: QueryLanguage) -> dict[str, Any]:
    """The field ``ItemProcessor``. Raises UnsupportedField for what runs in Airflow only."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": children.execution_type.value}
    processor = children.processor
    if isinstance(processor, LambdaFunction):
        task = _lambda_task(processor, children, language)
        return {
            "ProcessorConfig": config,
            "StartAt": processor.state_name,
            "States": {processor.state_name: task},
        }
    if not isinstance(processor, AslProcessor):
        kind = "a Python function" if hasattr(processor, "per_item") else "an Airflow task group"
        raise UnsupportedField(
            "ItemProcessor",
            f"{kind} can't run in Step Functions: put the code in a Lambda function and give "
            "LambdaFunction(…), or write the child workflow in the Amazon States Language and give "
            "AslProcessor(…)",
        )
    if processor.functions:
        names = ", ".join(sorted(processor.functions))
        raise UnsupportedField(
            "ItemProcessor", f"Python functions ({names}) can't run in Step Functions: put the code in Lambda functions"
        )
    fields = {
        "Comment": processor.comment,
        "QueryLanguage": processor.query_language and processor.query_language.value,
        "ProcessorConfig": config,
        "StartAt": processor.start_at,
        "States": processor.states,
    }
    return without_none(fields)


def processor_from_asl(value: object, name: str, language: QueryLanguage) -> Children:
    """What the field ``ItemProcessor`` (or ``Iterator``: ``name``) says. One Lambda task is a LambdaFunction,
    else ASL.
    """
    fields = Fields(value, name)
    config = Fields(fields.take("ProcessorConfig", {}), f"{name}.ProcessorConfig")
    mode = config.take("Mode", "INLINE")
    if mode != "DISTRIBUTED":
        raise InvalidDefinition(
            config.name("Mode"), f"must be DISTRIBUTED, got {shown(mode)}: this is not a Distributed Map"
        )
    kind = config.take("ExecutionType")
    if kind is None:
        raise InvalidDefinition(config.name("ExecutionType"), "must be STANDARD or EXPRESS")
    config.done()
    execution_type = choice(ExecutionType, kind, config.name("ExecutionType"))
    processor = AslProcessor(
        start_at=fields.take("StartAt"),
        states=fields.take("States"),
        query_language=fields.take("QueryLanguage"),
        comment=fields.take("Comment"),
    )
    fields.done()
    return _lambda_children(processor, execution_type, language) or Children(processor, execution_type)


def _lambda_task(function: LambdaFunction, children: Children, language: QueryLanguage) -> dict[str, Any]:
    task: dict[str, Any] = {"Type": "Task"}
    jsonata = language is QueryLanguage.JSONATA
    if jsonata:
        task["QueryLanguage"] = language.value
    if function.direct:
        task["Resource"] = function.function_name
    else:
        arguments: dict[str, Any] = {"FunctionName": function.function_name}
        if function.qualifier is not None:
            arguments["Qualifier"] = function.qualifier
        task["Resource"] = f"arn:{children.partition or 'aws'}:states:::lambda:invoke"
        if jsonata:
            task |= {"Arguments": arguments | {"Payload": _INPUT}, "Output": _PAYLOAD}
        else:
            task |= {"Parameters": arguments | {"Payload.$": "$"}, "OutputPath": "$.Payload"}
    if children.retry:
        task["Retry"] = [_retrier_to_asl(retrier) for retrier in children.retry]
    if (timeout := children.timeout) is not None:
        if timeout != int(timeout) or timeout > _MAX_TIMEOUT:
            raise UnsupportedField(
                "TimeoutSeconds", f"Step Functions takes whole seconds up to 99,999,999, got {timeout}"
            )
        task["TimeoutSeconds"] = int(timeout)
    return task | {"End": True}


def _lambda_children(
    processor: AslProcessor, execution_type: ExecutionType, language: QueryLanguage
) -> Children | None:
    """The LambdaFunction that a workflow of one Task stands for; None where the workflow says more than that
    can.
    """
    if len(processor.states) != 1 or processor.comment is not None:
        return None
    ((state_name, task),) = processor.states.items()
    resource, timeout = task.get("Resource"), task.get("TimeoutSeconds")
    spoken = task.get("QueryLanguage", processor.query_language or language)
    if task["Type"] != "Task" or task.get("End") is not True or not isinstance(resource, str):
        return None
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 1):
        return None
    retriers = task.get("Retry", [])
    if not isinstance(retriers, list) or not all(
        isinstance(one, dict) and one.keys() <= _RETRIER_FIELDS for one in retriers
    ):
        return None
    if direct := FUNCTION_ARN.fullmatch(resource):
        function = LambdaFunction(resource, state_name=state_name, direct=True) if task.keys() <= _TASK_FIELDS else None
        partition = None
    else:
        direct = _INVOKE.fullmatch(resource)
        function = _invoked(task, state_name, spoken) if direct else None
        partition = direct[1] if direct else None
    if function is None:
        return None
    retry = tuple(_retrier_from_asl(one) for one in retriers)
    return Children(function, execution_type, retry, timeout, partition)


def _invoked(task: Mapping[str, Any], state_name: str, language: str) -> LambdaFunction | None:
    if "Arguments" in task and language == QueryLanguage.JSONATA:
        given, output, payload = "Arguments", "Output", "Payload"
        passes = _same(task.get("Output"), _PAYLOAD) and _same(_member(task, given, payload), _INPUT)
    else:
        given, output, payload = "Parameters", "OutputPath", "Payload.$"
        passes = task.get("OutputPath") == "$.Payload" and _member(task, given, payload) == "$"
    if not passes or not task.keys() <= _TASK_FIELDS | {given, output}:
        return None
    arguments = dict(task[given])
    del arguments[payload]
    name, qualifier = arguments.pop("FunctionName", None), arguments.pop("Qualifier", None)
    known = (
        isinstance(name, str) and name != "" and (qualifier is None or (isinstance(qualifier, str) and qualifier != ""))
    )
    if arguments or not known or is_jsonata(name) or is_jsonata(qualifier):
        return None
    return LambdaFunction(name, qualifier, state_name)


def _member(task: Mapping[str, Any], given: str, name: str) -> object:
    arguments = task.get(given)
    return arguments.get(name) if isinstance(arguments, dict) else None


def _same(given: object, expression: str) -> bool:
    return isinstance(given, str) and is_jsonata(given) and given[2:-2].strip() == expression[2:-2].strip()


def _retrier_to_asl(retrier: Retrier) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ErrorEquals": list(retrier.error_equals),
        "IntervalSeconds": retrier.interval_seconds,
        "MaxAttempts": retrier.max_attempts,
        "BackoffRate": retrier.backoff_rate,
    }
    if retrier.max_delay_seconds is not None:
        fields["MaxDelaySeconds"] = retrier.max_delay_seconds
    if retrier.jitter_strategy is not JitterStrategy.NONE:
        fields["JitterStrategy"] = retrier.jitter_strategy.value
    return fields


def _retrier_from_asl(value: Mapping[str, Any]) -> Retrier:
    fields = Fields(value, "Retry")
    return Retrier(
        error_equals=fields.take("ErrorEquals", ()),
        interval_seconds=fields.take("IntervalSeconds", 1),
        max_attempts=fields.take("MaxAttempts", 3),
        backoff_rate=fields.take("BackoffRate", 2.0),
        max_delay_seconds=fields.take("MaxDelaySeconds"),
        jitter_strategy=fields.take("JitterStrategy", JitterStrategy.NONE),
    )
