"""The check that CI really ran the recorded cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import ci_report

MODULE = "tests.conformance.test_recorded"


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        (f'<testcase classname="{MODULE}" name="a"/>', 0),
        (f'<testcase classname="{MODULE}" name="a"><failure/></testcase>', 0),
        (f'<testcase classname="{MODULE}" name="a"><skipped/></testcase>', 1),
        ('<testcase classname="tests.core.test_paths" name="a"/>', 1),
        ("", 1),
    ],
)
def test_only_cases_that_were_run_count(tmp_path: Path, cases: str, code: int) -> None:
    report = tmp_path / "tests.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert ci_report.main(str(report), MODULE) == code
