"""Leases: whose a piece of work is, and until when.

A row that is worked on carries a `lease_token`, and belongs to whoever knows it until
`lease_until`. A worker that stalls beyond that may lose the row to another one: then no row has
its token any more, so it can neither prolong nor end the work, and writes nothing. Keys of the
ledger, runs, batches of documents and firings of the clock are leased alike; each names its rows
and its statements, and these functions add the token and the time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from workers.core.errors import LostLeaseError
from workers.core.settings import settings
from workers.core.stores import connection
from workers.core.worker_name import worker_name

# Of a worker whose lease ran out before it said how the job went: it was killed, or it stalled.
LOST_WORKER = "the worker was lost during the job"

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Lease:
    """The right to write to the rows that `names` names, as the table's statements name them."""

    token: UUID
    names: Mapping[str, object]

    @property
    def parameters(self) -> dict[str, object]:
        """What every statement about a lease may ask for."""
        return {
            **self.names,
            "token": self.token,
            "worker": worker_name(),
            "lease_seconds": settings().lease_seconds,
        }

    def keep(self, statement: str, conn: psycopg.Connection | None = None, **fields: object) -> Row:
        """Prolong the lease, and write `fields` with it; returns what the statement does.

        Args:
            conn: the transaction to write in; a connection of its own by default.

        Raises:
            LostLeaseError: another worker has the work now.
        """
        row = self.release(statement, conn, **fields)
        if row is None:
            raise LostLeaseError(self.names)
        return row

    def keeper(self, statement: str) -> Callable[[], None]:
        """Make a function to call now and then, which keeps the lease when a third of it is over.

        Raises:
            LostLeaseError: the function does, once another worker has the work.
        """
        due = time.monotonic() + settings().lease_seconds / 3

        def keep() -> None:
            nonlocal due
            if time.monotonic() >= due:
                self.keep(statement)
                due = time.monotonic() + settings().lease_seconds / 3

        return keep

    def confirm(self, statement: str, conn: psycopg.Connection, **fields: object) -> list[Row]:
        """Lock those of the rows that are still ours until the transaction of `conn` ends."""
        return conn.execute(statement, {**self.parameters, **fields}).fetchall()

    def release(
        self, statement: str, conn: psycopg.Connection | None = None, **fields: object
    ) -> Row | None:
        """End the lease as the statement does; None if another worker has the work now."""
        if conn is None:
            with connection() as own:
                return self.release(statement, own, **fields)
        return conn.execute(statement, {**self.parameters, **fields}).fetchone()


def claim(
    statement: str, names: Mapping[str, object], **fields: object
) -> tuple[Lease, list[dict[str, Any]]]:
    """Take rows that are due and nobody's, under a new token; returns them by column.

    Args:
        names: which rows; the lease goes on calling them so.
    """
    lease = Lease(uuid4(), names)
    with connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
        return lease, cursor.execute(statement, {**lease.parameters, **fields}).fetchall()


def lost_on_each(attempts: int) -> str:
    """Say why work is given up whose worker was lost again and again."""
    return f"{LOST_WORKER} on each of {attempts} attempts"
