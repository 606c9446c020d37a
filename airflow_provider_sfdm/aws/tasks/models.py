"""What botocore knows about a service, looked up by the names that Step Functions uses."""

from __future__ import annotations

import threading
from functools import cache, cached_property

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel

from .names import method_name, service_name

_LOADER = create_loader()
_LOCK = threading.RLock()

# Step Functions names a service as the Java SDK's package does, which is the service id without spaces. boto3 mostly
# has the same name with dashes; these are the others.
_OTHER_NAMES = {
    "applicationdiscovery": "discovery",
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costandusagereport": "cur",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "directory": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntimev2": "lexv2-runtime",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "pinpointsmsvoice": "sms-voice",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
}


class Service:
    """One service's model."""

    def __init__(self, boto3_name: str) -> None:
        self.boto3_name = boto3_name
        self.model = ServiceModel(_LOADER.load_service_model(boto3_name, "service-2"), boto3_name)

    @cached_property
    def name(self) -> str:
        """What SDK version 2 calls it: ``DynamoDb``, ``Sfn``, ``CloudWatchLogs``."""
        return service_name(self.model.metadata.get("serviceId") or self.boto3_name)

    @cached_property
    def actions(self) -> dict[str, str]:
        """The operations by the name that an ``aws-sdk`` resource gives them."""
        return {method_name(name): name for name in self.model.operation_names}

    def operation(self, action: str) -> OperationModel | None:
        name = self.actions.get(action)
        return None if name is None else self.model.operation_model(name)


@cache
def sdk_services() -> dict[str, str]:
    """boto3's names by Step Functions' names."""
    available = _LOADER.list_available_services("service-2")
    # The two names of one service: those that boto3 alone has are none of Step Functions'.
    renamed = set(_OTHER_NAMES.values())
    names = {name.replace("-", ""): name for name in available if name not in renamed}
    return names | {ours: theirs for ours, theirs in _OTHER_NAMES.items() if theirs in available}


@cache
def _loaded(boto3_name: str) -> Service:
    return Service(boto3_name)


def service(boto3_name: str) -> Service:
    """The model of a service; it is read once a process, which takes from 10 ms to 1 s (EC2)."""
    with _LOCK:
        return _loaded(boto3_name)
