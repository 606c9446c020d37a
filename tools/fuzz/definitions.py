"""State machines, Map states and tasks that are mutated, and the words of the Amazon States Language."""

from __future__ import annotations

from typing import Any

from .corpus import INTRINSICS, JSONATA, PATHS, RULES, TEMPLATES, TIMESTAMPS

_PASS: dict[str, Any] = {"Type": "Pass", "End": True}
_LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:f"


def _machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def _distributed(**fields: Any) -> dict[str, Any]:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, **_machine(Each=_PASS)}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


def _reader(action: str, config: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    resource = f"arn:aws:states:::s3:{action}"
    return {"Resource": resource, "ReaderConfig": config, "Parameters": {"Bucket": "bucket", **parameters}}


MAP_STATES: tuple[dict[str, Any], ...] = (
    _distributed(
        ItemReader=_reader("getObject", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 2},
        Key="a.csv"),
        ItemSelector={"row.$": "$$.Map.Item.Value", "from.$": "$$.Map.Item.Source", "all.$": "$.n"},
        ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"n.$": "$.n"}},
        MaxConcurrency=2,
        ToleratedFailurePercentage=50,
        Label="label",
    ),
    _distributed(
        ItemReader=_reader("listObjectsV2", {"Transformation": "LOAD_AND_FLATTEN", "InputType": "JSONL"},
        Prefix="lines/"),
        ResultWriter={
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "bucket", "Prefix.$": "$.s"},
            "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"},
        },
        ToleratedFailureCountPath="$.n",
    ),
    _distributed(ItemReader=_reader("getObject", {"InputType": "JSON", "ItemsPointer": "/a/b"}, Key="a.json"),
    MaxConcurrencyPath="$.n"),
    _distributed(ItemReader=_reader("getObject", {"InputType": "MANIFEST"}, Key="manifest.json")),
    _distributed(ItemsPath="$.list", ItemBatcher={"MaxInputBytesPerBatch": 40},
    Retry=[{"ErrorEquals": ["States.ALL"]}]),
    {**_distributed(Items="{% $states.input.list %}", ItemSelector={"v": "{% $states.context.Map.Item.Value %}"}),
    "QueryLanguage": "JSONata"},
)  # fmt: skip

