"""Children that are states of the Amazon States Language, on this engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    ExecutionType,
    InvalidDefinition,
    ItemBatcher,
    UnsupportedField,
    run_map,
)
from airflow_provider_sfdm.runtime.distributed import local_services
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.validation.problems import InvalidMachine
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import records, run

PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "Wrong", "Cause": "it is"}
STS = "arn:aws:states:::aws-sdk:sts:getCallerIdentity"


def states(first: dict[str, Any], **others: dict[str, Any]) -> AslProcessor:
    return AslProcessor(start_at="First", states={"First": first, **others})


def answering(prepare: Callable[[Stubber], None]) -> Connections:
    """Connections whose services give prepared answers."""

    def client(service: str, config: Config) -> Any:
        made = boto3.client(  # type: ignore[call-overload]  # the stubs name every service
            service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", config=config
        )
        stubber = Stubber(made)
        prepare(stubber)
        stubber.activate()
        return made

    return Connections(client=client)


def test_states_run_on_each_item(tmp_path: Path) -> None:
    first = {"Type": "Pass", "Parameters": {"n.$": "$", "text.$": "States.Format('no. {}', $)"}, "End": True}
    summary = run(tmp_path, states(first), given=[1, 2], result_writer=None)
    assert summary.output == [{"n": 1, "text": "no. 1"}, {"n": 2, "text": "no. 2"}]


def test_a_child_knows_who_it_is(tmp_path: Path) -> None:
    first = {"Type": "Pass", "Parameters": {"execution.$": "$$.Execution", "machine.$": "$$.StateMachine"}, "End": True}
    (record,) = records(run(tmp_path, states(first), given=[{"a": 1}]), "SUCCEEDED")
    output = json.loads(record["Output"])
    assert output["execution"]["Id"] == record["ExecutionArn"]
    assert output["execution"]["Name"] == record["Name"]
    assert output["execution"]["Input"] == {"a": 1}
    assert output["execution"]["StartTime"].endswith("Z")
    assert output["machine"] == {"Id": record["StateMachineArn"], "Name": "map"}


@pytest.mark.parametrize("express", [False, True])
@pytest.mark.parametrize("inside", [False, True], ids=["the map's own", "a child's"])
def test_a_record_and_the_child_name_the_same_execution(express: bool, inside: bool, tmp_path: Path) -> None:
    """Of a map run in a DAG, and of one that an execution begins by itself."""
    kind = ExecutionType.EXPRESS if express else ExecutionType.STANDARD
    first = {"Type": "Pass", "Parameters": {"execution.$": "$$.Execution.Id", "machine.$": "$$.StateMachine.Id"}}
    state = {**first, "End": True}
    if not inside:
        summary = run(tmp_path, states(state), given=[{"a": 1}], execution_type=kind)
        (record,) = records(summary, "SUCCEEDED")
    else:
        mode = {"Mode": "DISTRIBUTED", "ExecutionType": kind.value}
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}}
        processor = {"ProcessorConfig": mode, "StartAt": "P", "States": {"P": state}}
        machine = {
            "StartAt": "M",
            "States": {"M": {"Type": "Map", "ItemProcessor": processor, "ResultWriter": writer, "End": True}},
        }
        services = local_services(
            storage=(tmp_path / "runs").as_uri(), connections=Connections(buckets={"b": tmp_path.as_uri()})
        )
        outcome = execute(compile_machine(machine), [{"a": 1}], services)
        key = outcome.output["ResultWriterDetails"]["Key"]
        (record,) = json.loads((tmp_path / key).with_name("SUCCEEDED_0.json").read_bytes())
        assert outcome.output["MapRunArn"].startswith("arn:aws:states:us-east-1:000000000000:mapRun:local/M:")
    output = json.loads(record["Output"])
    assert output == {"execution": record["ExecutionArn"], "machine": record["StateMachineArn"]}


def test_a_child_fails_with_its_states_error_and_cause(tmp_path: Path) -> None:
    summary = run(tmp_path, states(FAIL), given=[1, 2], tolerated_failure_percentage=100)
    assert summary.errors == {"Wrong": 2}
    (first, _) = records(summary, "FAILED")
    assert (first["Error"], first["Cause"], first["Status"]) == ("Wrong", "it is", "FAILED")


def test_a_states_timeout_that_nothing_catches_is_a_failure(tmp_path: Path) -> None:
    timeout = {"Type": "Fail", "Error": "States.Timeout"}
    summary = run(tmp_path, states(timeout), given=[1], tolerated_failure_count=1)
    assert [record["Status"] for record in records(summary, "FAILED")] == ["FAILED"]
    assert summary.execution_counts.timed_out == 0


def test_failures_beyond_the_tolerance_fail_the_map(tmp_path: Path) -> None:
    summary = run(tmp_path, states(FAIL), given=[1, 2, 3], tolerated_failure_count=1)
    assert (summary.status, summary.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_an_output_over_256_kib_is_refused(tmp_path: Path) -> None:
    first = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, "End": True}
    summary = run(tmp_path, states(first), given=["x" * 150_000], tolerated_failure_count=1)
    (record,) = records(summary, "FAILED")
    assert record["Error"] == "States.DataLimitExceeded"
    assert record["Cause"].startswith("The state/task 'First' returned a result with a size exceeding")


def test_tasks_call_the_connections_services(tmp_path: Path) -> None:
    def prepare(stubber: Stubber) -> None:
        stubber.add_response("get_caller_identity", {"Account": "123456789012"})

    first = {
        "Type": "Task",
        "Resource": STS,
        "Parameters": {},
        "ResultSelector": {"account.$": "$.Account"},
        "End": True,
    }
    summary = run(tmp_path, states(first), given=[1], connections=answering(prepare), result_writer=None)
    assert summary.output == [{"account": "123456789012"}]


def test_retry_and_catch_work_inside_a_child(tmp_path: Path) -> None:
    def prepare(stubber: Stubber) -> None:
        for _ in range(2):
            stubber.add_client_error("get_caller_identity", "ExpiredToken", "too late", 403)

    first = {
        "Type": "Task",
        "Resource": STS,
        "Parameters": {},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failed", "Next": "Caught"}],
        "End": True,
    }
    began = time.monotonic()
    summary = run(
        tmp_path, states(first, Caught=PASS), given=[{"n": 1}], connections=answering(prepare), result_writer=None
    )
    assert time.monotonic() - began >= 1
    ((output),) = summary.output
    assert output["n"] == 1
    assert output["failed"]["Error"].startswith("Sts.")
    assert output["failed"]["Cause"].startswith("too late")


def test_children_that_wait_overlap(tmp_path: Path) -> None:
    began = time.monotonic()
    summary = run(tmp_path, states({"Type": "Wait", "Seconds": 1, "End": True}), given=list(range(20)))
    assert summary.status == "SUCCEEDED"
    assert 1 <= time.monotonic() - began < 15  # one after the other they take 20


def test_a_distributed_map_in_a_child_is_a_map_run_of_its_own(tmp_path: Path) -> None:
    nested = {
        "Type": "Map",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Inner",
            "States": {"Inner": {"Type": "Pass", "Parameters": {"got.$": "$"}, "End": True}},
        },
        "End": True,
    }
    summary = run(tmp_path, states(nested), given=[[1, 2], [3]], result_writer=None)
    assert summary.output == [[{"got": 1}, {"got": 2}], [{"got": 3}]]
    assert len(list(tmp_path.glob("runs/*/nested/*/plan.json"))) == 2


def test_a_child_gets_a_batch(tmp_path: Path) -> None:
    processor = AslProcessor(
        start_at="Sum",
        states={"Sum": {"Type": "Pass", "Output": "{% $sum($states.input.Items) %}", "End": True}},
        query_language="JSONata",  # type: ignore[arg-type]  # a plain string is taken as well
    )
    batcher = ItemBatcher(max_items_per_batch=2)
    summary = run(tmp_path, processor, given=[1, 2, 3], item_batcher=batcher, result_writer=None)
    assert summary.output == [3, 3]


@pytest.mark.parametrize("concurrency", [None, 4])
def test_children_in_threads_and_in_a_loop_give_the_same(concurrency: int | None, tmp_path: Path) -> None:
    first = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericGreaterThan": 500, "Next": "Large"}]}
    processor = states(first | {"Default": "Small"}, Large=PASS | {"Result": "L"}, Small=PASS | {"Result": "S"})
    began = time.monotonic()
    summary = run(tmp_path, processor, given=list(range(1000)), max_concurrency=concurrency, result_writer=None)
    assert summary.output == ["S"] * 501 + ["L"] * 499
    assert time.monotonic() - began < 30  # 300 times what it takes


def test_a_resource_may_be_a_python_function(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:double"
    add = {"Type": "Task", "Resource": "add", "Parameters": {"n.$": "$"}, "Next": "Double"}
    double = {"Type": "Task", "Resource": arn, "End": True}
    functions: dict[str, Callable[..., Any]] = {"add": lambda given: given["n"] + 1, arn: lambda given: given * 2}

    def definition(start: str, **states: Any) -> DistributedMap:
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        processor = {"ProcessorConfig": config, "StartAt": start, "States": states}
        return DistributedMap.from_asl({"Type": "Map", "ItemProcessor": processor}, functions=functions)

    both = definition("Add", Add=add, Double=double)
    assert run_map(both, [1, 2], tmp_path.as_uri()).output == [4, 6]
    assert run_map(definition("Double", Double=double), [1, 2], tmp_path.as_uri()).output == [2, 4]
    assert "functions" not in str(both)
    with pytest.raises(UnsupportedField, match=r"Python functions \(add, .*double\) can't run in Step Functions"):
        both.to_asl()


def test_all_problems_are_told_before_anything_runs(tmp_path: Path) -> None:
    token = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    activity = "arn:aws:states:us-east-1:123456789012:activity:work"
    processor = states(
        {"Type": "Task", "Resource": token, "Parameters": {"QueueUrl": "q", "MessageBody": "b"}, "Next": "Second"},
        Second={"Type": "Task", "Resource": activity, "End": True},
    )
    with pytest.raises(InvalidMachine, match=r"ItemProcessor/States/First: .*waitForTaskToken cannot be run") as told:
        run_map(DistributedMap(item_processor=processor, items=[1]), storage=tmp_path.as_uri())
    assert [note.partition(":")[0] for note in told.value.__notes__] == ["ItemProcessor/States/Second"]
    assert not list(tmp_path.iterdir())


def test_a_state_without_an_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinition, match="ItemProcessor/States"):
        run(tmp_path, states({"Type": "Pass"}), given=[1])
