"""Which kind of ARN a text is, what it names, and the names that are made for machines and executions."""

from __future__ import annotations

import re
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.arns import (
    MAX_NAME,
    ArnKind,
    StatesArn,
    arn_of,
    check_name,
    machine_arn,
    plain_name,
    role_account,
)
from airflow_provider_sfdm.core.errors import InvalidDefinition

PLACE = "arn:aws:states:us-west-2:123456789012"
UUID3, UUID4 = "3318ddf7-9a0e-3259-a825-55a4e8e3e9b1", "4a0e7c1e-8d1f-4f0e-9f5c-0d3c2b1a0f9e"
# Each with its kind, its machine, its label and its name.
ARNS = {
    f"{PLACE}:stateMachine:flights": (ArnKind.STATE_MACHINE, "flights", None, None),
    f"{PLACE}:stateMachine:flights:7": (ArnKind.STATE_MACHINE, "flights", None, "7"),
    f"{PLACE}:stateMachine:flights:PROD": (ArnKind.STATE_MACHINE, "flights", None, "PROD"),
    f"{PLACE}:stateMachine:flights/delays": (ArnKind.DISTRIBUTED_MAP, "flights", "delays", None),
    f"{PLACE}:execution:flights:run-1": (ArnKind.EXECUTION, "flights", None, "run-1"),
    f"{PLACE}:mapRun:flights/delays:{UUID4}": (ArnKind.MAP_RUN, "flights", "delays", UUID4),
    f"{PLACE}:mapRun:flights/{UUID3}:{UUID4}": (ArnKind.MAP_RUN, "flights", UUID3, UUID4),
    f"{PLACE}:execution:flights/delays:{UUID3}": (ArnKind.CHILD_EXECUTION, "flights", "delays", UUID3),
    f"{PLACE}:express:flights/delays:{UUID3}:{UUID4}": (
        ArnKind.CHILD_EXECUTION,
        "flights",
        "delays",
        f"{UUID3}:{UUID4}",
    ),
}


@pytest.mark.parametrize("text", ARNS)
def test_what_an_arn_names(text: str) -> None:
    kind, machine, label, name = ARNS[text]
    arn = StatesArn.parse(text, "arn", kind)
    assert astuple(arn) == (text, kind, "aws", "us-west-2", "123456789012", machine, label, name)
    assert arn.machine_arn == f"{PLACE}:stateMachine:flights"
    assert arn.execution_arn("again") == f"{PLACE}:execution:flights:again"


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_partitions(partition: str, region: str) -> None:
    arn = StatesArn.parse(f"arn:{partition}:states:{region}:123456789012:execution:m:e", "arn", ArnKind.EXECUTION)
    assert (arn.partition, arn.region) == (partition, region)
    assert arn.machine_arn == f"arn:{partition}:states:{region}:123456789012:stateMachine:m"


@pytest.mark.parametrize("text", ARNS)
@pytest.mark.parametrize("wanted", ArnKind)
def test_an_arn_of_another_kind_is_refused_and_called_what_it_is(text: str, wanted: ArnKind) -> None:
    kind = ARNS[text][0]
    if wanted is kind:
        assert StatesArn.parse(text, "some_arn", *ArnKind).kind is kind
        return
    with pytest.raises(InvalidDefinition) as refused:
        StatesArn.parse(text, "some_arn", wanted)
    assert refused.value.field == "some_arn"
    assert refused.value.problem == f"must be the ARN of {wanted}; {text} is that of {kind}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"arn",
        "",
        "flights",
        "{{ arn }}",
        "arn:aws:s3:::bucket",
        "arn:aws:lambda:us-west-2:123456789012:function:f",
        "arn:aws:iam::123456789012:role/r",
        f"{PLACE}:activity:a",
        f"{PLACE}:stateMachine:",
        f"{PLACE}:stateMachine:a b",
        f"{PLACE}:execution:flights:run 1",
        f" {PLACE}:stateMachine:flights",
        f"{PLACE}:stateMachine:flights\n",
        f"{PLACE}:stateMachine:flights/",
        f"{PLACE}:stateMachine:flights/a/b",
        "arn:aws:states:us-west-2:12345678901:stateMachine:flights",
        "arn:gcp:states:us-west-2:123456789012:stateMachine:flights",
    ],
)
def test_what_is_no_arn_of_step_functions(value: object) -> None:
    with pytest.raises(
        InvalidDefinition, match=r"^redrive: must be the ARN of an execution or a Map Run, got "
    ) as refused:
        StatesArn.parse(value, "redrive", ArnKind.EXECUTION, ArnKind.MAP_RUN)
    assert refused.value.field == "redrive"


@pytest.mark.parametrize(
    "text",
    [
        f"{PLACE}:execution:flights",
        f"{PLACE}:execution:flights/delays",
        f"{PLACE}:mapRun:flights/delays",
        f"{PLACE}:mapRun:flights:{UUID4}",
        f"{PLACE}:express:flights/delays",
    ],
)
def test_half_an_arn_is_none(text: str) -> None:
    with pytest.raises(InvalidDefinition, match="arn: must be the ARN of"):
        StatesArn.parse(text, "arn", *ArnKind)


