"""The real command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "airflow_provider_sfdm.cli"]


def sfdm(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run ``sfdm``; nothing it does may end in a traceback."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(env),
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error", **(more or {})}


def run(definition: object, data: object = None, *arguments: str | Path, **surroundings: Any) -> tuple[int, Any]:
    """The exit code and the JSON printed of ``sfdm run``."""
    given = [] if data is None else ["--input", json.dumps(data)]
    done = sfdm("run", "-", *given, *arguments, stdin=json.dumps(definition).encode(), **surroundings)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def one(state: dict[str, Any]) -> dict[str, Any]:
    """A machine of one state."""
    end = {} if state["Type"] in ("Succeed", "Fail", "Choice") else {"End": True}
    return {"StartAt": "A", "States": {"A": {**state, **end}}}
