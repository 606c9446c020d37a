"""What a Task state's ``Resource`` names.

Source: "Integrating services with Step Functions" and "Discover service integration patterns" in the AWS Step Functions
guide. The message of an unknown resource is CreateStateMachine's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FUNCTION = re.compile(r"arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]+(?::[\w$.-]+)?")
_ACTIVITY = re.compile(r"arn:aws[\w-]*:states:[\w-]*:\d{12}:activity:.+")
_SDK = re.compile(r"arn:aws[\w-]*:states:::aws-sdk:(?P<service>[\w-]+):(?P<action>\w+)(?P<pattern>\.[\w:.]+)?")
_OPTIMIZED = re.compile(r"arn:aws[\w-]*:states:::(?P<service>[\w-]+):(?P<action>[\w.-]+?)(?P<pattern>\.[\w:]+)?")

WAIT_FOR_TOKEN = ".waitForTaskToken"
_SYNC = (".sync", ".sync:2")

# The optimized integrations of Step Functions that are not built here, and what to write instead.
_OTHERS = {
    "apigateway": "call the API from a Lambda function or a Python function",
    "bedrock": "use aws-sdk:bedrockruntime:invokeModel",
    "codebuild": "use aws-sdk:codebuild:startBuild and poll",
    "databrew": "use aws-sdk:databrew:startJobRun and poll",
    "eks": "call Kubernetes from a Python function",
    "elasticmapreduce": "use aws-sdk:emr:… and poll",
    "emr-containers": "use aws-sdk:emrcontainers:… and poll",
    "emr-serverless": "use aws-sdk:emrserverless:… and poll",
    "http": "call the URL from a Lambda function or a Python function",
    "mediaconvert": "use aws-sdk:mediaconvert:createJob and poll",
    "sagemaker": "use aws-sdk:sagemaker:… and poll",
}


class Refused(Exception):
    """A resource that cannot be run here; says why, and what to do."""


@dataclass(frozen=True)
class FunctionArn:
    """A Lambda function by its ARN: the arguments are its event, its payload is the result."""

    arn: str


@dataclass(frozen=True)
class SdkAction:
    """``aws-sdk:<service>:<action>``."""

    service: str
    action: str


@dataclass(frozen=True)
class OptimizedAction:
    """``<service>:<action>``, with what follows it: "", ".sync" or ".sync:2"."""

    service: str
    action: str
    pattern: str = ""


Resource = FunctionArn | SdkAction | OptimizedAction


def unknown(resource: str, hint: str = "") -> Refused:
    text = (
        f"The resource provided {resource} is not recognized. The value is not a valid resource ARN, or the resource "
        "is not available in this region."
    )
    return Refused(f"{text} {hint}" if hint else text)


def parse(resource: str) -> Resource:
    """What an ARN names.

    :raises Refused: nothing that can be run here.
    """
    if _FUNCTION.fullmatch(resource):
        return FunctionArn(resource)
    if _ACTIVITY.fullmatch(resource):
        raise Refused(
            f"The activity {resource} cannot be run here: its workers ask Step Functions for work (GetActivityTask), "
            "and Step Functions knows nothing of an execution that Airflow runs. Use a Lambda function, a Python "
            "function, or the stepfunctions engine."
        )
    parts = _SDK.fullmatch(resource)
    if parts is not None:
        _refuse_token(resource, parts["pattern"])
        if parts["pattern"]:
            raise unknown(resource, "AWS SDK integrations have no .sync.")
        return SdkAction(parts["service"], parts["action"])
    parts = _OPTIMIZED.fullmatch(resource)
    if parts is not None and parts["service"] != "aws-sdk":
        return _optimized(resource, parts["service"], parts["action"], parts["pattern"] or "")
    raise unknown(resource)


def _optimized(resource: str, service: str, action: str, pattern: str) -> Resource:
    _refuse_token(resource, pattern)
    if service in _OTHERS:
        raise Refused(f"The integration {service}:{action} ({resource}) is not available here: {_OTHERS[service]}.")
    if pattern not in ("", *_SYNC):
        raise unknown(resource)
    if service == "s3":
        # ItemReader and ResultWriter write it like this; as a task it is the same call.
        if pattern:
            raise unknown(resource)
        return SdkAction("s3", action)
    return OptimizedAction(service, action, pattern)


def _refuse_token(resource: str, pattern: str | None) -> None:
    if pattern == WAIT_FOR_TOKEN:
        raise Refused(
            f"{resource} cannot be run here: whoever gets the task token would hand it to Step Functions "
            "(SendTaskSuccess), which knows nothing of an execution that Airflow runs. Let the task itself wait for "
            "its result, or use the stepfunctions engine."
        )
