"""How the two Java SDKs spell what a service model names. Step Functions calls services through them, and it shows.

An ``aws-sdk`` task goes through version 2: the member ``DBInstanceIdentifier`` is ``DbInstanceIdentifier`` there, the
error ``DBInstanceNotFound`` is ``DbInstanceNotFoundException``. An optimized integration goes through version 1, which
keeps the model's own capitals. The rules are those of the SDKs' code generators (class DefaultNamingStrategy of
aws-sdk-java-v2); recorded on AWS: ``ETag``, ``ChecksumCRC32``, ``S3.NoSuchKeyException``, and ``The field
"SNSTopicArn" is not supported by Step Functions``, because it is ``SnsTopicArn``.
"""

from __future__ import annotations

import re
from functools import cache

_SPACED = (
    (re.compile(r"[^A-Za-z0-9]+"), " "),
    # A version stands alone: SESv2, ApiGatewayV2.
    (re.compile(r"([^a-z]{2,})v([0-9]+)"), r"\1 v\2 "),
    (re.compile(r"([^A-Z]{2,})V([0-9]+)"), r"\1 V\2 "),
    (re.compile(r"(?<=[a-z])(?=[A-Z][A-Za-z0-9])"), " "),
    # The last capital of an acronym begins the next word: DBInstance.
    (re.compile(r"([A-Z]+)([A-Z][a-z])"), r"\1 \2"),
    (re.compile(r"([0-9])([A-Za-z])"), r"\1 \2"),
)


@cache
def pascal_case(name: str) -> str:
    """``CloudWatch Logs`` -> ``CloudWatchLogs``, ``DynamoDB`` -> ``DynamoDb``, ``SESv2`` -> ``SesV2``."""
    for pattern, replacement in _SPACED:
        name = pattern.sub(replacement, name)
    return "".join(word.capitalize() for word in name.split())


@cache
def service_name(service_id: str) -> str:
    """What a client of SDK version 2 is called, and what its errors begin with."""
    return re.sub(r"^(?:Amazon|Aws)|Service$", "", pascal_case(service_id))


@cache
def method_name(operation: str) -> str:
    """``DescribeDBInstances`` -> ``describeDBInstances``: the acronym that a name begins with goes to lower case."""
    end = 1
    while end < len(operation) and operation[end].isupper() and not operation[end + 1 : end + 2].islower():
        end += 1
    return operation[:end].lower() + operation[end:]


@cache
def member_v2(name: str) -> str:
    """As ``aws-sdk`` tasks spell a member: ``SSEKMSKeyId`` -> ``SsekmsKeyId``, ``executionArn`` -> ``ExecutionArn``."""
    name = method_name(name)
    # "null" is a word of Java's own, so the SDK drops a letter; Step Functions shows it like that.
    return "Nul" if name == "null" else _capital(name)


def member_v1(name: str) -> str:
    """As optimized integrations spell a member: ``MD5OfMessageBody`` stays, ``executionArn`` -> ``ExecutionArn``."""
    return _capital(name)


@cache
def exception_v2(shape: str) -> str:
    """``DBInstanceNotFoundFault`` -> ``DbInstanceNotFoundException``."""
    return pascal_case(_stem(shape)) + "Exception"


@cache
def exception_v1(shape: str) -> str:
    """``QueueDoesNotExist`` -> ``QueueDoesNotExistException``."""
    return _stem(shape) + "Exception"


def _stem(shape: str) -> str:
    return shape.removesuffix("Fault").removesuffix("Exception")


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
