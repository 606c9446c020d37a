"""What is told of a map that ran on Step Functions: its verdict, its manifest, the errors of its children."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.core.counters import MapRunStatus
from airflow_provider_sfdm.core.errors import DataLimitExceeded
from airflow_provider_sfdm.core.executions import Execution, ExecutionStatus, MapRun
from airflow_provider_sfdm.core.summary import MapRunSummary
from airflow_provider_sfdm.core.watching import Judgement, Outcome
from airflow_provider_sfdm.stepfunctions.map_run_summary import (
    CHILDREN_LOOKED_AT,
    count_errors,
    find_manifest,
    summary_of,
)
from airflow_provider_sfdm.storage import Connections
from tests.runtime.helpers import on_s3
from tests.stepfunctions.scripted import ONCE, Child, Map, ScriptedStepFunctions, Step
from tools.servers import S3Endpoint

UUID = "4a0e3b54-0a53-4a3c-9d8e-0c1d2e3f4a5b"
FAILED = Judgement(Outcome.FAILED)


class Ran:
    """A map that has run: a machine of these states, an execution that has ended so."""

    def __init__(
        self,
        server: ScriptedStepFunctions,
        step: Step,
        states: dict[str, Any] | None = None,
        given: Any = None,
        redrives: Sequence[Step] = (),
    ) -> None:
        self.server = server
        self.calls = StepFunctions(server.client(ONCE))
        states = states or {"Map": distributed()}
        machine = server.add_machine("m", {"StartAt": next(iter(states)), "States": states})
        server.plan("m", [step], redrives=[[one] for one in redrives], moves_on=None)
        execution_arn = self.calls.start(machine, "e", json.dumps(given))
        for _ in redrives:
            self.calls.redrive(execution_arn)
        self.execution = self.calls.get_execution(execution_arn)
        self.map_runs = [self.calls.get_map_run(one.arn) for one in self.calls.list_map_runs(execution_arn)]
        server.calls.clear()

    @property
    def map_run(self) -> MapRun:
        (only,) = self.map_runs
        return only

    def manifest(self, execution: Execution | None = None) -> str | None:
        return find_manifest(self.calls, execution or self.execution, self.map_run)


def distributed(**fields: Any) -> dict[str, Any]:
    """A Distributed Map state."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Child",
        "States": {"Child": {"Type": "Pass", "End": True}},
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


def writer(**parameters: str) -> dict[str, Any]:
    return {"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": parameters}}


def ended(status: str = "FAILED", *, label: str = "Map", **fields: Any) -> Map:
    """A Map Run whose UUID is known."""
    return Map(status=status, label=label, uuid=UUID, **{"items": {"failed": 2, "succeeded": 1}, **fields})


# The summary


def execution(status: ExecutionStatus, **fields: Any) -> Execution:
    return Execution(**{"arn": "arn:e", "status": status, "start": 1_790_000_000.0, "stop": 1_790_000_060.5, **fields})


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (ExecutionStatus.RUNNING, MapRunStatus.RUNNING),
        (ExecutionStatus.PENDING_REDRIVE, MapRunStatus.RUNNING),
        (ExecutionStatus.SUCCEEDED, MapRunStatus.SUCCEEDED),
        (ExecutionStatus.FAILED, MapRunStatus.FAILED),
        (ExecutionStatus.TIMED_OUT, MapRunStatus.ABORTED),
        (ExecutionStatus.ABORTED, MapRunStatus.ABORTED),
    ],
)
def test_every_status_has_a_verdict(status: ExecutionStatus, verdict: MapRunStatus) -> None:
    found = summary_of(execution(status, error="E", cause="C", output="[1]"), None, FAILED)
    assert found.status is verdict
    assert found.output == ([1] if verdict is MapRunStatus.SUCCEEDED else None)
    why = (None, None) if verdict in (MapRunStatus.RUNNING, MapRunStatus.SUCCEEDED) else ("E", "C")
    assert (found.error, found.cause) == why
    assert MapRunSummary.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()


