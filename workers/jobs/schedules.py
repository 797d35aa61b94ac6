"""The record of the clock: one leader, one firing per slot, and what became of each."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.reasons import reason_of, traceback_of
from workers.core.settings import settings
from workers.core.stores import connection
from workers.core.vocabulary import Queue
from workers.jobs.lease import LOST_WORKER, claim

REGISTER = query("jobs/schedules.register_job")
FORGET_OTHERS = query("jobs/schedules.forget_other_jobs")
READ = query("jobs/schedules.read_job")
ENABLE = query("jobs/schedules.enable_job")
RECORD = query("jobs/schedules.record_firing")
REQUEST = query("jobs/schedules.request_firing")
CLAIM = query("jobs/schedules.claim_firing")
END = query("jobs/schedules.end_firing")
HAND_OVER = query("jobs/schedules.hand_over")
FREE_LOST = query("jobs/schedules.free_lost")
FIND_UNSENT = query("jobs/schedules.find_unsent")
LIST_SCHEDULES = query("jobs/schedules.list_schedules")
READ_FIRINGS = query("jobs/schedules.read_firings")
LIST_FIRINGS = query("jobs/schedules.list_firings")
TRY_LEADERSHIP = query("jobs/schedules.try_leadership")

# The leader speaks every two seconds.
LEADER_IDLE_MS = 10_000

log = structlog.get_logger()


@dataclass(frozen=True)
class Firing:
    """One firing of a job.

    `state` is queued, running, done, failed or cancelled; `asked_by` names the key of whoever
    ran it by hand, None for the clock. `run_id` is the run that the job began, if it begins one:
    state, end and error are that run's then.
    """

    firing_id: UUID
    job: str
    slot: datetime
    asked_by: str | None
    fired_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    state: str
    duration_s: float | None
    attempts: int
    worker: str | None
    run_id: UUID | None
    error: str | None
    traceback: str | None


@dataclass(frozen=True)
class Schedule:
    """A job with its cron line in UTC and its last firing."""

    job: str
    cron: str
    enabled: bool
    last: Firing | None


def register_job(job: str, cron: str) -> None:
    """Make a job and its cron line known."""
    with connection() as conn:
        conn.execute(REGISTER, {"job": job, "cron": cron})


def forget_other_jobs(jobs: Collection[str]) -> None:
    """Remove jobs that are in the table no longer."""
    with connection() as conn:
        conn.execute(FORGET_OTHERS, {"jobs": list(jobs)})


def unfired_since(job: str) -> datetime | None:
    """Read the last fired slot, or when the job was registered; None for a disabled job."""
    with connection() as conn:
        row = conn.execute(READ, {"job": job}).fetchone()
    if row is None:
        return None
    enabled, since = row
    return since if enabled else None


def enable_job(job: str, *, enabled: bool) -> None:
    """Let a job fire from its next slot on, or no more.

    Raises:
        UnknownKeyError: there is no such job.
    """
    with connection() as conn:
        if conn.execute(ENABLE, {"job": job, "enabled": enabled}).fetchone() is None:
            raise UnknownKeyError("unknown_job", job)


def record_firing(job: str, slot: datetime) -> UUID | None:
    """Take a slot, before its message is sent; None if it has been fired already."""
    with connection() as conn:
        row = conn.execute(RECORD, {"job": job, "slot": slot}).fetchone()
    return row[0] if row else None


def request_firing(job: str, asked_by: str) -> UUID:
    """Run a job now, enabled or not; the scheduler sends it within a second.

    Raises:
        UnknownKeyError: there is no such job.
    """
    with connection() as conn:
        row = conn.execute(REQUEST, {"job": job, "asked_by": asked_by}).fetchone()
    if row is None:
        raise UnknownKeyError("unknown_job", job)
    firing_id: UUID = row[0]
    return firing_id


@contextmanager
def leased_firing(firing_id: UUID) -> Iterator[bool]:
    """Do the job inside the block if it is ours: True unless it was done or somebody is at it.

    A failure is recorded in the firing, and nowhere else: the next slot is the next try.
    """
    lease, rows = claim(CLAIM, {"firing_id": firing_id}, queue=Queue.batch)
    if not rows:
        yield False
        return
    job = rows[0]["job"]
    error = trace = None
    try:
        yield True
    except BaseException as failure:
        error = reason_of(failure)
        trace = traceback_of(failure)
        log.exception("job_failed", job=job, firing_id=str(firing_id), exc_info=failure)
        if not isinstance(failure, Exception):
            raise
    finally:
        if lease.release(END, error=error, traceback=trace) is None:
            log.warning("firing_lost", job=job, firing_id=str(firing_id))


def hand_over(firing_id: UUID, run_id: UUID) -> None:
    """Name the run that says from here on how the job goes."""
    with connection() as conn:
        conn.execute(HAND_OVER, {"firing_id": firing_id, "run_id": run_id})


def find_unsent() -> list[tuple[str, UUID]]:
    """Find jobs and firings to send: asked for by somebody, or their message or worker was lost."""
    with connection() as conn:
        lost = conn.execute(
            FREE_LOST,
            {
                "max_attempts": settings().max_attempts,
                "silent_s": settings().lease_seconds,
                "lost_worker": LOST_WORKER,
            },
        ).fetchall()
        for job, firing_id, state in lost:
            log.error("job_lost", job=job, firing_id=str(firing_id), state=state)
        return conn.execute(
            FIND_UNSENT,
            {"queue": Queue.batch, "resend_after_seconds": settings().resend_after_seconds},
        ).fetchall()


def list_schedules() -> list[Schedule]:
    """Read every job of the table, by name."""
    with connection() as conn:
        rows = conn.execute(LIST_SCHEDULES).fetchall()
    last_ids = [last for _, _, _, last in rows if last is not None]
    firings = {firing.firing_id: firing for firing in _read_firings(last_ids)}
    return [Schedule(job, cron, enabled, firings.get(last)) for job, cron, enabled, last in rows]


def list_firings(job: str, limit: int, before: datetime | None = None) -> list[Firing]:
    """Read a job's firings, newest first; `before` is the last slot of the page before this one.

    Raises:
        UnknownKeyError: there is no such job.
    """
    with connection() as conn:
        if conn.execute(READ, {"job": job}).fetchone() is None:
            raise UnknownKeyError("unknown_job", job)
        rows = conn.execute(LIST_FIRINGS, {"job": job, "before": before, "limit": limit}).fetchall()
    return sorted(
        _read_firings([firing_id for (firing_id,) in rows]),
        key=lambda firing: firing.slot,
        reverse=True,
    )


def try_leadership(conn: psycopg.Connection) -> bool:
    """Become the scheduler that fires.

    Holds until the connection closes or breaks, or has not been used for `LEADER_IDLE_MS`.
    """
    row = conn.execute(TRY_LEADERSHIP, {"milliseconds": LEADER_IDLE_MS}).fetchone()
    return row is not None and row[0] is True


def _read_firings(firing_ids: list[UUID]) -> list[Firing]:
    with connection() as conn, conn.cursor(row_factory=class_row(Firing)) as cursor:
        return cursor.execute(READ_FIRINGS, {"firing_ids": firing_ids}).fetchall()
