"""Let one writer at a time at the neighbour graph, and tell the other workers what it did."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.rows import class_row

from workers.core.errors import LostChangeError
from workers.core.queries import query

LOCK_GRAPH = query("neighbors/changes.lock_graph")
READ_SEQ = query("neighbors/changes.read_seq")
READ_CHANGES = query("neighbors/changes.read_changes")
RECORD_CHANGE = query("neighbors/changes.record_change")
PRUNE_CHANGES = query("neighbors/changes.prune_changes")
LIMIT_WAIT = query("neighbors/changes.limit_wait")
TAKE_UPDATER_LOCK = query("neighbors/changes.take_updater_lock")
RELEASE_UPDATER_LOCK = query("neighbors/changes.release_updater_lock")

LOCK_WAIT_MS = 1000
# Longer than a working process is ever silent while it has the lock.
LOCK_IDLE_MS = 60_000

CHANGES_KEPT_S = 3600.0


@dataclass(frozen=True)
class Change:
    """One transaction: who moved, whose lists are not what they were, who is gone."""

    seq: int
    moved: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


@contextmanager
def updater_lock(conn: psycopg.Connection) -> Iterator[bool]:
    """Be the one process that updates neighbours inside the block, across transactions.

    Two processes that alternate batch by batch would spend their time following each other. So
    the one that has the lock works until nothing is due. A process that does not get the lock
    within a second may leave: whoever has it looks for due keys again before releasing it, and will
    find what was committed before the wait.

    Yields:
        Whether the lock is ours.
    """
    try:
        with conn.transaction():
            conn.execute(LIMIT_WAIT, {"milliseconds": LOCK_WAIT_MS})
            conn.execute(TAKE_UPDATER_LOCK, {"milliseconds": LOCK_IDLE_MS})
    except LockNotAvailable:
        yield False
        return
    try:
        yield True
    finally:
        conn.execute(RELEASE_UPDATER_LOCK)


def lock_graph(conn: psycopg.Connection) -> None:
    """Become the one writer of the graph until the transaction ends.

    Take it before any lock on ledger rows, as every writer does.
    """
    conn.execute(LOCK_GRAPH)


def newest_change(conn: psycopg.Connection) -> int:
    """Read the number of the newest change, 0 when there is none."""
    row = conn.execute(READ_SEQ).fetchone()
    return row[0] if row else 0


def read_changes(conn: psycopg.Connection, after: int) -> list[Change]:
    """Read the changes after one number, oldest first; 0 for all.

    Raises:
        LostChangeError: the change of that number is gone. Either it has been pruned, or the
            database has lost its last commits: after a failover, or restored from a backup.
    """
    cursor = conn.cursor(row_factory=class_row(Change))
    changes = cursor.execute(READ_CHANGES, {"seq": after}).fetchall()
    if after == 0:
        return changes
    if not changes or changes[0].seq != after:
        raise LostChangeError(after)
    return changes[1:]


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
