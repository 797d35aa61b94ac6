"""`python -m bench.rebuild_process`: one rebuild in a process of its own.

Prints its seconds, and its peak memory in MB above what the imports take.
"""

import re
import time
from pathlib import Path

from workers.core.boot import open_process
from workers.jobs.runs import RunKind, create_run, read_run
from workers.neighbors.rebuild import rebuild_neighbors


def main() -> None:
    with open_process("bench"):
        idle_mb = peak_mb()
        started = time.perf_counter()
        run_id = create_run(RunKind.rebuild_neighbors)
        rebuild_neighbors(run_id)
        elapsed = time.perf_counter() - started
        assert read_run(run_id).state == "done"
        print(elapsed, peak_mb() - idle_mb)


def peak_mb() -> float:
    """Of this process alone: getrusage would begin with what its parent had."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024


if __name__ == "__main__":
    main()
