"""Dead letters of the ledger: keys that were given up, by error; another try, or forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification, forget_keys, notifications_of

LIST_GROUPS = query("ledger/dead_letters.list_groups")
COUNT_LETTERS = query("ledger/dead_letters.count_letters")
LIST_LETTERS = query("ledger/dead_letters.list_letters")
LIST_LETTERS_OF_GROUP = query("ledger/dead_letters.list_letters_of_group")
READ_TRACEBACKS = query("ledger/dead_letters.read_tracebacks")
FIND_KEYS = query("ledger/dead_letters.find_keys")
REVIVE = query("ledger/dead_letters.revive")
LOCK_DEAD = query("ledger/dead_letters.lock_dead")

MAX_GROUPS = 100
SLICE = 2000


@dataclass(frozen=True)
class DeadGroup:
    """Dead letters of a kind whose errors say the same of different things."""

    kind: Kind
    error: str
    count: int
    first_dead_at: datetime
    last_dead_at: datetime


@dataclass(frozen=True)
class DeadLetter:
    """A key that was given up; `error_group` is the `error` of its group."""

    kind: Kind
    key: str
    error: str | None
    error_group: str
    dead_at: datetime
    attempts: int
    stale_since: datetime | None
    last_event: UUID | None


def list_groups(kind: Kind | None = None) -> list[DeadGroup]:
    """List the hundred largest groups, of one kind or of all."""
    with connection() as conn, conn.cursor(row_factory=class_row(DeadGroup)) as cursor:
        rows = cursor.execute(LIST_GROUPS, {"kind": kind, "limit": MAX_GROUPS}).fetchall()
    return [replace(row, kind=Kind(row.kind)) for row in rows]


def count_letters(kind: Kind, error_group: str | None = None) -> int:
    """Count the dead letters of a kind, or of a group of its errors."""
    with connection() as conn:
        row = conn.execute(COUNT_LETTERS, {"kind": kind, "error_group": error_group}).fetchone()
    return row[0] if row else 0


def list_letters(
    kind: Kind,
    *,
    error_group: str | None = None,
    search: str | None = None,
    limit: int = 50,
    before: tuple[datetime, str] | None = None,
) -> list[DeadLetter]:
    """Dead letters of a kind, newest first.

    Args:
        search: only keys that contain this text.
        before: time of death and key of the last one of the page before this one.
    """
    dead_at, key = before or (None, None)
    with connection() as conn, conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        rows = cursor.execute(
            LIST_LETTERS if error_group is None else LIST_LETTERS_OF_GROUP,
            {
                "kind": kind,
                "error_group": error_group,
                "search": search or None,
                "before": dead_at,
                "before_key": key,
                "limit": limit,
            },
        ).fetchall()
    return [replace(row, kind=kind) for row in rows]


def read_tracebacks(kind: Kind, keys: Sequence[str]) -> dict[str, str]:
    """Read the traceback of the last failed attempt at each key; none for a lost worker."""
    with connection() as conn:
        return dict(conn.execute(READ_TRACEBACKS, {"kind": kind, "keys": list(keys)}).fetchall())


def requeue_keys(kind: Kind, keys: Sequence[str]) -> list[Notification]:
    """Give dead keys another try; returns the messages to send, one per key that was dead."""
    with transaction() as conn:
        rows = conn.execute(REVIVE, {"kind": kind, "keys": list(keys)}).fetchall()
    return [Notification(kind, key) for (key,) in rows]


def discard_keys(kind: Kind, keys: Sequence[str]) -> int:
    """Forget dead keys until something new arrives about them; returns how many there were.

    What was last computed for them stays. They are out of the ledger, so nobody tries them again,
    and they no longer break the contract.
    """
    with transaction() as conn:
        rows = conn.execute(LOCK_DEAD, {"kind": kind, "keys": list(keys)}).fetchall()
        forget_keys(conn, [kind], [key for (key,) in rows])
    return len(rows)


def dead_keys(kind: Kind, error_group: str | None = None) -> Iterator[list[str]]:
    """Yield all dead keys of a kind or of one group, in slices and in key order."""
    after = ""
    while True:
        with connection() as conn:
            rows = conn.execute(
                FIND_KEYS,
                {"kind": kind, "error_group": error_group, "after": after, "most": SLICE},
            ).fetchall()
        if not rows:
            return
        keys = [key for (key,) in rows]
        yield keys
        after = keys[-1]


def batched(notifications: Sequence[Notification]) -> list[Notification]:
    """Choose one message per batch: the worker that gets it claims the others by itself."""
    kinds = {each.kind for each in notifications}
    return [
        message
        for kind in sorted(kinds)
        for message in notifications_of(
            kind, [each.key for each in notifications if each.kind == kind]
        )
    ]
