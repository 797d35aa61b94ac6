"""The batches of a documents run: which get a message, what became of them, and the run's end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction

CHOOSE_BATCHES = query("documents/batches.choose_batches")
LOCK_RUN = query("documents/batches.lock_run")
FINISH_PLANNED = query("documents/batches.finish_planned")
SUM_BATCHES = query("documents/batches.sum_batches")

log = structlog.get_logger()


@dataclass(frozen=True)
class Counts:
    """What became of a run's documents so far; embedded and unchanged count per version."""

    documents: int
    embedded: int
    unchanged: int
    failed: int
    deleted: int
    batches: int
    batches_done: int


def choose_batches(run_id: UUID) -> list[int]:
    """Choose the batches to send a message for now; they count as sent from here on."""
    with connection() as conn:
        rows = conn.execute(
            CHOOSE_BATCHES,
            {
                "run_id": run_id,
                "most": settings().document_batches_under_way,
                "resend_after_seconds": settings().resend_after_seconds,
            },
        ).fetchall()
    return sorted(batch_no for (batch_no,) in rows)


@contextmanager
def ending_batch(run_id: UUID) -> Iterator[psycopg.Connection]:
    """Write the end of a batch in the block's transaction, and that of its run if it was the last.

    One batch of a run ends at a time.
    """
    with transaction() as conn:
        conn.execute(LOCK_RUN, {"run_id": run_id})
        yield conn
        finish_planned(run_id, conn)


def finish_planned(run_id: UUID, conn: psycopg.Connection | None = None) -> None:
    """End the run if all of its batches have ended."""
    if conn is None:
        with connection() as own:
            finish_planned(run_id, own)
        return
    row = conn.execute(FINISH_PLANNED, {"run_id": run_id}).fetchone()
    if row is not None:
        log.info("documents_run_ended", run_id=str(run_id), state=row[0])


def count_batches(run_id: UUID) -> Counts:
    """Sum up what became of a run's documents so far."""
    with connection() as conn:
        cursor = conn.cursor(row_factory=class_row(Counts))
        counts = cursor.execute(SUM_BATCHES, {"run_id": run_id}).fetchone()
    assert counts is not None  # noqa: S101  # an aggregate has one row
    return counts
