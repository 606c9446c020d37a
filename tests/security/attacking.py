"""Runs an attack in a process of its own, with little memory to spare: that process ends, and not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_REPOSITORY = Path(__file__).resolve().parents[2]
_LIMIT_MIB = 3072
_CHILD = """
import json, resource, sys
from pathlib import Path

import pyarrow.parquet

import airflow_provider_sfdm.core.decoding.parquet
from tests.security.bombs import EXPLODE

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

limit = {limit} << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
before = peak()
try:
    outcome = f"read {{EXPLODE[sys.argv[1]](Path(sys.argv[2]))}}"
except Exception as error:
    outcome = f"{{type(error).__name__}}: {{error}}"
print(json.dumps([outcome, peak() - before]))
"""


class Outcome(NamedTuple):
    """``text``: the error, or how much was read; ``mib``: the memory that it took."""

    text: str
    mib: int


def explode(kind: str, file: Path) -> Outcome:
    """What becomes of reading ``file`` as ``kind``, one of ``bombs.EXPLODE``."""
    child = subprocess.run(
        [sys.executable, "-c", _CHILD.format(limit=_LIMIT_MIB), kind, str(file)],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, f"the process ended with {child.returncode}: {child.stderr[-2000:]}"
    text, mib = json.loads(child.stdout)
    return Outcome(text, mib)
