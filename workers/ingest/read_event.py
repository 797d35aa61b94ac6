"""The causal chain of one event: what it made stale, and since when that is fresh again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import dict_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ledger.kinds import followers

READ_EVENT = query("ingest/read_event.read_event")


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
    """Read the causal chain of one event.

    Raises:
        UnknownKeyError: no event with this id was accepted.
    """
    follows = followers()
    parameters = {
        "event_id": event_id,
        "kinds": list(follows),
        "followers": list(follows.values()),
    }
    with connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(READ_EVENT, parameters).fetchall()
    if not rows:
        raise UnknownKeyError("unknown_event", str(event_id))
    links = [
        Link(Kind(row["kind"]), row["key"], row["state"], row["done_at"], row["error"])
        for row in rows
        if row["kind"] is not None
    ]
    return Chain(event_id, rows[0]["event_type"], rows[0]["received_at"], links)
