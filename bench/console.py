"""Every page of the console, and the reads behind them, when everything has gone wrong at once.

`python -m bench.console [--messages 100000] [--dead 50000] [--seconds 4]` on the embedded stack,
one web process, one connection: a person who looks, while nobody works.
"""

import argparse
import math
from collections.abc import Iterator

from dramatiq import Message
from psycopg.types.json import Jsonb

from bench.http_load import Load, request, run_load
from bench.library import fill
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, running
from workers.core.metrics import KEY_LATENCY
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Queue
from workers.jobs.schedules import register_job

LIMIT_MS = 300.0
STUDENTS = 1000
# Of the messages: the rest is ready.
DELAYED = 0.2
DEAD = 0.1
TAKEN_TOGETHER = 100
ERRORS = 200
MINUTES = 2 * 24 * 60
PARAMETERS = {
    "{queue}": "live",
    "{kind}": "student_embedding",
    "{job}": "rebuild_neighbors",
    "{key}": "S1",
}
# Besides the pages: what each of them reads, asked for over the API, and pages with a search.
MORE = (
    "/?span=day",
    "/console/queues/live?state=delayed",
    "/console/queues/live?state=dead",
    "/console/queues/live?search=nothing+like+this",
    "/console/dead/student_embedding?search=nothing+like+this",
    "/console/keys/D7",
    "/freshness",
    "/queues",
    "/queues/live/messages?state=ready&limit=200",
    "/dead?kind=student_embedding&limit=200",
    "/metrics",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the console's pages.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--dead", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    with prepared():
        fill(STUDENTS)
        bury(arguments.dead)
        remember()
        enqueue(arguments.messages)
        figures = measure(arguments.seconds)
    title = f"console, {arguments.messages:,} messages, {arguments.dead:,} dead letters"
    print_table(title, figures)
    print(f"\nwritten: {write_json('console', {title: figures})}")


def measure(seconds: float) -> list[Figure]:
    """What each page takes, the slowest first."""
    from routes.console.views import PAGES  # noqa: PLC0415  # importing the app reads the settings

    paths = [_filled(page.path) for page in PAGES] + list(MORE)
    with running(["web"]) as (port, _):
        loads = {path: _load(port, path, seconds) for path in paths}
    slowest = max(loads, key=lambda path: loads[path].p99_ms)
    figures = [_against_limit("the slowest page, p99", loads[slowest].p99_ms)]
    for path in sorted(loads, key=lambda path: -loads[path].p99_ms):
        figures.append(Figure(f"{path}, p50", loads[path].p50_ms, "ms"))
        figures.append(_against_limit(f"{path}, p99", loads[path].p99_ms))
    return figures


def bury(dead: int) -> None:
    """So many dead letters of two kinds, each with attempts and a traceback, beside fresh keys."""
    traceback = "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n' * 20
    with transaction() as conn:
        for kind, share in (("student_embedding", 0.8), ("student_neighbors", 0.2)):
            parameters = {
                "kind": kind,
                "dead": math.ceil(dead * share),
                "errors": ERRORS,
                "traceback": traceback,
            }
            conn.execute(
                "INSERT INTO freshness (kind, key, stale_since, attempts, error, dead_at)"
                " SELECT %(kind)s, 'D' || n, now() - n * interval '1 second', 5,"
                " 'provider answered ' || n %% %(errors)s || ' to ''D' || n || '''',"
                " now() - n * interval '1 second' FROM generate_series(1, %(dead)s) AS n",
                parameters,
            )
            conn.execute(
                "INSERT INTO freshness (kind, key, done, done_at)"
                " SELECT %(kind)s, 'F' || n, 1, now() FROM generate_series(1, %(dead)s) AS n",
                parameters,
            )
            conn.execute(
                "INSERT INTO attempts (kind, key, wanted, worker, started_at, error, traceback)"
                " SELECT %(kind)s, 'D' || n, 1, 'worker', now(), 'provider answered', %(traceback)s"
                " FROM generate_series(1, %(dead)s) AS n, generate_series(1, 5)",
                parameters,
            )


def remember() -> None:
    """A history of acts, runs, firings and minutes."""
    register_job("rebuild_neighbors", "0 3 * * *")
    names = [f"messages_total {n}" for n in range(30)]
    with transaction() as conn:
        conn.execute(
            "INSERT INTO audit (key_name, action, target, body, request_id, status)"
            " SELECT 'ops', 'POST /dead/requeue', '/dead/requeue', repeat('x', 500), n::text, 202"
            " FROM generate_series(1, 10000) AS n"
        )
        conn.execute(
            "INSERT INTO runs (run_id, kind, state, created_at) SELECT gen_random_uuid(),"
            " 'rebuild_neighbors', 'done', now() - n * interval '1 hour'"
            " FROM generate_series(1, 2000) AS n"
        )
        conn.execute(
            "INSERT INTO job_runs (job, slot, state, started_at, finished_at)"
            " SELECT 'rebuild_neighbors', now() - n * interval '1 day', 'done', now(), now()"
            " FROM generate_series(1, 2000) AS n"
        )
        conn.cursor().executemany(
            "INSERT INTO minutes SELECT date_trunc('minute', now()) - %s * interval '1 minute', %s",
            [
                (n, Jsonb({name: float(MINUTES - n) for name in names} | _latencies(MINUTES - n)))
                for n in range(MINUTES)
            ],
        )
    with connection() as conn:
        conn.execute("VACUUM ANALYZE")


def enqueue(messages: int) -> None:
    """Messages as actors send them, so many of them delayed and dead."""
    from actors import broker, recompute_student  # noqa: PLC0415  # importing them reads settings

    dead, delayed = math.ceil(messages * DEAD), math.ceil(messages * DELAYED)
    for n in range(dead):
        recompute_student.send(f"D{n}")
    while taken := broker.do_fetch(Queue.live, TAKEN_TOGETHER):
        for body in taken:
            broker.do_nack(Queue.live, Message.decode(body).options["redis_message_id"])
    for n in range(delayed):
        recompute_student.send_with_options(args=(f"S{n}",), delay=3_600_000)
    for n in range(messages - dead - delayed):
        recompute_student.send(f"S{n}")


def _latencies(grown: int) -> dict[str, float]:
    bounds = KEY_LATENCY.buckets
    return {f"{KEY_LATENCY.name} {float(b)}": float(grown * n) for n, b in enumerate(bounds)}


def _load(port: int, path: str, seconds: float) -> Load:
    def requests() -> Iterator[bytes]:
        while True:
            yield request("GET", path)

    load = run_load(port, requests(), connections=1, seconds=seconds)
    assert set(load.statuses) == {200}, (path, load.statuses)
    return load


def _filled(path: str) -> str:
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    return path


def _against_limit(name: str, took_ms: float) -> Figure:
    return Figure(name, took_ms, "ms", f"the limit of {LIMIT_MS:.0f} ms", took_ms / LIMIT_MS)


if __name__ == "__main__":
    main()
