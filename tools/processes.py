"""Server processes that a program starts and must not leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

HOST = "127.0.0.1"


class ServerFailed(RuntimeError):
    """A server did not come up, or ended by itself; the message carries the end of its log."""


def free_ports(count: int) -> list[int]:
    """Return TCP ports of 127.0.0.1 that nobody listens on now, all different.

    Only ports below the range the kernel itself hands to outgoing connections: one above could be taken by
    any client between this call and the moment the server binds it.
    """
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        # The start differs between processes, so that test runs side by side do not choose the same ports.
        candidate = 20_000 + (os.getpid() * 61 + time.monotonic_ns() // 1_000_000) % 11_000
        while len(ports) < count:
            candidate = candidate + 1 if candidate < 31_999 else 20_000
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((HOST, candidate))
                ports.append(candidate)
        return ports


class Process:
    """One server process, its log file, and everything it forks."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # A session of its own: Ctrl-C in the terminal reaches the program, which then stops the
            # server in good order, and what the server forks can be signalled as one group.
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        """Raise ServerFailed if the process has ended."""
        if not self.running:
            raise ServerFailed(
                f"{self.name} ended with exit code {self._process.returncode}; its log is {self.log} "
                f"and ends with:\n{self.tail()}"
            )

    def wait(self, timeout: float) -> int:
        """Wait for a process that ends by itself and return its exit code."""
        return self._process.wait(timeout)

    def family(self) -> list[psutil.Process]:
        """Return the process and all it forked, also what was left when its parent ended: its session."""
        members = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
        return members

    def kill(self, number: signal.Signals = signal.SIGKILL, *, alone: bool = False, grace: float = 0.0) -> None:
        """Send the process a signal, and SIGKILL to its family after `grace` seconds, unless it is meant `alone`."""
        members = self.family()
        self._process.send_signal(number)
        if alone:
            return
        psutil.wait_procs(members, timeout=grace)
        while members := self.family():  # some may have been forked meanwhile
            for member in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(members, timeout=1.0)
        self.wait(timeout=10)

    def stop(self, grace: float = 10.0) -> None:
        """End the process and all it forked: SIGTERM, and SIGKILL for what is left after `grace` seconds."""
        stop_all([self], grace)


def stop_all(processes: Iterable[Process], grace: float = 10.0) -> None:
    """Stop several processes at the same time; those that have ended are fine."""
    started = list(processes)
    members = [member for process in started for member in process.family()]
    for process in started:
        if process.running:
            os.kill(process.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(members, timeout=grace)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    for process in started:
        process.kill()  # with what it forked after it was asked to stop


def wait_until(
    ready: Callable[[], bool], *, timeout: float, processes: Sequence[Process], interval: float = 0.1
) -> None:
    """Ask `ready` until it says yes. Raises ServerFailed when the time is up or a process has ended."""
    deadline = time.monotonic() + timeout
    while not ready():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            logs = "\n".join(f"{process.log}:\n{process.tail()}" for process in processes)
            names = ", ".join(process.name for process in processes)
            raise ServerFailed(f"{names}: not ready after {timeout:.0f} s\n{logs}")
        time.sleep(interval)


@contextlib.contextmanager
def signals_as_exit() -> Iterator[None]:
    """Turn the signals that ask a program to end into exceptions, so that `finally` clauses stop what was started.

    SIGTERM and SIGHUP become SystemExit. SIGINT becomes KeyboardInterrupt even in a shell's background job,
    which is started with that signal ignored.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers = {
        signal.SIGTERM: leave,
        signal.SIGHUP: leave,
        signal.SIGINT: signal.default_int_handler,
    }
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
