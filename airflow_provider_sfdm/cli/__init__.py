"""``sfdm``: state machines from the command line, without an Airflow. See docs/cli.md."""

from __future__ import annotations

import sys


def main() -> int:
    """The console script ``sfdm``; returns its exit code."""
    try:
        from .command import main as command  # it takes long enough for somebody to change their mind

        return command()
    except KeyboardInterrupt:
        sys.stderr.write("sfdm: interrupted\n")
        return 130
