"""The calls of Step Functions over HTTP: against a scripted server, and against two emulators for what they have."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_sfdm.aws.errors import (
    ExecutionNameTaken,
    InvalidStateMachine,
    NotFound,
    NotRedrivable,
    ServiceError,
)
from airflow_provider_sfdm.aws.state_machines import Change, StateMachineContent
from airflow_provider_sfdm.aws.step_functions import StepFunctions, same_input
from airflow_provider_sfdm.core.counters import MapRunStatus
from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.executions import ExecutionStatus, RedriveStatus
from airflow_provider_sfdm.core.map_run_updates import MapRunLimits
from tests.stepfunctions.scripted import Child, Map, ScriptedStepFunctions, Step, arn
from tools.servers import S3Endpoint

ROLE = "arn:aws:iam::123456789012:role/map"
DEFINITION: dict[str, Any] = {"StartAt": "Map", "States": {"Map": {"Type": "Map", "End": True}}}
OTHER: dict[str, Any] = {"StartAt": "Last", "States": {"Last": {"Type": "Succeed"}}}
CHANGES = {"CreateStateMachine", "UpdateStateMachine", "PublishStateMachineVersion", "TagResource"}


@pytest.fixture
def server() -> Iterator[ScriptedStepFunctions]:
    with ScriptedStepFunctions() as started:
        yield started


@pytest.fixture
def calls(server: ScriptedStepFunctions) -> StepFunctions:
    return StepFunctions(server.client())


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between its tries, up to seconds each."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


def content(definition: dict[str, Any] = DEFINITION, **fields: Any) -> StateMachineContent:
    return StateMachineContent(**{"name": "m", "definition": definition, "role_arn": ROLE, **fields})


def changes(server: ScriptedStepFunctions) -> list[str]:
    """The calls so far that change something; the next time from now on."""
    found = [name for name in server.operations() if name in CHANGES]
    server.calls.clear()
    return found


def started(server: ScriptedStepFunctions, calls: StepFunctions, *steps: Step, **options: Any) -> str:
    """The ARN of an execution that goes so, looked at once: its first step shows."""
    machine = server.add_machine("m")
    server.plan("m", steps, **options)
    execution = calls.start(machine, "e", "{}")
    calls.get_execution(execution)
    return execution


# State machines


def test_a_machine_is_made_once_and_then_left_alone(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    made = calls.create_or_update_state_machine(content(), publish=True)
    assert (made.change, made.arn) == (Change.CREATED, arn("stateMachine", "m"))
    assert made.start_arn == made.version_arn == made.arn + ":1"
    assert changes(server) == ["CreateStateMachine"]
    again = calls.create_or_update_state_machine(content(), publish=True)
    assert (again.change, again.version_arn) == (Change.UNCHANGED, made.version_arn)
    assert set(changes(server)) <= {"PublishStateMachineVersion"}


def test_the_order_and_the_spacing_of_a_definition_do_not_matter(
    server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    calls.create_or_update_state_machine(content())
    server.machines[arn("stateMachine", "m")].definition = json.dumps(dict(reversed(DEFINITION.items())), indent=2)
    assert calls.create_or_update_state_machine(content()).change is Change.UNCHANGED
    assert changes(server) == ["CreateStateMachine"]


def test_a_machine_without_a_version_is_started_by_its_own_arn(calls: StepFunctions) -> None:
    made = calls.create_or_update_state_machine(content())
    assert made.version_arn is None
    assert made.start_arn == made.arn


def test_another_definition_is_another_version(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    calls.create_or_update_state_machine(content(), publish=True)
    changed = calls.create_or_update_state_machine(content(OTHER), publish=True)
    assert (changed.change, changed.version_arn) == (Change.UPDATED, arn("stateMachine", "m:2"))
    assert json.loads(server.called("UpdateStateMachine")[0]["definition"]) == OTHER
    assert "roleArn" not in server.called("UpdateStateMachine")[0]
    same = calls.create_or_update_state_machine(content(OTHER), publish=True)
    assert (same.change, same.version_arn) == (Change.UNCHANGED, changed.version_arn)


def test_content_that_has_no_version_yet_gets_one(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    calls.create_or_update_state_machine(content())
    found = calls.create_or_update_state_machine(content(), publish=True)
    assert (found.change, found.version_arn) == (Change.UNCHANGED, arn("stateMachine", "m:1"))
    assert changes(server) == ["CreateStateMachine", "PublishStateMachineVersion"]


def test_another_role(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    calls.create_or_update_state_machine(content())
    changed = calls.create_or_update_state_machine(content(role_arn=ROLE + "2"))
    assert changed.change is Change.UPDATED
    assert server.called("UpdateStateMachine") == [{"stateMachineArn": changed.arn, "roleArn": ROLE + "2"}]
    # Nothing is said of the definition, so it is not validated again.
    assert len(server.called("ValidateStateMachineDefinition")) == 1


def test_what_is_no_role_is_refused_before_any_call(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    with pytest.raises(InvalidDefinition, match="role_arn: must be the ARN of an IAM role"):
        calls.create_or_update_state_machine(content(role_arn="map"))
    assert server.calls == []


def test_tags_are_set_and_others_left(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    calls.create_or_update_state_machine(content(tags={"team": "a"}))
    machine = server.machines[arn("stateMachine", "m")]
    assert machine.tags == {"team": "a"}
    machine.tags["by hand"] = "yes"
    changes(server)
    assert calls.create_or_update_state_machine(content(tags={"team": "a"})).change is Change.UNCHANGED
    assert changes(server) == []
    calls.create_or_update_state_machine(content(tags={"team": "b"}))
    assert changes(server) == ["TagResource"]
    assert machine.tags == {"team": "b", "by hand": "yes"}


def test_logging(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:maps:*"
    logging_to = {
        "level": "ERROR",
        "includeExecutionData": False,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
    calls.create_or_update_state_machine(content(logging_configuration=logging_to))
    machine = server.machines[arn("stateMachine", "m")]
    assert machine.logging == logging_to
    changes(server)
    calls.create_or_update_state_machine(content(logging_configuration=logging_to))
    calls.create_or_update_state_machine(content())  # says nothing of it, so it stays
    assert changes(server) == []
    quiet = {"level": "OFF", "includeExecutionData": False}
    changed = calls.create_or_update_state_machine(content(logging_configuration=quiet))
    assert (changed.change, machine.logging) == (Change.UPDATED, quiet)


def test_what_a_logging_configuration_leaves_out_is_no_change(
    server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:maps:*"
    logging_to = {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]}
    calls.create_or_update_state_machine(content(logging_configuration=logging_to))
    changes(server)
    # AWS shows includeExecutionData as well, which is False unless given.
    assert calls.create_or_update_state_machine(content(logging_configuration=logging_to)).change is Change.UNCHANGED
    assert changes(server) == []


def test_somebody_else_makes_the_machine_at_the_same_moment(
    server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    server.meanwhile("CreateStateMachine", lambda: server.add_machine("m", OTHER))
    made = calls.create_or_update_state_machine(content(), publish=True)
    assert made.change is Change.UPDATED
    assert json.loads(server.machines[made.arn].definition) == DEFINITION


@pytest.mark.parametrize("operation", ["CreateStateMachine", "UpdateStateMachine", "PublishStateMachineVersion"])
def test_a_conflict_is_tried_again(operation: str, server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    if operation != "CreateStateMachine":
        server.add_machine("m", OTHER if operation == "UpdateStateMachine" else DEFINITION)
    server.fail(operation, "ConflictException", "being changed")
    made = calls.create_or_update_state_machine(content(), publish=True)
    assert made.version_arn == arn("stateMachine", "m:1")
    assert len(server.called(operation)) == 2


def test_a_conflict_that_stays_is_an_error(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    server.fail("CreateStateMachine", "ConflictException", "being changed", times=None)
    with pytest.raises(ServiceError, match="ConflictException: being changed"):
        calls.create_or_update_state_machine(content())
    assert len(server.called("CreateStateMachine")) == 3


@pytest.mark.parametrize("revised", [False, True], ids=["first revision", "later revision"])
def test_a_version_is_of_the_content_that_was_compared(
    revised: bool, server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    calls.create_or_update_state_machine(content(OTHER if revised else DEFINITION))
    if revised:
        calls.create_or_update_state_machine(content(DEFINITION))
    machine = arn("stateMachine", "m")
    definition = json.dumps(OTHER)
    server.meanwhile(
        "PublishStateMachineVersion",
        lambda: server.UpdateStateMachine({"stateMachineArn": machine, "definition": definition}),
    )
    found = calls.create_or_update_state_machine(content(), publish=True)
    _, published, _ = server.machines[machine].versions[int(found.start_arn.rpartition(":")[2]) - 1]
    assert json.loads(published) == DEFINITION


FINDINGS = [
    {"severity": "ERROR", "code": "MISSING_TRANSITION_TARGET", "message": "No Next", "location": "/States/Map/Next"},
    {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": "Bad field"},
    {"severity": "WARNING", "code": "PASS_RESULT_IS_STATIC", "message": "Static", "location": "/States/Last"},
]


def test_all_findings_are_shown_by_location(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    server.diagnostics = FINDINGS
    with pytest.raises(InvalidStateMachine) as caught:
        calls.create_or_update_state_machine(content())
    assert "/States/Map/Next: No Next (MISSING_TRANSITION_TARGET); Bad field (SCHEMA_VALI" in str(caught.value)
    assert [one.severity for one in caught.value.diagnostics] == ["ERROR", "ERROR", "WARNING"]
    assert server.called("CreateStateMachine") == []


def test_warnings_are_returned_and_logged(
    server: ScriptedStepFunctions, calls: StepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    server.diagnostics = FINDINGS[2:]
    (warning,) = calls.validate_state_machine(DEFINITION)
    assert (warning.location, warning.message) == ("/States/Last", "Static")
    assert calls.validate_state_machine(json.dumps(DEFINITION)) == [warning]
    calls.create_or_update_state_machine(content())
    assert "m: /States/Last: Static (PASS_RESULT_IS_STATIC)" in caplog.messages


def test_a_definition_that_was_not_validated_is_refused_at_the_latest_when_it_is_made(
    server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    server.diagnostics = FINDINGS
    with pytest.raises(InvalidStateMachine, match="/States/Map/Next") as caught:
        calls.create_or_update_state_machine(content(), validate=False)
    assert caught.value.operation == "CreateStateMachine"
    assert server.called("ValidateStateMachineDefinition") == []


def test_who_may_not_validate_may_still_create(
    server: ScriptedStepFunctions, calls: StepFunctions, caplog: pytest.LogCaptureFixture
) -> None:
    server.deny("ValidateStateMachineDefinition")
    with caplog.at_level(logging.INFO):
        assert calls.create_or_update_state_machine(content()).change is Change.CREATED
    assert "could not be validated beforehand" in caplog.text


# Executions


def test_the_same_start_again_finds_the_execution(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    machine = server.add_machine("m")
    execution = calls.start(machine, "e", '{"a": 1}')
    assert execution == arn("execution", "m:e")
    assert calls.start(machine, "e", '{"a": 1}') == execution
    # The service compares texts; what is the same JSON is the same input here.
    assert calls.start(machine, "e", '{"a":1}') == execution
    assert server.executions == ["e"]


def test_a_name_that_is_taken(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    machine = server.add_machine("m")
    calls.start(machine, "e", "[1]")
    with pytest.raises(ExecutionNameTaken, match=r"m:e is running with another input; give another execution_name"):
        calls.start(machine, "e", "[2]")
    calls.stop(arn("execution", "m:e"), "E", "C")
    with pytest.raises(ExecutionNameTaken, match=r"m:e has ended \(ABORTED\), and its name .* after 90 days"):
        calls.start(machine, "e", "[1]")


def test_the_version_that_was_started_is_known(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    made = calls.create_or_update_state_machine(content(), publish=True)
    execution = calls.get_execution(calls.start(made.start_arn, "e", "{}"))
    assert execution.version_arn == made.version_arn
    assert execution.arn == arn("execution", "m:e")


def test_an_execution_that_is_described(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    server.clock = lambda: 1_790_000_000.25
    arn_ = started(server, calls, Step(status="FAILED", error="E", cause="C"))
    execution = calls.get_execution(arn_)
    assert (execution.status, execution.error, execution.cause) == (ExecutionStatus.FAILED, "E", "C")
    assert execution.start == execution.stop == execution.began == 1_790_000_000.25
    assert (execution.redrive_status, execution.redrive_count) == (RedriveStatus.REDRIVABLE, 0)
    assert (execution.input, execution.output) == ("{}", None)
    assert same_input(execution, " { } ")


def test_an_execution_that_is_not_there(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    server.add_machine("m")
    assert calls.find_execution(arn("execution", "m:e")) is None
    with pytest.raises(NotFound, match="DescribeExecution: ExecutionDoesNotExist"):
        calls.get_execution(arn("execution", "m:e"))
    with pytest.raises(NotFound, match="StateMachineDoesNotExist"):
        calls.start(arn("stateMachine", "n"), "e", "{}")


MACHINE, EXECUTION, MAP_RUN = arn("stateMachine", "m"), arn("execution", "m:e"), arn("mapRun", "m/Map:1")
CHILD, EXPRESS = arn("execution", "m/Map:1"), arn("express", "m/Map:1:2")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda c: c.start(EXECUTION, "e", "{}"), "must be the ARN of a state machine; .* is that of an execution"),
        (lambda c: c.start(MACHINE + "/Map", "e", "{}"), "that of a Distributed Map state"),
        (lambda c: c.get_execution(MAP_RUN), "must be the ARN of an execution or a child .* that of a Map Run"),
        (lambda c: c.stop(MACHINE, "E", "C"), "is that of a state machine"),
        (lambda c: c.redrive(CHILD), "must be the ARN of an execution; .* is that of a child execution"),
        (lambda c: c.redrive(EXPRESS), "is that of a child execution"),
        (lambda c: c.get_map_run(EXECUTION), "must be the ARN of a Map Run; .* is that of an execution"),
        (lambda c: c.update_map_run(EXECUTION, MapRunLimits(max_concurrency=1)), "is that of an execution"),
        (lambda c: list(c.list_children(EXECUTION)), "is that of an execution"),
        (lambda c: c.get_execution("m"), "must be the ARN of"),
    ],
)
def test_arns_of_the_wrong_kind_are_refused_before_any_call(
    call: Callable[[StepFunctions], object], problem: str, server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    with pytest.raises(InvalidDefinition, match=problem):
        call(calls)
    assert server.calls == []


def test_a_stop_and_what_it_says(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step())
    assert calls.stop(execution, "E" * 300, "C" * 40_000)
    found = calls.get_execution(execution)
    assert found.status is ExecutionStatus.ABORTED
    assert (found.error, found.cause) == ("E" * 256, "C" * 32_768)
    assert not calls.stop(execution, "E2", "C2")  # it has ended already
    assert not calls.stop(arn("execution", "m:other"), "E", "C")  # there is none
    found = calls.get_execution(execution)
    assert found.error == "E" * 256


def test_a_stop_that_is_refused_for_another_reason(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step())
    server.fail("StopExecution", "ValidationException", "of something else")
    with pytest.raises(ServiceError, match="of something else"):
        calls.stop(execution, "E", "C")


def test_a_redrive_and_its_token(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step(status="FAILED", error="E"))
    calls.redrive(execution, "token")
    calls.redrive(execution, "token")
    found = calls.get_execution(execution)
    assert (found.status, found.redrive_count) == (ExecutionStatus.RUNNING, 1)
    assert found.redrive_date == found.began
    assert [request["clientToken"] for request in server.called("RedriveExecution")] == ["token", "token"]
    with pytest.raises(NotRedrivable, match="Execution is RUNNING and cannot be redriven"):
        calls.redrive(execution)


def test_what_aws_does_not_redrive(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step(status="FAILED", not_redrivable="Execution exceeded the redrivable period"))
    found = calls.get_execution(execution)
    assert found.redrive_status is RedriveStatus.NOT_REDRIVABLE
    assert found.redrive_reason == "Execution exceeded the redrivable period"
    with pytest.raises(NotRedrivable) as caught:
        calls.redrive(execution)
    assert caught.value.reason == "Execution exceeded the redrivable period"


# Map Runs


def test_map_runs_over_several_pages_the_newest_first(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    now = iter(range(1_790_000_000, 1_790_001_000))
    server.clock = lambda: next(now)
    several = [Map(label=f"Map{number}") for number in range(5)]
    execution = started(server, calls, Step(maps=several))
    labels = [run.arn.split("/")[1].split(":")[0] for run in calls.list_map_runs(execution)]
    assert labels == ["Map4", "Map3", "Map2", "Map1", "Map0"]
    assert len(server.called("ListMapRuns")) == 3


def test_a_map_run(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    shown = Map(
        items={"succeeded": 7, "failed": 3, "pending": 90},
        executions={"succeeded": 1, "failed": 1, "pending": 9},
        max_concurrency=40,
        tolerated_failure_count=5,
        tolerated_failure_percentage=1.1,
    )
    execution = started(server, calls, Step(maps=[shown]), Step(status="ABORTED", maps=[shown]))
    (listed,) = calls.list_map_runs(execution)
    map_run = calls.get_map_run(listed.arn)
    assert (map_run.status, map_run.execution_arn, map_run.stop) == (MapRunStatus.RUNNING, execution, None)
    assert (map_run.item_counts.succeeded, map_run.item_counts.total) == (7, 100)
    assert (map_run.execution_counts.failed, map_run.execution_counts.total) == (1, 11)
    limits = (map_run.max_concurrency, map_run.tolerated_failure_count, map_run.tolerated_failure_percentage)
    assert limits == (40, 5, 1.1)
    with pytest.raises(NotFound, match="DescribeMapRun: ResourceNotFound"):
        calls.get_map_run(MAP_RUN)


def test_limits_are_changed_while_it_runs(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    running = Map(max_concurrency=10, tolerated_failure_count=3)
    execution = started(server, calls, Step(maps=[running]), Step(status="SUCCEEDED", maps=[Map(status="SUCCEEDED")]))
    (listed,) = calls.list_map_runs(execution)
    calls.update_map_run(listed.arn, MapRunLimits(max_concurrency=0, tolerated_failure_percentage=2.5))
    map_run = calls.get_map_run(listed.arn)
    limits = (map_run.max_concurrency, map_run.tolerated_failure_count, map_run.tolerated_failure_percentage)
    assert limits == (0, 3, 2.5)
    with pytest.raises(InvalidDefinition, match="give max_concurrency"):
        calls.update_map_run(listed.arn, MapRunLimits())
    server.advance(execution)
    with pytest.raises(ServiceError, match="ValidationException"):
        calls.update_map_run(listed.arn, MapRunLimits(max_concurrency=1))


def test_children_by_status_with_their_errors(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    children = [
        Child(status="SUCCEEDED", output=1),
        Child(status="FAILED", error="ValueError", cause="7", items=3),
        Child(status="FAILED", error="KeyError", cause="8"),
        Child(status="TIMED_OUT"),
        Child(status="FAILED", error="ValueError", cause="9"),
        Child(),
    ]
    execution = started(server, calls, Step(maps=[Map(items={"failed": 5}, children=children)]))
    (listed,) = calls.list_map_runs(execution)
    failed = list(calls.list_children(listed.arn, "FAILED", described=True))
    assert [(child.error, child.cause, child.items) for child in failed] == [
        ("ValueError", "9", 1),
        ("KeyError", "8", 1),
        ("ValueError", "7", 3),
    ]
    server.calls.clear()
    statuses = [child.status for child in calls.list_children(listed.arn)]
    assert statuses == ["RUNNING", "FAILED", "TIMED_OUT", "FAILED", "FAILED", "SUCCEEDED"]
    assert server.operations() == ["ListExecutions"] * 3
    assert [child.error for child in calls.list_children(listed.arn, ExecutionStatus.TIMED_OUT)] == [None]


def test_children_are_listed_lazily(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    children = [Child(status="FAILED", error="E")] * 7
    execution = started(server, calls, Step(maps=[Map(items={"failed": 7}, children=children)]))
    (listed,) = calls.list_map_runs(execution)
    server.calls.clear()
    assert next(calls.list_children(listed.arn, "FAILED", described=True)).error == "E"
    assert server.operations() == ["ListExecutions", "DescribeExecution"]


def test_express_children_and_nested_maps(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    nested = Child(maps=[Map(label="Inner", items={"running": 1})])
    express = Child(status="FAILED", error="E", express=True)
    execution = started(server, calls, Step(maps=[Map(items={"running": 2}, children=[nested, express])]))
    (listed,) = calls.list_map_runs(execution)
    second, first = calls.list_children(listed.arn, described=True)
    assert (second.error, ":express:" in second.arn) == ("E", True)
    assert calls.get_execution(second.arn).redrive_status is RedriveStatus.REDRIVABLE_BY_MAP_RUN
    (inner,) = calls.list_map_runs(first.arn)
    assert calls.get_map_run(inner.arn).execution_arn == first.arn


def test_the_definition_and_a_state_s_input(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step(maps=[Map(state="Map", state_input={"p": 1})]))
    assert calls.definition_of(execution) == DEFINITION
    assert calls.state_input(execution, "Map") == '{"p": 1}'
    assert calls.state_input(execution, "Other") is None


# What goes wrong on the way


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize(
    "operation",
    [
        "CreateStateMachine",
        "UpdateStateMachine",
        "PublishStateMachineVersion",
        "TagResource",
        "StartExecution",
        "UpdateMapRun",
        "StopExecution",
        "RedriveExecution",
    ],
)
def test_a_connection_that_breaks_in_a_call_that_changes_something(
    operation: str, after: bool, server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    """botocore makes the call again, and what it does is done once."""
    server.plan("m", [Step(maps=[Map()])])
    server.reset(operation, after=after)
    made = calls.create_or_update_state_machine(content(), publish=operation != "PublishStateMachineVersion")
    made = calls.create_or_update_state_machine(content(tags={"t": "1"}), publish=True)
    changed = calls.create_or_update_state_machine(content(OTHER, tags={"t": "1"}), publish=True)
    assert (made.version_arn, changed.version_arn) == (MACHINE + ":1", MACHINE + ":2")
    execution = calls.start(changed.start_arn, "e", "{}")
    calls.get_execution(execution)
    (listed,) = calls.list_map_runs(execution)
    calls.update_map_run(listed.arn, MapRunLimits(max_concurrency=5))
    stopped = calls.stop(execution, "E", "C")
    calls.redrive(execution, "token")
    found = calls.get_execution(execution)

    assert stopped, "the second try of a stop that took effect finds the execution ended, by this very stop"
    assert len(server.called(operation)) == 2  # once each, and once more
    assert server.executions == ["e"]
    assert len(server.machines[MACHINE].versions) == 2
    assert server.machines[MACHINE].tags == {"t": "1"}
    assert server.map_runs[listed.arn].limits["maxConcurrency"] == 5
    assert found.redrive_count == 1


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("operation", ["DescribeExecution", "ListMapRuns", "DescribeMapRun", "ListExecutions"])
def test_a_connection_that_breaks_in_a_call_that_reads(
    operation: str, server: ScriptedStepFunctions, calls: StepFunctions
) -> None:
    server.reset(operation, after=True)
    execution = started(server, calls, Step(maps=[Map(children=[Child()])]))
    (listed,) = calls.list_map_runs(execution)
    calls.get_map_run(listed.arn)
    assert len(list(calls.list_children(listed.arn))) == 1
    assert len(server.called(operation)) == 2


@pytest.mark.usefixtures("no_pauses")
def test_a_redrive_without_a_token_has_one_of_botocore_s(server: ScriptedStepFunctions, calls: StepFunctions) -> None:
    execution = started(server, calls, Step(status="FAILED"))
    server.reset("RedriveExecution", after=True)
    calls.redrive(execution)
    assert calls.get_execution(execution).redrive_count == 1


# Emulators


def numbers_machine(name: str, account: str, *, label: str = "Numbers", seconds: int = 0) -> StateMachineContent:
    """A map over ``$.items`` whose child 13 fails, and which tolerates that."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Pause",
        "States": {
            "Pause": {"Type": "Wait", "Seconds": seconds, "Next": "Bad?"},
            "Bad?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$", "NumericEquals": 13, "Next": "Bad"}],
                "Default": "Good",
            },
            "Bad": {"Type": "Fail", "Error": "Unlucky", "Cause": "it is 13"},
            "Good": {"Type": "Pass", "End": True},
        },
    }
    state = {
        "Type": "Map",
        "Label": label,
        "ItemsPath": "$.items",
        "ItemProcessor": processor,
        "ToleratedFailurePercentage": 100,
        "End": True,
    }
    definition = {"StartAt": "Map", "States": {"Map": state}}
    return StateMachineContent(
        name=name, definition=definition, role_arn=f"arn:aws:iam::{account}:role/map", tags={"team": "a"}
    )


