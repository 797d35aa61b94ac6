"""Accept events: their facts, what they make stale, and the log of them, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
from psycopg.errors import DeadlockDetected, ForeignKeyViolation, UniqueViolation

from workers.core.queries import query
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ingest.apply_library import apply_events
from workers.ingest.effects import Effects, EventOutcome, Identified
from workers.ingest.events import Event
from workers.ledger.freshness import Notification, mark_stale, notifications_of
from workers.ledger.kinds import is_held

INSERT_EVENTS = query("ingest/record.insert_events")
INSERT_EFFECTS = query("ingest/record.insert_effects")

# Tries after a deadlock or a row that went meanwhile, before the caller gets the error.
RETRIES = 3


@dataclass(frozen=True)
class Recorded:
    """What became of a list of events; `event_ids` and `outcomes` have one entry per event."""

    event_ids: list[UUID]
    outcomes: list[EventOutcome]
    notifications: list[Notification]

    @property
    def duplicates(self) -> int:
        """How many of the events had been accepted before."""
        return self.outcomes.count("duplicate")


def record_events(events: Sequence[Event], *, log_unchanged: bool = True) -> Recorded:
    """Store events, all or none; send the returned notifications once this has returned.

    Args:
        events: applied in order. One with an `event_id` that was accepted before is a duplicate
            and does nothing.
        log_unchanged: whether to log events that changed nothing. An import sends the same rows
            again and again under new ids that nobody knows, so it does not.

    Raises:
        psycopg.Error: the database is down or refuses; nothing is stored.
    """
    identified = [(event.event_id or uuid4(), event) for event in events]
    for _ in range(RETRIES):
        try:
            return _record(identified, log_unchanged=log_unchanged)
        except (DeadlockDetected, ForeignKeyViolation, UniqueViolation):
            # Two lists that touch the same rows from different ends, or a loan whose student or
            # book was deleted meanwhile; nothing was stored.
            continue
    return _record(identified, log_unchanged=log_unchanged)


def _record(identified: list[Identified], *, log_unchanged: bool) -> Recorded:
    first: dict[UUID, Event] = {}
    for event_id, event in identified:
        first.setdefault(event_id, event)
    with transaction() as conn:
        if log_unchanged:
            accepted = log_events(conn, _types(first, first))
            effects = apply_events(conn, [item for item in first.items() if item[0] in accepted])
        else:
            effects = apply_events(conn, list(first.items()))
            log_events(conn, _types(first, effects.consequential()))
        notifications = _raise_stale(conn, effects, list(first))
    outcomes: list[EventOutcome] = []
    for event_id, _ in identified:
        known = first.pop(event_id, None) is not None and event_id in effects.outcomes
        outcomes.append(effects.outcomes[event_id] if known else "duplicate")
    return Recorded([event_id for event_id, _ in identified], outcomes, notifications)


def _types(events: Mapping[UUID, Event], ids: Iterable[UUID]) -> dict[UUID, str]:
    return {event_id: events[event_id].event_type for event_id in ids}


def log_events(conn: psycopg.Connection, event_types: Mapping[UUID, str]) -> set[UUID]:
    """Log events by id and type; returns the ids that were not there before."""
    rows = conn.execute(
        INSERT_EVENTS,
        {"event_ids": list(event_types), "event_types": list(event_types.values())},
    )
    return {event_id for (event_id,) in rows}


def log_effects(
    conn: psycopg.Connection,
    kind: Kind,
    causes: Mapping[str, Sequence[UUID]],
    wanted: Mapping[str, int],
) -> None:
    """Note for each event which keys it made stale, and the watermark at which each is done."""
    pairs = [(event_id, key) for key, events in causes.items() for event_id in events]
    conn.execute(
        INSERT_EFFECTS,
        {
            "kind": kind,
            "event_ids": [event_id for event_id, _ in pairs],
            "keys": [key for _, key in pairs],
            "wanteds": [wanted[key] for _, key in pairs],
        },
    )


def _raise_stale(
    conn: psycopg.Connection, effects: Effects, in_order: Sequence[UUID]
) -> list[Notification]:
    """Raise what is stale; each key's last event is the last one of the list that concerns it."""
    position = {event_id: place for place, event_id in enumerate(in_order)}
    notifications: list[Notification] = []
    for kind, causes in effects.stale.items():
        if causes:
            ordered = {key: sorted(ids, key=position.__getitem__) for key, ids in causes.items()}
            wanted = mark_stale(conn, kind, {key: ids[-1] for key, ids in ordered.items()})
            log_effects(conn, kind, ordered, wanted)
            notifications += notifications_of(kind, wanted) if not is_held(kind) else []
    return notifications
