"""``sfdm run``, as a user's shell runs it."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm.cli.command import perform

from .running import COMMAND, REPOSITORY, environment, one, run, sfdm

CHOICE = {
    "StartAt": "Size",
    "States": {
        "Size": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Large"}],
            "Default": "Small",
        },
        "Large": {"Type": "Pass", "Result": "large", "End": True},
        "Small": {"Type": "Fail", "Error": "TooSmall", "Cause": "ten at least"},
    },
}
MAP = {
    "Type": "Map",
    "ItemProcessor": {
        "StartAt": "Name",
        "States": {"Name": {"Type": "Pass", "Parameters": {"it.$": "$"}, "End": True}},
    },
    "Next": "Elsewhere",
}
DISTRIBUTED = {
    **MAP,
    "ItemProcessor": {**MAP["ItemProcessor"], "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}},  # type: ignore[dict-item]
}


def test_pass_and_default_input() -> None:
    assert run(one({"Type": "Pass"})) == (0, {"status": "SUCCEEDED", "output": {}})


def test_choice_and_fail() -> None:
    assert run(CHOICE, {"n": 11}) == (0, {"status": "SUCCEEDED", "output": "large"})
    failed = {"status": "FAILED", "error": "TooSmall", "cause": "ten at least"}
    assert run(CHOICE, {"n": 1}) == (1, failed)


@pytest.mark.parametrize("state", [MAP, DISTRIBUTED], ids=["inline", "distributed"])
def test_a_single_map(state: dict[str, Any]) -> None:
    assert run(state, ["é", 2]) == (0, {"status": "SUCCEEDED", "output": [{"it": "é"}, {"it": 2}]})


def test_a_single_map_is_left_without_its_catch() -> None:
    state = {**MAP, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Elsewhere"}]}
    done = sfdm("run", "-", "--input", "[]", stdin=json.dumps(state).encode())
    assert done.returncode == 0
    assert b"Catch is left out" in done.stderr


def test_map_runs_are_kept_in_storage(tmp_path: Path) -> None:
    code, told = run(DISTRIBUTED, [1], "--storage", "runs", cwd=tmp_path)
    assert (code, told["output"]) == (0, [{"it": 1}])
    assert any(path.is_file() for path in (tmp_path / "runs").rglob("*"))


def test_storage_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = sfdm("run", "-", "--input", "[1]", "--storage", tmp_path / "file", stdin=json.dumps(DISTRIBUTED).encode())
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"sfdm: the execution could not be finished: ")


def test_timed_out() -> None:
    machine = {**one({"Type": "Wait", "Seconds": 2}), "TimeoutSeconds": 1}
    assert run(machine) == (1, {"status": "TIMED_OUT", "error": None, "cause": None})


def test_name_and_region_are_in_the_context() -> None:
    machine = one({"Type": "Pass", "Parameters": {"id.$": "$$.Execution.Id", "name.$": "$$.Execution.Name"}})
    _, told = run(machine, None, "--name", "nightly", "--region", "eu-west-1")
    arn = "arn:aws:states:eu-west-1:000000000000:execution:local:nightly"
    assert told["output"] == {"id": arn, "name": "nightly"}


def test_query_language_of_a_definition_that_names_none() -> None:
    machine = one({"Type": "Pass", "Output": "{% $states.input.n + 1 %}"})
    assert run(machine, {"n": 1}, "--query-language", "JSONata") == (0, {"status": "SUCCEEDED", "output": 2})


def test_files(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps(one({"Type": "Pass"})))
    (tmp_path / "input.json").write_text('{"a": "é"}', encoding="utf-8")
    done = sfdm("run", "machine.json", "--input", "input.json", cwd=tmp_path, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.returncode == 0
    assert done.stdout.decode() == '{\n  "status": "SUCCEEDED",\n  "output": {\n    "a": "é"\n  }\n}\n'


def test_input_from_stdin_and_scalars(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps(one({"Type": "Pass"})))
    done = sfdm("run", "machine.json", "--input", "-", stdin=b"[1]", cwd=tmp_path)
    assert json.loads(done.stdout)["output"] == [1]
    done = sfdm("run", "machine.json", "--input", "7", cwd=tmp_path)
    assert json.loads(done.stdout)["output"] == 7


def test_python_functions(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def double(n):\n    print('busy')\n    return n * 2\ndef bad(n):\n    raise KeyError(n)\n"
        "tasks = {'double': double, 'bad': bad}\n"
    )
    machine = one({"Type": "Task", "Resource": "double"})
    given = ("--functions", "mine:tasks")
    assert run(machine, 4, *given, cwd=tmp_path) == (0, {"status": "SUCCEEDED", "output": 8})
    code, told = run(one({"Type": "Task", "Resource": "bad"}), 4, *given, cwd=tmp_path)
    assert (code, told["status"], told["error"]) == (1, "FAILED", "KeyError")


@pytest.mark.parametrize("reference", ["mine", "mine:none", "nowhere:tasks", "mine:number", "mine:"])
def test_functions_that_cannot_be(reference: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("number = 1\n")
    done = sfdm("run", "-", "--functions", reference, stdin=json.dumps(one({"Type": "Pass"})).encode(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"sfdm: --functions {reference}: ".encode())


def test_an_invalid_definition_is_not_run() -> None:
    machine = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "nothing", "Next": "B"}}}
    done = sfdm("run", "-", stdin=json.dumps(machine).encode())
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"sfdm: /States/A/Next: Missing 'Next' target" in done.stderr
    assert b"sfdm: /States/A/Resource: " in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), ("run",), ("run", "-", "--input", "-"), ("run", "-", "--name", "a:b"), ("run", "none.json"), ("dance",)],
    ids=" ".join,
)
def test_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = sfdm(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


WAITING = one({"Type": "Wait", "Seconds": 60})
MINUTE = {"Type": "Wait", "Seconds": 60, "End": True}
PARALLEL = {"Type": "Parallel", "Branches": [{"StartAt": name, "States": {name: MINUTE}} for name in "XY"]}


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, b"interrupted"),
        (signal.SIGTERM, 143, b"terminated"),
        (signal.SIGHUP, 129, b"hangup"),
    ],
)
@pytest.mark.parametrize(
    "state", [{"Type": "Wait", "Seconds": 60}, PARALLEL, None], ids=["wait", "threads", "distributed"]
)
def test_interrupted(
    state: dict[str, Any] | None, number: signal.Signals, code: int, told: bytes, tmp_path: Path
) -> None:
    waiting = WAITING
    machine = one(state) if state else {**DISTRIBUTED, "ItemProcessor": {**DISTRIBUTED["ItemProcessor"], **waiting}}  # type: ignore[dict-item]
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine))
    with subprocess.Popen(
        [*COMMAND, "run", str(path), "--input", "[1, 2]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        time.sleep(4)  # it is ready in less than a second where nothing else runs
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, b"", b"sfdm: %b\n" % told)


@pytest.mark.parametrize("where", [">/dev/full", ">&-", "| true"])
def test_output_that_nobody_reads(where: str, tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps(one({"Type": "Pass"})))
    # What is piped into is gone before anything is written.
    command = f"set -o pipefail; {{ sleep 1; {' '.join(COMMAND)} run machine.json; }} {where}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, env=environment(), timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith(b"sfdm: ")
    assert done.stderr.count(b"\n") == 1


def test_starts_without_airflow_and_soon(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(DISTRIBUTED))
    program = (
        "import sys\nfrom airflow_provider_sfdm.cli.command import main\n"
        f"code = main(['run', {str(path)!r}, '--input', '[1]'])\n"
        "assert not {'airflow', 'boto3', 'pyarrow', 'fsspec'} & set(sys.modules)\nsys.exit(code)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=REPOSITORY, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert time.monotonic() - begun < 20  # 0.3 s where nothing else runs


def test_interrupted_before_it_has_begun() -> None:
    code = """
import sys
class Interrupts:
    def find_spec(self, name, *_):
        if name.endswith("cli.command"):
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from airflow_provider_sfdm.cli import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), timeout=60)
    assert (done.returncode, done.stderr) == (130, b"sfdm: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_handlers_are_those_from_before(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    """`airflow sfdm` runs the commands in Airflow's own process."""

    def command(options: argparse.Namespace) -> int:
        signal.raise_signal(number)
        pytest.fail("it goes on")

    before = signal.getsignal(number)
    assert perform(command, argparse.Namespace()) == 128 + number
    assert signal.getsignal(number) is before
    assert capsys.readouterr().err in ("sfdm: terminated\n", "sfdm: hangup\n")


def test_a_module_of_functions_that_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(7)\n")
    definition = json.dumps(one({"Type": "Pass"})).encode()
    done = sfdm("run", "-", "--functions", "leaves:tasks", stdin=definition, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, b"sfdm: --functions leaves:tasks: it called sys.exit(7)\n")
