"""Runs executions recorded on AWS and says where this interpreter differs.

Usage, from the repository's root::

    .venv/bin/python tests/conformance/run.py --cases DIR [--json FILE] [--needs pure] [--only TEXT]

Every case of every JSON file in DIR is run; see the README beside the recordings for their format. Its last line is
``N passed, M failed``, and it ends with 1 if any case failed. Cases that AWS itself would answer differently today are
listed with the reason in exceptions.json; they are run, shown, and counted apart.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conformance.recorded import Runner, difference  # the path has to be there first

EXCEPTIONS = Path(__file__).with_name("exceptions.json")


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every recording in the folder, with the name of its file."""
    for path in sorted(folder.glob("*.json")):
        for case in json.loads(path.read_bytes()):
            yield path.stem, case


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR", help="folder with the recordings")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result of every case there")
    parser.add_argument("--needs", help="run only cases that need this: pure, s3 or lambda")
    parser.add_argument("--only", help="run only cases with this text in their id")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    reasons = {one["id"]: one["reason"] for one in json.loads(EXCEPTIONS.read_text())}
    results: list[dict[str, Any]] = []
    begun = time.monotonic()
    with Runner() as runner:
        for group, case in cases(options.cases):
            if (options.needs and case["needs"] != options.needs) or (options.only and options.only not in case["id"]):
                continue
            problem = difference(case, runner.run(case))
            results.append({"id": case["id"], "group": group, "needs": case["needs"], "difference": problem})
    return report(results, reasons, options.json, time.monotonic() - begun)


def report(results: list[dict[str, Any]], reasons: dict[str, str], file: Path | None, seconds: float) -> int:
    """Print what passed and failed; the exit code."""
    counts: Counter[tuple[str, bool]] = Counter()
    excused = 0
    for result in results:
        problem, reason = result["difference"], reasons.get(result["id"])
        if problem is None:
            print(f"passed  {result['id']}")
        elif reason is not None:
            excused += 1
            result["exception"] = reason
            print(f"excused {result['id']}\n        {problem}\n        because {reason}")
            continue
        else:
            print(f"FAILED  {result['id']}\n        {problem}")
        counts[result["needs"], problem is None] += 1
    if file is not None:
        file.write_text(json.dumps(results, indent=1))
    print()
    for needs in sorted({needs for needs, _ in counts}):
        print(f"{needs}: {counts[needs, True]} passed, {counts[needs, False]} failed")
    if excused:
        print(f"{excused} differ for the reasons in {EXCEPTIONS.name}")
    print(f"in {seconds:.1f} s")
    failed = sum(count for (_, passed), count in counts.items() if not passed)
    print(f"{sum(counts.values()) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
