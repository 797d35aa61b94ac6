"""Nightly: history older than the retention goes."""

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection

PRUNE_ATTEMPTS = query("jobs/history.prune_attempts")
PRUNE_EVENTS = query("jobs/history.prune_events")
PRUNE_RUNS = query("jobs/history.prune_runs")
PRUNE_CHECKS = query("jobs/history.prune_checks")
PRUNE_JOB_RUNS = query("jobs/history.prune_job_runs")
PRUNE_WORDS = query("jobs/history.prune_words")
PRUNE_ANSWERS = query("jobs/history.prune_answers")


def prune_history() -> dict[str, int]:
    """Delete old attempts, events and firings; returns the number of rows by table."""
    days = {"days": settings().history_days}
    with connection() as conn:
        return {
            "attempts": conn.execute(PRUNE_ATTEMPTS, days).rowcount,
            "events": conn.execute(PRUNE_EVENTS, days).rowcount,
            "runs": conn.execute(PRUNE_RUNS, days).rowcount,
            "neighbor_checks": conn.execute(PRUNE_CHECKS, days).rowcount,
            "job_runs": conn.execute(PRUNE_JOB_RUNS, days).rowcount,
            "book_words": conn.execute(PRUNE_WORDS, days).rowcount,
            "recommendations": conn.execute(PRUNE_ANSWERS, days).rowcount,
        }
