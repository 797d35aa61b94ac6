"""Events of a small library, and a look at what the database holds afterwards."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ingest.events import (
    EVENT,
    BookChanged,
    CheckoutAdded,
    Event,
    StudentChanged,
    StudentDeleted,
)
from workers.ingest.record import Recorded, record_events

DAY = "2026-03-01"
GENRES = ("fantasy", "mystery", "science", "history", "poetry")


def fact(event_type: str, **fields: Any) -> Event:
    """One event of any type; dates and ids may be text, as in JSON."""
    return EVENT.validate_python({"event_type": event_type, **fields}, strict=False)


def student(student_id: str, **fields: Any) -> StudentChanged:
    """A student is new or differs."""
    given = {"event_type": "student_added", "student_id": student_id, **fields}
    return StudentChanged.model_validate(given, strict=False)


def student_deleted(student_id: str) -> StudentDeleted:
    """A student is gone."""
    return StudentDeleted(event_type="student_deleted", student_id=student_id)


def book(book_id: str, title: str, **fields: Any) -> BookChanged:
    """A book is new or differs."""
    given = {"event_type": "book_added", "book_id": book_id, "title": title, **fields}
    return BookChanged.model_validate(given, strict=False)


def books(count: int) -> Iterator[BookChanged]:
    """Books B0, B1, ... of five genres in turn and levels 1 to 9."""
    for n in range(count):
        yield book(
            f"B{n}", f"Title {n}", genre=[GENRES[n % len(GENRES)]], reading_level=1.0 + n % 9
        )


def borrowed(student_id: str = "S1", book_id: str = "B1", **fields: Any) -> CheckoutAdded:
    """A loan, of DAY unless `fields` say otherwise."""
    loan = {"student_id": student_id, "book_id": book_id, "checkout_date": DAY}
    given = {"event_type": "checkout_added", **loan, **fields}
    return CheckoutAdded.model_validate(given, strict=False)


def checkout(student_id: str, book_id: str, days_ago: int = 0, **fields: Any) -> CheckoutAdded:
    """A loan of some days ago."""
    day = today() - timedelta(days=days_ago)
    return borrowed(student_id, book_id, checkout_date=day, **fields)


def returned(**fields: Any) -> Event:
    """The loan of DAY came back."""
    loan = {"student_id": "S1", "book_id": "B1", "checkout_date": DAY}
    return fact("checkout_returned", **loan | fields)


def today() -> date:
    """Today in UTC, as the workers count days."""
    return datetime.now(UTC).date()


def record(*events: Event) -> Recorded:
    """Record them as one list."""
    return record_events(events)


def shelve(*books: BookChanged) -> None:
    """Let these books be there, with nothing to be done for their own vectors.

    For tests of what follows from loans: they count requests, messages and attempts of students.
    """
    record(*books)
    change("DELETE FROM freshness WHERE kind = %s", Kind.book_embedding)


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


def ledger(kind: Kind, *columns: str) -> dict[str, tuple[Any, ...]]:
    """The named columns of each key of a kind."""
    found = rows("SELECT key, to_jsonb(f) FROM freshness f WHERE kind = %s", kind)
    return {key: tuple(row[column] for column in columns) for key, row in found}


def stale(kind: Kind = Kind.student_embedding) -> set[str]:
    """The keys of a kind that want a run."""
    return {
        key for (key,) in rows("SELECT key FROM freshness WHERE wanted > done AND kind = %s", kind)
    }


def make_due() -> None:
    """Let every backoff and pause end now."""
    change("UPDATE freshness SET not_before = now() WHERE not_before > now()")


def all_fresh() -> None:
    """Let everything be as if the workers had done it."""
    change("UPDATE freshness SET done = wanted, stale_since = NULL")
