"""The IAM permissions that a state machine around a Distributed Map needs: statements for the policy of its role.

Source: "IAM policies for using Distributed Map states" in the AWS Step Functions guide, and recorded executions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .arns import ArnKind, StatesArn
from .asl_states import all_states
from .definition import DistributedMap
from .processors import FUNCTION_ARN, AslProcessor, LambdaFunction
from .readers import ItemReader, ReaderTransformation, S3ManifestItemReader, S3ObjectsItemReader
from .values import is_jsonata, is_template
from .writer import ResultWriter

_TASK = re.compile(
    r"arn:aws(?:-[a-z0-9-]+)?:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9-]+):(?P<action>[A-Za-z0-9]+)"
)
_PARTIAL_ARN = re.compile(r"\d{12}:function:")
# Where IAM's name of a service is not the SDK's.
_SERVICES = {
    "sfn": "states",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "sesv2": "ses",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "emrcontainers": "emr-containers",
    "cognitoidentityprovider": "cognito-idp",
    "apigatewayv2": "apigateway",
    "bedrockruntime": "bedrock",
    "rdsdata": "rds-data",
    "redshiftdata": "redshift-data",
}
# Where the permission is not called like the action.
_ACTIONS = {
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "apigateway:Invoke": ("execute-api:Invoke",),
    "elasticmapreduce:CreateCluster": ("elasticmapreduce:RunJobFlow", "iam:PassRole"),
    "http:Invoke": (
        "states:InvokeHTTPEndpoint",
        "events:RetrieveConnectionCredentials",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
    ),
}
# What Distributed Maps inside of children do.
_READING = ("s3:GetObject", "s3:ListBucket")
_WRITING = ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
# What an optimized integration that waits for its job (.sync) does besides starting it.
_EVENTS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
_SYNC = {
    "batch:SubmitJob": ("batch:DescribeJobs", "batch:TerminateJob", *_EVENTS),
    "ecs:RunTask": ("ecs:StopTask", "ecs:DescribeTasks", "iam:PassRole", *_EVENTS),
    "glue:StartJobRun": ("glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"),
    "athena:StartQueryExecution": ("athena:GetQueryExecution", "athena:StopQueryExecution"),
    "states:StartExecution": ("states:DescribeExecution", "states:StopExecution", *_EVENTS),
}


def policy_statements(definition: DistributedMap, state_machine_arn: str) -> list[dict[str, Any]]:
    """Statements that let the role of ``state_machine_arn`` run the definition, its redrive included.

    They name the buckets, keys and functions that the definition names. What it takes from its input, from JSONata or
    from a template is not known here: those resources are ``*`` (or a bucket's whole content), to be narrowed by hand.
    For the tasks of an AslProcessor the actions come from their ``Resource``, on any resource of the service; look
    them over. A key of your own (KMS) needs ``kms:Decrypt`` and ``kms:GenerateDataKey`` besides.

    :raises InvalidDefinition: this is not the ARN of a state machine.
    """
    arn = StatesArn.parse(state_machine_arn, "state_machine_arn", ArnKind.STATE_MACHINE)
    executions = f"arn:{arn.partition}:states:{arn.region}:{arn.account}:execution:{arn.machine}"
    statements = [
        _allow(["states:StartExecution"], [arn.machine_arn]),
        _allow(
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            [f"{executions}:*", f"{executions}/*:*"],
        ),
    ]
    s3 = f"arn:{arn.partition}:s3:::"
    if definition.item_reader is not None:
        statements += _reading(definition.item_reader, s3)
    if definition.result_writer is not None:
        statements += _writing(definition.result_writer, s3)
    return statements + list(_child_statements(definition, arn))


def _reading(reader: ItemReader, s3: str) -> list[dict[str, Any]]:
    bucket = _known(reader.bucket)
    if isinstance(reader, S3ObjectsItemReader):
        prefix = _known(reader.prefix, "") if reader.arguments is None else "*"
        list_bucket = _allow(["s3:ListBucket"], [f"{s3}{bucket}"])
        if prefix not in ("", "*"):
            list_bucket["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
        if reader.transformation is ReaderTransformation.NONE:
            return [list_bucket]
        return [list_bucket, _allow(["s3:GetObject"], [f"{s3}{bucket}/{prefix.rstrip('*')}*"])]
    keys = [f"{s3}{bucket}/{_known(getattr(reader, 'key', None))}"]
    if isinstance(reader, S3ManifestItemReader):
        keys.append(f"{s3}*/*")  # the files it lists; only the manifest says where they are
    versioned = getattr(reader, "version_id", None) is not None
    return [_allow(["s3:GetObject", *(["s3:GetObjectVersion"] if versioned else [])], keys)]


def _writing(writer: ResultWriter, s3: str) -> list[dict[str, Any]]:
    if writer.bucket is None and writer.url is None and writer.arguments is None:
        return []  # the results are the state's output
    prefix = _known(writer.prefix, "") if writer.arguments is None else "*"
    place = f"{s3}{_known(writer.bucket)}/{'' if prefix in ('', '*') else f'{prefix}/'}*"
    return [_allow(list(_WRITING), [place])]


def _child_statements(definition: DistributedMap, arn: StatesArn) -> Iterator[dict[str, Any]]:
    processor = definition.item_processor
    if isinstance(processor, LambdaFunction):
        yield _invoking(_known(processor.function_name), arn)
    if not isinstance(processor, AslProcessor):
        return
    actions: set[str] = set()
    for _, state in all_states(processor.states):
        actions.update(_READING if "ItemReader" in state else ())
        actions.update(_WRITING if "Resource" in _part(state, "ResultWriter") else ())
        resource = state.get("Resource") if state.get("Type") == "Task" else None
        if not isinstance(resource, str):
            continue
        if FUNCTION_ARN.fullmatch(resource):
            yield _invoking(resource, arn)
        elif match := _TASK.match(resource):
            actions.update(_actions(match, waits=resource.endswith((".sync", ".sync:2"))))
    if actions:
        yield _allow(sorted(actions), ["*"])


def _actions(task: re.Match[str], *, waits: bool) -> Iterable[str]:
    service = _SERVICES.get(task["service"], task["service"])
    action = f"{service}:{task['action'][:1].upper()}{task['action'][1:]}"
    return (*_ACTIONS.get(action, (action,)), *(_SYNC.get(action, ()) if waits else ()))


def _invoking(function: str, arn: StatesArn) -> dict[str, Any]:
    if _PARTIAL_ARN.match(function):
        function = f"arn:{arn.partition}:lambda:{arn.region}:{function}"
    elif function != "*" and not function.startswith("arn:"):
        function = f"arn:{arn.partition}:lambda:{arn.region}:{arn.account}:function:{function}"
    versions = [] if function == "*" or function.count(":") > 6 else [f"{function}:*"]
    return _allow(["lambda:InvokeFunction"], [function, *versions])


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = state.get(name)
    return part if isinstance(part, Mapping) else {}


def _known(text: object, absent: str = "*") -> str:
    """A text that the definition itself gives, or ``*``."""
    if text is None:
        return absent
    return text if isinstance(text, str) and not is_template(text) and not is_jsonata(text) else "*"


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
