"""`python -m tests.neighbor_worker`: update neighbours until stdin ends and nothing is due.

Prints "ready" when it begins.
"""

import random
import sys
import threading
import time

import structlog

from tests.graph import due_keys
from workers.stores import close_stores, open_stores
from workers.update_neighbors import update_neighbors


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    open_stores()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while True:
        last_look = ended.is_set()
        due = due_keys()
        if due:
            update_neighbors(random.choice(due))
        elif last_look:
            break
        else:
            time.sleep(0.01)
    close_stores()


if __name__ == "__main__":
    main()
