"""Events of a small library, and a look at what the database holds afterwards."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ingest.events import BookChanged, CheckoutAdded, StudentChanged, StudentDeleted

GENRES = ("fantasy", "mystery", "science", "history", "poetry")


def student(student_id: str, **facts: Any) -> StudentChanged:
    """A student is new or differs."""
    return StudentChanged(event_type="student_added", student_id=student_id, **facts)


def student_deleted(student_id: str) -> StudentDeleted:
    """A student is gone."""
    return StudentDeleted(event_type="student_deleted", student_id=student_id)


def book(book_id: str, title: str, **facts: Any) -> BookChanged:
    """A book is new or differs."""
    return BookChanged(event_type="book_added", book_id=book_id, title=title, **facts)


def checkout(student_id: str, book_id: str, days_ago: int = 0, **facts: Any) -> CheckoutAdded:
    """A loan of some days ago."""
    return CheckoutAdded(
        event_type="checkout_added",
        student_id=student_id,
        book_id=book_id,
        checkout_date=today() - timedelta(days=days_ago),
        **facts,
    )


def books(count: int) -> Iterator[BookChanged]:
    """Books B0, B1, ... of five genres in turn and levels 1 to 9."""
    for n in range(count):
        yield book(
            f"B{n}", f"Title {n}", genre=[GENRES[n % len(GENRES)]], reading_level=1.0 + n % 9
        )


def today() -> date:
    """Today in UTC, as the workers count days."""
    return datetime.now(UTC).date()


def rows(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query returns."""
    with connection() as conn:
        return conn.execute(sql.encode(), parameters).fetchall()


def change(sql: str, *parameters: object) -> None:
    """Change the database behind the workers' back."""
    with connection() as conn:
        conn.execute(sql.encode(), parameters)


def ledger(kind: Kind, *columns: str) -> dict[str, tuple[Any, ...]]:
    """The named columns of each key of a kind."""
    found = rows("SELECT key, to_jsonb(f) FROM freshness f WHERE kind = %s", kind)
    return {key: tuple(row[column] for column in columns) for key, row in found}


def make_due() -> None:
    """Let every backoff and pause end now."""
    change("UPDATE freshness SET not_before = now() WHERE not_before > now()")
