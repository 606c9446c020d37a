"""The commands of docs/cli.md print what it says, and it names every option."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from airflow_provider_sfdm.cli.options import AWS_CONN_ID, COMMANDS

from .running import REPOSITORY, environment

TEXT = (REPOSITORY / "docs/cli.md").read_text()


def _sessions() -> list[tuple[str, str]]:
    """The commands of all console blocks, each with what it prints."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            here = re.match(r".*<<'(\w+)'\n(?:.*\n)*?\1\n", part)
            command = here[0] if here else part.partition("\n")[0] + "\n"
            found.append((command, part[len(command) :]))
    return found


def test_commands_print_what_is_documented(tmp_path: Path) -> None:
    define = f'sfdm() {{ {sys.executable} -m airflow_provider_sfdm.cli "$@"; }}\n'
    sessions = _sessions()
    assert len(sessions) == 11
    for command, printed in sessions:
        done = subprocess.run(
            ["bash", "-c", define + command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=60,
        )
        assert done.stdout == printed, (command, done.stderr)


def test_every_option_is_documented() -> None:
    for option in (*(option for command in COMMANDS for option in command.options), AWS_CONN_ID):
        name = option.flags[0]
        assert (name if name.startswith("-") else option.more["metavar"]) in TEXT
