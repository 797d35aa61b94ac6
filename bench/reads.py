"""Reads of what is derived at 1, 16 and 100 connections, beside the route that does nothing.

`python -m bench.reads [--students 10000] [--seconds 4]` on the embedded stack: one web process, and
for what is read most also one for each core, as in production: each request's key is checked, and
logged as JSON.
Documents' and users' reads are measured where their data is, by bench/documents.py and
bench/users.py.
"""

import argparse
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote
from uuid import UUID

import numpy as np

from bench.http_load import Load, request, run_load
from bench.library import fill
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, running
from workers.core.stores import connection
from workers.jobs.runs import RunKind, create_run

CONNECTIONS = (1, 16, 100)
NOTHING = "/health/live"
# A sixth and half of what one process answers: a latency is not that of a queue.
STEADY_PER_S = (500, 1500)
PROCESSES = os.cpu_count() or 1
# The first of them is ready before the others.
ALL_STARTED_S = 5.0
STEADY = ("/students/{student_id}", "/students/{student_id}/neighbors")
KEY = "the key of this bench"
PRODUCTION = {
    "KINFOLD_ENV": "production",
    "API_KEYS": f"bench:read:{hashlib.sha256(KEY.encode()).hexdigest()}",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast reads are answered.")
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    with prepared():
        fill(arguments.students)
        figures = measure(arguments.students, arguments.seconds)
    title = f"reads, {arguments.students:,} students"
    print_table(title, figures)
    print(f"\nwritten: {write_json('reads', {title: figures})}")


def measure(students: int, seconds: float) -> list[Figure]:
    """Rates and latencies of each."""
    examples = _examples(students)
    figures: list[Figure] = []
    with running(["web"], **PRODUCTION) as (port, _):
        for connections in CONNECTIONS:
            nothing = _load(port, lambda: NOTHING, connections, seconds)
            figures += _figures(NOTHING, connections, nothing, None)
            for path, example in examples.items():
                load = _load(port, example, connections, seconds)
                figures += _figures(path, connections, load, nothing)
        for path, rate in itertools.product(STEADY, STEADY_PER_S):
            load = _load(port, examples[path], 16, seconds, rate)
            name = f"{path}, 16 connections, {rate} a second"
            figures += [
                Figure(f"{name}, p50", load.p50_ms, "ms"),
                Figure(f"{name}, p99", load.p99_ms, "ms"),
            ]
    with running(["web"], WEB_CONCURRENCY=PROCESSES, **PRODUCTION) as (port, _):
        time.sleep(ALL_STARTED_S)
        for path in STEADY:
            load = _load(port, examples[path], 16, seconds)
            figures += _figures(f"{path}, {PROCESSES} web processes", 16, load, None)
    return figures


def _load(
    port: int,
    example: Callable[[], str],
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Load:
    def requests() -> Iterator[bytes]:
        while True:
            yield request("GET", example(), key=KEY)

    load = run_load(port, requests(), connections=connections, seconds=seconds, rate=rate)
    assert set(load.statuses) == {200}, load.statuses
    return load


def _figures(path: str, connections: int, load: Load, nothing: Load | None) -> list[Figure]:
    name = f"{path}, {connections} connection{'s' if connections > 1 else ''}"
    ratio = load.per_second / nothing.per_second if nothing else None
    return [
        Figure(name, load.per_second, "per s", NOTHING, ratio),
        Figure(f"{name}, p50", load.p50_ms, "ms"),
        Figure(f"{name}, p99", load.p99_ms, "ms"),
    ]


def _examples(students: int) -> dict[str, Callable[[], str]]:
    """A path to ask for, by operation."""
    drawn = itertools.cycle(np.random.default_rng(0).integers(students, size=10_000).tolist())
    with connection() as conn:
        rows = conn.execute("SELECT event_id FROM events LIMIT 1000").fetchall()
    events: Iterator[UUID] = itertools.cycle(event_id for (event_id,) in rows)
    run_id = create_run(RunKind.rebuild_neighbors)
    return {
        "/events/{event_id}": lambda: f"/events/{next(events)}",
        "/students/{student_id}": lambda: f"/students/{quote(f'S{next(drawn)}')}",
        "/students/{student_id}/neighbors": lambda: f"/students/S{next(drawn)}/neighbors",
        "/runs": lambda: "/runs",
        "/runs/{run_id}": lambda: f"/runs/{run_id}",
        "/freshness": lambda: "/freshness",
    }


if __name__ == "__main__":
    main()
