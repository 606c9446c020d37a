"""What the README and the documents say is run, and what they link to is there."""

from __future__ import annotations

import configparser
import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap
from airflow_provider_sfdm.core.definition import ASL_NAMES
from airflow_provider_sfdm.provider_info import get_provider_info
from airflow_provider_sfdm.task_group import _FOR_ONE_TASK

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", REPOSITORY / "benchmarks/README.md",
                 *(REPOSITORY / "docs").rglob("*.md"))
)  # fmt: skip
# A block marked "python notest" is a fragment of another one.
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
# What a block prints stands in it as a comment: after the print, or on a line of its own.
_EXPECTED = re.compile(r"^ *(?:print\(.*\)  )?# ((?:\[|map run |[A-Z]{4,} ).*)$", re.MULTILINE)


def _blocks() -> list[Any]:
    found = []
    for document in DOCUMENTS:
        text = (REPOSITORY / document).read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(pytest.param(match[1], document, line, id=f"{document}:{line}"))
    return found


@pytest.mark.parametrize(("code", "document", "line"), _blocks())
def test_block_runs_and_prints_what_it_says(
    code: str, document: str, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    # Lines as in the document, so that a traceback points there.
    compiled = compile("\n" * (line - 1) + code, str(REPOSITORY / document), "exec")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        exec(compiled, {"__name__": f"block_{line}"})
    printed = capsys.readouterr().out.splitlines()
    for expected in _EXPECTED.findall(code):
        assert expected in printed


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = REPOSITORY / document
    for link in _LINK.findall(path.read_text()):
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        if fragment:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert fragment in anchors, link


def test_every_field_is_documented() -> None:
    text = (REPOSITORY / "docs/fields.md").read_text()
    assert not [field.name for field in fields(DistributedMap) if f"`{field.name.removesuffix('_path')}" not in text]
    asl = {name.rpartition(".")[2].removesuffix("Path") or name for name in ASL_NAMES.values() if name}
    assert not {name for name in asl if name not in text}


def test_the_task_of_an_argument_is_documented() -> None:
    rows = [line for line in (REPOSITORY / "docs/airflow.md").read_text().splitlines() if line.startswith("|")]
    for argument, task in _FOR_ONE_TASK.items():
        assert any(f"`{argument}`" in row and f"`{task}`" in row for row in rows), argument


def test_pages_are_linked_from_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert not [page.name for page in (REPOSITORY / "docs").glob("*.md") if f"](docs/{page.name})" not in readme]


def test_a_report_with_all_done_ends_with_the_verdict() -> None:
    """Such a task decides about the DAG run: one that we show and that does not raise turns a failed map green."""
    for document in DOCUMENTS:
        text = (REPOSITORY / document).read_text()
        for block in re.findall(r"^```python.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            assert block.count("all_done") == block.count(".raise_for_status()"), document


def test_the_description_is_the_same_everywhere() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    assert get_provider_info()["description"] == setup["metadata"]["description"] + "."


def test_the_demo_looks_for_what_its_dag_prints() -> None:
    markers = re.compile(r"^BEGIN, END = .*$", re.MULTILINE)
    both = [markers.findall((REPOSITORY / file).read_text()) for file in ("dags/example_csv_local.py", "tools/demo.py")]
    assert both[0] == both[1] != []
