"""From an accepted event to a fresh embedding and both directions of fresh neighbours.

`python -m bench.recompute [--students 10000] [--rates 10 50 200] [--seconds 30]`: the processes of
the Procfile on the embedded stack, single events at a steady rate, a few students very active.
"""

import argparse
import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import uvloop

from bench.http_load import request
from bench.library import fill, loans
from bench.originals_recompute import seconds_per_event
from bench.report import Figure, print_table, write_json
from bench.stack import busy_s, prepared, resident_mb, running
from workers.core.metrics import collect
from workers.core.stores import connection

LINES = ("web", "worker", "scheduler")
PROVIDER_DELAY_S = 0.05
# Its delay is what is measured, not how much of its quota is used.
UNLIMITED = {
    "EMBEDDING_REQUESTS_PER_MINUTE": "1000000",
    "EMBEDDING_TOKENS_PER_MINUTE": "1000000000",
}
ORIGINALS_EVENTS = 30
# The counters are flushed each second.
FLUSHED_AFTER_S = 2.0

# Until the first success at or beyond what the event raised; then the same for what that raised.
LATENCIES = """
SELECT extract(epoch FROM embedded.ended_at - e.received_at)::float8,
       extract(epoch FROM coalesce(listed.ended_at, embedded.ended_at) - e.received_at)::float8
FROM events e
JOIN effects f ON f.event_id = e.event_id AND f.kind = 'student_embedding'
JOIN LATERAL (
    SELECT ended_at, raised_wanted FROM attempts a
    WHERE a.kind = f.kind AND a.key = f.key AND a.wanted >= f.wanted AND a.error IS NULL
    ORDER BY attempt_id LIMIT 1) embedded ON true
LEFT JOIN LATERAL (
    SELECT ended_at FROM attempts a
    WHERE a.kind = 'student_neighbors' AND a.key = f.key
      AND a.wanted >= embedded.raised_wanted AND a.error IS NULL
    ORDER BY attempt_id LIMIT 1) listed ON true
WHERE e.received_at > %s
"""


def main() -> None:
    """Measure each population and rate."""
    parser = argparse.ArgumentParser(description="Measure from event to fresh.")
    parser.add_argument("--students", type=int, nargs="+", default=[10_000])
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 50, 200])
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    sections = {}
    for count in arguments.students:
        with prepared():
            fill(count)
            title = f"{count:,} students"
            sections[title] = measure(count, arguments.rates, arguments.seconds)
            print_table(title, sections[title])
    print(f"\nwritten: {write_json('recompute', sections)}")


def measure(students: int, rates: list[float], seconds: float) -> list[Figure]:
    """All figures of one population."""
    original_s = seconds_per_event(students, ORIGINALS_EVENTS)
    figures = [Figure("originals: events a worker can follow", 1 / original_s, "per s")]
    for rate in rates:
        figures += _follow(students, rate, seconds, f"{rate:g} events/s")
    with _provider() as url:
        name = f"{rates[-1]:g} events/s, provider of {PROVIDER_DELAY_S * 1000:g} ms"
        figures += _follow(students, rates[-1], seconds, name, OPENAI_BASE_URL=url, **UNLIMITED)
    return figures


def _follow(
    students: int, rate: float, seconds: float, name: str, **environment: str
) -> list[Figure]:
    with running(LINES, **environment) as (port, pids):
        _send(port, students, rate, 3)  # each process has its copies and connections now
        wait_until_fresh()
        time.sleep(FLUSHED_AFTER_S)
        with connection() as conn:
            ((began,),) = conn.execute("SELECT now()").fetchall()
        inputs, cpu = _inputs(), busy_s()
        _send(port, students, rate, seconds)
        wait_until_fresh()
        time.sleep(FLUSHED_AFTER_S)
        inputs, cpu = _inputs() - inputs, busy_s() - cpu
        with connection() as conn:
            found = np.array(conn.execute(LATENCIES, [began]).fetchall()) * 1000
            ((updates,),) = conn.execute(
                "SELECT count(*) FROM attempts WHERE kind = 'student_embedding'"
                " AND raised_wanted IS NOT NULL AND started_at > %s",
                [began],
            ).fetchall()
        memory = {line: resident_mb(pid) for line, pid in pids.items()}
    cpu_s = 1000 * cpu / updates
    embedded = np.percentile(found[:, 0], [50, 95, 99])
    fresh = np.percentile(found[:, 1], [50, 95, 99])
    figures = [
        Figure(f"{name}: embedding fresh, p{percent}", float(value), "ms")
        for percent, value in zip((50, 95, 99), embedded, strict=True)
    ]
    figures += [
        Figure(f"{name}: neighbours fresh, p{percent}", float(value), "ms")
        for percent, value in zip((50, 95, 99), fresh, strict=True)
    ]
    return [
        *figures,
        Figure(f"{name}: provider inputs per changed student", inputs / updates, ""),
        # The provider has its share of the machine's CPU, and is not ours.
        *([] if environment else [Figure(f"{name}: CPU per 1,000 updates", cpu_s, "s")]),
        *(Figure(f"{name}: memory of {line}", mb, "MB") for line, mb in memory.items()),
    ]


def _send(port: int, students: int, rate: float, seconds: float) -> None:
    count = int(rate * seconds)
    bodies = [
        request("POST", "/events", loan.model_dump_json(exclude_none=True).encode())
        for loan in itertools.islice(loans(students, seed=time.monotonic_ns()), count)
    ]
    uvloop.run(_paced(port, bodies, rate))


async def _paced(port: int, bodies: list[bytes], rate: float) -> None:
    """One connection, a request at each tick; answers are read and thrown away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def read() -> None:
        while await reader.read(65536):
            pass

    reading = asyncio.create_task(read())
    started = time.perf_counter()
    for place, body in enumerate(bodies):
        await asyncio.sleep(max(started + place / rate - time.perf_counter(), 0))
        writer.write(body)
    await writer.drain()
    await asyncio.sleep(0.5)
    writer.close()
    reading.cancel()


def wait_until_fresh() -> None:
    """Until nothing is stale."""
    while True:
        with connection() as conn:
            if not conn.execute("SELECT FROM freshness WHERE wanted > done LIMIT 1").fetchall():
                return
        time.sleep(0.05)


def _inputs() -> float:
    """Embeddings that have been asked for so far."""
    families = {family.name: family for family in collect()}
    found = families.get("embeddings_generated")
    return sum(sample.value for sample in found.samples) if found else 0


@contextmanager
def _provider() -> Iterator[str]:
    """An embeddings server in a process of its own that takes its time."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.embeddings_server", "--delay", str(PROVIDER_DELAY_S)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        httpx.get(url)
        yield url
        process.terminate()


if __name__ == "__main__":
    main()
