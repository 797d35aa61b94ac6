"""Load the sample library and the sample platform, once: only into an empty one."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from workers.books.build_model import build_model
from workers.core.boot import open_process
from workers.core.logs import configure_logging
from workers.core.queries import query
from workers.core.stores import connection
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_tables import Table
from workers.ingest.events import EVENT, Event
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind, create_run
from workers.ledger.freshness import resend_stale
from workers.users.posts import recompute_post
from workers.users.runs import recompute_users
from workers.users.score_posts import score_posts

IS_EMPTY = query("operations/load_sample.is_empty")
SAMPLE = Path(__file__).parents[2] / "sample"

log = structlog.get_logger()


def load_sample() -> bool:
    """Import sample/*.csv unless there are students, books or posts; returns whether it did."""
    with connection() as conn:
        if conn.execute(IS_EMPTY).fetchone() != (True,):
            log.info("sample_skipped", reason="the library is not empty")
            return False
    for table in Table:
        report = import_csv(table, (SAMPLE / f"{table}.csv").read_bytes())
        log.info("sample_imported", table=table, rows=report.rows, failed=report.failed)
    model_id = build_model(create_run(RunKind.recommendation_model))
    log.info("sample_model_built", model_id=model_id)
    load_platform()
    resend_stale()
    return True


def load_platform() -> None:
    """Load posts, actions and interests, as if the schedule had just been there."""
    now = datetime.now(UTC)
    posts = record_events(list(_events("posts", "post_added", now)))
    for notification in posts.notifications:
        recompute_post(notification.key)
    actions = record_events(list(_events("actions", "user_action", now)))
    users = recompute_users(create_run(RunKind.recompute_users))
    score_posts()
    log.info(
        "sample_platform_loaded",
        posts=len(posts.event_ids),
        actions=len(actions.event_ids),
        users=len(users),
    )


def _events(table: str, event_type: str, now: datetime) -> Iterator[Event]:
    """Read a file's rows as events; their times are hours before now."""
    with (SAMPLE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at = now - timedelta(hours=int(row.pop("hours_ago")))
            yield EVENT.validate_python({"event_type": event_type, "created_at": at, **row})


if __name__ == "__main__":
    configure_logging()
    with open_process("command"):
        load_sample()
