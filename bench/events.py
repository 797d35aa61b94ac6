"""Accepted events per second, durable in Postgres, beside a bare COPY into the same table.

`python -m bench.events [--seconds 5]` on the embedded stack: one web process, no worker.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from uuid import uuid4

import numpy as np

from bench.http_load import Load, request, run_load
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, running
from workers.core.stores import connection

STUDENTS = 10_000
BOOKS = 5_000
BATCH = 1000
# What one web process is asked to take as single requests.
STEADY_PER_S = 1000
NDJSON = "application/x-ndjson"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast events are accepted.")
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    sections = {"events": measure(arguments.seconds)}
    print_table("events, one web process", sections["events"])
    print(f"\nwritten: {write_json('events', sections)}")


def measure(seconds: float) -> list[Figure]:
    """All figures of the way in."""
    with prepared(), running(["web"]) as (port, _):
        limit = copied_per_second()
        figures = [Figure("limit: bare COPY into the events table", limit, "per s")]
        # The way in fills the tables that it works on: students and books are known afterwards.
        run_load(port, _lists(seed=0), connections=1, seconds=seconds)
        for connections in (1, 16, 100):
            load = run_load(port, _singles(connections), connections=connections, seconds=seconds)
            figures += _figures(f"single, {connections} connections", load, 1, limit)
        paced = run_load(port, _singles(101), connections=100, seconds=seconds, rate=STEADY_PER_S)
        name = f"single, 100 connections, {STEADY_PER_S:,} a second"
        figures += _figures(name, paced, 1, limit)
        load = run_load(port, _lists(seed=1), connections=2, seconds=seconds)
        figures += _figures(f"lists of {BATCH:,}", load, BATCH, limit)
        load = run_load(port, _lines(seed=2), connections=2, seconds=seconds)
        figures += _figures(f"NDJSON of {BATCH:,}", load, BATCH, limit)
    return figures


def copied_per_second(count: int = 200_000) -> float:
    """What the disk and the table allow: one COPY, committed."""
    events = [(uuid4(), "checkout_added") for _ in range(count)]
    with connection() as conn, conn.transaction():
        started = time.perf_counter()
        with conn.cursor().copy("COPY events (event_id, event_type) FROM STDIN BINARY") as copy:
            copy.set_types(["uuid", "text"])
            for event in events:
                copy.write_row(event)
    elapsed = time.perf_counter() - started
    with connection() as conn:
        conn.execute("TRUNCATE events CASCADE")
    return count / elapsed


def _figures(name: str, load: Load, events: int, limit: float) -> list[Figure]:
    assert set(load.statuses) == {202}, load.statuses
    rate = load.per_second * events
    return [
        Figure(name, rate, "per s", "COPY", rate / limit),
        Figure(f"{name}, p50", load.p50_ms, "ms"),
        Figure(f"{name}, p99", load.p99_ms, "ms"),
    ]


def _checkouts(seed: int) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng(seed)
    for block in itertools.count():
        students = rng.integers(STUDENTS, size=4096)
        books = rng.integers(BOOKS, size=4096)
        days = rng.integers(1, 28, size=4096)
        for student, book, day in zip(students, books, days, strict=True):
            yield {
                "event_type": "checkout_added",
                "student_id": f"S{student}",
                "book_id": f"B{book}",
                "checkout_date": f"20{10 + block % 15:02}-{1 + block // 15 % 12:02}-{day:02}",
            }


def _singles(seed: int) -> Iterator[bytes]:
    for checkout in _checkouts(1000 + seed):
        yield request("POST", "/events", json.dumps(checkout).encode())


def _lists(seed: int) -> Iterator[bytes]:
    checkouts = _checkouts(seed)
    while True:
        body = json.dumps({"events": list(itertools.islice(checkouts, BATCH))})
        yield request("POST", "/events", body.encode())


def _lines(seed: int) -> Iterator[bytes]:
    checkouts = _checkouts(seed)
    while True:
        body = "\n".join(map(json.dumps, itertools.islice(checkouts, BATCH)))
        yield request("POST", "/events", body.encode(), NDJSON)


if __name__ == "__main__":
    main()
