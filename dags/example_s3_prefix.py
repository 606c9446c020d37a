"""All objects below an S3 prefix, listed page by page: how many bytes there are, by folder.

The connection ``aws_default`` says where S3 is and with which credentials, for instance
``AIRFLOW_CONN_AWS_DEFAULT='aws://KEY:SECRET@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A9000&region_name=us-east-1'``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_sfdm import (
    ItemBatcher,
    MapRunResults,
    OutputType,
    ResultWriter,
    S3ObjectsItemReader,
    Transformation,
    WriterConfig,
    distributed_map,
)
from airflow_provider_sfdm.hooks.connections import airflow_connections


@dag(
    dag_id="s3_prefix",
    schedule=None,
    params={
        "bucket": Param("my-bucket", type="string", description="the bucket to list"),
        "prefix": Param("in/", type="string", description="what the keys begin with"),
        "results": Param("results", type="string", description="prefix of the result files in the same bucket"),
    },
    tags=["distributed map"],
)
def s3_prefix() -> None:
    @distributed_map(
        item_reader=S3ObjectsItemReader(bucket="{{ params.bucket }}", prefix="{{ params.prefix }}"),
        item_batcher=ItemBatcher(max_items_per_batch=100),
        max_concurrency=8,
        result_writer=ResultWriter(
            bucket="{{ params.bucket }}",
            prefix="{{ params.results }}",
            writer_config=WriterConfig(transformation=Transformation.COMPACT, output_type=OutputType.JSONL),
        ),
        storage="s3://{{ params.bucket }}/map-runs",
    )
    def sizes(batch: dict[str, Any]) -> dict[str, int]:
        """Bytes by folder."""
        found: Counter[str] = Counter()
        for item in batch["Items"]:
            found[item["Key"].rpartition("/")[0]] += item["Size"]
        return dict(found)

    @task
    def report(summary: dict[str, Any]) -> dict[str, int]:
        total: Counter[str] = Counter()
        for child in MapRunResults.from_summary(summary, airflow_connections()).succeeded():
            total.update(child.output)
        for folder, size in sorted(total.items()):
            print(f"{size:>15,} bytes in {folder or '(top)'}")
        return dict(total)

    report(sizes())


s3_prefix()
