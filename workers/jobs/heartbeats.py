"""Heartbeats of worker processes: who is there, on which queues, and at what."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from workers.core.queries import query
from workers.core.stores import connection

BEAT = query("jobs/heartbeats.beat")
LEAVE = query("jobs/heartbeats.leave")
FORGET_SILENT = query("jobs/heartbeats.forget_silent")
LIST = query("jobs/heartbeats.list_workers")

ALIVE_S = 15.0
FORGET_AFTER_S = 3600.0


@dataclass(frozen=True)
class CurrentJob:
    """A message that a thread works on; `started_at` is ISO 8601 in UTC."""

    message_id: str
    actor: str
    args: tuple[object, ...]
    queue: str
    started_at: str


@dataclass(frozen=True)
class WorkerProcess:
    """A process of workers with its jobs.

    `alive` says that it has been heard of in the last 15 seconds; one that was killed stays in
    the list for an hour.
    """

    worker: str
    host: str
    pid: int
    queues: list[str]
    threads: int
    started_at: datetime
    seen_at: datetime
    jobs: list[dict[str, object]]
    alive: bool


def beat(
    *,
    worker: str,
    host: str,
    pid: int,
    queues: Sequence[str],
    threads: int,
    started_at: datetime,
    jobs: Sequence[CurrentJob],
) -> None:
    """Say that a process is alive, and at what."""
    with connection() as conn:
        conn.execute(
            BEAT,
            {
                "worker": worker,
                "host": host,
                "pid": pid,
                "queues": list(queues),
                "threads": threads,
                "started_at": started_at,
                "jobs": Jsonb([asdict(job) for job in jobs]),
            },
        )
        conn.execute(FORGET_SILENT, {"silent_s": FORGET_AFTER_S})


def leave(worker: str) -> None:
    """Note that a process ends properly."""
    with connection() as conn:
        conn.execute(LEAVE, {"worker": worker})


def list_workers() -> list[WorkerProcess]:
    """List the processes heard of in the last hour, the longest running first."""
    with connection() as conn, conn.cursor(row_factory=class_row(WorkerProcess)) as cursor:
        return cursor.execute(LIST, {"alive_s": ALIVE_S}).fetchall()
