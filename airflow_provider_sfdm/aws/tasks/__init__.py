"""Task states: Lambda functions, AWS services through boto3, and registered Python functions."""

from .arguments import DYNAMIC as DYNAMIC
from .arguments import TaskProblem as TaskProblem
from .clients import ClientFactory as ClientFactory
from .clients import boto3_client as boto3_client
from .functions import TaskFunction as TaskFunction
from .tasks import Tasks as Tasks
