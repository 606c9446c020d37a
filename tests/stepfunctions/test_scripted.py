"""The scripted server itself: it gives no answer that AWS's model does not have, and keeps AWS's rules."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tests.stepfunctions.scripted import ONCE, Child, Map, Refused, ScriptedStepFunctions, Step, arn

DEFINITION = json.dumps({"StartAt": "Map", "States": {"Map": {"Type": "Map", "End": True}}})
OTHER = json.dumps({"StartAt": "Last", "States": {"Last": {"Type": "Succeed"}}})
ROLE = "arn:aws:iam::123456789012:role/map"


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_an_answer_that_is_not_of_the_model_is_a_slip(step_functions: ScriptedStepFunctions) -> None:
    client = step_functions.client()
    machine = step_functions.add_machine("m")
    step_functions.plan("m", [Step(status="DONE")])
    execution = client.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    with pytest.raises(ClientError, match="DONE") as caught:
        client.describe_execution(executionArn=execution)
    assert code_of(caught) == "ScriptSlip"
    assert "must be one of RUNNING" in step_functions.slips[0]
    step_functions.slips.clear()


def test_leaving_the_server_raises_what_slipped() -> None:
    with pytest.raises(AssertionError, match="not of the model"), ScriptedStepFunctions() as server:
        machine = server.add_machine("m")
        server.plan("m", [Step(status="FAILED", error=7)])  # type: ignore[arg-type]  # that is the point
        execution = server.client().start_execution(stateMachineArn=machine, name="e")["executionArn"]
        with pytest.raises(ClientError):
            server.client().describe_execution(executionArn=execution)


def test_an_error_that_the_operation_does_not_have_is_a_slip(
    step_functions: ScriptedStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: object) -> None:
        raise Refused("ExecutionDoesNotExist", "no")

    monkeypatch.setattr(step_functions, "DescribeMapRun", refuse)
    with pytest.raises(ClientError) as caught:
        step_functions.client().describe_map_run(mapRunArn=arn("mapRun", "m/Map:1"))
    assert code_of(caught) == "ScriptSlip"
    assert "DescribeMapRun has no error ExecutionDoesNotExist" in step_functions.slips.pop()


def test_creating_is_idempotent_by_content_and_updating_makes_revisions(
    step_functions: ScriptedStepFunctions,
) -> None:
    client = step_functions.client()
    made = client.create_state_machine(name="m", definition=DEFINITION, roleArn=ROLE, publish=True)
    again = client.create_state_machine(name="m", definition=DEFINITION, roleArn=ROLE + "2", publish=True)
    assert again["stateMachineVersionArn"] == made["stateMachineVersionArn"] == made["stateMachineArn"] + ":1"
    with pytest.raises(ClientError) as caught:
        client.create_state_machine(name="m", definition=OTHER, roleArn=ROLE)
    assert code_of(caught) == "StateMachineAlreadyExists"
    machine = made["stateMachineArn"]
    assert "revisionId" not in client.describe_state_machine(stateMachineArn=machine)
    updated = client.update_state_machine(stateMachineArn=machine, definition=OTHER, publish=True)
    assert updated["stateMachineVersionArn"] == machine + ":2"
    published = client.publish_state_machine_version(stateMachineArn=machine, revisionId=updated["revisionId"])
    assert published["stateMachineVersionArn"] == machine + ":2"
    with pytest.raises(ClientError) as caught:
        client.publish_state_machine_version(stateMachineArn=machine, revisionId="INITIAL")
    assert code_of(caught) == "ConflictException"
    assert client.describe_state_machine(stateMachineArn=machine + ":1")["definition"] == DEFINITION


def test_starting_is_idempotent_while_the_execution_runs(step_functions: ScriptedStepFunctions) -> None:
    client = step_functions.client()
    machine = step_functions.add_machine("m")
    started = client.start_execution(stateMachineArn=machine, name="e", input="[1]")
    assert client.start_execution(stateMachineArn=machine, name="e", input="[1]")["startDate"] == started["startDate"]
    with pytest.raises(ClientError) as caught:
        client.start_execution(stateMachineArn=machine, name="e", input="[2]")
    assert code_of(caught) == "ExecutionAlreadyExists"
    client.stop_execution(executionArn=started["executionArn"])
    with pytest.raises(ClientError) as caught:
        client.start_execution(stateMachineArn=machine, name="e", input="[1]")
    assert code_of(caught) == "ExecutionAlreadyExists"


def test_a_stop_aborts_what_runs_and_a_redrive_goes_on_with_the_same_map_run(
    step_functions: ScriptedStepFunctions,
) -> None:
    client = step_functions.client()
    machine = step_functions.add_machine("m")
    running = Map(
        items={"pending": 1, "running": 1, "succeeded": 1}, children=[Child(status="SUCCEEDED", output=1), Child()]
    )
    done = Map(status="SUCCEEDED", items={"succeeded": 3}, children=[Child(status="SUCCEEDED", output=1)] * 3)
    step_functions.plan(
        "m",
        [Step(maps=[running])],
        redrives=[[Step(maps=[running]), Step(status="SUCCEEDED", output=[1, 1, 1], maps=[done])]],
        stale=1,
    )
    execution = client.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    client.describe_execution(executionArn=execution)
    (listed,) = client.list_map_runs(executionArn=execution)["mapRuns"]
    client.stop_execution(executionArn=execution, error="E", cause="C")
    map_run = client.describe_map_run(mapRunArn=listed["mapRunArn"])
    assert map_run["status"] == "ABORTED"
    assert (map_run["itemCounts"]["aborted"], map_run["itemCounts"]["pending"]) == (1, 1)
    assert map_run["itemCounts"]["resultsWritten"] == map_run["itemCounts"]["total"] == 3
    first = client.redrive_execution(executionArn=execution, clientToken="t")
    assert client.redrive_execution(executionArn=execution, clientToken="t")["redriveDate"] == first["redriveDate"]
    with pytest.raises(ClientError, match="RUNNING and cannot be redriven"):
        client.redrive_execution(executionArn=execution)
    seen = [client.describe_execution(executionArn=execution) for _ in range(3)]
    assert [(one["status"], one["redriveCount"]) for one in seen] == [("ABORTED", 0), ("RUNNING", 1), ("SUCCEEDED", 1)]
    map_run = client.describe_map_run(mapRunArn=listed["mapRunArn"])
    assert (map_run["status"], map_run["redriveCount"], map_run["itemCounts"]["succeeded"]) == ("SUCCEEDED", 1, 3)
    assert len(client.list_executions(mapRunArn=listed["mapRunArn"])["executions"]) == 2  # a page


def test_the_children_of_a_redrive_are_the_same_ones(step_functions: ScriptedStepFunctions) -> None:
    client = step_functions.client()
    machine = step_functions.add_machine("m")
    failed = Map(status="FAILED", items={"failed": 1}, children=[Child(status="FAILED", error="E")])
    again = Map(items={"running": 1}, children=[Child()])
    step_functions.plan(
        "m", [Step(status="FAILED", error="E", maps=[failed])], redrives=[[Step(maps=[again])]], moves_on=None
    )
    execution = client.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    (listed,) = client.list_map_runs(executionArn=execution)["mapRuns"]
    (before,) = client.list_executions(mapRunArn=listed["mapRunArn"])["executions"]
    with pytest.raises(ClientError, match="Labeled Execution ARNs are not supported"):
        client.redrive_execution(executionArn=before["executionArn"])
    client.redrive_execution(executionArn=execution)
    (after,) = client.list_executions(mapRunArn=listed["mapRunArn"])["executions"]
    assert (before["status"], before["redriveCount"]) == ("FAILED", 0)
    assert (after["status"], after["redriveCount"], after["executionArn"]) == ("RUNNING", 1, before["executionArn"])


def test_arns_of_the_wrong_kind_and_of_nothing(step_functions: ScriptedStepFunctions) -> None:
    client = step_functions.client()
    refusals = []
    for execution in (arn("execution", "m:e"), arn("mapRun", "m/Map:1"), "m"):
        with pytest.raises(ClientError) as caught:
            client.list_map_runs(executionArn=execution)
        refusals.append(code_of(caught))
    for map_run in (arn("mapRun", "m/Map:1"), arn("execution", "m:e")):
        with pytest.raises(ClientError) as caught:
            client.describe_map_run(mapRunArn=map_run)
        refusals.append(code_of(caught))
    assert refusals == ["ExecutionDoesNotExist", "InvalidArn", "InvalidArn", "ResourceNotFound", "InvalidArn"]


def test_nested_map_runs_belong_to_their_child(step_functions: ScriptedStepFunctions) -> None:
    client = step_functions.client()
    machine = step_functions.add_machine("m")
    inner = Map(label="Inner", items={"running": 5})
    step_functions.plan("m", [Step(maps=[Map(label="Outer", items={"running": 1}, children=[Child(maps=[inner])])])])
    execution = client.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    client.describe_execution(executionArn=execution)
    (outer,) = client.list_map_runs(executionArn=execution)["mapRuns"]
    (child,) = client.list_executions(mapRunArn=outer["mapRunArn"])["executions"]
    (nested,) = client.list_map_runs(executionArn=child["executionArn"])["mapRuns"]
    assert client.describe_map_run(mapRunArn=nested["mapRunArn"])["itemCounts"]["running"] == 5
    described = client.describe_state_machine_for_execution(executionArn=child["executionArn"])
    assert (described["mapRunArn"], described["label"]) == (outer["mapRunArn"], "Outer")


def test_an_execution_may_be_run_by_a_function(step_functions: ScriptedStepFunctions) -> None:
    def run(definition: dict[str, object], given: object) -> Step:
        assert isinstance(given, list)
        done = Map(status="SUCCEEDED", items={"succeeded": len(given)})
        return Step(status="SUCCEEDED", output=[definition["StartAt"], *given], maps=[done])

    client = step_functions.client()
    machine = step_functions.add_machine("m")
    step_functions.plan("m", run)
    execution = client.start_execution(stateMachineArn=machine, name="e", input="[1, 2]")["executionArn"]
    assert json.loads(client.describe_execution(executionArn=execution)["output"]) == ["Map", 1, 2]
    (listed,) = client.list_map_runs(executionArn=execution)["mapRuns"]
    assert client.describe_map_run(mapRunArn=listed["mapRunArn"])["itemCounts"]["total"] == 2


@pytest.mark.parametrize(("after", "started"), [(True, ["e"]), (False, [])])
def test_a_reset_comes_before_or_after_the_effect(
    after: bool, started: list[str], step_functions: ScriptedStepFunctions
) -> None:
    machine = step_functions.add_machine("m")
    step_functions.reset("StartExecution", after=after)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        step_functions.client(ONCE).start_execution(stateMachineArn=machine, name="e")
    assert step_functions.executions == started
    assert step_functions.client(ONCE).start_execution(stateMachineArn=machine, name="e")["executionArn"]
    assert step_functions.executions == ["e"]
