"""A Distributed Map of Step Functions, pasted: AWS's documented example reads ``ratings.csv`` and exports the results.

Children are states of the Amazon States Language that run on Airflow's workers: a Choice, and a call of S3 for every
good rating. The connection ``aws_default`` says which S3 that is and with which credentials, for instance
``AIRFLOW_CONN_AWS_DEFAULT='aws://KEY:SECRET@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A9000&region_name=us-east-1'``.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_sfdm import DistributedMap, DistributedMapTaskGroup

MAP_STATE = """
{
  "Type": "Map",
  "Label": "Map",
  "MaxConcurrency": 1000,
  "ToleratedFailurePercentage": 5,
  "ItemReader": {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
    "Parameters": {"Bucket.$": "$.bucket", "Key": "csvDataset/ratings.csv"}
  },
  "ItemSelector": {
    "bucket.$": "$.bucket",
    "key.$": "States.Format('favourites/{}-{}.json', $$.Map.Item.Value.userId, $$.Map.Item.Value.movieId)",
    "rating.$": "$$.Map.Item.Value"
  },
  "ItemProcessor": {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "Read the number",
    "States": {
      "Read the number": {
        "Type": "Pass",
        "Parameters": {"value.$": "States.StringToJson($.rating.rating)"},
        "ResultPath": "$.number",
        "Next": "Is it good?"
      },
      "Is it good?": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.number.value", "NumericGreaterThanEquals": 4, "Next": "Keep it"}],
        "Default": "Leave it"
      },
      "Keep it": {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
        "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.key", "Body.$": "$.rating"},
        "Retry": [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 2}],
        "ResultPath": null,
        "OutputPath": "$.key",
        "End": true
      },
      "Leave it": {"Type": "Pass", "Result": "not kept", "End": true}
    }
  },
  "ResultWriter": {
    "Resource": "arn:aws:states:::s3:putObject",
    "Parameters": {"Bucket.$": "$.bucket", "Prefix": "csvProcessJobs"}
  },
  "End": true
}
"""


@dag(
    dag_id="asl",
    schedule=None,
    params={"bucket": Param("my-bucket", type="string", description="where csvDataset/ratings.csv is")},
    tags=["distributed map"],
)
def asl() -> None:
    DistributedMapTaskGroup(
        "ratings",
        DistributedMap.from_asl(MAP_STATE),
        input={"bucket": "{{ params.bucket }}"},
        storage="s3://{{ params.bucket }}/map-runs",
    )


asl()
