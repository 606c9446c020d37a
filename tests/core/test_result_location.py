"""Where the manifest of a Map Run is: in the output of its execution, or where its definition says."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_sfdm.core.arns import ArnKind, StatesArn
from airflow_provider_sfdm.core.result_location import manifest_in_output, manifest_of
from airflow_provider_sfdm.core.values import UNSET

PLACE = "arn:aws:states:us-west-2:123456789012"
UUID = "4a0e7c1e-8d1f-4f0e-9f5c-0d3c2b1a0f9e"
ARN = f"{PLACE}:mapRun:flights/delays:{UUID}"
OTHER = f"{PLACE}:mapRun:flights/delays:11111111-1111-4111-8111-111111111111"
MAP_RUN = StatesArn.parse(ARN, "map_run_arn", ArnKind.MAP_RUN)


def details(arn: str, key: str) -> dict[str, Any]:
    return {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": "out", "Key": key}}


# Recorded, of a plain run and of a redriven one.
PLAIN = details(ARN, f"results/standard/{UUID}/manifest.json")
REDRIVEN = details(ARN, f"results/express/{UUID}/Redrive-1/manifest.json")


@pytest.mark.parametrize(
    ("output", "manifest"),
    [
        (PLAIN, f"s3://out/results/standard/{UUID}/manifest.json"),
        (REDRIVEN, f"s3://out/results/express/{UUID}/Redrive-1/manifest.json"),
        ({"kept": 1, "map": {"result": PLAIN}}, f"s3://out/results/standard/{UUID}/manifest.json"),
        ([details(OTHER, "other"), PLAIN], f"s3://out/results/standard/{UUID}/manifest.json"),
        ([[[{"a": [PLAIN]}]]], f"s3://out/results/standard/{UUID}/manifest.json"),
        (details(OTHER, "other"), None),
        ({"MapRunArn": ARN}, None),
        ({"MapRunArn": ARN, "ResultWriterDetails": None}, None),
        ({"ResultWriterDetails": PLAIN["ResultWriterDetails"]}, None),
        ([1, "text", None, [[]]], None),
        ({}, None),
        ([], None),
        (None, None),
        ("text", None),
        (3, None),
    ],
)
def test_in_the_output(output: Any, manifest: str | None) -> None:
    assert manifest_in_output(output, ARN) == manifest


def writing(arguments: Any, spelling: str = "Parameters", **state: Any) -> dict[str, Any]:
    return {
        "Type": "Map",
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", spelling: arguments},
        **state,
    }


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"Bucket": "out", "Prefix": "delays"}, f"s3://out/delays/{UUID}/manifest.json"),
        ({"Bucket": "out", "Prefix": "a/b"}, f"s3://out/a/b/{UUID}/manifest.json"),
        ({"Bucket": "out", "Prefix": "delays/"}, f"s3://out/delays/{UUID}/manifest.json"),
        ({"Bucket": "out"}, f"s3://out/{UUID}/manifest.json"),
        ({"Bucket": "out", "Prefix": ""}, f"s3://out/{UUID}/manifest.json"),
    ],
)
@pytest.mark.parametrize("spelling", ["Parameters", "Arguments"])
def test_where_the_definition_says(arguments: dict[str, Any], place: str, spelling: str) -> None:
    assert manifest_of(writing(arguments, spelling), MAP_RUN, 0) == place


@pytest.mark.parametrize("redrives", [1, 2, 17])
def test_after_a_redrive(redrives: int) -> None:
    state = writing({"Bucket": "out", "Prefix": "results/express"})
    assert manifest_of(state, MAP_RUN, redrives) == f"s3://out/results/express/{UUID}/Redrive-{redrives}/manifest.json"


@pytest.mark.parametrize(
    ("state", "state_input", "place"),
    [
        (writing({"Bucket": "out", "Prefix.$": "$.p"}), {"p": "day"}, f"s3://out/day/{UUID}/manifest.json"),
        (writing({"Bucket.$": "$.b", "Prefix.$": "$['p']"}), {"b": "x", "p": "y"}, f"s3://x/y/{UUID}/manifest.json"),
        (
            writing({"Bucket": "out", "Prefix.$": "$.p"}, InputPath="$.inner"),
            {"inner": {"p": "day"}},
            f"s3://out/day/{UUID}/manifest.json",
        ),
        (
            writing({"Bucket": "out", "Prefix.$": "$.p"}, InputPath="$"),
            {"p": "day"},
            f"s3://out/day/{UUID}/manifest.json",
        ),
        # What is not there, or no text, or not known here.
        (writing({"Bucket": "out", "Prefix.$": "$.p"}), {}, None),
        (writing({"Bucket": "out", "Prefix.$": "$.p"}), UNSET, None),
        (writing({"Bucket": "out", "Prefix.$": "$.p"}, InputPath="$.gone"), {"p": "day"}, None),
        (writing({"Bucket": "out", "Prefix.$": "$.p"}), {"p": 3}, None),
        (writing({"Bucket": "out", "Prefix.$": "$.p"}), {"p": ["day"]}, None),
        (writing({"Bucket": "out", "Prefix.$": "$$.Execution.Name"}), {}, None),
        (writing({"Bucket": "out", "Prefix.$": "$variable"}), {}, None),
        (writing({"Bucket": "out", "Prefix.$": "States.Format('{}', $.p)"}), {"p": "day"}, None),
        (writing({"Bucket.$": "$.b"}), {"b": ""}, None),
        (writing({"Bucket": "out", "Prefix": 3}), {}, None),
        # JSONata is computed by the service.
        (writing({"Bucket": "out", "Prefix": "{% $states.input.p %}"}, "Arguments"), {"p": "day"}, None),
        (writing({"Bucket": "{% $x %}"}, "Arguments"), {}, None),
        (writing("{% $x %}", "Arguments"), {}, None),
        # Nothing is exported.
        ({"Type": "Map"}, {}, None),
        ({"Type": "Map", "ResultWriter": {"WriterConfig": {"OutputType": "JSON"}}}, {}, None),
        (writing({}), {}, None),
        (writing({"Bucket": ""}), {}, None),
        ({"Type": "Map", "ResultWriter": None}, {}, None),
    ],
)
def test_what_the_input_says(state: dict[str, Any], state_input: Any, place: str | None) -> None:
    assert manifest_of(state, MAP_RUN, 0, state_input) == place


def test_a_prefix_that_an_input_path_of_null_hides() -> None:
    """With ``InputPath: null`` the state's effective input is empty."""
    state = writing({"Bucket": "out", "Prefix.$": "$.p"}, InputPath=None)
    assert manifest_of(state, MAP_RUN, 0, {"p": "day"}) is None
