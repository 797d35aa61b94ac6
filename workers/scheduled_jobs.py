"""The record of the clock: one leader, one firing per slot."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from workers.queries import query
from workers.stores import connection, transaction

REGISTER = query("scheduled_jobs.register_job")
READ = query("scheduled_jobs.read_job")
CLAIM = query("scheduled_jobs.claim_slot")
TRY_LEADERSHIP = query("scheduled_jobs.try_leadership")

# The leader speaks every two seconds.
LEADER_IDLE_MS = 10_000


def register_job(job: str, cron: str) -> None:
    """Make a job and its cron line known."""
    with connection() as conn:
        conn.execute(REGISTER, {"job": job, "cron": cron})


def unfired_since(job: str) -> datetime | None:
    """The last fired slot, or when the job was registered; None for a disabled job."""
    with connection() as conn:
        row = conn.execute(READ, {"job": job}).fetchone()
    return row[1] if row is not None and row[0] else None


@contextmanager
def firing(job: str, slot: datetime) -> Iterator[bool]:
    """Fire a slot inside the block: True if it is ours.

    The record commits when the block ends, so a message that could not be sent leaves the slot
    to be fired later.
    """
    with transaction() as conn:
        yield conn.execute(CLAIM, {"job": job, "slot": slot}).fetchone() is not None


def try_leadership(conn: psycopg.Connection) -> bool:
    """Become the scheduler that fires.

    Holds until the connection closes or breaks, or has not been used for `LEADER_IDLE_MS`.
    """
    row = conn.execute(TRY_LEADERSHIP, {"milliseconds": LEADER_IDLE_MS}).fetchone()
    return row is not None and row[0] is True
