"""What an update costs, by the number of worker processes and of students.

`python -m bench.scaling [--students 1000 10000 100000] [--processes 1 2 4] [--changes 2000]` on the
embedded stack. An update is one student's new loan, worked off to the embedding and both directions
of neighbours, out of a backlog of many. CPU is that of the whole machine, Kinfold, Postgres and
Redis, without the client's.
"""

import argparse
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import numpy as np

from bench.library import BOOKS, fill
from bench.recompute import wait_until_fresh
from bench.report import Figure, print_table, write_json
from bench.stack import busy_s, prepared, resident_mb, running
from workers.core.stores import connection
from workers.jobs.heartbeats import list_workers

# What each process does first (its copy, its connections) is not what is measured.
WARM_UP = 50
WARM_UP_ROUNDS = 50


@dataclass(frozen=True)
class Cost:
    """Of one update: seconds by the clock, the machine's CPU seconds; MB of the largest process."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def main() -> None:
    """Measure each population with each number of processes."""
    parser = argparse.ArgumentParser(description="Measure what an update costs.")
    parser.add_argument("--students", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--changes", type=int, default=2_000)
    arguments = parser.parse_args()
    sections: dict[str, list[Figure]] = {}
    smaller: dict[int, Cost] = {}
    for students in arguments.students:
        changes = min(arguments.changes, students // 2)
        costs = measure(students, arguments.processes, changes)
        title = f"{students:,} students"
        before = next(reversed(sections), "")
        sections[title] = [
            figure
            for processes, cost in costs.items()
            for figure in _figures(processes, cost, smaller.get(processes), before)
        ]
        smaller = costs
        print_table(title, sections[title])
    print(f"\nwritten: {write_json('scaling', sections)}")


def measure(students: int, processes: list[int], changes: int) -> dict[int, Cost]:
    """The cost of an update by number of worker processes."""
    with prepared():
        fill(students)
        return {number: _work_off(students, number, changes) for number in processes}


def _work_off(students: int, processes: int, changes: int) -> Cost:
    rng = np.random.default_rng(processes)
    with running(["web", "worker", "scheduler"], WORKER_PROCESSES=processes) as (port, pids):
        while sum(worker.alive for worker in list_workers()) < processes:
            time.sleep(0.1)
        started_at = datetime.now(UTC)
        for _ in range(WARM_UP_ROUNDS):
            _change(port, rng, students, WARM_UP)
            wait_until_fresh()
            if _updating(started_at) >= processes:
                break
        cpu_s, started = busy_s(), time.perf_counter()
        _change(port, rng, students, changes)
        wait_until_fresh()
        wall_s, cpu_s = time.perf_counter() - started, busy_s() - cpu_s
        memory_mb = resident_mb(pids["worker"])
    return Cost(wall_s / changes, cpu_s / changes, memory_mb)


def _updating(since: datetime) -> int:
    """How many processes have updated neighbours since then."""
    with connection() as conn:
        row = conn.execute(
            "SELECT count(DISTINCT split_part(worker, ':', 2)) FROM attempts"
            " WHERE kind = 'student_neighbors' AND started_at >= %s",
            [since],
        ).fetchone()
    return row[0] if row else 0


def _change(port: int, rng: np.random.Generator, students: int, count: int) -> None:
    """A new loan each of so many students, in one list."""
    chosen = rng.choice(students, count, replace=False)
    today = datetime.now(UTC).date().isoformat()
    events = [
        {
            "event_type": "checkout_added",
            "student_id": f"S{student}",
            "book_id": f"B{book}",
            "checkout_date": today,
        }
        for student, book in zip(chosen, rng.integers(BOOKS, size=count), strict=True)
    ]
    url = f"http://127.0.0.1:{port}/events"
    httpx.post(url, json={"events": events}, timeout=60).raise_for_status()


def _figures(processes: int, cost: Cost, smaller: Cost | None, before: str) -> list[Figure]:
    name = f"{processes} process{'es' if processes > 1 else ''}"
    per_update = 1000 * cost.cpu_s
    growth = cost.cpu_s / smaller.cpu_s if smaller else None
    slower = cost.wall_s / smaller.wall_s if smaller else None
    return [
        Figure(f"{name}: updates", 1 / cost.wall_s, "per s"),
        Figure(f"{name}: time per update", 1000 * cost.wall_s, "ms", before, slower),
        Figure(f"{name}: CPU per update", per_update, "ms", before, growth),
        Figure(f"{name}: memory of the largest process", cost.memory_mb, "MB"),
    ]


if __name__ == "__main__":
    main()