def test_what_the_map_run_shows_is_in_the_summary(step_functions: ScriptedStepFunctions) -> None:
    step_functions.clock = lambda: 1_790_000_000.25
    shown = ended(
        items={"succeeded": 20, "failed": 5, "resultsWritten": 25},
        executions={"succeeded": 4, "failed": 1, "resultsWritten": 5},
        max_concurrency=40,
        tolerated_failure_count=3,
        tolerated_failure_percentage=1.5,
    )
    ran = Ran(step_functions, Step(status="FAILED", error="E", cause="C", maps=[shown]))
    found = summary_of(ran.execution, ran.map_run, FAILED, manifest="s3://b/k", errors={"ValueError": 1}).to_dict()
    assert found["mapRunArn"] == ran.map_run.arn
    assert found["executionArn"] == ran.execution.arn
    assert found["startDate"] == found["stopDate"] == "2026-09-21T14:13:20.250Z"
    assert (found["itemCounts"]["failed"], found["executionCounts"]["total"]) == (5, 5)
    limits = (found["maxConcurrency"], found["toleratedFailureCount"], found["toleratedFailurePercentage"])
    assert limits == (40, 3, 1.5)
    assert (found["manifest"], found["errors"], found["redriveCount"]) == ("s3://b/k", {"ValueError": 1}, 0)


def test_without_a_map_run_there_are_no_items() -> None:
    found = summary_of(execution(ExecutionStatus.FAILED, error="States.Runtime", cause="no path"), None, FAILED)
    assert (found.map_run_arn, found.item_counts.total) == (None, 0)
    assert (found.start_date, found.stop_date) == ("2026-09-21T14:13:20.000Z", "2026-09-21T14:14:20.500Z")
    assert found.describe() == "map run FAILED: 0 items; States.Runtime: no path"


def test_a_map_run_alone_that_fails_says_where_the_reason_is(step_functions: ScriptedStepFunctions) -> None:
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[ended()]))
    found = summary_of(None, ran.map_run, FAILED)
    assert (found.status, found.error) == (MapRunStatus.FAILED, None)
    assert found.cause == f"{ran.map_run.arn} is FAILED: its execution says why"
    assert found.execution_arn == ran.execution.arn


def test_a_catch_that_made_good_for_the_map(step_functions: ScriptedStepFunctions) -> None:
    ran = Ran(step_functions, Step(status="SUCCEEDED", output={"caught": True}, maps=[ended()]))
    found = summary_of(ran.execution, ran.map_run, Judgement(Outcome.SUCCEEDED))
    assert (found.status, found.output, found.item_counts.failed) == (MapRunStatus.SUCCEEDED, {"caught": True}, 2)
    found.raise_for_status()


def test_a_condition_that_was_met(step_functions: ScriptedStepFunctions) -> None:
    ran = Ran(step_functions, Step(maps=[Map(items={"running": 1, "succeeded": 99})]))
    found = summary_of(ran.execution, ran.map_run, Judgement(Outcome.SUCCEED_WHEN, "succeeded >= 95%"))
    assert (found.status, found.stop_date, found.succeed_when) == (MapRunStatus.RUNNING, None, "succeeded >= 95%")
    found.raise_for_status()
    assert summary_of(ran.execution, ran.map_run, Judgement(Outcome.FAIL_WHEN, "failed > 1")).succeed_when is None


def test_an_output_that_is_too_large_says_what_to_do() -> None:
    cause = "The state/task 'Map' returned a result with a size exceeding the maximum number of bytes service limit."
    found = summary_of(execution(ExecutionStatus.FAILED, error="States.DataLimitExceeded", cause=cause), None, FAILED)
    assert found.cause is not None
    assert found.cause.startswith(cause)
    assert "give the map a ResultWriter" in found.cause
    with pytest.raises(DataLimitExceeded):
        found.raise_for_status()


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/map/abc is not authorized to perform: {action} on resource: "
    "arn:aws:states:us-east-1:123456789012:stateMachine:m because no identity-based policy allows the {action} action"
)


@pytest.mark.parametrize("action", ["states:StartExecution", "states:RedriveExecution", "s3:PutObject"])
def test_an_action_that_the_role_lacks_is_named(action: str) -> None:
    cause = DENIED.format(action=action)
    found = summary_of(execution(ExecutionStatus.FAILED, error="States.Runtime", cause=cause), None, FAILED)
    assert found.cause == f"{cause}; the role of the state machine lacks {action}: see policy_statements()"


def test_an_execution_that_ran_out_of_time() -> None:
    found = summary_of(execution(ExecutionStatus.TIMED_OUT), None, FAILED)
    assert (found.status, found.error) == (MapRunStatus.ABORTED, "States.Timeout")
    assert "TimeoutSeconds" in str(found.cause)


# The manifest


