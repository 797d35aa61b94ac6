"""Keys of a kind that waits: stale at once, due when a schedule or a person calls them."""

from collections.abc import Collection
from datetime import datetime

import psycopg

from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind

RELEASE_HELD = query("ledger/release.release_held")
RELEASE_NAMED = query("ledger/release.release_named")
COUNT_DUE = query("ledger/release.count_due")


def release_held(kind: Kind, until: datetime, most: int) -> list[str]:
    """Let up to `most` keys be due that wait since before `until`, the stalest ones."""
    parameters = {"kind": kind, "until": until, "most": most}
    with connection() as conn:
        return [key for (key,) in conn.execute(RELEASE_HELD, parameters)]


def release_named(conn: psycopg.Connection, kind: Kind, keys: Collection[str]) -> None:
    """Let these keys be due if they are stale."""
    conn.execute(RELEASE_NAMED, {"kind": kind, "keys": sorted(keys)})


def count_due(kind: Kind, waiting_until: datetime | None = None) -> int:
    """How many keys are due, with those that wait since before `waiting_until`."""
    with connection() as conn:
        row = conn.execute(COUNT_DUE, {"kind": kind, "until": waiting_until}).fetchone()
    return row[0] if row else 0
