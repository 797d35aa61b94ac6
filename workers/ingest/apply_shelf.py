"""Lay over the tables what people say of recommended books: readers' feedback, staff picks.

Nothing derived becomes stale by these: recommendations read them when they are asked for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg

from workers.core.queries import query
from workers.ingest.effects import Effects, Identified, merge, returned_ids
from workers.ingest.events import BookFeedback, StaffPickRemoved
from workers.ingest.stubs import insert_books, insert_students

INSERT_FEEDBACK = query("ingest/apply_shelf.insert_feedback")
INSERT_PICKS = query("ingest/apply_shelf.insert_picks")
UPDATE_PICKS = query("ingest/apply_shelf.update_picks")
DELETE_PICKS = query("ingest/apply_shelf.delete_picks")


def insert_feedback(
    conn: psycopg.Connection, events: Sequence[Identified], effects: Effects
) -> None:
    """Store verdicts, with stubs for students and books not known yet."""
    if not events:
        return
    verdicts = [(event_id, event) for event_id, event in events if isinstance(event, BookFeedback)]
    now = datetime.now(UTC)
    insert_books(conn, sorted({event.book_id for _, event in verdicts}))
    insert_students(conn, sorted({event.student_id for _, event in verdicts}))
    conn.execute(
        INSERT_FEEDBACK,
        {
            "event_ids": [event_id for event_id, _ in verdicts],
            "student_ids": [event.student_id for _, event in verdicts],
            "book_ids": [event.book_id for _, event in verdicts],
            "verdicts": [event.verdict for _, event in verdicts],
            "recommendation_ids": [event.recommendation_id for _, event in verdicts],
            "reasons": [event.reason for _, event in verdicts],
            "times": [event.created_at or now for _, event in verdicts],
        },
    )
    for event_id, _ in verdicts:
        effects.outcomes[event_id] = "inserted"


def add_picks(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    """Store staff picks; a book that is picked already takes the given fields."""
    if not events:
        return
    merged = merge(events, "book_id")
    book_ids = [str(book_id) for book_id in merged.facts]
    insert_books(conn, book_ids)
    inserted = returned_ids(conn, INSERT_PICKS, book_ids)
    updated = returned_ids(conn, UPDATE_PICKS, book_ids, list(merged.facts.values()))
    merged.judge(effects, inserted, updated)


def remove_picks(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    """Take books off the staff's picks."""
    if not events:
        return
    keys = {
        event_id: event.book_id for event_id, event in events if isinstance(event, StaffPickRemoved)
    }
    deleted = returned_ids(conn, DELETE_PICKS, sorted(set(keys.values())))
    for event_id, book_id in keys.items():
        effects.outcomes[event_id] = "deleted" if book_id in deleted else "unchanged"
