"""Single states: input and output processing, in both query languages."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.states.identity import Identity
from tests.states.helpers import START, Service, World, failing, failure, jsonata, machine, output, run

WHERE = "An error occurred while executing the state 'A' (entered at the event id #2). "
LINES = [{"sku": "a"}, {"sku": "b"}]
ORDER: dict[str, Any] = {"order": {"id": 7, "lines": LINES}, "note": "hi"}
REPLACED = {"order": {"id": 1, "lines": LINES}, "note": "hi"}

PASSES: list[tuple[str, dict[str, Any], Any]] = [
    ("nothing", {}, ORDER),
    ("Result", {"Result": {"x": 1}}, {"x": 1}),
    ("Result null", {"Result": None}, None),
    ("Result is no template", {"Result": {"x.$": "$.order"}}, {"x.$": "$.order"}),
    ("InputPath", {"InputPath": "$.order.id"}, 7),
    ("InputPath null", {"InputPath": None}, {}),
    ("OutputPath", {"OutputPath": "$.order.lines[1]"}, {"sku": "b"}),
    ("OutputPath null", {"OutputPath": None}, {}),
    ("ResultPath new", {"Result": 1, "ResultPath": "$.a.b"}, {**ORDER, "a": {"b": 1}}),
    ("ResultPath over", {"Result": 1, "ResultPath": "$.order.id"}, REPLACED),
    ("ResultPath null", {"Result": 1, "ResultPath": None}, ORDER),
    (
        "ResultPath array",
        {"Result": 1, "ResultPath": "$.order.lines[0]", "OutputPath": "$.order.lines"},
        [1, {"sku": "b"}],
    ),
    ("Parameters", {"Parameters": {"n.$": "$.order.id", "k": "$.order.id"}}, {"n": 7, "k": "$.order.id"}),
    ("Parameters of InputPath", {"InputPath": "$.order", "Parameters": {"n.$": "$.id"}}, {"n": 7}),
    ("Parameters in arrays", {"Parameters": {"l": [{"n.$": "$.note"}, 1]}}, {"l": [{"n": "hi"}, 1]}),
    ("several", {"Parameters": {"s.$": "$.order.lines[*].sku"}}, {"s": ["a", "b"]}),
    ("none of several", {"Parameters": {"s.$": "$.order.none[*].sku"}}, {"s": []}),
    ("an index too far", {"Parameters": {"s.$": "$.order.lines[9]"}}, {"s": None}),
    ("a function", {"Parameters": {"s.$": "States.Format('{}-{}', $.note, $.order.id)"}}, {"s": "hi-7"}),
    ("context", {"Parameters": {"s.$": "$$.State.Name"}}, {"s": "A"}),
]


@pytest.mark.parametrize(("fields", "wanted"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES])
def test_pass(fields: dict[str, Any], wanted: Any) -> None:
    assert output(machine(A={"Type": "Pass", **fields, "End": True}), ORDER) == wanted


JSONATA_PASSES: list[tuple[str, dict[str, Any], Any]] = [
    ("nothing", {}, ORDER),
    ("a text", {"Output": "x"}, "x"),
    ("null", {"Output": None}, None),
    ("an expression", {"Output": "{% $states.input.order.id + 1 %}"}, 8),
    ("inside", {"Output": {"a": ["{% $states.input.note %}", 1]}}, {"a": ["hi", 1]}),
    ("no trimming", {"Output": " {% 1 %}"}, " {% 1 %}"),
    ("context", {"Output": "{% $states.context.State.Name %}"}, "A"),
    ("singleton", {"Output": "{% $states.input.order.lines[sku='a'].sku %}"}, "a"),
    ("kept array", {"Output": "{% [$states.input.order.lines[sku='a'].sku] %}"}, ["a"]),
    ("ends in .$", {"Output": {"a.$": "$.note"}}, {"a.$": "$.note"}),
]


@pytest.mark.parametrize(("fields", "wanted"), [c[1:] for c in JSONATA_PASSES], ids=[c[0] for c in JSONATA_PASSES])
def test_pass_in_jsonata(fields: dict[str, Any], wanted: Any) -> None:
    assert output(jsonata(A={"Type": "Pass", **fields, "End": True}), ORDER) == wanted


FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    ("InputPath", {"InputPath": "$.gone"}, "States.Runtime", "Invalid path '$.gone' : No results for path: $['gone']"),
    (
        "Parameters",
        {"Parameters": {"a": {"b.$": "$.gone"}}},
        "States.Runtime",
        "The JSONPath '$.gone' specified for the field 'b.$' could not be found in the input '{\"text\":\"t\"}'",
    ),
    (
        "a function's argument",
        {"Parameters": {"b.$": "States.Format('{}', States.ArrayLength($.gone))"}},
        "States.Runtime",
        "The function 'States.Format('{}', States.ArrayLength($.gone))' had the following error: "
        "The JsonPath argument for the field '$.gone' could not be found in the input '{\"text\":\"t\"}'",
    ),
    (
        "a function's argument behind an end",
        {"Parameters": {"b.$": "States.JsonToString($.text[0])"}},
        "States.Runtime",
        "The function 'States.JsonToString($.text[0])' had the following error: "
        "Filter: [0] can only be applied to arrays. Current context is: a string",
    ),
    (
        "a function's arguments",
        {"Parameters": {"b.$": "States.MathAdd($.text, 1)"}},
        "States.Runtime",
        "The function 'States.MathAdd($.text, 1)' had the following error: Invalid arguments in States.MathAdd",
    ),
    (
        "ResultPath",
        {"ResultPath": "$.text.inside", "Result": 1},
        "States.ResultPathMatchFailure",
        'Unable to apply step "inside" to input "t"',
    ),
]


@pytest.mark.parametrize(("fields", "error", "cause"), [c[1:] for c in FAILURES], ids=[c[0] for c in FAILURES])
def test_pass_that_fails(fields: dict[str, Any], error: str, cause: str) -> None:
    assert failure(machine(A={"Type": "Pass", **fields, "End": True}), {"text": "t"}) == (error, WHERE + cause)


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("$gone", "returned nothing (undefined)."),
        ("$states.input.gone", "returned nothing (undefined)."),
        ("$gone()", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        (
            "$range('a', 1, 1)",
            'threw an error during evaluation. T0410: Argument 1 of function "range" does not match function signature',
        ),
        ("$error('so')", "threw an error during evaluation. D3137: so"),
    ],
)
def test_jsonata_that_fails(expression: str, what: str) -> None:
    error, cause = failure(jsonata(A={"Type": "Pass", "Output": {"x": [f"{{% {expression} %}}"]}, "End": True}))
    assert error == "States.QueryEvaluationError"
    assert cause == f"{WHERE}The JSONata expression '{expression}' specified for the field 'Output/x[0]' {what}"


def test_the_context_object() -> None:
    identity = Identity(
        "arn:aws:states:r:1:stateMachine:m", "arn:aws:states:r:1:execution:m:e", "arn:aws:iam::1:role/r"
    )
    state = {"Type": "Pass", "InputPath": "$$", "End": True}
    moment = "2023-11-14T22:13:20.000Z"
    assert run(machine(A=state), {"x": 1}, World(), identity).output == {
        "Execution": {
            "Id": "arn:aws:states:r:1:execution:m:e",
            "Input": {"x": 1},
            "StartTime": moment,
            "Name": "e",
            "RoleArn": "arn:aws:iam::1:role/r",
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": "arn:aws:states:r:1:stateMachine:m", "Name": "m"},
        "State": {"Name": "A", "EnteredTime": moment},
    }


def test_a_standalone_express_execution_has_no_redrive_count() -> None:
    identity = Identity("arn:aws:states:r:1:stateMachine:m", "arn:aws:states:r:1:express:m:e:i", "r", express=True)
    outcome = run(machine(A={"Type": "Pass", "OutputPath": "$$.Execution", "End": True}), {}, World(), identity)
    assert (outcome.output["Name"], "RedriveCount" in outcome.output) == ("e", False)


def test_an_event_id_counts_the_states_before() -> None:
    first = {"Type": "Pass", "Next": "B"}
    _, cause = failure(machine(A=first, B={"Type": "Pass", "InputPath": "$.x", "End": True}))
    assert cause.startswith("An error occurred while executing the state 'B' (entered at the event id #4). ")


FAILS: list[tuple[dict[str, Any], Any, Any]] = [
    ({}, None, None),
    ({"Error": "E"}, "E", None),
    ({"Error": "E", "Cause": "C"}, "E", "C"),
    ({"ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.c)"}, "from input", "why!"),
    ({"ErrorPath": "$$.State.Name"}, "A", None),
]


@pytest.mark.parametrize(("fields", "error", "cause"), FAILS)
def test_fail(fields: dict[str, Any], error: Any, cause: Any) -> None:
    assert failure(machine(A={"Type": "Fail", **fields}), {"e": "from input", "c": "why"}) == (error, cause)


def test_fail_in_jsonata() -> None:
    state = {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "plain"}
    assert failure(jsonata(A=state), {"e": "E"}) == ("E", "plain")


def test_fail_names_the_path_that_leads_nowhere() -> None:
    _, cause = failure(machine(A={"Type": "Fail", "CausePath": "$.gone"}))
    assert (
        cause
        == f"{WHERE}The JSONPath '$.gone' specified for the field 'CausePath' could not be found in the input '{{}}'"
    )


@pytest.mark.parametrize(
    ("fields", "data", "slept"),
    [
        ({"Seconds": 5}, {}, [5]),
        ({"Seconds": 0}, {}, []),
        ({"SecondsPath": "$.s"}, {"s": 3}, [3]),
        ({"SecondsPath": "$.s"}, {"s": "3"}, [3]),
        ({"Timestamp": "2023-11-14T22:13:30Z"}, {}, [10]),
        ({"Timestamp": "2023-11-14T23:13:30+01:00"}, {}, [10]),
        ({"Timestamp": "2016-03-14T01:59:00Z"}, {}, []),
        ({"TimestampPath": "$.t"}, {"t": "2023-11-14T22:13:20.5Z"}, [0.5]),
    ],
)
def test_wait(fields: dict[str, Any], data: Any, slept: list[float]) -> None:
    world = World()
    assert output(machine(A={"Type": "Wait", **fields, "End": True}), data, world) == data
    assert world.slept == slept


@pytest.mark.parametrize(
    ("fields", "data", "cause"),
    [
        ({"SecondsPath": "$.s"}, {"s": 1.5}, "The SecondsPath parameter cannot be parsed as a long value: $.s == 1.5"),
        ({"SecondsPath": "$.s"}, {"s": -1}, "The SecondsPath parameter references a negative value: $.s == -1"),
        (
            {"TimestampPath": "$.t"},
            {"t": "tomorrow"},
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: "
            "$.t == tomorrow",
        ),
    ],
)
def test_wait_that_fails(fields: dict[str, Any], data: Any, cause: str) -> None:
    assert failure(machine(A={"Type": "Wait", **fields, "End": True}), data) == ("States.Runtime", WHERE + cause)


def test_wait_in_jsonata() -> None:
    world = World()
    output(jsonata(A={"Type": "Wait", "Seconds": "{% $states.input.n * 2 %}", "End": True}), {"n": 4}, world)
    assert world.slept == [8]


def test_succeed_selects_its_output() -> None:
    assert output(machine(A={"Type": "Succeed", "InputPath": "$.order", "OutputPath": "$.id"}), ORDER) == 7


def test_the_whole_execution_times_out_without_error_or_cause() -> None:
    world = World()
    outcome = run({**machine(A={"Type": "Wait", "Seconds": 60, "End": True}), "TimeoutSeconds": 5}, None, world)
    assert (outcome.status, outcome.error, outcome.cause) == ("TIMED_OUT", None, None)
    assert world.now == START + 5


def test_a_loop_ends_at_the_limit_of_the_history() -> None:
    error, cause = failure(machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Choice", "Choices": [
        {"Variable": "$.never", "IsPresent": True, "Next": "C"}], "Default": "A"}, C={"Type": "Succeed"}))  # fmt: skip
    assert (error, cause) == ("States.Runtime", "The execution reached the maximum number of history events (25000).")


TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage"}


def test_a_task_gets_its_arguments_and_gives_its_result() -> None:
    service = Service({"MessageId": "m", "Rest": 1})
    state = {
        **TASK,
        "Parameters": {"Body.$": "$.note"},
        "ResultSelector": {"id.$": "$.MessageId", "tries.$": "$$.State.RetryCount"},
        "ResultPath": "$.sent",
        "OutputPath": "$.sent",
        "TimeoutSeconds": 9,
        "End": True,
    }
    assert output(machine(A=state), ORDER, World(service)) == {"id": "m", "tries": 0}
    ((resource, arguments, call),) = service.calls
    assert (resource, arguments) == (TASK["Resource"], {"Body": "hi"})
    assert (call.query_language, call.timeout_seconds, call.heartbeat_seconds) == ("JSONPath", 9.0, None)
    assert call.context["State"]["Name"] == "A"


def test_a_task_in_jsonata() -> None:
    service = Service({"n": 2})
    state = {
        **TASK,
        "Arguments": {"Body": "{% $states.input.note %}"},
        "TimeoutSeconds": "{% 3 + 4 %}",
        "Output": {"was": "{% $states.input.note %}", "is": "{% $states.result.n %}"},
        "End": True,
    }
    assert output(jsonata(A=state), ORDER, World(service)) == {"was": "hi", "is": 2}
    assert service.calls[0][1] == {"Body": "hi"}
    assert (service.calls[0][2].timeout_seconds, service.calls[0][2].query_language) == (7.0, "JSONata")


def test_what_a_service_does_to_its_arguments_stays_there() -> None:
    def spoil(arguments: Any) -> str:
        arguments["list"].append("spoiled")
        return "done"

    state = {**TASK, "Parameters": {"list": [1]}, "ResultPath": None, "Next": "B"}
    again = {**TASK, "Parameters": {"list": [1]}, "End": True}
    service = Service(spoil)
    assert output(machine(A=state, B=again), {"x": 1}, World(service)) == "done"


def test_a_task_whose_call_took_too_long() -> None:
    world = World()

    def slow(arguments: Any) -> int:
        world.now += 10
        return 1

    world = World(Service(slow))
    state = {**TASK, "TimeoutSeconds": 5, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "B"}], "End": True}
    assert output(machine(A=state, B={"Type": "Pass", "End": True}), {}, world) == {
        "Error": "States.Timeout",
        "Cause": "",
    }


def test_a_tasks_own_error_is_passed_on_word_for_word() -> None:
    assert failure(machine(A={**TASK, "End": True}), {}, World(Service(failing("S.E", "because")))) == (
        "S.E",
        "because",
    )


def test_a_task_without_any_service() -> None:
    error, cause = failure(machine(A={**TASK, "End": True}))
    assert error == "States.Runtime"
    assert "arn:aws:states:::sqs:sendMessage" in cause


def test_a_callback_task_has_a_token() -> None:
    service = Service(None)
    state = {**TASK, "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True}
    state["Parameters"] = {"token.$": "$$.Task.Token"}
    output(machine(A=state), {}, World(service))
    assert service.calls[0][1] == {"token": "00000000-0000-4000-8000-000000000000"}


def test_a_result_over_256_kib() -> None:
    assert failure(machine(A={**TASK, "End": True}), {}, World(Service("x" * 262_143))) == (
        "States.DataLimitExceeded",
        f"The state/task '{TASK['Resource']}' returned a result with a size exceeding the maximum number of bytes "
        "service limit.",
    )
    assert output(machine(A={**TASK, "End": True}), {}, World(Service("x" * 262_142))) == "x" * 262_142
