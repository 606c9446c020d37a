"""Runs one function in this new process and prints what it cost, as JSON; see `harness.measure`."""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib import import_module
from pathlib import Path


def peak_memory() -> int:
    """The most memory this process has had resident, in bytes.

    VmHWM and not `ru_maxrss`, which on Linux begins with what the parent had when it forked.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    place, arguments = sys.argv[1:]
    module, _, name = place.partition(":")
    function = getattr(import_module(module), name)
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(**json.loads(arguments))
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak_memory()}
    print(json.dumps({**cost, "result": result}))


if __name__ == "__main__":
    main()
