"""``sfdm validate``, and what is said of files that hold no definition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_sfdm.cli.reading import MAX_BYTES, UsageProblem, parse, read, read_or_parse
from airflow_provider_sfdm.states.limits import MAX_NESTING

from .running import one, sfdm

INVALID = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Next": "C"},
        "B": {"Type": "Wait", "End": True},
        "D": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:dance", "End": True},
    },
}


def test_valid() -> None:
    done = sfdm("validate", "-", stdin=json.dumps(one({"Type": "Pass"})).encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_problem_has_a_line_and_a_location() -> None:
    done = sfdm("validate", "-", stdin=json.dumps(INVALID).encode())
    assert done.returncode == 1
    places = [line.partition(": ")[0] for line in done.stdout.decode().splitlines()]
    assert {"/States/A/Next", "/States/B", "/States/D/Resource"} <= set(places)
    assert all(place.startswith("/") for place in places)


def test_json() -> None:
    done = sfdm("validate", "-", "--json", stdin=json.dumps(INVALID).encode())
    assert done.returncode == 1
    problems = json.loads(done.stdout)
    assert all(set(problem) == {"location", "message"} for problem in problems)
    assert "/States/A/Next" in [problem["location"] for problem in problems]
    assert json.loads(sfdm("validate", "-", "--json", stdin=json.dumps(one({"Type": "Succeed"})).encode()).stdout) == []


def test_places_in_a_single_map_are_those_of_the_file() -> None:
    state = {"Type": "Map", "ItemProcessor": one({"Type": "Task", "Resource": "x"}), "End": True}
    done = sfdm("validate", "-", stdin=json.dumps(state).encode())
    assert done.stdout.startswith(b"/ItemProcessor/States/A/Resource: ")


@pytest.mark.parametrize("content", ["[]", "7", "{}", '{"States": {"A": 1}}', '{"States": {"A": {"Branches": 1}}}'])
def test_json_that_is_no_definition(content: str) -> None:
    done = sfdm("validate", "-", stdin=content.encode())
    assert done.returncode == 1
    assert done.stdout


def test_unusable_files_end_with_2(tmp_path: Path) -> None:
    done = sfdm("validate", "none.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, b"sfdm: none.json: No such file or directory\n")
    done = sfdm("validate", "-", stdin=b"[" * 5000)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty, no JSON"),
        (b" \n", "empty, no JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "begins with the byte order mark of UTF-8; save it as UTF-8 without one"),
        ('{"a": 1}'.encode("utf-16"), "begins with the byte order mark of UTF-16; save it as UTF-8 without one"),
        (b'{"a": "\xe9"}', "not UTF-8: invalid continuation byte at byte 7"),
        (b'{"a": NaN}', "no JSON: "),
        (b'{"a": 1,}', "no JSON: "),
        (b"{} {}", "no JSON: "),
        (b"[" * 1000 + b"]" * 1000, f"nested deeper than {MAX_NESTING} levels"),
        (b"[" * 100_000 + b"]" * 100_000, f"nested deeper than {MAX_NESTING} levels"),
        (b'{"a": 1, "a": 2}', "/a: this key stands there twice"),
        (b'{"S": [0, {"A": {"b": 1, "c": 2, "b": 3}}]}', "/S[1]/A/b: this key stands there twice"),
        (b'{"a": {"b": 1, "b": 2}, "a": 0}', "/a: this key stands there twice"),
        (b" " * (MAX_BYTES + 1), "larger than 16 MiB"),
    ],
    ids=range(14),
)
def test_one_clear_error(data: bytes, problem: str) -> None:
    with pytest.raises(UsageProblem) as raised:
        parse(data, "file.json")
    text = str(raised.value)
    assert text.startswith(f"file.json: {problem}")
    assert "\n" not in text


def test_long_numbers() -> None:
    assert parse(b"[" + b"9" * 200 + b"]", "input") == [1e200]
    with pytest.raises(UsageProblem, match="no JSON: number is infinity"):
        parse(b"[" + b"9" * 5000 + b"]", "input")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="Is a directory"):
        read(str(tmp_path))
    with pytest.raises(UsageProblem):
        read("a\0b")
    with pytest.raises(UsageProblem):
        read_or_parse("x" * 10_000)
    assert read_or_parse("null") is None
    assert read_or_parse(' {"a": 1}') == {"a": 1}


def test_what_a_terminal_would_obey_is_shown() -> None:
    name = "a\x1b[2Jb\nOK"
    done = sfdm("validate", "-", stdin=json.dumps({"StartAt": name, "States": {name: {"Type": "No"}}}).encode())
    assert b"\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 2, "a line for each problem"
    assert b"/States/a\\x1b[2Jb\\nOK/Type: " in done.stdout
