"""How the two Java SDKs spell what a service model names. Step Functions calls services through them, and it shows.

An ``aws-sdk`` task goes through version 2: the member ``DBInstanceIdentifier`` is ``DbInstanceIdentifier`` there, the
error ``DBInstanceNotFound`` is ``DbInstanceNotFoundException``. An optimized integration goes through version 1, which
keeps the model's own capitals. The rules are those of the SDKs' code generators (class DefaultNamingStrategy of
aws-sdk-java-v2); recorded on AWS: ``ETag``, ``ChecksumCRC32``, ``S3.NoSuchKeyException``, and ``The field
"SNSTopicArn" is not supported by Step Functions``, because it is ``SnsTopicArn``. Step Functions' guide has
``EqualsValue`` for ``equals``.
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

# What a Java method or variable cannot be called, in any capitals; the methods that Object and the SDK's classes have.
_KEYWORDS = (
    "abstract assert boolean break byte case catch char class const continue default do double else enum extends false "
    "final finally float for goto if implements import instanceof int interface long native new null package private "
    "protected public return short static strictfp super switch synchronized this throw throws transient true try void "
    "volatile while"
)
_METHODS = (
    "equals finalize getClass hashCode notify notifyAll toString wait builder sdkFields toBuilder "
    "overrideConfiguration sdkHttpResponse"
)
_TAKEN_WORDS, _TAKEN_NAMES = frozenset(_KEYWORDS.split()), frozenset(_METHODS.split())
# The members that version 2 renames by hand (emitPropertyName in its customization.config files).
_BY_HAND = {
    ("AttributeValue", "NULL"): "Nul",
    ("FpgaImage", "Public"): "IsPublic",
    ("Image", "Public"): "PublicLaunchPermissions",
    ("SearchRequest", "return"): "ReturnValues",
}


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
def member_v2(name: str, structure: str = "") -> str:
    """As ``aws-sdk`` tasks spell a member: ``SSEKMSKeyId`` -> ``SsekmsKeyId``, ``executionArn`` -> ``ExecutionArn``.

    A name that is taken in Java gets a suffix: ``default`` -> ``DefaultValue``.

    :param structure: the shape that the member is of, as a few are renamed by hand.
    """
    if (structure, name) in _BY_HAND:
        return _BY_HAND[structure, name]
    name = method_name(name)
    taken = name.lower() in _TAKEN_WORDS or name in _TAKEN_NAMES
    return _capital(f"{name}Value" if taken else name)


def member_v1(name: str, structure: str = "") -> str:
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
