"""What the README and the documents say is run, and what they link to is there."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import DistributedMap
from airflow_provider_sfdm.core.definition import ASL_NAMES

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
