"""`make soak`, or `python -m tests.failures.soak --seconds 600 --seed 7`."""

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import psycopg

from tests.embeddings_server import EmbeddingsServer, serving_embeddings
from tests.failures.cluster import QUICK
from tests.failures.servers import Servers, running_servers
from tests.failures.soak.acts import Lane, acts_on_lines, acts_on_servers, until_it_works
from tests.failures.soak.crew import Crew
from tests.failures.soak.reader import Reader
from tests.failures.soak.report import (
    Report,
    report_derived,
    report_ledger,
    report_revived,
    report_stream,
)
from tests.failures.soak.teller import Teller
from tests.library import rows
from workers.core.boot import open_process
from workers.core.vocabulary import Kind, Queue
from workers.jobs.queues import resume_queue
from workers.operations.migrate import migrate

SETTINGS = QUICK | {"EMBEDDING_DIMENSIONS": "64", "EMBEDDING_TIMEOUT_S": "2"}
TELLERS = 2
WORKER_LINES = 3
DRAIN_S = 240.0


def soak(home: Path, seconds: float, seed: int) -> Report:
    """Run everything in `home` for so long, and find out what has become of it."""
    with running_servers(home) as servers, serving_embeddings() as provider:
        _configure(servers, provider)
        with psycopg.connect(servers.postgres.url, autocommit=True) as conn:
            migrate(conn)
        with open_process("soak"):
            return _soak(home, servers, provider, seconds, seed)


def _configure(servers: Servers, provider: EmbeddingsServer) -> None:
    # Its warnings are the acts' doing.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for name in ("OPENAI_API_KEY", "API_KEYS", "STORE_REDIS_URL", "KINFOLD_ENV", "EMBEDDING_MODEL"):
        os.environ.pop(name, None)
    os.environ |= SETTINGS | {
        "DATABASE_URL": servers.postgres.url,
        "REDIS_URL": servers.redis.url,
        "OPENAI_BASE_URL": provider.url,
    }


def _soak(
    home: Path, servers: Servers, provider: EmbeddingsServer, seconds: float, seed: int
) -> Report:
    crew = Crew(home)
    tellers = [Teller(number, seed, crew.address) for number in range(TELLERS)]
    reader = Reader(seed, crew.address)
    ending = threading.Event()
    on_lines = Lane("acts on lines", acts_on_lines(crew, tellers), seed, ending)
    on_servers = Lane("acts on servers", acts_on_servers(servers, provider), seed, ending)
    report = Report({"seed": seed})
    try:
        for thread in (*tellers, reader):
            thread.start()
        _wait(lambda: bool(rows("SELECT FROM student_similarity LIMIT 1")))
        began = time.monotonic()
        beside = threading.Thread(target=on_lines.play, daemon=True)
        beside.start()
        bell = threading.Timer(seconds, ending.set)
        bell.daemon = True
        bell.start()
        on_servers.play()
        beside.join()
        acted_s = time.monotonic() - began
        servers.mend()
        provider.faults.clear()
        print(f"{acted_s:6.1f} s  no more acts; draining", flush=True)
        drained_s = _drain(tellers)
        report.figures["seconds of acts"] = f"{acted_s:.0f}"
        report.figures["seconds of draining"] = f"{drained_s:.0f}"
        report.expect_none(
            "acts that failed", list(filter(None, [on_lines.error, on_servers.error]))
        )
        report_stream(report, tellers)
        report_ledger(report)
        _revive(crew)
        report_revived(report)
        reader.ending.set()
        reader.join()
        report_derived(report, reader)
        report.counts("acts", on_lines.played + on_servers.played)
        _wait(lambda: _all_have_booted(crew))
    finally:
        codes = crew.end()
    report.counts("lines started again, by exit code", crew.starts)
    wrong = [f"{name}: {code}" for name, code in codes.items() if code != 0]
    report.expect_none("lines that did not end with 0 after SIGTERM", wrong)
    return report


def _drain(tellers: Sequence[Teller]) -> float:
    """Let the clients end what they have begun, and the workers what is due; in seconds."""
    began = time.monotonic()
    until_it_works(lambda: resume_queue(Queue.live))
    for teller in tellers:
        teller.ending.set()
    for teller in tellers:
        teller.join(DRAIN_S)
        teller.given_up.set()
        teller.join()
    _wait(_settled)
    _wait(lambda: not rows("SELECT FROM runs WHERE state IN ('queued', 'running')"))
    return time.monotonic() - began


def _settled() -> bool:
    return not rows("SELECT FROM freshness WHERE wanted > done AND dead_at IS NULL")


def _revive(crew: Crew) -> None:
    """What is dead waits for somebody who asks for it."""
    dead = rows(
        "SELECT DISTINCT key FROM freshness WHERE dead_at IS NOT NULL AND kind <> %s",
        Kind.book_embedding,
    )
    for (student_id,) in dead:
        path = f"/students/{quote(student_id, safe='')}/recompute"
        httpx.post(crew.address + path, timeout=60).raise_for_status()
    books = {"kind": Kind.book_embedding, "all": True}
    httpx.post(f"{crew.address}/dead/requeue", json=books, timeout=60).raise_for_status()
    _wait(_settled)


def _all_have_booted(crew: Crew) -> bool:
    """Before that a process ends on the first SIGTERM, as any does."""
    ((workers,),) = rows("SELECT count(*) FROM workers WHERE seen_at > now() - interval '3 s'")
    ((leads,),) = rows(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE granted AND locktype = 'advisory'"
        " AND objid::bigint = hashtext('kinfold.scheduler')::bigint & 4294967295)"
    )
    return workers >= WORKER_LINES and leads and crew.answers()


def _wait(true: Callable[[], bool]) -> None:
    """What does not become true in time is in the report."""
    deadline = time.monotonic() + DRAIN_S
    while not true() and time.monotonic() < deadline:
        time.sleep(0.2)


def main() -> int:
    """Exit code 0 if every promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    given = parser.parse_args()
    # The lines and servers end with us.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    print(f"seed {given.seed}, {psutil.cpu_count()} cores", flush=True)
    home = Path(tempfile.mkdtemp(prefix="kinfold-soak-"))
    report = soak(home, given.seconds, given.seed)
    print(f"\n{report}", flush=True)
    print(f"\nThe logs of the lines are in {home}")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
