"""Two workers on overlapping batches, with deletions: `python -m bench.two_workers [SECONDS]`.

Prints errors, deadlocks and each process's share, and compares the final graph with brute force.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.neighbor_worker import neighbor_worker, stale_key
from embedded.services import embedded_services
from tests.graph import assert_graph_is_exact, clustered, delete_students, store_vectors
from workers.core.boot import open_process
from workers.core.stores import connect, connection
from workers.operations.migrate import migrate

STUDENTS = 2000
DIMENSIONS = 256
BATCH = 50


def main() -> None:
    """Measure for five minutes, or as long as the arguments say."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    with tempfile.TemporaryDirectory() as home, embedded_services(Path(home), durable=True) as urls:
        os.environ |= {
            "DATABASE_URL": urls.database_url,
            "REDIS_URL": urls.redis_url,
            "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "NEIGHBOR_BATCH_SIZE": str(BATCH),
        }
        with connect() as conn:
            migrate(conn)
        with open_process("bench"):
            vectors = work(seconds)
            report()
            assert_graph_is_exact(vectors)
            print("graph equals brute force: yes")


def work(seconds: float) -> dict[str, np.ndarray]:
    """Move and delete students while two processes update; returns who is there at the end."""
    rng = np.random.default_rng(1)
    ids = [f"S{row:04}" for row in range(STUDENTS)]
    vectors = dict(zip(ids, clustered(rng, STUDENTS, DIMENSIONS), strict=True))
    store_vectors(vectors)
    moves = deletions = 0
    with neighbor_worker() as first, neighbor_worker() as second:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            count = int(rng.integers(1, 120))
            chosen = rng.choice(ids, count, replace=False).tolist()
            moved = dict(zip(chosen, clustered(rng, count, DIMENSIONS), strict=True))
            vectors |= moved
            store_vectors(moved)
            moves += count
            if rng.random() < 0.2:
                gone = str(rng.choice(ids))
                vectors.pop(gone, None)
                delete_students([gone])
                deletions += 1
            while rng.random() < 0.3 and stale_key() is not None:
                time.sleep(0.01)
        for process in (first, second):
            process.communicate(timeout=300)
    print(f"moves {moves}, deletions {deletions}")
    return vectors


def report() -> None:
    """What the database says of it."""
    with connection() as conn:
        errors = conn.execute("SELECT count(*) FROM attempts WHERE error IS NOT NULL").fetchone()
        deadlocks = conn.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        shares = conn.execute(
            "SELECT split_part(worker, ':', 2), count(*) FROM attempts GROUP BY 1"
        ).fetchall()
    assert errors is not None
    assert deadlocks is not None
    print(f"errors {errors[0]}, deadlocks {deadlocks[0]}, keys done by process {dict(shares)}")


if __name__ == "__main__":
    main()
