"""Writers of the neighbour graph take turns, and tell the other workers what they did."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from workers.queries import query

LOCK_GRAPH = query("graph_changes.lock_graph")
READ_SEQ = query("graph_changes.read_seq")
READ_CHANGES = query("graph_changes.read_changes")
RECORD_CHANGE = query("graph_changes.record_change")
PRUNE_CHANGES = query("graph_changes.prune_changes")

CHANGES_KEPT_S = 3600.0


@dataclass(frozen=True)
class Change:
    """One transaction: who moved, whose lists are not what they were, who is gone."""

    seq: int
    moved: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


def lock_graph(conn: psycopg.Connection) -> None:
    """Become the one writer of the graph until the transaction ends.

    Take it before any lock on ledger rows, as every writer does.
    """
    conn.execute(LOCK_GRAPH)


def newest_change(conn: psycopg.Connection) -> int:
    """The number of the newest change, 0 when there is none."""
    row = conn.execute(READ_SEQ).fetchone()
    return row[0] if row else 0


def read_changes(conn: psycopg.Connection, after: int) -> list[Change]:
    """The changes after one number, oldest first."""
    cursor = conn.cursor(row_factory=class_row(Change))
    return cursor.execute(READ_CHANGES, {"seq": after}).fetchall()


def record_change(
    conn: psycopg.Connection,
    *,
    moved: Sequence[str] = (),
    changed: Sequence[str] = (),
    removed: Sequence[str] = (),
) -> int:
    """Tell, under the graph's lock, what this transaction does; returns the change's number."""
    row = conn.execute(
        RECORD_CHANGE, {"moved": list(moved), "changed": list(changed), "removed": list(removed)}
    ).fetchone()
    assert row is not None  # noqa: S101  # INSERT ... RETURNING
    seq: int = row[0]
    return seq


def prune_changes(conn: psycopg.Connection) -> None:
    """Delete changes that are older than any copy that still follows."""
    conn.execute(PRUNE_CHANGES, {"seconds": CHANGES_KEPT_S})