DEFINITIONS: tuple[dict[str, Any], ...] = (
    _machine(
        A={"Type": "Task", "Resource": _LAMBDA, "Parameters": TEMPLATES[0], "ResultSelector": {"r.$": "$"},
        "ResultPath": "$.t",
           "TimeoutSeconds": 9, "HeartbeatSeconds": 3, "Assign": {"v.$": "$.r"},
           "Retry": [{"ErrorEquals": ["Boom"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 2.0,
           "JitterStrategy": "FULL"}],
           "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "B"}], "Next": "B"},
        B={"Type": "Choice", "Choices": [{**RULES[0], "Next": "C"}, {**RULES[1], "Next": "D"}], "Default": "E"},
        C={"Type": "Wait", "SecondsPath": "$.n", "Next": "D"},
        D={"Type": "Parallel", "Branches": [_machine(P=_PASS), _machine(Q={"Type": "Succeed"})], "ResultPath": "$.p",
        "Next": "F"},
        E={"Type": "Fail", "ErrorPath": "$.s", "CausePath": "States.Format('{}', $.n)"},
        F={"Type": "Map", "ItemsPath": "$.list", "ItemSelector": {"i.$": "$$.Map.Item.Index"}, "MaxConcurrency": 2,
           "ItemProcessor": _machine(I={"Type": "Wait", "Seconds": 1, "End": True}), "OutputPath": "$[0]",
           "End": True},
    ),
    {**_machine(
        A={"Type": "Pass", "Output": {"list": "{% $states.input.list %}", "n": "{% $states.input.n + 1 %}"},
        "Assign": {"x": "{% 1 %}"}, "Next": "B"},
        B={"Type": "Choice", "Choices": [{"Condition": "{% $x = 1 and $states.input.n > 2 %}",
        "Output": "{% $states.input %}", "Next": "C"}],
           "Default": "D"},
        C={"Type": "Map", "Items": "{% $states.input.list %}", "ItemProcessor": _machine(I=_PASS),
           "Output": "{% $count($states.result) %}", "Next": "T"},
        D={"Type": "Fail", "Error": "{% 'Bad' %}", "Cause": "{% $string($states.input) %}"},
        T={"Type": "Task", "Resource": _LAMBDA, "Arguments": {"a": "{% $x %}"}, "TimeoutSeconds": "{% 5 %}",
           "Catch": [{"ErrorEquals": ["Boom"], "Output": "{% $states.errorOutput %}", "Next": "W"}], "Next": "W"},
        W={"Type": "Wait", "Timestamp": "{% $now() %}", "Output": "{% $states.context.State %}", "End": True},
    ), "QueryLanguage": "JSONata", "TimeoutSeconds": 900, "Version": "1.0"},
    _machine(
        A={"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.a.b[0]", "InputPath": "$", "OutputPath": "$.a",
        "Next": "B"},
        B={"Type": "Pass", "Parameters": {f"p{n}.$": text for n, text in enumerate(INTRINSICS)}, "End": True},
    ),
    _machine(L={"Type": "Choice", "Choices": [{**rule, "Next": "L"} for rule in RULES], "Default": "S"},
    S={"Type": "Wait", "TimestampPath": "$.t", "Next": "L"}),
    *(_machine(M=state) for state in MAP_STATES),
)  # fmt: skip

WORDS = (
    "Type", "Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map", "Next", "End", "StartAt",
    "States", "Result", "Branches", "ItemProcessor", "Iterator", "ProcessorConfig", "Mode", "INLINE", "DISTRIBUTED",
    "STANDARD", "EXPRESS", "InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "ItemSelector",
    "ItemsPath", "Items", "MaxConcurrency", "MaxConcurrencyPath", "Assign", "Output", "Arguments", "QueryLanguage",
    "JSONata", "JSONPath", "Retry", "Catch", "ErrorEquals", "States.ALL", "States.Timeout", "Boom", "IntervalSeconds",
    "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "TimeoutSeconds", "TimeoutSecondsPath",
    "Seconds", "SecondsPath", "Timestamp", "TimestampPath", "Error", "Cause", "ErrorPath", "CausePath", "Comment",
    "Version", "Resource", "Credentials", "ToleratedFailureCount", "ToleratedFailurePercentage", "ItemBatcher",
    "ItemReader", "ResultWriter", "ReaderConfig", "MaxItems", "MaxItemsPath", "Bucket", "Key", "Prefix", "InputType",
    "CSV", "JSONL", "MANIFEST", "A", "B", "C", "L", *PATHS, *INTRINSICS, *TIMESTAMPS,
    *(f"{{% {text} %}}" for text in JSONATA),
)  # fmt: skip

TASKS: tuple[dict[str, Any], ...] = (
    {"Resource": _LAMBDA, "Parameters": {"a.$": "$.a"}},
    {"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": _LAMBDA, "Payload.$": "$"}},
    {"Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage", "Parameters": {"QueueUrl": "q", "MessageBody.$": "$.s"}},
    {"Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": {"QueueUrl": "q",
    "MessageBody": {"t.$": "$$.Task.Token"}}},
    {"Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {"StateMachineArn": "arn",
    "Input": {"a": 1}}},
    {"Resource": "arn:aws:states:us-east-1:123456789012:activity:a", "Credentials": {"RoleArn.$": "$.role"}},
    {"Resource": "arn:aws:states:::sns:publish", "Parameters": {"TopicArn": "{% $t %}", "Message": {"a": [1]}},
    "QueryLanguage": "JSONata"},
)  # fmt: skip
TASK_WORDS = (
    "arn:aws:states:::",
    "aws-sdk:",
    "sqs:",
    "sns:",
    "lambda:",
    ".sync",
    ":2",
    ".waitForTaskToken",
    "QueueUrl",
    "Payload",
    "Credentials",
    "{% $x %}",
    "$.a",
)
