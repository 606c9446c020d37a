"""Names and ARNs of map runs and child executions."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from airflow_provider_sfdm.core.errors import InvalidDefinition
from airflow_provider_sfdm.core.names import MapRunName, safe_name

RUN = UUID("4a0e1f5c-0000-4000-8000-000000000001")
NAMED = MapRunName.new("flights", "delays", RUN)
HEAD = "arn:aws:states:airflow:000000000000"


def test_the_arns_have_the_forms_of_aws() -> None:
    assert NAMED.arn == f"{HEAD}:mapRun:flights/delays:{RUN}"
    assert NAMED.child_machine_arn == f"{HEAD}:stateMachine:flights/delays"
    assert NAMED.execution_arn_prefix == f"{HEAD}:execution:flights/delays:"
    assert NAMED.parent_execution_arn == f"{HEAD}:execution:flights:{RUN}"
    assert NAMED.machine_arn == f"{HEAD}:stateMachine:flights"


def test_a_map_without_a_label_gets_the_same_one_at_every_run() -> None:
    first, second = MapRunName.new("flights", None, RUN), MapRunName.new("flights", None, UUID(int=7, version=4))
    assert first.label == second.label
    assert UUID(first.label).version == 3
    assert MapRunName.new("trains", None, RUN).label != first.label


def test_the_names_of_children_are_version_3_uuids_and_stay_the_same() -> None:
    names = [NAMED.child_name(index) for index in range(2000)]
    assert names == [NAMED.child_name(index) for index in range(2000)]
    assert len(set(names)) == 2000
    for name in names:
        parsed = UUID(name)
        assert (parsed.version, str(parsed)) == (3, name)
        assert parsed.variant == "specified in RFC 4122"


def test_another_run_names_its_children_otherwise() -> None:
    other = MapRunName.new("flights", "delays", UUID(int=7, version=4))
    assert other.child_name(0) != NAMED.child_name(0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("flights", "flights"),
        ("my dag.map one", "my-dag.map-one"),
        ('a:b/c?d*e<f>g{h}i[j]k;l,m\\n|o^p~q$r#s%t&u`v"w', "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u-v-w"),
        ("line\nfeed\x00\x9f", "line-feed"),
        ("", "map"),
        ("***", "map"),
        ("x" * 200, "x" * 80),
        ("größe", "größe"),
    ],
)
def test_any_text_becomes_a_name_that_aws_takes(text: str, name: str) -> None:
    assert safe_name(text) == name
    assert re.fullmatch(r'[^\s?*<>{}\[\]:;,\\|^~$#%&`"/\x00-\x1f\x7f-\x9f]{1,80}', safe_name(text))


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match=r"not-one.*is not a UUID"):
        MapRunName("flights", "delays", "not-one")
