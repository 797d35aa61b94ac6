"""The clock: the table of timed jobs, and one leader that fires them and reconciles."""

import signal
import threading
from datetime import UTC, datetime
from functools import partial
from types import FrameType

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from actors import (
    check_neighbors,
    check_recommendations,
    count_recommendations,
    forget_readers,
    index_books,
    index_users,
    index_vectors,
    prune_history,
    prune_imports,
    refresh_books,
    refresh_posts,
    refresh_students,
    score_posts,
)
from actors.firings import Job, fire, send_waiting
from actors.reconciler import reconcile
from actors.runs import begin_documents, begin_run
from workers.core.boot import open_process
from workers.core.logs import configure_logging
from workers.core.settings import settings
from workers.core.stores import connect, ping
from workers.jobs.runs import RunKind, create_run
from workers.jobs.schedules import forget_other_jobs, register_job, try_leadership
from workers.operations.series import store_minute

log = structlog.get_logger()


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
    Job("check_recommendations", "35 * * * *", check_recommendations.send),
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
    Job("count_recommendations", "15 3 * * *", count_recommendations.send),
    Job("prune_history", "30 3 * * *", prune_history.send),
    Job("prune_imports", "50 * * * *", prune_imports.send),
    Job("forget_readers", "40 3 * * *", forget_readers.send),
    Job("check_neighbors", "0 4 * * *", check_neighbors.send),
)

LEADERSHIP_CHECK_S = 2.0
# Whoever runs a job by hand looks on.
SEND_WAITING_S = 1


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
        clock.add_job(send_waiting, IntervalTrigger(seconds=SEND_WAITING_S), args=[JOBS])
        clock.add_job(store_minute, CronTrigger(second=0, timezone=UTC))
        clock.add_job(
            reconcile,
            IntervalTrigger(seconds=settings().reconcile_interval_seconds),
            next_run_time=datetime.now(UTC),
            args=[JOBS],
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
    stop = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        # Python puts the default back as it exits, and a repeat would kill the process then.
        signal.signal(number, signal.SIG_IGN)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with open_process("scheduler"):
        lead(stop)


if __name__ == "__main__":
    main()
