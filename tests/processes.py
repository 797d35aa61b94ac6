"""Looking at processes and waiting for what they do."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

from embedded.services import Urls

LIMIT_SECONDS = 120


def query(urls: Urls, sql: str) -> tuple[object, ...] | None:
    with psycopg.connect(urls.database_url) as connection:
        return connection.execute(sql.encode()).fetchone()


def service_pids(home: Path, urls: Urls) -> tuple[int, int]:
    """Postgres', then Redis'."""
    postmaster = (home / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    with redis.Redis.from_url(urls.redis_url) as client:
        return int(postmaster), int(client.info("server")["process_id"])


def alive(pid: int) -> bool:
    """A zombie is not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return state.strip() != "" and not state.startswith("Z")


def eventually(
    true: Callable[[], object],
    otherwise: Callable[[], str] = str,
    limit_seconds: float = LIMIT_SECONDS,
) -> None:
    """Wait until something is true; after the limit the test fails with what `otherwise` says."""
    deadline = time.monotonic() + limit_seconds
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
