"""The clock: a table of jobs, one leader, one firing per slot, and the reconciler."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from uuid import UUID

import redis
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from actors import (
    check_neighbors,
    index_books,
    index_users,
    index_vectors,
    prune_history,
    refresh_books,
    refresh_posts,
    refresh_students,
    score_posts,
)
from actors.notify import notify
from actors.runs import begin_run, send_run
from workers.core.logs import configure_logging
from workers.core.metrics import start_flushing, stop_flushing
from workers.core.settings import settings
from workers.core.stores import close_stores, connect, connection, open_stores, ping
from workers.core.tracing import start_tracing, stop_tracing
from workers.documents.plan import begin_documents_run
from workers.jobs.runs import RunKind, create_run, find_waiting
from workers.jobs.schedules import (
    find_unsent,
    forget_other_jobs,
    leased_firing,
    record_firing,
    register_job,
    try_leadership,
    unfired_since,
)
from workers.jobs.stalled_sessions import end_stalled_sessions
from workers.ledger.freshness import bury_lost, find_overdue
from workers.ledger.watch import watch_freshness
from workers.neighbors.changes import prune_changes
from workers.operations.series import store_minute

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """What is sent when: `cron` in UTC; `send` takes the id of the firing."""

    name: str
    cron: str
    send: Callable[[str], object]


def begin_documents(kind: RunKind, firing_id: str) -> None:
    """Begin a run over the documents, unless there is no source of any."""
    if settings().mongo_url is None:
        with leased_firing(UUID(firing_id)):
            return
    begin_run(kind, begin_documents_run, firing_id)


JOBS = (
    Job(
        "incremental_documents",
        "*/15 * * * *",
        partial(begin_documents, RunKind.documents_incremental),
    ),
    Job("stale_documents", "0 1 * * *", partial(begin_documents, RunKind.documents_stale)),
    Job("cleanup_documents", "30 1 * * *", partial(begin_documents, RunKind.documents_cleanup)),
    Job("index_vectors", "15 * * * *", index_vectors.send),
    Job("index_books", "25 * * * *", index_books.send),
    Job("index_users", "45 * * * *", index_users.send),
    Job("score_posts", "*/10 * * * *", score_posts.send),
    Job("recompute_users", "0 */2 * * *", partial(begin_run, RunKind.recompute_users, create_run)),
    Job(
        "rebuild_neighbors",
        "0 2 * * *",
        partial(begin_run, RunKind.rebuild_neighbors, create_run),
    ),
    Job(
        "recommendation_model",
        "30 2 * * *",
        partial(begin_run, RunKind.recommendation_model, create_run),
    ),
    Job("refresh_posts", "45 2 * * *", refresh_posts.send),
    Job("refresh_books", "50 2 * * *", refresh_books.send),
    Job("refresh_students", "0 3 * * *", refresh_students.send),
    Job("prune_history", "30 3 * * *", prune_history.send),
    Job("check_neighbors", "0 4 * * *", check_neighbors.send),
)

LEADERSHIP_CHECK_S = 2.0
# Whoever runs a job by hand looks on.
SEND_WAITING_S = 1


def due_slot(cron: str, after: datetime, now: datetime) -> datetime | None:
    """Find the newest slot of `cron` in (after, now]; firing it once catches up on older ones."""
    trigger = CronTrigger.from_crontab(cron, timezone=UTC)
    slot = None
    candidate = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while candidate is not None and candidate <= now:
        slot = candidate
        candidate = trigger.get_next_fire_time(None, slot + timedelta(microseconds=1))
    return slot


def fire(job: Job, now: datetime | None = None) -> datetime | None:
    """Record a slot that is due and has not been fired, and send its job; returns that slot."""
    after = unfired_since(job.name)
    slot = after and due_slot(job.cron, after, now or datetime.now(UTC))
    if not slot:
        return None
    firing_id = record_firing(job.name, slot)
    if firing_id is None:
        return None
    log.info("job_fired", job=job.name, slot=slot.isoformat(), firing_id=str(firing_id))
    send_firing(job, firing_id)
    return slot


def send_firing(job: Job, firing_id: UUID) -> None:
    """Send a recorded firing; if Redis is down it is sent later."""
    try:
        job.send(str(firing_id))
    except redis.RedisError as error:
        log.warning("firing_not_sent", job=job.name, firing_id=str(firing_id), error=str(error))


def send_waiting() -> None:
    """Send firings that somebody asked for, and those whose message or worker was lost."""
    jobs = {job.name: job for job in JOBS}
    for name, firing_id in find_unsent():
        if name in jobs:
            send_firing(jobs[name], firing_id)


def reconcile() -> None:
    """Send what is overdue, bury what kills its workers, and fire slots that were missed."""
    stalled = end_stalled_sessions()
    if stalled:
        log.warning("stalled_sessions_ended", count=stalled)
    for lost in bury_lost():
        log.error("key_buried", kind=lost.kind, key=lost.key)
    overdue = find_overdue()
    if overdue:
        log.info("overdue_resent", messages=len(overdue), sent=notify(overdue))
    for run_id, kind in find_waiting():
        send_run(run_id, kind)
    watch_freshness()
    with connection() as conn:
        prune_changes(conn)
    for job in JOBS:
        fire(job)


def lead(stop: threading.Event) -> None:
    """Fire the jobs until `stop` is set.

    Raises:
        psycopg.OperationalError: the connection with the leader's lock broke; the process ends,
            and the one that its supervisor starts competes for the lock again.
    """
    clock = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    with connect() as lock:
        while not try_leadership(lock):
            if stop.wait(1):
                return
        log.info("scheduler_leads", jobs=[f"{job.cron} {job.name}" for job in JOBS])
        forget_other_jobs([job.name for job in JOBS])
        for job in JOBS:
            register_job(job.name, job.cron)
            clock.add_job(fire, CronTrigger.from_crontab(job.cron, timezone=UTC), args=[job])
        clock.add_job(send_waiting, IntervalTrigger(seconds=SEND_WAITING_S))
        clock.add_job(store_minute, CronTrigger(second=0, timezone=UTC))
        clock.add_job(
            reconcile,
            IntervalTrigger(seconds=settings().reconcile_interval_seconds),
            next_run_time=datetime.now(UTC),
        )
        clock.start()
        try:
            while not stop.wait(LEADERSHIP_CHECK_S):
                ping(lock)
        finally:
            clock.shutdown(wait=True)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logging()
    start_tracing("scheduler")
    open_stores()
    start_flushing()
    stop = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        # Python puts the default back as it exits, and a repeat would kill the process then.
        signal.signal(number, signal.SIG_IGN)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        lead(stop)
    finally:
        stop_flushing()
        close_stores()
        stop_tracing()


if __name__ == "__main__":
    main()
