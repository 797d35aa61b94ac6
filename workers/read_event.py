"""The causal chain of one event: what it made stale, and since when that is fresh again."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from workers.errors import UnknownKeyError
from workers.freshness import Kind
from workers.queries import query
from workers.stores import connection

READ_EVENT = query("read_event.read_event")
READ_CHAIN = query("read_event.read_chain")


@dataclass(frozen=True)
class Link:
    """One thing in the chain; `state` is stale, running, retrying, fresh or dead."""

    kind: Kind
    key: str
    state: str
    done_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Chain:
    """An accepted event and everything that it made stale; empty if it changed nothing."""

    event_id: UUID
    event_type: str
    received_at: datetime
    effects: list[Link]


def read_event(event_id: UUID) -> Chain:
    """One event's chain.

    Raises:
        UnknownKeyError: no event with this id was accepted.
    """
    with connection() as conn:
        row = conn.execute(READ_EVENT, {"event_id": event_id}).fetchone()
        if row is None:
            raise UnknownKeyError("unknown_event", str(event_id))
        cursor = conn.cursor(row_factory=class_row(Link))
        links = cursor.execute(READ_CHAIN, {"event_id": event_id}).fetchall()
    return Chain(row[0], row[1], row[2], [replace(link, kind=Kind(link.kind)) for link in links])
