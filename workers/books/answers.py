"""Answers as they were given: stored with their reasons, read again by their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection

INSERT_ANSWER = query("books/answers.insert_answer")
READ_ANSWER = query("books/answers.read_answer")
READ_PAGE = query("books/answers.read_page")
READ_SHOWN = query("books/answers.read_shown")

# Grades in the middle of a band, for a book whose level is not known.
BAND_LEVELS = {
    "beginner": 1.0,
    "early_elementary": 3.0,
    "late_elementary": 5.0,
    "middle_school": 7.0,
    "high_school": 10.0,
}


@dataclass(frozen=True)
class ShownBook:
    """A book as it is stored at the moment of an answer."""

    book_id: str
    title: str
    author: str | None
    level: float | None = None
    band: str | None = None
    copies_available: int | None = None
    copies_total: int | None = None
    cover_url: str | None = None
    series: str | None = None
    series_number: float | None = None

    def lacks(self, copies: int) -> bool:
        """Say whether fewer copies are known to be available than are wanted."""
        return self.copies_available is not None and self.copies_available < copies

    @property
    def graded(self) -> float | None:
        """The level in grades, or the middle of the book's band."""
        return self.level if self.level is not None else BAND_LEVELS.get(self.band or "")


def read_shown(conn: psycopg.Connection, book_ids: Sequence[str]) -> dict[str, ShownBook]:
    """Read books as they are now; deleted ones are missing."""
    with conn.cursor(row_factory=class_row(ShownBook)) as cursor:
        rows = cursor.execute(READ_SHOWN, {"book_ids": list(book_ids)}).fetchall()
    return {book.book_id: book for book in rows}


def store_answer(
    conn: psycopg.Connection,
    recommendation_id: UUID,
    *,
    student_ids: Sequence[str],
    model_id: int | None,
    book_ids: Sequence[str],
    earlier_ids: Sequence[str],
    degraded: Sequence[str],
    answer: str,
) -> bool:
    """Store an answer, JSON, without waiting for the disk; False when a member is gone meanwhile.

    Raises:
        psycopg.errors.ForeignKeyViolation: the student is gone meanwhile.
    """
    single = len(student_ids) == 1
    stored = conn.execute(
        INSERT_ANSWER,
        {
            "recommendation_id": recommendation_id,
            "student_id": student_ids[0] if single else None,
            "member_ids": list(student_ids) if len(student_ids) > 1 else None,
            "model_id": model_id,
            "book_ids": list(book_ids),
            "earlier_ids": list(earlier_ids),
            "degraded": list(degraded),
            "answer": answer,
        },
    )
    return stored.rowcount == 1


def read_answer(recommendation_id: UUID) -> Mapping[str, object]:
    """Read an answer again, as it was.

    Raises:
        UnknownKeyError: there is none of that id.
    """
    with connection() as conn:
        row = conn.execute(READ_ANSWER, {"recommendation_id": recommendation_id}).fetchone()
    if row is None:
        raise UnknownKeyError("unknown_recommendation", str(recommendation_id))
    answer: Mapping[str, object] = row[0]
    return answer


def read_pages(conn: psycopg.Connection, recommendation_id: UUID) -> list[str]:
    """Read which books an answer and the pages before it showed.

    Raises:
        UnknownKeyError: there is none of that id.
    """
    row = conn.execute(READ_PAGE, {"recommendation_id": recommendation_id}).fetchone()
    if row is None:
        raise UnknownKeyError("unknown_recommendation", str(recommendation_id))
    book_ids: list[str] = row[0]
    return book_ids