def until_ended(calls: StepFunctions, execution: str, seconds: float = 30) -> ExecutionStatus:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = calls.get_execution(execution)
        if found.status.ended:
            return found.status
        time.sleep(0.1)
    raise AssertionError(f"{execution} has not ended within {seconds} seconds")


def test_the_whole_way_on_ministack(ministack: S3Endpoint) -> None:
    calls = StepFunctions(ministack.states_client())
    machine = numbers_machine(f"m-{uuid.uuid4()}", "000000000000")
    made = calls.create_or_update_state_machine(machine)
    assert made.change is Change.CREATED
    assert calls.create_or_update_state_machine(machine).change is Change.UNCHANGED
    execution = calls.start(made.start_arn, "e", '{"items": [12, 13, 14]}')
    assert calls.start(made.start_arn, "e", '{"items": [12, 13, 14]}') == execution
    assert until_ended(calls, execution) is ExecutionStatus.SUCCEEDED
    found = calls.get_execution(execution)
    assert found.output is not None
    (listed,) = calls.list_map_runs(execution)
    map_run = calls.get_map_run(listed.arn)
    assert (map_run.status, map_run.execution_arn) == (MapRunStatus.SUCCEEDED, execution)
    assert (map_run.item_counts.succeeded, map_run.item_counts.failed, map_run.item_counts.total) == (2, 1, 3)
    (failed,) = calls.list_children(listed.arn, "FAILED", described=True)
    assert (failed.error, failed.cause) == ("Unlucky", "it is 13")
    assert len(list(calls.list_children(listed.arn))) == 3
    assert not calls.stop(execution, "E", "C")
    with pytest.raises(ExecutionNameTaken, match="has ended"):
        calls.start(made.start_arn, "e", '{"items": []}')


