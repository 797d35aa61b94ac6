"""A process that updates neighbours, for the bench and the tests.

`python -m bench.neighbor_worker` prints "ready" once its copy of the graph is loaded, works until
its stdin ends and nothing is due, and prints its resident memory in MB.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import structlog

from workers.core.boot import open_process
from workers.core.stores import connection
from workers.neighbors.update import load_graph, update_neighbors


def main() -> None:
    """Work until asked to end."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with open_process("bench"):
        load_graph()
        print("ready", flush=True)
        _work_until_stdin_ends()
        print(psutil.Process().memory_info().rss // 2**20)


def _work_until_stdin_ends() -> None:
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while True:
        last_look = ended.is_set()
        key = stale_key()
        if key is not None:
            update_neighbors(key)
        elif last_look:
            break
        else:
            time.sleep(0.002)


def stale_key() -> str | None:
    """Somebody whose neighbours are stale."""
    with connection() as conn:
        row = conn.execute(
            "SELECT key FROM freshness WHERE kind = 'student_neighbors' AND wanted > done"
            " AND dead_at IS NULL LIMIT 1"
        ).fetchone()
    return row[0] if row else None


@contextmanager
def neighbor_worker() -> Iterator[subprocess.Popen[str]]:
    """Such a process, ready; killed at the end of the block if it has not ended."""
    with subprocess.Popen(  # this file
        [sys.executable, "-m", "bench.neighbor_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    main()