def test_the_execution_of_an_express_machine_is_not_taken() -> None:
    # Such a machine runs no Distributed Map, and DescribeMapRun knows none of its executions.
    with pytest.raises(InvalidDefinition, match="is that of an execution of an EXPRESS state machine"):
        StatesArn.parse(f"{PLACE}:express:flights:{UUID3}:{UUID4}", "arn", ArnKind.EXECUTION, ArnKind.CHILD_EXECUTION)


@pytest.mark.parametrize(
    ("value", "arn"),
    [("arn", "arn"), ({"executionArn": "arn", "status": "FAILED"}, "arn"), ({}, None), (None, None), (3, 3)],
)
def test_an_arn_or_the_summary_that_has_it(value: object, arn: object) -> None:
    assert arn_of(value) == arn


def test_an_arn_that_is_another_member_of_a_summary() -> None:
    assert arn_of({"executionArn": "execution", "mapRunArn": "map run"}, "mapRunArn") == "map run"


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_machine_is_in_the_account_of_its_role(partition: str) -> None:
    role = f"arn:{partition}:iam::210987654321:role/service-role/flights"
    assert role_account(role) == "210987654321"
    assert machine_arn("m", "cn-north-1", role, partition) == (
        f"arn:{partition}:states:cn-north-1:210987654321:stateMachine:m"
    )


@pytest.mark.parametrize(
    "role",
    [
        None,
        3,
        "",
        "flights",
        "arn:aws:iam::123456789012:user/flights",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::1234:role/flights",
        "arn:aws:sts::123456789012:assumed-role/flights/session",
    ],
)
def test_what_is_no_role(role: object) -> None:
    with pytest.raises(
        InvalidDefinition, match=r"must be the ARN of an IAM role \(arn:aws:iam::…:role/…\), got "
    ) as refused:
        role_account(role)
    assert refused.value.field == "role_arn"


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("maps", "delays"), "maps-delays"),
        (("maps", "group_delays", "3"), "maps-group_delays-3"),
        (("a" * 80,), "a" * 80),
    ],
)
def test_a_name_that_loses_nothing_is_the_parts_themselves(parts: tuple[str, ...], name: str) -> None:
    assert plain_name(*parts) == name


@pytest.mark.parametrize(
    ("parts", "beginning"),
    [
        (("maps", "group.delays"), "maps-group-delays-"),
        (("maps", "group-delays"), "maps-group-delays-"),
        (("maps-group", "delays"), "maps-group-delays-"),
        (("maps", "scheduled__2026-11-24T00:00:00+00:00"), "maps-scheduled__2026-11-24T00-00-00-00-00-"),
        (("flüge",), "fl-ge-"),
        (("a" * 81,), "a" * 69 + "-"),
    ],
)
def test_a_name_that_loses_something_ends_in_a_digest(parts: tuple[str, ...], beginning: str) -> None:
    assert re.fullmatch(re.escape(beginning) + "[0-9a-f]{10}", plain_name(*parts))


def test_a_name_is_the_same_in_every_process() -> None:
    # Python's own hash() is not; a name that changed would start a second execution.
    assert plain_name("maps", "a.b") == "maps-a-b-ec8aacf1c8"


# What Airflow takes in ids of DAGs, tasks and runs, and more; no control characters, which it takes in none.
PARTS = st.lists(
    st.text(st.sampled_from("ab-_.:+é 0") | st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    min_size=1,
    max_size=4,
)


@given(PARTS, st.integers(20, MAX_NAME))
def test_names_keep_to_the_limit_and_to_plain_characters(parts: list[str], limit: int) -> None:
    name = plain_name(*parts, limit=limit)
    assert re.fullmatch(r"[0-9A-Za-z_-]+", name)
    assert len(name) <= limit
    assert name == plain_name(*parts, limit=limit)


@given(PARTS, PARTS, st.integers(20, MAX_NAME))
def test_different_parts_have_different_names(one: list[str], other: list[str], limit: int) -> None:
    assert (plain_name(*one, limit=limit) == plain_name(*other, limit=limit)) == (one == other)


@given(st.lists(st.sampled_from(["a", "b", "a-b", "a.b", "-", "a-", ".", "a b", "a" * 40]), min_size=1, max_size=3))
def test_the_places_of_the_joints_make_a_difference(parts: list[str]) -> None:
    joined = "-".join(parts)
    if len(parts) > 1:
        assert plain_name(*parts) != plain_name(joined)
        assert plain_name(*parts) != plain_name(*parts, "a")


@pytest.mark.parametrize("name", ["a", "A-b_c.d", "n" * 80, "ä"])
def test_names_that_aws_takes(name: str) -> None:
    check_name(name, "execution_name")


@pytest.mark.parametrize("name", ["", "n" * 81, "manual__2026-11-25T00:00", "a b", "a/b", "a*", "{a}", "a\n", None, 3])
def test_names_that_aws_refuses(name: object) -> None:
    with pytest.raises(InvalidDefinition, match=r"^execution_name: must "):
        check_name(name, "execution_name")
