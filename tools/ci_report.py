"""Fail, with a message, unless a pytest report (junit XML) shows that tests of a module were really run.

Usage: python -m tools.ci_report REPORT MODULE
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_run(report: Path, module: str) -> int:
    """Return how many tests of the module were run, those that were skipped not counted."""
    # The report is our own pytest's; nobody else can have put XML there.
    cases = ElementTree.parse(report).iter("testcase")
    return sum(case.get("classname", "").startswith(module) and case.find("skipped") is None for case in cases)


def main(report: str, module: str) -> int:
    if count_run(Path(report), module):
        return 0
    print(f"{report}: no test of {module} was run", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
