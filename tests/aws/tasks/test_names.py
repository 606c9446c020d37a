"""The Java SDKs' spellings, as definitions and error handlers write them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import botocore
import pytest

from airflow_provider_sfdm.aws.tasks.models import sdk_services, service
from airflow_provider_sfdm.aws.tasks.names import (
    exception_v1,
    exception_v2,
    member_v1,
    member_v2,
    method_name,
    pascal_case,
    service_name,
)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetObject", "getObject"),
        ("ListObjectsV2", "listObjectsV2"),
        ("DescribeDBInstances", "describeDBInstances"),
        ("CreateDBClusterSnapshot", "createDBClusterSnapshot"),
        ("StartExecution", "startExecution"),
    ],
)
def test_actions(operation: str, action: str) -> None:
    assert method_name(operation) == action


@pytest.mark.parametrize(
    ("member", "v2", "v1"),
    [
        ("ETag", "ETag", "ETag"),
        ("ChecksumCRC32", "ChecksumCRC32", "ChecksumCRC32"),
        ("SNSTopicArn", "SnsTopicArn", "SNSTopicArn"),
        ("DBInstanceIdentifier", "DbInstanceIdentifier", "DBInstanceIdentifier"),
        ("SSEKMSKeyId", "SsekmsKeyId", "SSEKMSKeyId"),
        ("MD5OfMessageBody", "Md5OfMessageBody", "MD5OfMessageBody"),
        ("ACL", "Acl", "ACL"),
        ("executionArn", "ExecutionArn", "ExecutionArn"),
        ("Bucket", "Bucket", "Bucket"),
        ("BOOL", "Bool", "BOOL"),
        ("equals", "EqualsValue", "Equals"),
        ("Return", "ReturnValue", "Return"),
        ("notifyAll", "NotifyAllValue", "NotifyAll"),
        ("S", "S", "S"),
        ("vCpus", "VCpus", "VCpus"),
    ],
)
def test_members(member: str, v2: str, v1: str) -> None:
    assert (member_v2(member), member_v1(member)) == (v2, v1)


def test_members_that_are_renamed_by_hand() -> None:
    assert member_v2("NULL", "AttributeValue") == "Nul"
    assert member_v2("Public", "Image") == "PublicLaunchPermissions"
    assert member_v2("Public", "RouterNetworkInterfaceConfiguration") == "PublicValue"


@pytest.mark.parametrize(
    ("service_id", "name"),
    [
        ("S3", "S3"),
        ("DynamoDB", "DynamoDb"),
        ("SFN", "Sfn"),
        ("SQS", "Sqs"),
        ("EC2", "Ec2"),
        ("SESv2", "SesV2"),
        ("ApiGatewayV2", "ApiGatewayV2"),
        ("CloudWatch Logs", "CloudWatchLogs"),
        ("Secrets Manager", "SecretsManager"),
        ("Elastic Load Balancing v2", "ElasticLoadBalancingV2"),
        ("Config Service", "Config"),
        ("Directory Service Data", "DirectoryServiceData"),
        ("WAFV2", "Wafv2"),
    ],
)
def test_services(service_id: str, name: str) -> None:
    assert service_name(service_id) == name


@pytest.mark.parametrize(
    ("shape", "v2", "v1"),
    [
        ("NoSuchKey", "NoSuchKeyException", "NoSuchKeyException"),
        ("ResourceNotFoundException", "ResourceNotFoundException", "ResourceNotFoundException"),
        ("DBInstanceNotFoundFault", "DbInstanceNotFoundException", "DBInstanceNotFoundException"),
        ("KMSInvalidStateException", "KmsInvalidStateException", "KMSInvalidStateException"),
        ("QueueDoesNotExist", "QueueDoesNotExistException", "QueueDoesNotExistException"),
    ],
)
def test_exceptions(shape: str, v2: str, v1: str) -> None:
    assert (exception_v2(shape), exception_v1(shape)) == (v2, v1)


def test_pascal_case_knows_words() -> None:
    assert pascal_case("acm-pca") == "AcmPca"


def test_every_service_of_boto3_has_its_java_name() -> None:
    """The table of services that are called otherwise is complete for the botocore that is installed."""
    data = Path(botocore.__file__).parent / "data"
    expected = {"cloudwatchevents"}
    for folder in sorted(data.iterdir()):
        versions = sorted(folder.glob("*/service-2.json.gz"))
        if versions:
            with gzip.open(versions[-1], "rt", encoding="utf-8") as file:
                found = re.search(r'"serviceId"\s*:\s*"([^"]+)"', file.read(8000))
            assert found is not None, folder
            expected.add(service_name(found[1]).lower())
    assert set(sdk_services()) == expected


# Services that AWS has ended, and boto3 has dropped.
ENDED = (
    "AppTest ElasticInference ElasticTranscoder Evidently Honeycode IoTAnalytics IoTFleetHub IotEvents IotEventsData "
    "LookoutMetrics LookoutVision OpsWorks OpsWorksCm Panorama PrivateNetworks Qldb QldbSession RoboMaker "
    "SimSpaceWeaver Sms"
)


def test_every_service_of_the_guide() -> None:
    """Supported AWS SDK service integrations, of the Step Functions guide: a resource has the prefix of the service's
    errors in lower case."""
    prefixes = (Path(__file__).parent / "guide_services.txt").read_text().split()
    known = sdk_services()
    assert {prefix for prefix in prefixes if prefix.lower() not in known} <= set(ENDED.split())
    found = [service(known[prefix.lower()]).name for prefix in prefixes if prefix.lower() in known]
    assert found == [prefix for prefix in prefixes if prefix.lower() in known]


@pytest.mark.parametrize(
    ("name", "boto3"),
    [("sfn", "stepfunctions"), ("eventbridge", "events"), ("cloudwatchlogs", "logs"), ("sesv2", "sesv2"), ("s3", "s3")],
)
def test_the_names_of_services_lead_to_boto3(name: str, boto3: str) -> None:
    assert sdk_services()[name] == boto3
    assert service(boto3).boto3_name == boto3
