"""Processes that are killed with all they forked, or alone."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.processes import Process, stop_all, wait_until

# It forks a child that leaves its process group, and that one does not end when it is asked to.
PARENT = """
import os, signal, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Process]:
    process = Process("parent", [sys.executable, "-c", PARENT], log=tmp_path / "log", env=os.environ, cwd=tmp_path)
    wait_until(lambda: "ready" in process.tail(), timeout=30, processes=[process])
    yield process
    process.kill()


def test_a_family_is_killed(parent: Process) -> None:
    assert len(parent.family()) == 2
    parent.kill(signal.SIGTERM, grace=0.2)
    assert (parent.running, parent.family()) == (False, [])


def test_what_is_killed_alone_leaves_its_children_which_are_found_later(parent: Process) -> None:
    (child,) = (member for member in parent.family() if member.pid != parent.pid)
    parent.kill(alone=True)
    assert parent.wait(10) == -signal.SIGKILL
    assert parent.family() == [child]
    stop_all([parent], grace=0.2)
    assert parent.family() == []