def test_a_running_map_on_ministack_is_changed_and_stopped(ministack: S3Endpoint) -> None:
    calls = StepFunctions(ministack.states_client())
    made = calls.create_or_update_state_machine(numbers_machine(f"m-{uuid.uuid4()}", "000000000000", seconds=20))
    execution = calls.start(made.start_arn, "e", '{"items": [1, 2]}')
    end = time.monotonic() + 10
    while not (listed := list(calls.list_map_runs(execution))) and time.monotonic() < end:
        time.sleep(0.1)
    calls.update_map_run(listed[0].arn, MapRunLimits(max_concurrency=7))
    assert calls.get_map_run(listed[0].arn).max_concurrency == 7
    with pytest.raises(ExecutionNameTaken, match="running with another input"):
        calls.start(made.start_arn, "e", '{"items": [1]}')
    assert calls.stop(execution, "E", "C")
    found = calls.get_execution(execution)
    assert (found.status, found.error, found.cause) == (ExecutionStatus.ABORTED, "E", "C")


def test_starts_on_moto(moto_server: S3Endpoint) -> None:
    calls = StepFunctions(moto_server.states_client())
    pause = {"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 20, "End": True}}}
    machine = content(pause, name=f"m-{uuid.uuid4()}")
    made = calls.create_or_update_state_machine(machine, validate=False)
    assert calls.create_or_update_state_machine(machine, validate=False).change is Change.UNCHANGED
    execution = calls.start(made.start_arn, "e", "{}")
    assert calls.start(made.start_arn, "e", "{}") == execution
    with pytest.raises(ExecutionNameTaken, match="another input"):
        calls.start(made.start_arn, "e", "[]")
    with pytest.raises(ServiceError, match="InvalidArn"):
        calls.list_map_runs("m")
    assert calls.stop(execution, "E", "C")
    with pytest.raises(NotFound):
        calls.get_execution(execution + "2")


def test_an_execution_on_moto_that_is_out_of_time(moto_server: S3Endpoint) -> None:
    calls = StepFunctions(moto_server.states_client())
    pause = {
        "StartAt": "Pause",
        "TimeoutSeconds": 1,
        "States": {"Pause": {"Type": "Wait", "Seconds": 20, "End": True}},
    }
    made = calls.create_or_update_state_machine(content(pause, name=f"m-{uuid.uuid4()}"), validate=False)
    execution = calls.start(made.start_arn, "e", "{}")
    assert until_ended(calls, execution) is ExecutionStatus.TIMED_OUT