def test_the_output_names_the_manifest_wherever_it_stands(step_functions: ScriptedStepFunctions) -> None:
    exported = {
        "MapRunArn": f"arn:aws:states:us-east-1:123456789012:mapRun:m/Map:{UUID}",
        "ResultWriterDetails": {"Bucket": "b", "Key": f"p/{UUID}/manifest.json"},
    }
    ran = Ran(
        step_functions,
        Step(status="SUCCEEDED", output={"steps": [1, {"map": exported}]}, maps=[ended("SUCCEEDED")]),
    )
    assert ran.manifest() == f"s3://b/p/{UUID}/manifest.json"
    assert step_functions.calls == []


def test_the_output_of_another_map_run_says_nothing(step_functions: ScriptedStepFunctions) -> None:
    other = {"MapRunArn": "arn:other", "ResultWriterDetails": {"Bucket": "b", "Key": "other/manifest.json"}}
    ran = Ran(step_functions, Step(status="SUCCEEDED", output=other, maps=[ended("SUCCEEDED")]))
    assert ran.manifest() is None


@pytest.mark.parametrize(
    ("parameters", "manifest"),
    [
        ({"Bucket": "b", "Prefix": "p/q"}, f"s3://b/p/q/{UUID}/manifest.json"),
        ({"Bucket": "b", "Prefix": "p/"}, f"s3://b/p/{UUID}/manifest.json"),
        ({"Bucket": "b"}, f"s3://b/{UUID}/manifest.json"),
    ],
)
def test_a_failure_has_its_manifest_where_the_writer_says(
    parameters: dict[str, str], manifest: str, step_functions: ScriptedStepFunctions
) -> None:
    step = Step(status="FAILED", error="E", maps=[ended()])
    assert Ran(step_functions, step, {"Map": distributed(**writer(**parameters))}).manifest() == manifest


def test_a_map_run_alone_is_asked_for_its_execution(step_functions: ScriptedStepFunctions) -> None:
    step = Step(status="FAILED", error="E", maps=[ended()])
    ran = Ran(step_functions, step, {"Map": distributed(**writer(Bucket="b"))})
    assert find_manifest(ran.calls, None, ran.map_run) == f"s3://b/{UUID}/manifest.json"
    assert step_functions.operations() == ["DescribeExecution", "DescribeStateMachineForExecution"]


PATHS = {"Bucket.$": "$.to.bucket", "Prefix.$": "$.to.prefix"}


def test_paths_into_the_input_of_the_execution(step_functions: ScriptedStepFunctions) -> None:
    step = Step(status="FAILED", error="E", maps=[ended()])
    given = {"to": {"bucket": "b", "prefix": "p"}}
    ran = Ran(step_functions, step, {"Map": distributed(**writer(**PATHS))}, given)
    assert ran.manifest() == f"s3://b/p/{UUID}/manifest.json"
    assert "GetExecutionHistory" not in step_functions.operations()  # the input of the first state is known


def test_paths_into_the_input_of_a_later_state(step_functions: ScriptedStepFunctions) -> None:
    shown = ended(state="Map", state_input={"in": {"to": {"bucket": "b", "prefix": "p"}}})
    states = {
        "First": {"Type": "Pass", "Next": "Map"},
        "Map": distributed(InputPath="$.in", **writer(**PATHS)),
    }
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[shown]), states, {"to": {"bucket": "no"}})
    assert ran.manifest() == f"s3://b/p/{UUID}/manifest.json"
    assert step_functions.operations()[-1] == "GetExecutionHistory"


def test_paths_that_lead_nowhere(step_functions: ScriptedStepFunctions) -> None:
    step = Step(status="FAILED", error="E", maps=[ended()])
    assert Ran(step_functions, step, {"Map": distributed(**writer(**PATHS))}, {}).manifest() is None


def test_after_a_redrive(step_functions: ScriptedStepFunctions) -> None:
    """Recorded: the results of redrive 2 are in a folder Redrive-2 of the Map Run's."""
    step = Step(status="FAILED", error="E", maps=[ended()])
    states = {"Map": distributed(**writer(Bucket="b", Prefix="p"))}
    ran = Ran(step_functions, step, states, redrives=[step, step])
    assert ran.map_run.redrive_count == 2
    assert ran.manifest() == f"s3://b/p/{UUID}/Redrive-2/manifest.json"


