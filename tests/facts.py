"""Events as a caller tells them, and what the fact tables and the ledger hold afterwards."""

from typing import Any

from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ingest.events import EVENT, Event
from workers.ingest.record import Recorded, record_events

DAY = "2026-03-01"


def fact(event_type: str, **fields: Any) -> Event:
    """One event, its dates as text."""
    return EVENT.validate_python({"event_type": event_type, **fields}, strict=False)


def student(student_id: str, **fields: Any) -> Event:
    """A student is new or differs."""
    return fact("student_added", student_id=student_id, **fields)


def book(book_id: str, title: str, **fields: Any) -> Event:
    """A book is new or differs."""
    return fact("book_added", book_id=book_id, title=title, **fields)


def borrowed(student_id: str = "S1", book_id: str = "B1", **fields: Any) -> Event:
    """A loan, of DAY unless `fields` say otherwise."""
    loan = {"student_id": student_id, "book_id": book_id, "checkout_date": DAY}
    return fact("checkout_added", **loan | fields)


def returned(**fields: Any) -> Event:
    """That loan came back."""
    loan = {"student_id": "S1", "book_id": "B1", "checkout_date": DAY}
    return fact("checkout_returned", **loan | fields)


def record(*events: Event) -> Recorded:
    """Record them as one list."""
    return record_events(events)


def rows(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query returns."""
    with connection() as conn:
        return conn.execute(statement.encode(), parameters).fetchall()


def change(statement: str, *parameters: object) -> None:
    """Change the database behind the workers' back."""
    with connection() as conn:
        conn.execute(statement.encode(), parameters)


def loans() -> list[tuple[Any, ...]]:
    """Every loan: student, book, lent, returned, rating and id."""
    return rows(
        "SELECT student_id, book_id, checkout_date::text, return_date::text, student_rating,"
        " checkout_id FROM checkouts ORDER BY 1, 2, 3"
    )


def stale(kind: Kind = Kind.student_embedding) -> set[str]:
    """The keys of a kind that want a run."""
    return {
        key for (key,) in rows("SELECT key FROM freshness WHERE wanted > done AND kind = %s", kind)
    }


def all_fresh() -> None:
    """Let everything be as if the workers had done it."""
    change("UPDATE freshness SET done = wanted, stale_since = NULL")


def stored() -> int:
    """How many rows there are of facts, events and ledger."""
    return sum(
        count
        for (count,) in rows(
            "SELECT count(*) FROM students UNION ALL SELECT count(*) FROM books"
            " UNION ALL SELECT count(*) FROM checkouts UNION ALL SELECT count(*) FROM events"
            " UNION ALL SELECT count(*) FROM freshness UNION ALL SELECT count(*) FROM effects"
        )
    )
