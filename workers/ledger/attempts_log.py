"""Every attempt at a key: when, by whom, and what went wrong."""

from dataclasses import dataclass, replace
from datetime import datetime

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind

LIST = query("ledger/attempts_log.list_attempts")


@dataclass(frozen=True)
class Attempt:
    """One attempt; `error` is null when it succeeded."""

    attempt_id: int
    kind: Kind
    key: str
    worker: str
    started_at: datetime
    ended_at: datetime
    error: str | None
    traceback: str | None


def list_attempts(kind: Kind, key: str, limit: int, before: int | None = None) -> list[Attempt]:
    """List attempts at a key, newest first; `before` is the last id of the page before this one."""
    with connection() as conn, conn.cursor(row_factory=class_row(Attempt)) as cursor:
        rows = cursor.execute(
            LIST, {"kind": kind, "key": key, "limit": limit, "before": before}
        ).fetchall()
    return [replace(row, kind=kind) for row in rows]