def test_several_map_states_are_told_apart_by_their_labels(step_functions: ScriptedStepFunctions) -> None:
    states = {
        "First": distributed(Label="One", Next="Both", **writer(Bucket="first")),
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Second", "States": {"Second": distributed(Label="Two", **writer(Bucket="two"))}}],
            "Next": "Third",
        },
        "Third": distributed(**writer(Bucket="third")),
    }
    for label, bucket in (("One", "first"), ("Two", "two"), ("3318ddf7-9a0e-3259-a825-55a4e8e3e9b1", "third")):
        with ScriptedStepFunctions() as server:
            ran = Ran(server, Step(status="FAILED", error="E", maps=[ended(label=label)]), states)
            assert ran.manifest() == f"s3://{bucket}/{UUID}/manifest.json"


def test_several_map_states_without_labels_cannot_be_told_apart(step_functions: ScriptedStepFunctions) -> None:
    states = {
        "First": distributed(Next="Second", **writer(Bucket="first")),
        "Second": distributed(**writer(Bucket="second")),
    }
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[ended(label="made-by-aws")]), states)
    assert ran.manifest() is None


JSONATA_WRITER = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Arguments": {"Bucket": "{% $states.input.bucket %}", "Prefix": "p"},
}


@pytest.mark.parametrize(
    "fields",
    [
        {"QueryLanguage": "JSONata", "ResultWriter": JSONATA_WRITER},
        {"ResultWriter": {"WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}}},
        {},
    ],
    ids=["JSONata", "nothing is exported", "no writer"],
)
def test_a_manifest_that_is_nowhere_or_that_only_aws_knows(
    fields: dict[str, Any], step_functions: ScriptedStepFunctions
) -> None:
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[ended()]), {"Map": distributed(**fields)})
    assert ran.manifest() is None


def test_jsonata_with_a_literal_bucket(step_functions: ScriptedStepFunctions) -> None:
    fields = {"QueryLanguage": "JSONata", "ResultWriter": {**JSONATA_WRITER, "Arguments": {"Bucket": "b"}}}
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[ended()]), {"Map": distributed(**fields)})
    assert ran.manifest() == f"s3://b/{UUID}/manifest.json"


# The errors of the children


def record(number: int, status: str, error: str | None, cause: str | None = "c", **more: Any) -> dict[str, Any]:
    """A record of FAILED_n, with the fields that AWS's have."""
    said = {name: value for name, value in (("Cause", cause), ("Error", error)) if value is not None}
    name = f"00000000-0000-3000-8000-{number:012d}"
    return {
        **said,
        "ExecutionArn": f"arn:aws:states:us-east-1:123456789012:execution:m/Map:{name}",
        "Input": json.dumps({"number": number}),
        "InputDetails": {"Included": True},
        "Name": name,
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "REDRIVABLE_BY_MAP_RUN",
        "StartDate": "2026-09-23T22:59:51.865Z",
        "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m/Map",
        "Status": status,
        "StopDate": "2026-09-23T22:59:52.865Z",
        **more,
    }


RECORDS = [
    record(1, "FAILED", "ValueError"),
    record(2, "FAILED", "KeyError"),
    record(3, "TIMED_OUT", "States.Timeout", None),
    record(4, "ABORTED", None, "The map run execution which was managing this resource was aborted"),
    record(5, "FAILED", "ValueError"),
]


def put_results(
    endpoint: S3Endpoint, bucket: str, map_run_arn: str, files: dict[str, list[Any]], *, jsonl: bool = False
) -> str:
    """Write FAILED files and a manifest as AWS does, and return the manifest's URL."""
    client, listed = endpoint.client(), []
    for name, records in files.items():
        text = "".join(json.dumps(one) + "\n" for one in records) if jsonl else json.dumps(records)
        key = f"p/{UUID}/{name}"
        client.put_object(Bucket=bucket, Key=key, Body=text.encode())
        listed.append({"Key": key, "Size": len(text.encode())})
    manifest = {
        "DestinationBucket": bucket,
        "MapRunArn": map_run_arn,
        "ResultFiles": {"FAILED": listed, "PENDING": [], "SUCCEEDED": []},
    }
    client.put_object(Bucket=bucket, Key=f"p/{UUID}/manifest.json", Body=json.dumps(manifest).encode())
    return f"s3://{bucket}/p/{UUID}/manifest.json"


