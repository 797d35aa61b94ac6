"""Who did what to the cluster: every act of a person, recorded before it is done."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection

BEGIN = query("jobs/audit.begin_act")
END = query("jobs/audit.end_act")
LIST = query("jobs/audit.list_acts")

BODY_CHARACTERS = 2000


@dataclass(frozen=True)
class Act:
    """One act; `status` is the HTTP status of its answer, null if the process ended before it."""

    act_id: int
    at: datetime
    key_name: str
    action: str
    target: str
    body: str
    request_id: str
    status: int | None
    error: str | None


def begin_act(*, key_name: str, action: str, target: str, body: str, request_id: str) -> int:
    """Record an act before it is done; returns its id. Long bodies are cut."""
    with connection() as conn:
        row = conn.execute(
            BEGIN,
            {
                "key_name": key_name,
                "action": action,
                "target": target,
                "body": body[:BODY_CHARACTERS],
                "request_id": request_id,
            },
        ).fetchone()
    act_id: int = row[0] if row else 0
    return act_id


def end_act(act_id: int, status: int, error: str | None = None) -> None:
    """Record how it went."""
    with connection() as conn:
        conn.execute(END, {"act_id": act_id, "status": status, "error": error})


def list_acts(limit: int, before: int | None = None) -> list[Act]:
    """List acts, newest first; `before` is the last id of the page before this one."""
    with connection() as conn, conn.cursor(row_factory=class_row(Act)) as cursor:
        return cursor.execute(LIST, {"limit": limit, "before": before}).fetchall()
