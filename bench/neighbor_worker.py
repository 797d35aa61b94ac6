"""`python -m bench.neighbor_worker`: update neighbours until stdin ends and nothing is due.

Prints "ready" once its copy of the graph is loaded, and its resident memory in MB at the end.
"""

import logging
import sys
import threading
import time

import psutil
import structlog

from workers.stores import close_stores, connection, open_stores
from workers.update_neighbors import load_graph, update_neighbors


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    open_stores()
    load_graph()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while True:
        last_look = ended.is_set()
        with connection() as conn:
            row = conn.execute(
                "SELECT key FROM freshness WHERE kind = 'student_neighbors' AND wanted > done"
                " AND dead_at IS NULL LIMIT 1"
            ).fetchone()
        if row is not None:
            update_neighbors(row[0])
        elif last_look:
            break
        else:
            time.sleep(0.002)
    print(psutil.Process().memory_info().rss // 2**20)
    close_stores()


if __name__ == "__main__":
    main()