CHILDREN = [
    Child(status="SUCCEEDED", output=1),
    Child(status="FAILED", error="ValueError", cause="c"),
    Child(status="TIMED_OUT"),
    Child(status="ABORTED", cause="c"),
    Child(status="FAILED", error="ValueError", cause="c"),
    Child(status="FAILED", error="KeyError", cause="c"),
]


@pytest.fixture
def ran(step_functions: ScriptedStepFunctions) -> Ran:
    """A map with children that failed."""
    shown = ended(items={"succeeded": 1, "failed": 3, "timedOut": 1, "aborted": 1}, children=CHILDREN)
    return Ran(step_functions, Step(status="FAILED", error="E", maps=[shown]))


@pytest.mark.parametrize("jsonl", [False, True])
def test_errors_are_counted_from_the_result_files(
    jsonl: bool, ran: Ran, s3_server: S3Endpoint, s3_bucket: Callable[[], str]
) -> None:
    ending = "jsonl" if jsonl else "json"
    files = {f"FAILED_0.{ending}": RECORDS[:2], f"FAILED_1.{ending}": RECORDS[2:]}
    manifest = put_results(s3_server, s3_bucket(), ran.map_run.arn, files, jsonl=jsonl)
    found = count_errors(ran.calls, ran.map_run, manifest, on_s3(s3_server))
    assert list(found.items()) == [("ValueError", 2), ("KeyError", 1), ("States.Timeout", 1)]
    assert ran.server.calls == []  # no child had to be asked


def test_errors_are_counted_from_the_children(ran: Ran) -> None:
    found = count_errors(ran.calls, ran.map_run, None, Connections())
    assert found == {"ValueError": 2, "KeyError": 1, "States.Timeout": 1}
    assert next(iter(found)) == "ValueError"


def test_not_all_children_are_asked(step_functions: ScriptedStepFunctions) -> None:
    children = [Child(status="FAILED", error="E")] * 40 + [Child(status="TIMED_OUT", error="States.Timeout")] * 40
    shown = ended(items={"failed": 40, "timedOut": 40}, children=children)
    ran = Ran(step_functions, Step(status="FAILED", error="E", maps=[shown]))
    found = count_errors(ran.calls, ran.map_run, None, Connections())
    assert found == {"E": CHILDREN_LOOKED_AT, "States.Timeout": CHILDREN_LOOKED_AT}
    assert len(step_functions.called("DescribeExecution")) == 2 * CHILDREN_LOOKED_AT


@pytest.mark.parametrize("missing", ["manifest.json", "FAILED_1.json"])
def test_a_result_file_that_is_not_there(
    missing: str,
    ran: Ran,
    s3_server: S3Endpoint,
    s3_bucket: Callable[[], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = s3_bucket()
    files = {"FAILED_0.json": RECORDS[:2], "FAILED_1.json": RECORDS[2:]}
    manifest = put_results(s3_server, bucket, ran.map_run.arn, files)
    s3_server.client().delete_object(Bucket=bucket, Key=f"p/{UUID}/{missing}")
    with caplog.at_level(logging.INFO):
        found = count_errors(ran.calls, ran.map_run, manifest, on_s3(s3_server))
    assert found == {"ValueError": 2, "KeyError": 1, "States.Timeout": 1}  # of the children, and nothing twice
    assert "The result files cannot be read" in caplog.text
    assert missing in caplog.text


def test_a_manifest_that_is_none(ran: Ran, s3_server: S3Endpoint, s3_bucket: Callable[[], str]) -> None:
    bucket = s3_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="manifest.json", Body=b"[1]")
    found = count_errors(ran.calls, ran.map_run, f"s3://{bucket}/manifest.json", on_s3(s3_server))
    assert found["ValueError"] == 2


def test_children_that_may_not_be_listed(ran: Ran, caplog: pytest.LogCaptureFixture) -> None:
    ran.server.deny("ListExecutions")
    assert count_errors(ran.calls, ran.map_run, None, Connections()) == {}
    assert "Which errors the failed children had is not known: ListExecutions: AccessDenied" in caplog.text


def test_where_nothing_failed_nobody_is_asked(step_functions: ScriptedStepFunctions) -> None:
    shown = ended("SUCCEEDED", items={"succeeded": 3})
    ran = Ran(step_functions, Step(status="SUCCEEDED", output=[], maps=[shown]))
    assert count_errors(ran.calls, ran.map_run, "s3://nowhere/manifest.json", Connections()) == {}
    assert step_functions.calls == []
